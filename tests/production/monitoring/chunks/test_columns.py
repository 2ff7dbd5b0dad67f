"""Features of recorded rows become arrays."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from models.features import Audio, Categorical, Crossed, Numeric, Signal, Time
from production.monitoring.chunks.columns import read_columns
from production.monitoring.chunks.repeats import find_repeats, row_hashes

FEATURES = {
    "pressure": Numeric(),
    "key": Numeric(),  # a column of every record has this name too
    "valve": Categorical(),
    "maker": Categorical(),
    "started": Time(),
    "trace": Signal(num_samples=4),
    "pair": Crossed(of=("valve", "maker")),
}
TWO = datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)


def table(**others):
    columns = {
        "key": pa.array(["a", "b", "c"]),
        "pressure": pa.array([1.5, None, 3.0], pa.float32()),
        "feature_key": pa.array([1, 2, None], pa.int64()),
        "valve": pa.array([7, None, 7], pa.int64()),
        "maker": pa.array(["x", "", "y"]),
        "started": pa.array([TWO, None, TWO], pa.timestamp("us", tz="UTC")),
        "trace": pa.array([[1.0, 2, 3, 4], None, [1, 1, 1, 1]], pa.list_(pa.float32())),
    }
    return pa.table(columns | others)


def test_each_kind_has_its_arrays():
    columns = read_columns(table(), FEATURES)
    assert columns.num_rows == 3
    np.testing.assert_array_equal(columns.numbers["pressure"], [1.5, np.nan, 3.0])
    np.testing.assert_array_equal(columns.numbers["key"], [1, 2, np.nan])
    np.testing.assert_array_equal(columns.numbers["trace: mean"], [2.5, np.nan, 1.0])
    np.testing.assert_array_equal(columns.times["started"], [2.0, np.nan, 2.0])
    assert columns.categories["valve"].counts() == {"7": 2}
    assert columns.categories["valve"].codes.tolist() == [0, -1, 0]
    assert columns.categories["maker"].codes.tolist()[1] == -1  # the empty text
    assert {name: flags.tolist() for name, flags in columns.missing.items()} == {
        name: [False, name != "key", name == "key"] for name in FEATURES if name != "pair"
    }


def test_columns_that_are_absent_or_hashed_are_unreadable():
    hashed = table(pressure=pa.array(["0a", "0b", "0c"])).drop_columns(["maker"])
    columns = read_columns(hashed, FEATURES)
    assert columns.unreadable == ("pressure", "maker")
    assert read_columns(hashed, FEATURES, skip=("pressure", "maker")).unreadable == ()


def test_equal_rows_have_equal_hashes():
    rows = table().take(pa.array([0, 1, 0, 2, 1]))
    repeats = find_repeats(row_hashes(read_columns(rows, FEATURES)))
    assert repeats.tolist() == [False, False, True, False, True]


def test_rows_that_differ_in_one_feature_have_other_hashes():
    rows = pa.concat_tables([table(), table(valve=pa.array([8, None, 9], pa.int64()))])
    repeats = find_repeats(row_hashes(read_columns(rows, FEATURES)))
    assert repeats.tolist() == [False, False, False, False, True, False]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("pressure", pa.array([TWO] * 3, pa.timestamp("us", tz="UTC"))),
        ("pressure", pa.array(["1", "2", "3"])),
        ("maker", pa.nulls(3, pa.struct([]))),
        ("started", pa.array(["today"] * 3)),
        ("trace", pa.array([["a"]] * 3)),
    ],
)
def test_a_column_of_another_kind_is_unreadable(name, column):
    assert read_columns(table(**{name: column}), FEATURES).unreadable == (name,)


def test_recorded_hashes_of_files_tell_equal_rows_and_are_no_categories():
    features = {"sound": Audio(sampling_rate_hz=8_000, duration_s=1)}
    columns = read_columns(pa.table({"sound": ["0a", "0b", None, "0a"]}), features)
    assert (columns.categories, columns.unreadable) == ({}, ())
    assert columns.missing["sound"].tolist() == [False, False, True, False]
    assert find_repeats(row_hashes(columns)).tolist() == [False, False, False, True]


def test_the_files_of_training_rows_are_only_there_or_missing():
    features = {"sound": Audio(sampling_rate_hz=8_000, duration_s=1)}
    files = pa.table({"sound": pa.array([b"RIFF\xff", None], pa.binary())})
    columns = read_columns(files, features)
    assert columns.files == {}
    assert columns.missing["sound"].tolist() == [False, True]


def test_truth_values_are_read_as_the_served_graph_reads_them():
    sent = pa.table({"door_open": ["Yes", " true", "no", "1", "", None, "ajar"]})
    read = read_columns(sent, {"door_open": Categorical(max_vocabulary_size=10, truth=True)})
    doors = read.categories["door_open"]
    assert doors.counts() == {"true": 3, "false": 1, "ajar": 1}
    assert read.missing["door_open"].tolist() == [False] * 4 + [True, True, False]


def test_other_categories_keep_their_words_and_lose_blanks_around_them():
    sent = pa.table({"mode": ["yes", "on ", "on", "TRUE"]})
    modes = read_columns(sent, {"mode": Categorical(max_vocabulary_size=10)}).categories["mode"]
    assert modes.counts() == {"yes": 1, "on": 2, "true": 1}

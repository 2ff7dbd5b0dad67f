"""Rows of a batch by slice."""

import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from models.features import Numeric, Signal
from pipeline.components.evaluation.slices import OVERALL, SliceOptions, rows_by_slice
from pipeline.config import Bars, Config, Data, Evaluation, Gate, GateSlice, Label
from pipeline.slicing import SlicePart, make_slice

BATCH = pa.record_batch(
    {
        "sector": pa.array([[b"S12"], [b"S23"], None, [b"S12"]], pa.list_(pa.binary())),
        "hour": pa.array([[7], [], [7], [9]], pa.list_(pa.int64())),
        "voltage": pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32())),
        "depth": pa.array([[1.1], [2.5], [], [2.0]], pa.list_(pa.float32())),
        "empty": pa.nulls(4),
    }
)
TROUBLES = {"noise": np.array([False, True, False, True])}


def slices_of(*entries: str | SlicePart):
    found = rows_by_slice(BATCH, make_slice(entries), TROUBLES)
    return {key: rows.tolist() for key, rows in found}


def test_no_columns_mean_all_rows():
    assert slices_of() == {OVERALL: [0, 1, 2, 3]}


def test_a_row_without_a_value_is_in_no_slice():
    assert slices_of("sector") == {(("sector", "S12"),): [0, 3], (("sector", "S23"),): [1]}
    assert slices_of("hour") == {(("hour", 7),): [0, 2], (("hour", 9),): [3]}


def test_a_number_is_named_without_the_noise_of_float32():
    # 1.1 is 1.10000002384 as a float32.
    assert slices_of("depth") == {
        (("depth", 1.1),): [0],
        (("depth", 2.5),): [1],
        (("depth", 2.0),): [3],
    }


def test_several_columns_slice_by_their_combinations():
    assert slices_of("hour", "sector") == {
        (("hour", 7), ("sector", "S12")): [0],
        (("hour", 9), ("sector", "S12")): [3],
    }


@pytest.mark.parametrize("column", ["empty", "no_such_column"])
def test_a_column_without_values_has_no_slices(column):
    assert slices_of(column) == {}


def test_a_signal_is_no_slice():
    with pytest.raises(InputError, match="`voltage`, which has up to 2 values a row"):
        slices_of("voltage")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (SlicePart(column="sector", value="S12"), {(("sector", "S12"),): [0, 3]}),
        (SlicePart(column="hour", value=7), {(("hour", 7),): [0, 2]}),
        (SlicePart(column="hour", value=7.0), {(("hour", 7),): [0, 2]}),
        (SlicePart(column="hour", value="07"), {(("hour", "07"),): [0, 2]}),
        # 1.1 is 1.10000002 as a float32.
        (SlicePart(column="depth", value=1.1), {(("depth", 1.1),): [0]}),
        (SlicePart(column="hour", value=8), {}),
        (SlicePart(column="hour", value="S12"), {}),
        (SlicePart(column="sector", value=7), {}),
        (SlicePart(column="empty", value=7), {}),
    ],
)
def test_a_value_is_that_slice_of_its_column(part, expected):
    assert slices_of(part) == expected


@pytest.mark.parametrize(
    ("part", "key", "rows"),
    [
        (SlicePart(column="depth", below=2), ("depth range", "below 2"), [0]),
        (SlicePart(column="depth", at_least=2), ("depth range", "at least 2"), [1, 3]),
        (SlicePart(column="hour", at_least=7, below=9), ("hour range", "in [7, 9)"), [0, 2]),
        (SlicePart(column="hour", missing=True), ("hour missing", "yes"), [1]),
        (SlicePart(column="empty", missing=True), ("empty missing", "yes"), [0, 1, 2, 3]),
        (SlicePart(trouble="noise"), ("recording trouble", "noise"), [1, 3]),
    ],
)
def test_ranges_missing_values_and_troubles_are_slices(part, key, rows):
    assert slices_of(part) == {(key,): rows}


def test_what_stands_in_a_columns_place_goes_together_with_columns():
    assert slices_of("sector", SlicePart(trouble="noise")) == {
        (("recording trouble", "noise"), ("sector", "S23")): [1],
        (("recording trouble", "noise"), ("sector", "S12")): [3],
    }


def test_a_range_of_texts_is_refused():
    with pytest.raises(InputError, match="a range of `sector`, which holds texts"):
        slices_of(SlicePart(column="sector", below=3))


@pytest.mark.parametrize(("part", "signals"), [("x", set()), (SlicePart(trouble="gap"), {"v"})])
def test_signals_are_read_only_where_a_trouble_is_asked_for(part, signals):
    config = Config(
        name="test",
        label=Label(column="y"),
        data=Data(path="test.csv"),
        features={"x": Numeric(), "v": Signal(num_samples=8)},
        evaluation=Evaluation(slices=(("x",), (part,))),
        gate=Gate(slices=(GateSlice(columns=(part,), bars=Bars(recall=0.5)),)),
    )
    options = SliceOptions.of(config)

    assert set(options.recorded) == signals
    assert options.slices == tuple(dict.fromkeys((make_slice(["x"]), make_slice([part]))))
    assert SliceOptions.from_json(options.to_json()) == options

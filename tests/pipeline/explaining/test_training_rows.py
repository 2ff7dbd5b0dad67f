"""Rows of train that are drawn, and those that are nearest to an example."""

import numpy as np
import pytest

from models.features import Bucketized, HeavyTailed, Numeric, Signal
from models.model_spec import ModelSpec
from pipeline.explaining.training_rows import (
    Neighbour,
    TrainingRows,
    dated,
    nearest_rows,
    sample_rows,
)
from tests.example_files import write_split
from tests.models.tiny_transform import ROWS, SPEC, to_example, write_transform

NAN = float("nan")
MISSING_INT = -(2**63)


@pytest.fixture(scope="session")
def transform_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "transform"
    write_transform(folder)
    return folder


RECORDS = [to_example(row | {"unused": [f"well {n}".encode()]}) for n, row in enumerate(ROWS)]
ALL = TrainingRows(records=RECORDS, numbers=[10, 11, 12, 13], num_rows=40)
# The second row of `ROWS`, as a client sends it.
SECOND = {
    "pressure [bar]": np.array([2.0], np.float32),
    "length": np.array([1.718281828459045], np.float32),
    "constant": np.array([5.0], np.float32),
    "never": np.array([NAN], np.float32),
    "tool": np.array([b"a"], object),
    "code": np.array([7]),
    "speed": np.array([2.0], np.float32),
    "at": np.array([21_600]),
    "pulse": np.array([[2.0, 1.0, NAN]], np.float32),
    "echo": np.array([[1.0, 4.0, 3.0]], np.float32),
}


def test_the_row_itself_is_the_nearest_and_has_the_distance_0(transform_folder):
    first, second, *_ = nearest_rows(SECOND, ALL, transform_folder, SPEC)
    assert (first.row, first.label, first.names) == (11, 0, {"unused": "well 1"})
    assert first.distance == pytest.approx(0, abs=1e-6)
    assert second.distance > 0.1


def test_as_many_rows_as_asked_for_come_in_the_order_of_their_distance(transform_folder):
    found = nearest_rows(SECOND, ALL, transform_folder, SPEC, num_nearest=3)
    distances = [neighbour.distance for neighbour in found]
    assert len(found) == 3
    assert distances == sorted(distances)


def test_two_rows_drawn_at_random_have_a_distance_of_about_one(transform_folder):
    # The mean of the squared distances from every row to every row is 1 by construction.
    squares = []
    for row in ROWS:
        columns = {
            name: np.array(
                [row[name] if len(values[0:1]) and values.ndim == 2 else row[name][0]],
                values.dtype,
            )
            if row.get(name)
            else np.full_like(values, _missing(values))
            for name, values in SECOND.items()
        }
        found = nearest_rows(columns, ALL, transform_folder, SPEC, num_nearest=4)
        squares += [neighbour.distance**2 for neighbour in found]
    assert np.mean(squares) == pytest.approx(1, abs=1e-5)


def _missing(values):
    return {"f": NAN, "i": MISSING_INT, "O": b""}[values.dtype.kind]


def test_a_signal_of_three_samples_counts_as_much_as_a_number(transform_folder):
    # The graph stacks columns of one type, so a model takes all of them or none.
    kinds = (Numeric, HeavyTailed, Bucketized)
    numbers = {name: f for name, f in SPEC.features.items() if isinstance(f, kinds)}
    signal = {"echo": Signal(num_samples=3)}
    squares = []
    for features in (numbers | signal, numbers, signal):
        spec = ModelSpec(label="faulty", features=features, train=SPEC.train)
        example = {name: SECOND[name] for name in features}
        neighbours = nearest_rows(example, ALL, transform_folder, spec)
        squares.append({neighbour.row: neighbour.distance**2 for neighbour in neighbours})
    both, alone, echo = squares
    share = 1 / 4  # beside pressure, length and speed; the two that never vary do not count
    expected = {row: (1 - share) * alone[row] + share * echo[row] for row in both}
    assert both == pytest.approx(expected, abs=1e-6)


def test_a_small_split_is_kept_whole_in_its_order(tmp_path):
    files = [str(write_split(tmp_path, "train", [b"a", b"b", b"c"]))]
    rows = sample_rows(files, 5)
    assert (rows.records, rows.numbers, rows.num_rows) == ([b"a", b"b", b"c"], [0, 1, 2], 3)


def test_of_a_large_split_a_random_part_is_kept_and_the_seed_decides(tmp_path):
    records = [f"{n:04d}".encode() for n in range(1_000)]
    files = [str(write_split(tmp_path, "train", records))]
    rows = sample_rows(files, 200, seed=1)
    assert (len(rows.records), rows.num_rows) == (200, 1_000)
    assert rows.records == [records[number] for number in rows.numbers]
    assert rows.numbers == sorted(set(rows.numbers))
    # Of 200 of 1,000 the mean number is 499.5 with a standard error of 18.
    assert 430 < np.mean(rows.numbers) < 570
    assert rows == sample_rows(files, 200, seed=1)
    assert rows != sample_rows(files, 200, seed=2)


def test_seconds_since_1970_are_shown_as_dates():
    row = Neighbour(row=1, label=0, distance=0.1, names={"at": "1705400000", "serial": "17054"})
    # 1,705,400,000 s are 19,738 days (2024-01-16) and 36,800 s (10:13:20).
    assert dated([row], {"at"})[0].names == {"at": "2024-01-16 10:13:20", "serial": "17054"}

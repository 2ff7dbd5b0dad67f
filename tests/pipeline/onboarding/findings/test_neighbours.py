import numpy as np
import pytest

from pipeline.onboarding.findings.neighbours import are_neighbours_alike
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally

ROWS = 600
POSITIVE = np.arange(ROWS) >= 500


def _column(name: str, values: np.ndarray, kind: str = "float") -> Column:
    return Column(name=name, kind=kind, num_rows=len(values), tally=ColumnTally(), sample=values)


def _alike(*columns: Column, step: int = 1) -> bool | None:
    return are_neighbours_alike(columns, np.arange(ROWS) * step, POSITIVE)


def _walk(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=ROWS).cumsum()


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=ROWS) + 5 * POSITIVE


def test_rows_of_a_recording_are_alike_and_those_sorted_by_the_label_are_not():
    assert _alike(_column("a", _walk(1)), _column("b", _walk(2))) is True
    # The label moves the level, but within a class rows are in no order.
    assert _alike(_column("a", _noise(1)), _column("b", _noise(2))) is False


def test_one_sorted_column_among_many_is_no_recording():
    others = [_column(f"s{n}", _noise(n)) for n in range(6)]
    assert _alike(_column("size", np.sort(_noise(9))), *others) is False


@pytest.mark.parametrize(("length", "expected"), [(20, True), (1, False)])
def test_categories_that_stay_for_many_rows_are_alike(length, expected):
    rng = np.random.default_rng(7)
    programs = np.repeat(rng.choice(["a", "b", "c"], ROWS // length), length).astype(object)
    assert _alike(_column("program", programs, "text")) is expected


def test_measurements_in_no_order_decide_whatever_the_categories():
    shifts = [np.repeat(np.arange(ROWS // 20), 20).astype(str).astype(object)] * 3
    texts = [_column(f"shift{n}", values, "text") for n, values in enumerate(shifts)]
    assert _alike(*texts, *(_column(f"s{n}", _noise(n)) for n in range(3))) is False
    assert _alike(*texts, *(_column(f"s{n}", _noise(n)) for n in range(2))) is True


def test_missing_values_are_no_neighbours():
    values = _walk(4)
    values[::5] = np.nan
    assert _alike(_column("a", values)) is True


def test_a_sparse_sample_or_no_column_cannot_tell():
    assert _alike(_column("a", _walk(1)), step=3) is None
    assert _alike() is None

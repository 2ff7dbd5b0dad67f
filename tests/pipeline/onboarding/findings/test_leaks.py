import numpy as np
import pytest

from pipeline.onboarding.findings.leaks import find_leak, roc_auc, suspicion
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally


def _column(values: np.ndarray, kind: str = "float") -> Column:
    tally = ColumnTally(num_present=len(values))
    return Column(
        name="x", kind=kind, num_rows=len(values), tally=tally, sample=values.astype(float)
    )


def _separated(num_faults: int, area: float) -> tuple[Column, np.ndarray]:
    """Scores of 1,000 healthy rows below those of the faults, except for a share 1 - area."""
    positive = np.arange(1_000 + num_faults) >= 1_000
    scores = np.full(len(positive), area)
    scores[~positive] = np.linspace(0, 1, 1_000)
    return _column(scores), positive


def test_few_faults_do_not_make_an_honest_column_a_leak():
    # ROC-AUC 0.997 in both. Of 11 faults that is chance, of 300 it is not.
    column, positive = _separated(11, 0.9971)
    assert find_leak(column, positive) is None
    assert "remove it if it is known only after the label" in suspicion(column, positive)
    leak = find_leak(*_separated(300, 0.9971))
    assert leak is not None
    assert "ROC-AUC 0.9970" in leak


def test_complete_separation_is_a_leak_of_twenty_faults_and_not_of_eleven():
    assert find_leak(*_separated(11, 2.0)) is None
    assert "ROC-AUC 1.0000" in str(find_leak(*_separated(20, 2.0)))


def test_a_flag_with_a_few_false_ones_is_a_leak():
    # 60 of 100 faults, and 3 of 2,900 healthy rows: 95 % of 63, at least 86 % with confidence.
    positive = np.arange(3_000) < 100
    flag = np.zeros(3_000)
    flag[:60] = 1
    flag[[500, 1_000, 1_500]] = 1
    assert "the value `1` occurs in 63 rows" in str(find_leak(_column(flag, "int"), positive))


def test_an_honest_category_with_many_healthy_rows_is_no_leak():
    positive = np.arange(3_000) < 100
    mode = np.zeros(3_000)
    mode[:60] = 1
    mode[500:560] = 1  # half of its rows are healthy
    assert find_leak(_column(mode, "int"), positive) is None


def test_roc_auc_counts_ties_half():
    # Pairs (positive, negative): 2>1 yes, 2=2 half, 3>1 yes, 3>2 yes: 3.5 of 4.
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert roc_auc(scores, np.array([False, False, True, True])) == pytest.approx(0.875)


def test_roc_auc_of_one_class_is_chance():
    assert roc_auc(np.array([1.0, 2.0]), np.array([True, True])) == 0.5

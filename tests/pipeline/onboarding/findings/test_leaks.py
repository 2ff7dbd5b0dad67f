from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.onboarding.findings.leaks import Leak, find_leak, strength
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


def _find(column: Column, positive: np.ndarray, label: str = "label") -> Leak | None:
    return find_leak(column, positive, label)


def test_few_faults_do_not_make_a_strong_column_a_question():
    # ROC-AUC 0.997 in both. Of 11 faults that is chance, of 300 it is not.
    column, positive = _separated(11, 0.9971)
    assert _find(column, positive) is None
    assert strength(column, positive) == pytest.approx(0.9971, abs=5e-4)
    leak = _find(*_separated(300, 0.9971))
    assert leak is not None
    assert "ROC-AUC 0.9970" in leak.finding


def test_complete_separation_is_a_question_of_twenty_faults_and_not_of_eleven():
    assert _find(*_separated(11, 2.0)) is None
    leak = _find(*_separated(20, 2.0))
    assert leak is not None
    assert "ROC-AUC 1.0000" in leak.finding
    assert leak.evidence == ""


@pytest.mark.parametrize(
    ("name", "label", "evidence"),
    [
        ("failure_score", "y", "its name is that of a fault (`failure`)"),
        ("leak_size", "leak", "its name is that of a fault (`leak`)"),
        ("repair_cost", "y", "its name is that of a consequence (`repair`)"),
        ("leak_current", "y", ""),
        ("failures_last_month", "failed", ""),
        ("pressure", "failed", ""),
    ],
)
def test_the_name_of_a_separating_column_is_evidence(name, label, evidence):
    column, positive = _separated(100, 2.0)
    leak = _find(replace(column, name=name), positive, label)
    assert leak is not None
    assert leak.evidence == evidence


def test_a_code_with_one_value_for_all_healthy_rows_repeats_the_label():
    positive = np.arange(1_000) < 100
    code = np.where(positive, 1 + np.arange(1_000) % 4, 0)
    leak = _find(_column(code, "int"), positive)
    assert leak is not None
    assert "all rows of one class have the same value" in leak.evidence


def test_a_level_with_several_values_in_each_class_is_a_question():
    # Below 7 healthy, from 7 on faulty: a code of faults would have one healthy value.
    positive = np.arange(1_000) < 100
    level = np.where(positive, 7 + np.arange(1_000) % 4, np.arange(1_000) % 7)
    leak = _find(_column(level, "int"), positive)
    assert leak is not None
    assert leak.evidence == ""


def test_a_value_that_is_only_written_after_a_fault_is_a_leak():
    positive = np.arange(3_000) < 100
    cost = np.where(np.arange(3_000) < 60, np.arange(3_000.0), np.nan)
    leak = _find(_column(cost), positive)
    assert leak is not None
    assert leak.evidence == "it is written only once there is a fault"


def test_a_flag_with_a_few_false_ones_is_a_question():
    # 60 of 100 faults, and 3 of 2,900 healthy rows: 95 % of 63, at least 86 % with confidence.
    positive = np.arange(3_000) < 100
    flag = np.zeros(3_000)
    flag[:60] = 1
    flag[[500, 1_000, 1_500]] = 1
    leak = _find(_column(flag, "int"), positive)
    assert leak is not None
    assert "the value `1` occurs in 63 rows" in leak.finding
    assert leak.evidence == ""  # it may be an honest alarm


def test_a_flag_of_faults_only_is_a_leak():
    positive = np.arange(3_000) < 100
    leak = _find(_column((np.arange(3_000) < 60).astype(float), "int"), positive)
    assert leak is not None
    assert leak.evidence == "its two values repeat the label or a part of it"


def test_an_honest_category_with_many_healthy_rows_is_no_leak():
    positive = np.arange(3_000) < 100
    mode = np.zeros(3_000)
    mode[:60] = 1
    mode[500:560] = 1  # half of its rows are healthy
    assert _find(_column(mode, "int"), positive) is None


@settings(deadline=None, max_examples=30)
@given(
    distance=st.floats(3.5, 12),
    falls=st.booleans(),
    digits=st.integers(1, 4),
    num_faults=st.integers(20, 200),
    seed=st.integers(0, 10**6),
)
def test_an_honest_measurement_is_never_left_out(distance, falls, digits, num_faults, seed):
    rng = np.random.default_rng(seed)
    positive = np.arange(3_000) < num_faults
    values = np.round((rng.normal(size=3_000) + distance * positive) * (-1 if falls else 1), digits)
    leak = _find(_column(values), positive)
    assert leak is None or leak.evidence == ""


@settings(deadline=None, max_examples=30)
@given(
    # With more errors than faults a copy is no better than an honest alarm.
    errors=st.sampled_from([0.0, 0.002]),
    low=st.floats(-5, 5),
    num_faults=st.integers(50, 200),
    seed=st.integers(0, 10**6),
)
def test_a_copy_of_the_label_is_always_left_out(errors, low, num_faults, seed):
    rng = np.random.default_rng(seed)
    positive = np.arange(3_000) < num_faults
    copy = positive ^ (rng.random(3_000) < errors)
    leak = _find(_column(np.where(copy, low + 1, low)), positive)
    assert leak is not None
    assert leak.evidence == "its two values repeat the label or a part of it"


def test_a_count_of_the_fault_s_own_events_repeats_the_label():
    # 36 faults, with 1 to 6 events each; none in any healthy row.
    positive = np.arange(1_000) < 36
    events = np.where(positive, np.arange(1_000) % 6 + 1, 0)
    leak = find_leak(_column(events), positive, "m")
    assert leak is not None
    assert "it repeats the label" in leak.evidence

"""Bars of the config: three answers, slices, and the model blessed before."""

import math

import pytest

from measuring.intervals import proportion_interval
from models.probabilities.cost import Cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import compare, slices, whole_split
from pipeline.components.model_gate.comparison import not_worse
from pipeline.config import Bars, Gate, GateSlice
from pipeline.slicing import SlicePart


def counts(found: int, faults: int, false: int = 0) -> dict[str, float]:
    alarms = found + false
    return {
        "recall": found / faults if faults else math.nan,
        "precision": found / alarms if alarms else math.nan,
        "true_positives": float(found),
        "false_negatives": float(faults - found),
        "false_positives": float(false),
        "true_negatives": 100.0 - false,
        "num_examples": 100.0 + faults,
    }


def evaluation(found, faults, **by_slice: tuple[int, int]) -> Evaluation:
    keys = {(("site", site),): pair for site, pair in by_slice.items()} | {(): (found, faults)}
    return Evaluation(
        counts(found, faults),
        {key: counts(*pair) for key, pair in keys.items() if key},
        {key: {"recall": proportion_interval(*pair, 0.95)} for key, pair in keys.items()},
    )


@pytest.mark.parametrize(
    ("found", "faults", "word"),
    [(198, 200, "BLESSED"), (32, 34, "INCONCLUSIVE"), (9, 11, "INCONCLUSIVE"), (4, 11, "REJECTED")],
)
def test_a_bar_is_cleared_failed_or_too_near_to_tell(found, faults, word):
    [reason] = whole_split(evaluation(found, faults), Bars(recall=0.9), 0.95)
    assert reason.verdict == word


def test_too_near_to_tell_says_how_many_faults_it_takes():
    [reason] = whole_split(evaluation(66, 70), Bars(recall=0.9), 0.95)
    # At 0.943 the interval clears 0.9 from 193 faults on, 123 more than 70.
    assert reason.text == (
        "recall 0.943 [0.860, 0.984] against 0.900: about 123 more faults needed"
    )
    few, enough = (proportion_interval(n * 66 / 70, n, 0.95)[0] for n in (192, 193))
    assert few < 0.9 <= enough


def test_a_slice_that_no_model_could_clear_is_too_small_and_not_passed():
    asked = GateSlice(columns=("site",), bars=Bars(recall=0.8))
    small, large = slices(evaluation(64, 65, a=(4, 4), b=(60, 61)), asked, 0.95)
    assert (small.verdict, large.verdict) == ("INCONCLUSIVE", "BLESSED")
    # ln(0.025) / ln(0.8) = 16.5.
    assert small.text.startswith("site=a: recall 1.000 [0.398, 1.000] against 0.800: too small")
    assert small.text.endswith("4 faults; even a perfect model needs 17 to show it")
    assert (small.slice, large.slice) == ("site=a", "site=b")


def test_a_slice_without_faults_is_too_small():
    asked = GateSlice(columns=("site",), bars=Bars(recall=0.8))
    [reason] = slices(evaluation(5, 5, a=(0, 0)), asked, 0.95)
    assert reason.verdict == "INCONCLUSIVE"
    assert "without a value against 0.800: too small, 0 faults" in reason.text


def test_one_value_is_asked_alone_and_a_slice_of_other_columns_not_at_all():
    asked = GateSlice(columns=(SlicePart(column="site", value="a"),), bars=Bars(recall=0.8))
    found = evaluation(5, 5, a=(60, 61), b=(4, 4))
    found.slices[("shift", "1"), ("site", "a")] = {}
    [reason] = slices(found, asked, 0.95)
    assert (reason.slice, reason.verdict) == ("site=a", "BLESSED")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (SlicePart(trouble="wrong sampling"), "recording trouble=wrong sampling"),
        (SlicePart(column="site", missing=True), "site missing=yes"),
        (SlicePart(column="site", value=7), "site=7"),
        (SlicePart(column="depth", at_least=10, below=20.5), "depth range=in [10, 20.5)"),
    ],
)
def test_a_slice_without_any_example_is_too_small_and_not_passed(part, name):
    asked = GateSlice(columns=(part,), bars=Bars(recall=0.8, brier=0.1))
    recall, brier = slices(evaluation(5, 5, a=(4, 4)), asked, 0.95)
    assert (recall.verdict, recall.slice) == ("INCONCLUSIVE", name)
    assert recall.text.endswith("too small, 0 faults; even a perfect model needs 17 to show it")
    assert brier.verdict == "INCONCLUSIVE"
    assert "too small, 0 faults" in brier.text


@pytest.mark.parametrize(
    ("interval", "word"),
    [((0.1, 0.2), "BLESSED"), ((0.1, 0.4), "INCONCLUSIVE"), ((0.31, 0.4), "REJECTED")],
)
def test_of_costs_and_squares_less_is_better(interval, word):
    assert compare(interval, 0.3, lower_is_better=True) == word


def test_an_unknown_interval_says_nothing():
    assert compare((math.nan, math.nan), 0.3) == "INCONCLUSIVE"


def compared(interval, change, lost=0, gained=0, cost=None):
    name = "expected_cost" if cost else "pr_auc"
    overall = counts(10, 11) | {name: 0.7 + change, f"{name}_diff": change}
    overall |= {"faults_lost": lost, "faults_gained": gained}
    measured = Evaluation(overall, {}, {(): {f"{name}_diff": interval}})
    before = Evaluation(counts(10, 11) | {name: 0.7}, {})
    return list(not_worse(measured, before, Gate(), cost, 0.95))


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((0.0, 0.0), "BLESSED"),
        ((-0.01, 0.1), "BLESSED"),
        ((-0.08, 0.1), "INCONCLUSIVE"),
        ((-0.2, -0.06), "REJECTED"),
    ],
)
def test_the_paired_change_is_held_against_the_drop_that_is_allowed(interval, word):
    area, found = compared(interval, sum(interval) / 2)
    assert (area.verdict, found.verdict) == (word, "BLESSED")
    assert "of the model blessed before: " in area.text


def test_a_change_too_uncertain_says_how_many_faults_it_takes():
    # 0.025 - (-0.1) = 0.125 must shrink to 0.075: (0.125 / 0.075)^2 - 1 = 1.78 times 11 faults.
    area, _ = compared((-0.1, 0.1), 0.025)
    assert area.text.endswith(
        "+0.025 [-0.100, +0.100], may be 0.05 lower: about 20 more faults needed"
    )


def test_surely_fewer_faults_found_is_refused_whatever_the_area():
    # 7 lost, none gained: 1 / 128 = 0.0078 < 0.025; 5 lost: 1 / 32 = 0.031.
    assert compared((0.0, 0.0), 0.0, lost=7)[1].verdict == "REJECTED"
    assert compared((0.0, 0.0), 0.0, lost=5)[1].verdict == "BLESSED"


def test_a_bar_is_in_the_metrics_unit_and_a_p_value_has_a_field_of_its_own():
    _, recall = compared((0.0, 0.0), 0.0, lost=7)
    # The model blessed before finds 10 of 11 faults; 2.5 % is the tail of a 95 % interval.
    assert (recall.metric, recall.bar) == ("recall", 10 / 11)
    assert recall.p_value == pytest.approx(1 / 128)
    assert recall.min_p_value == pytest.approx(0.025)
    [other] = whole_split(evaluation(66, 70), Bars(recall=0.9), 0.95)
    assert (other.bar, other.p_value, other.min_p_value) == (0.9, None, None)


def test_with_prices_the_cost_alone_decides():
    cost = Cost(missed_fault=10, false_alarm=1, unit="EUR")
    [reason] = compared((-0.1, 0.2), 0.05, lost=9, cost=cost)
    # 5 % of 0.7 is 0.035; half the interval, 0.05 - (-0.1), faces away from the bar.
    assert reason.verdict == "INCONCLUSIVE"
    assert "EUR per 1,000 examples" in reason.text

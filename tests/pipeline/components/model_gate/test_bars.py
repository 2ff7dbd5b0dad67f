"""Bars of the config: three answers, slices, and the model blessed before."""

import math

import numpy as np
import pytest
from scipy import stats

from measuring.intervals import proportion_interval
from models.probabilities.cost import Cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import compare, hold_together, slices, whole_split
from pipeline.components.model_gate.comparison import Earlier, not_worse
from pipeline.components.model_gate.more_data import need_of_mean
from pipeline.components.model_gate.reasons import Reason
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
    assert reason.text == (
        "recall 0.943 [0.860, 0.984] against 0.900: about 861 more faults needed for an answer in "
        "80% of cases"
    )


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
    overall = counts(90, 100) | {name: 0.7 + change, f"{name}_diff": change, "prevalence": 0.1}
    overall |= {"faults_lost": lost, "faults_gained": gained}
    measured = Evaluation(overall, {}, {(): {f"{name}_diff": interval}})
    before = Earlier(evaluation=Evaluation(counts(10, 11) | {name: 0.7}, {}))
    return list(not_worse(measured, before, Gate(max_pr_auc_drop=0.1), cost, 0.95))


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((0.0, 0.0), "BLESSED"),
        ((-0.01, 0.1), "BLESSED"),
        # A tenth of the gain over the prevalence: 0.1 * (0.7 - 0.1) = 0.06.
        ((-0.0599, 0.1), "BLESSED"),
        ((-0.0601, 0.1), "INCONCLUSIVE"),
        ((-0.2, -0.0599), "INCONCLUSIVE"),
        ((-0.2, -0.0601), "REJECTED"),
    ],
)
def test_the_paired_change_is_held_against_the_drop_that_is_allowed(interval, word):
    area, found = compared(interval, sum(interval) / 2)
    assert (area.verdict, found.verdict) == (word, "BLESSED")
    assert "of the model blessed before: " in area.text


def test_a_change_too_uncertain_says_how_many_faults_it_takes():
    area, _ = compared((-0.1, 0.1), 0.025)
    need = need_of_mean(0.025, (-0.1, 0.1), -0.06, 0.95)
    # 0.085 / (0.125 / 1.96) = 1.33 standard errors above the bar: P(Z < 1.33) = 0.909.
    assert need.chance == pytest.approx(0.909, abs=1e-3)
    assert area.text.endswith(
        "+0.025 [-0.100, +0.100], may be 0.060 lower (0.1 of its gain over the prevalence): "
        f"about {math.ceil(100 * (need.growth - 1)):,} more faults needed for an answer in "
        "80% of cases"
    )


def test_a_comparison_needs_the_faults_of_which_none_is_lost_by_chance():
    overall = counts(10, 11) | {"pr_auc": 0.7, "pr_auc_diff": 0.0, "prevalence": 0.1}
    overall |= {"faults_lost": 0, "faults_gained": 0}
    measured = Evaluation(overall, {}, {(): {"pr_auc_diff": (-0.285, 0.285)}})
    before = Earlier(evaluation=Evaluation(counts(10, 11) | {"pr_auc": 0.7}, {}))
    area, _ = not_worse(measured, before, Gate(), None, 0.95)
    # ln(0.025) / ln(1 - 0.05 * 0.6) = 121.1.
    assert area.text.endswith(": too small, 11 faults; a comparison needs 122")


def test_the_anchor_is_compared_without_the_count_of_found_faults_and_says_since_when():
    overall = counts(90, 100) | {"pr_auc": 0.7, "pr_auc_from_anchor": -0.12, "prevalence": 0.1}
    measured = Evaluation(overall, {}, {(): {"pr_auc_from_anchor": (-0.2, -0.06)}})
    anchor = Earlier.anchor(Evaluation({"pr_auc": 0.82}, {}), "20261101-wells", 9)
    [area] = not_worse(measured, anchor, Gate(), None, 0.95)
    assert area.verdict == "REJECTED"
    # 0.05 * (0.82 - 0.1) = 0.036.
    assert area.text == (
        "PR-AUC 0.700 against 0.820 of the anchor, since 20261101-wells: -0.120 "
        "[-0.200, -0.060] in 9 models, may be 0.036 lower (0.05 of its gain over the prevalence)"
    )


def test_costs_are_compared_with_the_anchor_too():
    cost = Cost(missed_fault=10, false_alarm=1, unit="EUR")
    overall = counts(90, 100) | {"expected_cost": 120.0, "expected_cost_from_anchor": 20.0}
    measured = Evaluation(overall, {}, {(): {"expected_cost_from_anchor": (6.0, 40.0)}})
    anchor = Earlier.anchor(Evaluation({"expected_cost": 100.0}, {}), "r1", 3)
    [reason] = not_worse(measured, anchor, Gate(), cost, 0.95)
    assert reason.verdict == "REJECTED"  # 6 is more than 5 % of 100
    assert "of the anchor, since r1: +20 [+6, +40] in 3 models, may be 5 higher" in reason.text


def slice_reasons(num_slices, failing):
    """Slices of 100 faults: all found, except in some of them."""
    by_slice = {f"s{i:02d}": (failing.get(i, 100), 100) for i in range(num_slices)}
    asked = GateSlice(columns=("site",), bars=Bars(recall=0.8))
    return list(hold_together(list(slices(evaluation(90, 100, **by_slice), asked, 0.95)), 0.95))


def test_a_slice_that_fails_by_chance_among_many_is_inconclusive():
    # P(at most 71 of 100 | 0.8) = 0.02: below 0.025, but not below 0.025 / 20.
    [alone] = slice_reasons(1, {0: 71})
    assert alone.verdict == "REJECTED"
    assert alone.p_value == pytest.approx(stats.binom.cdf(71, 100, 0.8), rel=1e-4)
    among = slice_reasons(20, {0: 71})
    assert (among[0].verdict, {r.verdict for r in among[1:]}) == ("INCONCLUSIVE", {"BLESSED"})
    assert among[0].text.endswith("fails alone, but not as one of 20 slice bars (Holm's test)")


def test_a_slice_that_surely_fails_is_rejected_among_many():
    # P(at most 60 of 100 | 0.8) = 4e-6, below 0.025 / 20; the next one must be below 0.025 / 19.
    assert [r.verdict for r in slice_reasons(20, {3: 60, 4: 71})].count("REJECTED") == 1


def test_twenty_slices_at_the_bar_are_rejected_in_at_most_one_split_in_forty():
    random, num_sets, num_rejected = np.random.default_rng(4), 2_000, 0
    for _ in range(num_sets):
        p_values = stats.binom.cdf(random.binomial(100, 0.8, 20), 100, 0.8)
        reasons = [
            Reason(
                metric="recall",
                value=0.8,
                bar=0.8,
                verdict="REJECTED" if p_value <= 0.025 else "INCONCLUSIVE",
                text="",
                p_value=p_value,
            )
            for p_value in p_values
        ]
        judged = hold_together(reasons, 0.95)
        num_rejected += any(reason.verdict == "REJECTED" for reason in judged)
    # Without Holm's levels a third of them.
    assert num_rejected / num_sets <= 0.025


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

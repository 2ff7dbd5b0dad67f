"""The designs of the gate's section: they hold what they say, and tell the methods apart."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.statistics.gate import comparisons, coverage, groups, unmet, verdicts
from measuring.answers import make_answers
from measuring.scores import decision_metrics, probability_metrics, roc_auc
from pipeline.comparing.paired import judge
from pipeline.components.evaluation.measurement import Estimate, MeasureOptions, example_costs

pytestmark = pytest.mark.simulation


def shares(row, *places):
    return [float(row[place].split()[0]) for place in places]


def test_the_truth_is_what_a_large_split_shows():
    random = np.random.default_rng(0)
    detector = coverage.Detector(3.0)
    labels = (random.random(2_000_000) < coverage.PREVALENCE).astype(int)
    score = random.normal(size=labels.size) + detector.shift * labels
    answers = make_answers(labels, {"": (detector.probability(score), score >= detector.cut)})
    probabilities, decisions = answers.of("")
    shown = probability_metrics(labels, probabilities) | decision_metrics(labels, decisions)
    shown["expected_cost"] = 1_000 * example_costs(answers, coverage.COST).mean()
    for name, value in detector.truth().items():
        assert shown[name] == pytest.approx(value, rel=0.02), name
    # A calibrated model: its mean prediction is the prevalence.
    assert shown["calibration"] == pytest.approx(1, rel=0.02)


def test_with_the_bar_at_the_truth_either_side_is_an_error():
    words = [
        coverage.verdict_at_truth(Estimate(0.5, interval), "recall", 0.5)
        for interval in ((0.4, 0.6), (0.5, 0.7), (0.55, 0.7), (0.2, 0.49))
    ]
    # The second begins at the truth itself: it clears a bar there.
    assert words == ["INCONCLUSIVE", "BLESSED", "BLESSED", "REJECTED"]


def test_a_split_has_the_prevalence_of_the_signals():
    assert coverage.labels_of(112).size == 3242


def test_a_share_of_healthy_examples_is_above_all_faults():
    split = unmet.make_split(np.random.default_rng(0), 10_000, above=1e-3, invisible=0.0)
    probabilities, _ = split.of("")
    highest_fault = probabilities[split.labels == 1].max()
    assert np.mean(probabilities[split.labels == 0] > highest_fault) == pytest.approx(
        1e-3, abs=2e-4
    )


def test_invisible_faults_score_as_healthy_examples_do():
    # 0.8 * P(N(3, 1) > N(0, 1)) + 0.2 * 0.5, with P = Phi(3 / sqrt(2)) = 0.983.
    split = unmet.make_split(np.random.default_rng(0), 20_000, above=0.0, invisible=0.2)
    assert roc_auc(split.labels, split.of("")[0]) == pytest.approx(0.886, abs=0.005)


def test_korn_and_graubards_trials_are_those_of_their_formula():
    # Each group found whole or missed whole: 40 / 4 * 0.9, times (t39 / t9)^2 = 0.7995.
    hits = np.repeat([4.0, 0.0], 5)
    assert groups.korn_graubard_trials(hits, np.full(10, 4.0)) == pytest.approx(7.195, abs=0.01)


def test_unequal_groups_tell_the_methods_apart():
    rows = {row[0]: shares(row, 1, 2) for row in groups.share_rows(300)}
    before, now = rows["precision, 40 unequal groups"]
    assert now <= 2.5
    assert before >= 7


def test_the_cost_of_unequal_groups_is_hardly_ever_blessed_at_the_truth():
    random, num_sets = np.random.default_rng(5), 150
    large = groups.large_split("unequal", prone=True)
    truth = 1_000 * example_costs(large, groups.COST).mean()
    splits = [groups.split_of_groups(random, "unequal", prone=True) for _ in range(num_sets)]
    grouped, alone = (
        sum(groups.cost_interval(split)[1] <= truth for split in chosen)
        for chosen in (splits, [replace(split, groups=None) for split in splits])
    )
    # At 2.5 %, more than 8 of 150 have a probability of 1.5 %.
    assert grouped <= 8
    assert alone >= 15


def test_holms_method_brings_twenty_slices_below_the_claim():
    [_, twenty] = verdicts.slice_rows(2_000)
    alone, together = shares(twenty, 1, 2)
    assert together <= 2.5
    assert alone >= 25


def test_the_advice_before_is_the_number_that_excludes_the_bar():
    # 27 of 30 are 0.9. With 67 faults, the lower limit of 0.9 is first above 0.8.
    limits = [groups.proportion_interval(0.9 * n, n, 0.95)[0] for n in (64, 65, 66, 67, 68)]
    first = 64 + sum(limit < 0.8 for limit in limits)
    assert verdicts.advice_before(0.9, 30, (0.73, 0.98)) == first
    assert verdicts.advice_before(0.8, 30, (0.61, 0.92)) == math.inf


def test_followed_advice_ends_in_an_answer_in_about_80_percent_of_cases():
    answers, _ = verdicts._follow(verdicts.advice_now, None, 150)
    # Two standard errors are 0.065.
    assert answers.mean() == pytest.approx(0.8, abs=0.1)
    answers, _ = verdicts._follow(verdicts.advice_before, 0.85, 150)
    assert answers.mean() <= 0.6


def test_two_models_of_one_quality_are_equal_and_their_scores_correlate():
    pair = comparisons.equal_pair(np.random.default_rng(0), 5_000)
    healthy = pair.labels == 0
    scores = [np.log(p) - np.log1p(-p) for p in pair.probabilities[healthy].T]
    assert np.corrcoef(scores)[0, 1] == pytest.approx(0.9, abs=0.01)
    areas = [roc_auc(pair.labels, pair.of(model)[0]) for model in pair.models]
    assert areas[0] == pytest.approx(areas[1], abs=0.002)


def test_equal_models_are_hardly_ever_told_apart():
    random, num_sets = np.random.default_rng(8), 200
    verdicts = [
        judge(comparisons.equal_pair(random, 30), MeasureOptions()) for _ in range(num_sets)
    ]
    told_apart = sum(map(comparisons._any_better, verdicts))
    assert told_apart <= 0.025 * num_sets
    assert sum(map(comparisons._any_alone, verdicts)) > told_apart


def test_faults_that_hide_bless_no_model_by_its_roc_auc():
    random, num_sets = np.random.default_rng(9), 200
    large = unmet.make_split(random, 30_000, above=0.0, invisible=0.2)
    truth = roc_auc(large.labels, large.of("")[0])
    splits = [unmet.make_split(random, 11, above=0.0, invisible=0.2) for _ in range(num_sets)]
    limits = np.array([unmet.lower_limits(split, "roc_auc") for split in splits])
    before, now = (limits >= truth).sum(axis=0)
    assert now <= 0.025 * num_sets
    assert before > 0.025 * num_sets

import math

import numpy as np
import pytest
from scipy import stats

from measuring.answers import Answers, make_answers
from models.probabilities.cost import Cost
from pipeline.comparing.paired import judge, mcnemar
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.names import COST

OPTIONS = MeasureOptions()


def _answers(labels, first, second, threshold=0.5) -> Answers:
    sides = {CANDIDATE: np.asarray(second, float), BASELINE: np.asarray(first, float)}
    answers = {name: (p, (p >= threshold).astype(int)) for name, p in sides.items()}
    return make_answers(np.asarray(labels), answers)


def _noisy(num: int, first: float, second: float) -> Answers:
    """Models that see the fault as well as these numbers say."""
    random = np.random.default_rng(0)
    labels = (np.arange(num) % 5 == 0).astype(np.int64)
    noise = random.normal(size=(2, num))
    pairs = zip((first, second), noise, strict=True)
    return _answers(labels, *(1 / (1 + np.exp(-(k * (labels - 0.5) + n))) for k, n in pairs))


def test_mcnemar_is_two_sided_and_exact():
    # 1 of 9 discordant pairs: 2 * (1 + 9) / 2^9 = 0.0390625.
    assert mcnemar(1, 8) == pytest.approx(0.0390625)
    assert mcnemar(8, 1) == mcnemar(1, 8)
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1.0
    assert mcnemar(7, 19) == pytest.approx(stats.binomtest(7, 26, 0.5).pvalue)


def test_the_counts_are_of_right_decisions():
    verdict = judge(_answers([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.8], [0.9, 0.7, 0.6, 0.3]), OPTIONS)
    # First right on examples 0 and 2, second on 0, 1 and 3.
    assert (verdict.only_first_right, verdict.only_second_right) == (1, 2)
    assert (verdict.num_examples, verdict.num_positives) == (4, 2)
    assert verdict.better == "neither"


@pytest.mark.parametrize(("first", "second", "better"), [(0.5, 4, "second"), (4, 0.5, "first")])
def test_a_clearly_better_model_is_told_whichever_side_it_is_on(first, second, better):
    verdict = judge(_noisy(1_000, first, second), OPTIONS)
    assert verdict.better == better
    # Of Brier less is better, of the areas more.
    assert {metric.better for metric in verdict.metrics.values()} == {better}
    assert {"pr_auc", "roc_auc", "brier"} <= set(verdict.metrics)


def test_few_examples_show_no_difference():
    verdict = judge(_noisy(20, 1, 1.2), OPTIONS)
    assert verdict.better == "neither"
    assert verdict.metrics["pr_auc"].better == "neither"


@pytest.mark.parametrize("num_faults", [4, 8, 10, 11, 40])
def test_which_run_is_called_the_first_decides_nothing(num_faults):
    random = np.random.default_rng(1)
    labels = np.array([1] * num_faults + [0] * 200)
    good = np.concatenate([np.full(num_faults, 0.9), random.random(200) / 2])
    bad = random.random(labels.size)
    options = MeasureOptions(cost=Cost(missed_fault=100, false_alarm=1))
    one, other = (judge(_answers(labels, *pair), options) for pair in ((good, bad), (bad, good)))
    for name, metric in one.metrics.items():
        lower, upper = other.metrics[name].interval
        assert metric.interval == pytest.approx((-upper, -lower))
        assert {"neither": "neither", "first": "second"}[metric.better] == other.metrics[
            name
        ].better
    # The first gains more than the 60 % of four faults that it may have lost unseen.
    assert one.metrics["pr_auc"].better == ("first" if num_faults > 4 else "neither")


def test_with_prices_the_cost_is_compared():
    cost = Cost(missed_fault=100, false_alarm=1)
    labels, first, second = [1, 1, 0, 0], [0.9, 0.1, 0.1, 0.1], [0.9, 0.9, 0.9, 0.1]
    metric = judge(_answers(labels, first, second), MeasureOptions(cost=cost)).metrics[COST]
    # A missed fault of four examples: 25,000 a thousand; a false alarm: 250.
    assert (metric.first, metric.second, metric.change) == (25_000, 250, -24_750)
    assert COST not in judge(_answers(labels, first, second), OPTIONS).metrics


def test_with_prices_the_cheaper_model_is_better_even_if_it_errs_more_often():
    # 40 faults of 400. The first misses half of them and raises no false alarm: 20 errors. The
    # second misses none and raises 60 false alarms: 60 errors, of which each costs 1 and not 100.
    labels = np.array([1] * 40 + [0] * 360)
    first = np.where(np.arange(400) < 20, 0.9, 0.1)
    second = np.where(np.arange(400) < 100, 0.9, 0.1)
    answers = _answers(labels, first, second)
    by_count = judge(answers, OPTIONS)
    assert (by_count.judged_by, by_count.better) == ("decisions", "first")
    priced = MeasureOptions(cost=Cost(missed_fault=100, false_alarm=1))
    by_cost = judge(answers, priced)
    assert (by_cost.judged_by, by_cost.better) == ("expected_cost", "second")
    assert (by_cost.only_first_right, by_cost.only_second_right) == (60, 20)


def test_where_the_cost_shows_no_difference_the_count_of_errors_does_not_decide():
    # 12 more false alarms at 1 each against one fault of 12: the interval of the cost holds 0.
    labels = np.array([1] * 40 + [0] * 360)
    first = np.where((np.arange(400) < 40) & (np.arange(400) > 0), 0.9, 0.1)
    second = np.where(np.arange(400) < 52, 0.9, 0.1)
    answers = _answers(labels, first, second)
    assert judge(answers, OPTIONS).better == "first"
    priced = MeasureOptions(cost=Cost(missed_fault=12, false_alarm=1))
    assert judge(answers, priced).better == "neither"


def test_equal_models_differ_by_nothing():
    answers = _noisy(200, 1, 1)
    scores = answers.probabilities[:, 0]
    verdict = judge(_answers(answers.labels, scores, scores), OPTIONS)
    metric = verdict.metrics["pr_auc"]
    assert (metric.change, metric.interval, metric.better) == (0.0, (0.0, 0.0), "neither")


def test_without_a_positive_example_the_areas_have_no_verdict():
    verdict = judge(_answers([0, 0], [0.1, 0.2], [0.3, 0.9]), OPTIONS)
    assert math.isnan(verdict.metrics["pr_auc"].change)
    assert verdict.metrics["pr_auc"].better == "neither"
    assert verdict.only_first_right == 1

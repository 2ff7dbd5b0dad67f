"""The verdict, on metrics that are really computed."""

import json
import math

import numpy as np
import pytest

from measuring.scores import decision_metrics, probability_metrics
from models.probabilities.cost import Cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.comparison import Earlier
from pipeline.components.model_gate.reasons import Verdict
from pipeline.components.model_gate.skill import better_than_prior, roc_auc_of_chance
from pipeline.components.model_gate.verdict import Terms, judge
from pipeline.config import Bars, Gate

# 3,130 healthy recordings and 112 faulty ones.
LABELS = np.repeat([0, 1], [3130, 112])
PREVALENCE = 112 / 3242


def measure(labels, probabilities, threshold):
    decisions = (probabilities >= threshold).astype(int)
    return probability_metrics(labels, probabilities) | decision_metrics(labels, decisions)


def skilled(shift: float = 3.0):
    """Scores of normal distributions `shift` apart, as calibrated probabilities."""
    score = np.random.default_rng(1).normal(size=LABELS.size) + shift * LABELS
    odds = PREVALENCE / (1 - PREVALENCE) * np.exp(shift * score - shift**2 / 2)
    return odds / (1 + odds)


def judged(metrics, terms=None) -> Verdict:
    return judge(Evaluation(metrics, {}, {(): {}}), [], terms or Terms())


def failed(verdict):
    return {reason.metric for reason in verdict.reasons if not reason.passed}


def test_a_skilled_model_is_blessed():
    verdict = judged(measure(LABELS, skilled(), 0.5))
    assert verdict.blessed
    assert verdict.word == "BLESSED"


def test_with_cross_fitting_the_bars_are_judged_by_the_procedure_and_said_so():
    good = Evaluation(measure(LABELS, skilled(), 0.5), {}, {(): {"recall": (0.7, 0.8)}})
    few = Evaluation(good.overall, {}, {(): {"recall": (0.3, 0.9)}})
    terms = Terms(gate=Gate(bars=Bars(recall=0.65)))
    assert judge(few, [], terms).word == "INCONCLUSIVE"
    verdict = judge(few, [], terms, procedure=good)
    assert verdict.word == "BLESSED"
    assert {r.text.partition(":")[0] for r in verdict.reasons} == {
        "the procedure, out of fold and on test"
    }
    assert judge(good, [], terms, procedure=few).word == "INCONCLUSIVE"


def test_with_cross_fitting_the_model_blessed_before_is_compared_on_test():
    metrics = measure(LABELS, skilled(), 0.5)
    change = {"pr_auc_diff": -0.2, "faults_lost": 0.0, "faults_gained": 0.0}
    on_test = Evaluation(metrics | change, {}, {(): {"pr_auc_diff": (-0.3, -0.1)}})
    before = Earlier(evaluation=Evaluation(metrics, {}, {(): {}}))
    procedure = Evaluation(metrics, {}, {(): {}})
    verdict = judge(on_test, [before], Terms(), procedure=procedure)
    assert verdict.word == "REJECTED"
    [worse] = [reason for reason in verdict.reasons if not reason.passed]
    assert worse.text.startswith("PR-AUC")


def test_the_model_that_always_answers_healthy_is_refused_for_all_its_accuracy():
    metrics = measure(LABELS, np.zeros(LABELS.size), 0.5)
    accuracy = (metrics["true_positives"] + metrics["true_negatives"]) / metrics["num_examples"]
    assert accuracy == pytest.approx(0.9655, abs=1e-4)
    verdict = judged(metrics)
    assert verdict.word == "REJECTED"
    # It finds nothing, ranks nothing and is further off than the prevalence: no bar is cleared.
    assert failed(verdict) == {"recall", "precision", "pr_auc", "roc_auc", "brier"}
    assert verdict.reasons[0].text == (
        "finds 0 of 112 positives with 0 alarms (always answering negative finds none)"
    )


def test_a_skilled_model_whose_threshold_is_too_high_to_find_anything_is_refused():
    verdict = judged(measure(LABELS, skilled(), 1.1))
    assert failed(verdict) == {"recall", "precision"}


def test_the_model_that_always_answers_the_prevalence_is_refused():
    verdict = judged(measure(LABELS, np.full(LABELS.size, PREVALENCE), 0.01))
    # It raises an alarm for everything, so it misses nothing.
    assert failed(verdict) == {"precision", "pr_auc", "roc_auc", "brier"}


def test_models_of_pure_noise_are_refused_nearly_always():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [313, 11])
    verdicts = []
    for _ in range(500):
        # Spread little around the prevalence, as a calibrated model of noise is: the hardest case.
        odds = 11 / 313 * np.exp(0.2 * random.normal(size=labels.size))
        probabilities = odds / (1 + odds)
        metrics = measure(labels, probabilities, np.quantile(probabilities, 0.9))
        verdicts.append(judged(metrics).blessed)
    assert np.mean(verdicts) <= 0.025


def test_a_model_that_is_off_the_probabilities_is_refused_however_well_it_ranks():
    verdict = judged(measure(LABELS, 0.5 + skilled() / 2, 0.75))
    assert failed(verdict) == {"brier"}


@pytest.mark.parametrize("metric", ["pr_auc", "roc_auc", "brier", "precision", "prevalence"])
def test_a_metric_without_a_value_never_passes(metric):
    metrics = measure(LABELS, skilled(), 0.5) | {metric: math.nan}
    assert not judged(metrics).blessed


def test_the_reasons_are_json_even_without_values():
    verdict = judged(measure(LABELS, np.zeros(LABELS.size), 0.5))
    text = json.dumps(verdict.reasons_json(), allow_nan=False)
    precision = next(r for r in json.loads(text) if r["metric"] == "precision")
    assert precision["value"] is None
    assert precision["text"] == "precision without a value against 0.035 of an alarm at random"


def test_the_bound_is_that_of_the_rank_sum_test():
    metrics = {
        "true_positives": 8,
        "false_negatives": 2,
        "true_negatives": 85,
        "false_positives": 5,
    }
    # sqrt((10 + 90 + 1) / (12 * 10 * 90)) = 0.0967; 0.5 + 1.9600 * 0.0967 = 0.6895.
    assert roc_auc_of_chance(metrics, 0.95) == pytest.approx(0.6895, abs=1e-4)
    none = metrics | {"true_positives": 0, "false_negatives": 0}
    assert math.isnan(roc_auc_of_chance(none, 0.95))


@pytest.mark.parametrize(
    ("lower", "passed", "ending"),
    [
        (0.61, True, "which a model without skill exceeds in 2.5% of test splits"),
        (0.49, False, "; the interval reaches down to chance, 0.500"),
    ],
)
def test_roc_auc_is_shown_with_its_interval_and_one_bar(lower, passed, ending):
    metrics = measure(LABELS, skilled(), 0.5) | {"roc_auc": 0.8}
    reasons = better_than_prior(metrics, {"roc_auc": (lower, 0.9)}, Gate(), 0.95)
    [reason] = [reason for reason in reasons if reason.metric == "roc_auc"]
    # 0.5 + 1.96 sqrt(3243 / (12 * 112 * 3130)) = 0.554
    assert reason.text.startswith(f"ROC-AUC 0.800 [{lower:.3f}, 0.900] against 0.554, ")
    assert reason.text.endswith(ending)
    assert reason.passed == passed


def test_a_split_with_one_fault_is_too_few_for_any_model():
    labels = np.repeat([0, 1], [100, 1])
    verdict = judged(measure(labels, np.where(labels, 0.9, 0.01), 0.5))
    assert verdict.word == "INCONCLUSIVE"
    [reason] = [reason for reason in verdict.reasons if not reason.passed]
    assert reason.text.endswith("even a perfect ranking of 1 fault would not differ from chance")


def test_with_prices_a_model_must_cost_less_than_no_alarm_and_than_alarms_alone():
    cost = Cost(missed_fault=100, false_alarm=9, inspection=1, unit="EUR")
    metrics = measure(LABELS, skilled(), 0.5)
    # 112 of 3,242 faults: no alarm costs 34.5 * 100 = 3,455 in a thousand, alarms alone
    # 1,000 * (1 + 0.9655 * 9) = 9,689.
    for value, word in ((3454.0, "BLESSED"), (3455.0, "REJECTED")):
        verdict = judged(metrics | {"expected_cost": value}, Terms(cost=cost))
        assert verdict.word == word
        assert "EUR per 1,000 examples against 3,455 of never raising an alarm" in (
            verdict.reasons[-1].text
        )

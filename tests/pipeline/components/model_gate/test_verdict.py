import math

import pytest

from pipeline.components.model_gate.verdict import judge, roc_auc_lower_bound
from pipeline.config import Gate

# 324 test signals, 11 of them faulty: 8 found with 10 alarms.
GOOD = {
    "pr_auc": 0.80,
    "roc_auc": 0.95,
    "brier": 0.012,
    "prevalence": 11 / 324,
    "precision": 0.8,
    "recall": 8 / 11,
    "true_positives": 8.0,
    "false_positives": 2.0,
    "false_negatives": 3.0,
    "true_negatives": 311.0,
}
GATE = Gate(min_pr_auc_gain=0.05, max_pr_auc_drop=0.02)


def _failed(metrics, before=None) -> set[str]:
    return {reason.metric for reason in judge(metrics, before, GATE).reasons if not reason.passed}


def test_a_good_first_model_is_blessed():
    verdict = judge(GOOD, None, GATE)
    assert verdict.blessed
    assert verdict.word == "BLESSED"


def test_the_model_that_always_answers_healthy_is_refused_however_accurate():
    # It is right in 313 of 324 cases, 97 %; every score is the same.
    never = GOOD | {
        "pr_auc": 11 / 324,
        "roc_auc": 0.5,
        "brier": 11 / 324,
        "precision": math.nan,
        "recall": 0.0,
        "true_positives": 0.0,
        "false_positives": 0.0,
        "false_negatives": 11.0,
        "true_negatives": 313.0,
    }
    assert _failed(never) == {"recall", "precision", "pr_auc", "roc_auc", "brier"}


def test_the_model_that_always_answers_the_prevalence_is_refused_by_its_brier_score():
    # Brier of the constant p is p (1 - p); the bar is to be below it.
    prior = GOOD | {"brier": 11 / 324 * 313 / 324}
    assert _failed(prior) == {"brier"}


def test_pr_auc_must_exceed_the_prevalence_by_the_share_that_the_config_asks_for():
    # 11/324 + 0.05 * (1 - 11/324) = 0.03395 + 0.04830 = 0.08225.
    assert _failed(GOOD | {"pr_auc": 0.0822}) == {"pr_auc"}
    assert _failed(GOOD | {"pr_auc": 0.0823}) == set()


def test_alarms_at_random_are_refused():
    assert _failed(GOOD | {"precision": 11 / 324}) == {"precision"}


def test_a_roc_auc_that_chance_may_give_is_refused():
    # SE at chance = sqrt(325 / (12 * 11 * 313)) = 0.08869; 0.5 + 1.6449 * SE = 0.64589.
    assert _failed(GOOD | {"roc_auc": 0.645}) == {"roc_auc"}
    assert _failed(GOOD | {"roc_auc": 0.647}) == set()


def test_the_lower_bound_needs_both_classes():
    one_class = GOOD | {"true_positives": 0.0, "false_negatives": 0.0}
    assert math.isnan(roc_auc_lower_bound(one_class))


def test_a_model_worse_than_the_blessed_one_is_refused():
    before = GOOD | {"pr_auc": 0.83}
    verdict = judge(GOOD, before, GATE)
    assert not verdict.blessed
    assert "0.800 against 0.830 of the model blessed before" in verdict.reasons[-1].text


def test_a_model_a_little_below_the_blessed_one_may_follow_it():
    assert judge(GOOD, GOOD | {"pr_auc": 0.81}, GATE).blessed


@pytest.mark.parametrize("metric", ["pr_auc", "roc_auc", "brier", "precision"])
def test_a_metric_that_is_not_a_number_never_passes(metric):
    assert metric in _failed(GOOD | {metric: math.nan})


def test_reasons_travel_as_plain_values():
    [first, *_] = judge(GOOD, None, GATE).reasons_json()
    assert first["metric"] == "recall"
    assert first["passed"] is True
    assert first["text"] == (
        "finds 8 of 11 positives with 10 alarms (always answering negative finds none)"
    )

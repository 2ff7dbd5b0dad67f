"""Performance without labels: prices, intervals, the loss of a change, and coverage."""

import numpy as np
import pytest
from scipy import special

from measuring.monitoring.estimated import realised_performance
from models.probabilities.cost import Cost, decision_costs
from production.monitoring.performance.answers import Answers
from production.monitoring.performance.estimating import (
    Estimated,
    alarm_rate,
    change,
    cost_p_value,
    estimate,
    estimate_notes,
)
from production.monitoring.performance.measuring import Labels, measure
from production.monitoring.report import UNKNOWN

COST = Cost(missed_fault=1000, false_alarm=100, inspection=10)
TRAINED = 0.05


def answers_of(probabilities, decisions=None, keys=None, block_length=1):
    probabilities = np.asarray(probabilities, float)
    decided = probabilities >= 0.3 if decisions is None else np.asarray(decisions)
    return Answers(
        probabilities=probabilities,
        decisions=decided.astype(np.int64),
        keys=keys,
        block_length=block_length,
    )


def draw_chunk(rng, size, prevalence):
    labels = (rng.random(size) < prevalence).astype(float)
    scores = rng.normal(size=size) + 3 * labels
    return answers_of(special.expit(3 * scores - 4.5 + special.logit(TRAINED))), labels


def test_the_cost_has_the_price_of_each_inspection():
    # Four rows at the prevalence of training. Correction for the prevalence leaves rows of 0 and 1.
    answers = answers_of([1.0, 0.0, 0.0, 0.0], [1, 1, 0, 0])
    figures = estimate(answers, prevalence=0.25, cost=COST).figures
    # One hit and one false alarm: two inspections and a false alarm, (2 * 10 + 100) / 4.
    assert figures["cost"][0] == pytest.approx(30)
    assert figures["recall"][0] == 1
    assert figures["alarm_rate"][0] == 0.5


def test_scores_that_leave_no_healthy_row_give_limits_with_and_without_the_correction():
    # 300 alarms at 0.8, ten times the prevalence of training and more: the likelihood is largest
    # if all rows are faults. By the probabilities themselves, 240 are.
    answers = answers_of(np.full(300, 0.8))
    estimated = estimate(answers, prevalence=TRAINED, cost=COST)
    value, lower, upper = estimated.figures["precision"]
    assert estimated.all_are_faults
    assert (value, upper) == pytest.approx((1, 1), abs=1e-3)
    # Two standard errors below 0.8: sqrt(0.8 * 0.2 / 300) = 0.023.
    assert lower == pytest.approx(0.8 - 2 * 0.023, abs=0.02)
    assert "every row is a fault" in estimate_notes(estimated)[0]


def test_a_prevalence_below_that_leaves_the_intervals_as_they_are():
    answers, _ = draw_chunk(np.random.default_rng(0), 400, 0.5)
    estimated = estimate(answers, prevalence=TRAINED, cost=COST)
    assert not estimated.all_are_faults
    assert "estimates take it into account" in estimate_notes(estimated)[0]


def test_alarms_in_runs_widen_the_interval_of_their_rate():
    decisions = np.repeat([1, 0, 0, 0], 50)
    single = alarm_rate(answers_of(np.zeros(200), decisions))
    runs = alarm_rate(answers_of(np.zeros(200), decisions, block_length=25))
    assert single[0] == runs[0] == 0.25
    assert runs[2] - runs[1] > 2 * (single[2] - single[1])


def test_a_change_worked_out():
    figures = {"recall": (0.7, 0.6, 0.8), "cost": (30.0, 26.0, 34.0)}
    promised = {"recall": (0.9, 0.87, 0.93), "cost": (20.0, 17.0, 23.0)}
    moved = change(figures, promised, rows_per_day=100)
    # Half-widths 10 and 3 points: sqrt(109) = 10.4; costs 4 and 3: 5 for 100 rows.
    assert moved.recall_points == pytest.approx((-20, -30.44, -9.56), abs=0.01)
    assert moved.cost_per_day == pytest.approx((1_000, 500, 1_500))


def test_a_change_from_an_unknown_figure_is_unknown():
    figures = {"recall": (0.7, 0.6, 0.8), "cost": UNKNOWN}
    moved = change(figures, {"recall": UNKNOWN, "cost": (1.0, 1.0, 1.0)}, rows_per_day=1)
    assert moved.recall_points == moved.cost_per_day == UNKNOWN


@pytest.mark.parametrize(
    ("cost", "expected"), [(20.0, 0.5), (29.8, 0.025), (10.0, 0.97725)], ids=str
)
def test_the_p_value_is_against_the_upper_limit_of_the_gate(cost, expected):
    estimated = Estimated(
        figures={"cost": (cost, None, None)}, prevalence_has_moved=False, cost_error=5.0
    )
    assert cost_p_value(estimated, (15.0, 10.0, 20.0)) == pytest.approx(expected, abs=1e-3)
    assert cost_p_value(estimated, UNKNOWN) == 1


@pytest.mark.simulation
@pytest.mark.parametrize("prevalence", [0.05, 0.02, 0.12])
def test_intervals_cover_what_labels_say_with_and_without_a_change_of_the_prevalence(prevalence):
    rng = np.random.default_rng(6)
    covered = dict.fromkeys(("recall", "precision", "cost", "pr_auc"), 0)
    for _ in range(60):
        answers, labels = draw_chunk(rng, 1_500, prevalence)
        estimated = estimate(answers, prevalence=TRAINED, cost=COST).figures
        realised = realised_performance(answers.probabilities, answers.decisions, labels)
        realised["cost"] = float(decision_costs(labels, answers.decisions, COST).mean())
        for name in covered:
            covered[name] += estimated[name][1] <= realised[name] <= estimated[name][2]
    # At 95 %, less than 51 of 60 have a probability of 0.1 %.
    assert min(covered.values()) >= 51, covered


@pytest.mark.simulation
def test_the_cost_at_the_prevalence_of_training_is_no_loss():
    rng, p_values = np.random.default_rng(7), []
    test, labels = draw_chunk(rng, 20_000, TRAINED)
    promised = measure(test, Labels(values=labels), COST).figures["cost"]
    for _ in range(60):
        estimated = estimate(draw_chunk(rng, 1_500, TRAINED)[0], prevalence=TRAINED, cost=COST)
        p_values.append(cost_p_value(estimated, promised))
    # At 5 %, more than 8 of 60 have a probability of 0.4 %.
    assert sum(p < 0.05 for p in p_values) <= 8

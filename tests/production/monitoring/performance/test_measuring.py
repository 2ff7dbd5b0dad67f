"""Performance with labels: joined to rows, worked out, in clusters, and of a sample only."""

import numpy as np
import pyarrow as pa
import pytest

from models.probabilities.cost import Cost
from production.collection.labels import make_labels
from production.monitoring.performance.answers import Answers, read_answers
from production.monitoring.performance.labelled import LabelledRecord
from production.monitoring.performance.measuring import Labels, find_labels, measure
from production.monitoring.performance.prices import Prices
from production.monitoring.report import UNKNOWN
from tests.production.collection.recorded import batch_of, record

COST = Cost(missed_fault=10, false_alarm=2)


def answers_of(decisions, keys=None):
    decisions = np.asarray(decisions)
    return Answers(
        probabilities=np.linspace(0.9, 0.1, len(decisions)),
        decisions=decisions,
        keys=keys,
        block_length=1,
    )


def test_labels_find_their_rows_and_others_have_none():
    records = pa.Table.from_batches(
        [batch_of([record("a"), record("b", decision=None), record("c"), record("c", row=1)])]
    )
    labels = make_labels(["c", "c", "b", "z"], ["1", "0", "1", "1"], [1, 0, 0, 0])
    labels = find_labels(records, labels, np.array([True, False, True, True]))
    # Row `b` has no decision, so that it has no place.
    assert np.isnan(labels.values).tolist() == [True, False, False]
    assert labels.values[1:].tolist() == [0, 1]
    assert read_answers(records).num_rows == 3


def test_figures_worked_out():
    labels = Labels(values=np.array([1.0, 0, 1, 0, 0, 0, 0, 1]))
    measured = measure(answers_of([1, 1, 1, 0, 0, 0, 0, 0]), labels, COST)
    # Two of three faults are found by three alarms; a miss and a false alarm in eight rows.
    assert measured.figures["recall"][0] == pytest.approx(2 / 3)
    assert measured.figures["precision"][0] == pytest.approx(2 / 3)
    assert measured.figures["cost"][0] == pytest.approx(12 / 8)
    assert measured.figures["prevalence"][0] == pytest.approx(3 / 8)
    # Precisions at the faults 1, 2/3 and 3/8.
    assert measured.figures["pr_auc"][0] == pytest.approx((1 + 2 / 3 + 3 / 8) / 3)


def test_a_row_without_a_probability_counts_by_its_decision():
    records = [
        record("a", probability=0.9, decision=1),
        record("b", probability=float("nan"), decision=0),
        record("c", probability=None, decision=0),
        record("d", probability=0.1, decision=0),
    ]
    answers = read_answers(pa.Table.from_batches([batch_of(records)]))
    assert answers.has_probability.tolist() == [True, False, False, True]
    labels = Labels(values=np.array([1.0, 1, 0, 0]))
    measured = measure(answers, labels, COST)
    # One of two faults is found; a miss in four rows. By the probabilities, both known rows are
    # in order.
    assert measured.figures["recall"][0] == pytest.approx(1 / 2)
    assert measured.figures["cost"][0] == pytest.approx(10 / 4)
    assert measured.figures["pr_auc"][0] == 1
    tests = LabelledRecord(
        {"recall": (0.9, 0.85, 0.95), "cost": (0.2, 0.1, 0.3)},
        Prices(cost=COST, unit="EUR", is_given=True),
        alpha=0.025,
    )
    tests.add(answers, labels, prevalence=0.2)
    assert tests.to_state()["grades"]["total"]["cost"] == 1


def test_faults_of_one_machine_are_worth_less_than_those_of_many():
    labels = Labels(values=np.ones(60))
    decisions = np.repeat([1, 1, 1, 1, 0, 0], 10)
    many = measure(answers_of(decisions), labels, COST).figures["recall"]
    few = measure(answers_of(decisions, np.repeat(np.arange(6), 10)), labels, COST)
    assert few.figures["recall"][2] - few.figures["recall"][1] > 2 * (many[2] - many[1])


def test_labels_of_alarms_alone_say_nothing_of_the_recall():
    decisions = np.repeat([1, 0], [20, 80])
    values = np.where(decisions == 1, 1.0, np.nan)
    measured = measure(answers_of(decisions), Labels(values=values), COST)
    assert not measured.is_fair
    assert measured.figures["precision"][0] == 1
    assert measured.figures["recall"] == UNKNOWN


@pytest.mark.parametrize(
    ("num_known", "usual", "expected"),
    [(0, 0.0, True), (1, 0.0, False), (40, 1.0, True), (60, 1.0, False), (2, 0.1, False)],
)
def test_labels_are_late_if_far_fewer_than_usual_have_come(num_known, usual, expected):
    values = np.full(100, np.nan)
    values[:num_known] = 0
    assert Labels(values=values).are_late(usual) is expected


def test_a_broken_promise_stays_broken_until_the_test_restarts():
    prices = Prices(cost=COST, unit="EUR", is_given=True)
    promised = {"recall": (0.9, 0.85, 0.95), "cost": (0.2, 0.1, 0.3)}
    tests = LabelledRecord(promised, prices, alpha=0.025)
    rng = np.random.default_rng(8)
    faults = (rng.random(2_000) < 0.2).astype(float)
    # Half of the faults are found: recall 0.5, and 1 in 10 rows is a miss for 10.
    decisions = (faults == 1) & (rng.random(2_000) < 0.5)
    answers = Answers(
        probabilities=np.full(2_000, 0.2),
        decisions=decisions.astype(np.int64),
        keys=None,
        block_length=1,
    )
    tests.add(answers, Labels(values=faults), prevalence=0.2)
    assert tests.broken() == ["cost", "recall"]
    again = LabelledRecord(promised, prices, alpha=0.025).with_state(tests.to_state())
    assert again.broken() == ["cost", "recall"]
    tests.restart()
    assert tests.broken() == []


@pytest.mark.parametrize(
    ("share", "block_length", "broken"),
    [(0.05, 1, []), (0.14, 1, ["prevalence"]), (0.14, 300, [])],
)
def test_far_more_faults_than_in_training_break_a_promise(share, block_length, broken):
    prices = Prices(cost=COST, unit="EUR", is_given=True)
    # The limit is 1.5 times 0.04. All faults are found.
    promised = {"recall": (0.9, 0.7, 1.0), "cost": (0.2, 0.1, 3.0), "prevalence": (0.035, 0, 0.04)}
    tests = LabelledRecord(promised, prices, alpha=0.025)
    rng = np.random.default_rng(9)
    for _ in range(2):
        faults = (rng.random(300) < share).astype(float)
        answers = Answers(
            probabilities=np.full(300, 0.1),
            decisions=faults.astype(np.int64),
            keys=None,
            block_length=block_length,
        )
        tests.add(answers, Labels(values=faults), prevalence=0.035)
    assert tests.broken() == broken


def test_without_a_prevalence_of_training_it_is_no_promise():
    promised = {"recall": (0.9, 0.7, 1.0), "cost": (0.2, 0.1, 3.0)}
    tests = LabelledRecord(promised, Prices(cost=COST, unit="EUR", is_given=True), alpha=0.025)
    assert set(tests.to_state()["tests"]) == {"cost", "recall"}

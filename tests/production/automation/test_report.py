"""The report: hits of each level against how rollouts and predictions turned out."""

import json
from datetime import timedelta
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from common.output_folder import OutputFolder
from pipeline.production_options.automation import AutomationOptions, Limits
from production.automation.counterfactual import CounterfactualLog
from production.automation.rendering import report_tables
from production.automation.report import make_report
from production.collection.labels import add_labels, make_labels
from production.rollback import Decision
from production.rollout.actions import Action, act, start
from production.rollout.progress import Facts
from production.rollout.state import Plan
from tests.production.automation.situations import CANARY, STAGES, verdict
from tests.production.collection.recorded import batch_of, record, write_closed
from tests.production.rollout.pushes import place

ADA = Decision(by="Ada", why="because")
OPTIONS = AutomationOptions(level=1)


def are_positive(labels):
    return np.array([label == "1" for label in labels.to_pylist()])


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path)
    for version in (100, 200, 300):
        place(folder, version, base="pump")
    return folder


def begin(folder, candidate=CANARY.candidate):
    plan = Plan(candidate=candidate, strategy="canary", stages=STAGES)
    return start(folder, "pump", plan, ADA).state.rollout


def look(folder, rollout, kind, *, after_s=7_200.0, num_pairs=500):
    log = CounterfactualLog(folder.rollouts("pump"), Limits(), rollout)
    evidence = verdict(kind, reasons=("slow",) if kind == "roll_back" else ())
    now = rollout.started + timedelta(seconds=after_s)
    log.look(
        Facts(
            rollout=rollout,
            num_pairs=num_pairs,
            num_pairs_of_step=num_pairs,
            time_of_step_s=after_s,
            now=now,
        ),
        evidence,
    )


def do(folder, *actions: Action):
    for action in actions:
        act(folder, "pump", action, ADA)


def report(folder):
    return make_report(folder, "pump", OPTIONS, are_positive)


def test_without_rollouts_and_labels_nothing_is_rated(folder):
    empty = report(folder)
    assert empty.rollouts == ()
    assert [rate.share for rate in empty.of_rollouts + empty.of_predictions] == [None] * 8


def test_a_promotion_that_stays_is_a_hit_of_the_level_that_would_have_promoted(folder):
    rollout = begin(folder)
    look(folder, rollout, "promote")
    look(folder, rollout, "promote", after_s=14_400, num_pairs=1_000)
    do(folder, "advance", "advance")
    [course] = report(folder).rollouts
    assert course.phase == "promoted"
    assert course.phases == ("running", "running", "waiting", "promoted")
    assert course.outcomes == ("open", "open", "open", "hit")
    assert course.times[3] == rollout.started + timedelta(seconds=14_400)
    rate = report(folder).of_rollouts[3]
    # One of one: the exact 95 % interval of a share is [0.025, 1].
    assert (rate.hits, rate.misses, rate.share) == (1, 0, 1.0)
    assert rate.interval == pytest.approx((0.025, 1.0))


def test_a_promotion_that_was_rolled_back_later_turns_the_hit_into_a_miss(folder):
    rollout = begin(folder)
    look(folder, rollout, "promote")
    look(folder, rollout, "promote", after_s=14_400, num_pairs=1_000)
    do(folder, "advance", "advance", "roll_back")
    [course] = report(folder).rollouts
    assert course.outcomes[3] == "miss"


def test_a_rollback_is_a_hit_of_the_levels_that_would_have_rolled_back(folder):
    rollout = begin(folder)
    look(folder, rollout, "roll_back")
    do(folder, "roll_back")
    [course] = report(folder).rollouts
    assert course.outcomes == ("open", "open", "hit", "hit")


def test_an_aborted_rollout_says_nothing(folder):
    look(folder, begin(folder), "roll_back")
    do(folder, "abort")
    assert report(folder).of_rollouts[3].undecided == 1


def test_each_rollout_counts_once(folder):
    look(folder, begin(folder), "roll_back")
    do(folder, "roll_back")
    look(folder, begin(folder), "undecided", num_pairs=1)
    ids = [(course.id, course.phase) for course in report(folder).rollouts]
    assert ids == [("r1", "rolled_back"), ("r2", "running")]


def test_predictions_are_rated_by_what_each_level_leaves_to_people(folder):
    records = [
        record("a", probability=0.9, decision=1),
        record("b", probability=0.9, decision=1),
        record("c", probability=0.1),
        record("d", probability=0.45),
        record("unlabelled", probability=0.9, decision=1),
        record("a", "candidate", probability=0.1),
    ]
    collected = folder.collected("pump")
    write_closed(collected, [batch_of(records)])
    labels = make_labels(["a", "b", "c", "d"], ["1", "0", "0", "1"])
    add_labels(collected, labels, source="x")
    rates = [(r.hits, r.misses, r.undecided) for r in report(folder).of_predictions]
    # a and c are right, b is a false alarm, d a miss within 0.2 of the threshold's log-odds.
    assert rates == [(1, 1, 2), (0, 0, 4), (2, 1, 1), (2, 2, 0)]


def test_the_report_prints_and_is_json(folder):
    rollout = begin(folder)
    look(folder, rollout, "roll_back")
    do(folder, "roll_back")
    made = report(folder)
    values = json.loads(json.dumps(made.to_json()))
    assert values["rollouts"][0]["outcomes"] == ["open", "open", "hit", "hit"]
    console = Console(width=200, file=StringIO())
    console.print(report_tables(made))
    text = console.file.getvalue()
    assert "rolled back (hit)" in text
    assert "1 of 1: 100.0% [2.5%, 100.0%]" in text
    assert "1 shadow mode (in force)" in text

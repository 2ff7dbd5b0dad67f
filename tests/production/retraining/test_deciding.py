"""When a retraining begins: triggers, limits, levels, and the words for what is missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.production_options.retraining import (
    LabelCount,
    RetrainingOptions,
    Spend,
    Triggers,
)
from production.retraining.deciding import CostOfDrift, Facts, decide, decide_for_person
from production.retraining.state import Trigger, begin

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OPTIONS = RetrainingOptions(
    triggers=Triggers(
        cost_per_day=50.0, labels=LabelCount(rows=1_000, positives=40), every_days=30.0
    ),
    min_labels=LabelCount(rows=100, positives=10),
    cool_down_days=2.0,
    spend=Spend(trainings_per_week=2, cpu_minutes_per_week=10.0),
)
DRIFT = CostOfDrift(chunk=7, per_day=80.0, lower=60.0, upper=100.0, alarms=("a3",))
FACTS = Facts(
    now=NOW,
    champion=5,
    level=3,
    labels=LabelCount(rows=100, positives=10),
    last_trained=NOW - timedelta(days=3),
)


def test_a_cost_above_the_budget_with_an_open_alarm_starts_a_retraining():
    decision = decide(replace(FACTS, cost=DRIFT), OPTIONS)
    assert (decision.action, decision.trigger.name, decision.missing) == ("start", "cost", ())
    assert decision.trigger.by == "faultline"
    assert decision.trigger.why == (
        "drift costs an estimated 80 [60, 100] a day in chunk 7, the budget is 50; open: a3"
    )
    assert decision.trigger.evidence["cost"]["alarms"] == ("a3",)


def test_a_cost_that_labels_show_is_called_so():
    decision = decide(replace(FACTS, cost=replace(DRIFT, is_measured=True)), OPTIONS)
    assert decision.trigger.why.startswith("drift costs 80 [60, 100] a day as measured by labels")


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (replace(DRIFT, per_day=50.0), "an estimated 50 [60, 100] a day"),
        (replace(DRIFT, alarms=()), "no alarm is open"),
        (None, "no chunk with an estimated cost yet"),
    ],
)
def test_a_cost_within_the_budget_or_without_an_alarm_starts_nothing(cost, words):
    decision = decide(replace(FACTS, cost=cost), OPTIONS)
    assert (decision.action, decision.trigger) == ("wait", None)
    assert words in decision.missing[0]


def test_labels_are_a_trigger_only_with_their_positives():
    enough = replace(FACTS, labels=LabelCount(rows=1_000, positives=40))
    assert decide(enough, OPTIONS).trigger.name == "labels"
    few = decide(replace(FACTS, labels=LabelCount(rows=5_000, positives=39)), OPTIONS)
    assert few.trigger is None
    assert few.missing[1] == (
        "5,000 new labels with 39 positive, the trigger is 1,000 with 40 positive"
    )


def test_the_schedule_is_a_trigger_when_it_is_due():
    assert decide(FACTS, OPTIONS).trigger is None
    due = replace(FACTS, last_trained=NOW - timedelta(days=30))
    assert decide(due, OPTIONS).trigger.name == "schedule"


def test_several_triggers_are_all_named():
    labels = LabelCount(rows=1_000, positives=40)
    trigger = decide(replace(FACTS, cost=DRIFT, labels=labels), OPTIONS).trigger
    assert trigger.name == "cost"
    assert "1,000 new labels" in trigger.why
    assert set(trigger.evidence) == {"cost", "new_labels"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"labels": LabelCount(rows=99, positives=10)},
            "99 new labels with 10 positive, retraining.min_labels is 100 with 10 positive",
        ),
        (
            {"labels": LabelCount(rows=100, positives=9)},
            "100 new labels with 9 positive, retraining.min_labels is 100 with 10 positive",
        ),
        (
            {"last_ended": NOW - timedelta(days=1.5)},
            "the last retraining ended 1.5 days ago, retraining.cool_down_days is 2",
        ),
        (
            {"num_trainings": 2},
            "2 trainings in seven days, retraining.spend.trainings_per_week is 2",
        ),
        (
            {"cpu_minutes": 10.0},
            "10 CPU minutes in seven days, retraining.spend.cpu_minutes_per_week is 10",
        ),
    ],
)
def test_a_trigger_waits_for_the_limits_but_a_person_does_not(change, words):
    facts = replace(FACTS, cost=DRIFT, **change)
    decision = decide(facts, OPTIONS)
    assert (decision.action, decision.trigger.name) == ("wait", "cost")
    assert decision.missing == (words,)
    assert decide_for_person(facts, by="Ada", why="new sensors").action == "start"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"champion": None}, "no version is in service"),
        ({"rollout": "the rollout of wells/6 is held"}, "the rollout of wells/6 is held: the new"),
        (
            {
                "active": begin(
                    1,
                    Trigger(name="person", by="Ada", why="x"),
                    champion=5,
                    now=NOW,
                    is_approved=False,
                )
            },
            "retraining t1 waits for approval",
        ),
    ],
)
def test_some_things_keep_people_from_a_retraining_too(change, words):
    facts = replace(FACTS, cost=DRIFT, **change)
    for decision in (decide(facts, OPTIONS), decide_for_person(facts, by="Ada", why="x")):
        assert decision.action == "wait"
        assert words in decision.missing[0]


@pytest.mark.parametrize(
    ("min_level", "level", "action"),
    [
        ("full_automation", 2, "propose"),
        ("human_in_the_loop", 2, "start"),
        (3, 3, "start"),
        (1, 0, "propose"),
    ],
)
def test_below_the_level_a_retraining_is_proposed(min_level, level, action):
    options = replace(OPTIONS, min_level=min_level)
    assert decide(replace(FACTS, cost=DRIFT, level=level), options).action == action


def test_without_triggers_only_people_begin_one():
    decision = decide(replace(FACTS, cost=DRIFT), RetrainingOptions())
    assert decision.action == "wait"
    assert "no trigger is set" in decision.missing[0]

from datetime import UTC, datetime, timedelta

import pytest

from common.output_folder import OutputFolder
from production.gateway.traffic import Pin
from production.monitoring.alarms.alarm import Finding, Kind, Severity
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.report import ChunkReport
from production.rollback import Decision
from production.rollout.actions import CONTROLLER, act, begin, start
from production.rollout.state import Plan, Stage
from production.simulation.guards import Guards, Noticed
from production.simulation.scenarios import Action, Guard
from production.simulation.workspace import MODEL
from tests.production.monitoring.pump_months import pump_config

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def guards(tmp_path):
    return Guards(pump_config(tmp_path), OutputFolder(tmp_path / "output"))


def alarm_of(guards, kind):
    finding = Finding(
        kind=kind,
        model=MODEL,
        version=1,
        chunk=0,
        since=NOON,
        what="It differs.",
        to_do="Look.",
        severity=Severity.INFO,
    )
    return AlarmBook(guards.folder.monitoring(MODEL)).raise_alarm(finding).id


def report(*alarms, is_broken=False):
    return ChunkReport(
        number=0,
        since=NOON,
        until=NOON + timedelta(days=1),
        version=1,
        num_rows=1,
        num_failed=0,
        is_broken=is_broken,
        alarms=list(alarms),
    )


def rollout(guards, action, *, by):
    """A rollout of one step that ends by an action."""
    for version in (1, 2):
        (guards.folder.serving(MODEL) / str(version)).mkdir(parents=True)
        (guards.folder.serving(MODEL) / str(version) / "saved_model.pb").touch()
    candidate = Pin(base=MODEL, version=2)
    begin(guards.folder, MODEL, excluded=candidate)
    decision = Decision(by=by, why="a test")
    stages = (Stage(percent=20, mirrored_percent=100),)
    start(
        guards.folder,
        MODEL,
        Plan(candidate=candidate, strategy="canary", stages=stages),
        decision,
    )
    assert guards.is_rolling_out()
    act(guards.folder, MODEL, action, decision)


@pytest.mark.parametrize(
    ("kind", "guard"),
    [
        (Kind.BROKEN_DATA, Guard.TROUBLES),
        (Kind.DRIFT, Guard.DRIFT),
        (Kind.ESTIMATED_LOSS, Guard.DRIFT),
        (Kind.MEASURED_LOSS, Guard.LABELS),
        (Kind.LATENCY, Guard.OPERATIONS),
    ],
)
def test_an_alarm_is_the_word_of_its_guard(guards, kind, guard):
    raised = alarm_of(guards, kind)
    noticed = guards.of_reports([report(raised)])
    assert noticed.guards == {guard}
    assert noticed.actions == {Action.ALARM}
    assert noticed.alarms == (raised,)


def test_chunks_without_alarms_are_no_news_also_while_an_alarm_is_open(guards):
    alarm_of(guards, Kind.DRIFT)
    assert guards.of_reports([report()]) == Noticed()


def test_a_broken_chunk_is_quarantined(guards):
    raised = alarm_of(guards, Kind.BROKEN_DATA)
    noticed = guards.of_reports([report(raised, is_broken=True)])
    assert noticed.actions == {Action.ALARM, Action.QUARANTINE}


def test_an_alarm_from_before_the_change_notices_nothing(guards):
    raised = alarm_of(guards, Kind.DRIFT)
    guards.ignored.add(raised)
    assert guards.of_reports([report(raised)]) == Noticed()


@pytest.mark.parametrize(
    ("action", "guard", "done"),
    [
        ("roll_back", {Guard.ROLLOUT}, {Action.ROLL_BACK}),
        ("advance", set(), {Action.PROMOTE}),  # past the last step
    ],
)
def test_what_the_controller_decided_is_told_once(guards, action, guard, done):
    rollout(guards, action, by=CONTROLLER)
    noticed = guards.of_rollouts()
    assert (noticed.guards, noticed.actions) == (guard, done)
    assert guards.of_rollouts() == Noticed()


def test_what_a_person_decided_is_no_merit_of_a_guard(guards):
    rollout(guards, "roll_back", by="Ada")
    assert guards.of_rollouts() == Noticed()
    assert guards.served_version() == 1
    assert guards.has_rolled_out()
    assert not guards.is_rolling_out()

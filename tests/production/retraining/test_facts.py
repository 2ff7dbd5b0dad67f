"""What is known when a retraining is decided: cost, alarms, spend, and the served version."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import InputError
from pipeline.production_options.retraining import LabelCount
from pipeline.production_options.rollout import RolloutOptions
from production.gateway.traffic import Pin
from production.monitoring.alarms.alarm import Finding, Kind, Loss, Severity
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.report import ChunkReport, read_reports, write_report
from production.retraining import facts
from production.retraining.deciding import CostOfDrift
from production.retraining.facts import gather_facts
from production.retraining.new_data import NewLabels, check_retrainable
from production.retraining.state import Result
from production.rollback import Decision
from production.rollout.actions import act, start
from production.rollout.candidates import Candidate
from production.rollout.strategies import make_plan
from tests.production.collection.recorded import NOON
from tests.production.retraining.worlds import CHALLENGER, CHAMPION, World
from tests.production.rollout.pushes import push

ADA = Decision(by="Ada", why="a test")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def _facts(world):
    labels = LabelCount(rows=0, positives=0)
    entries = world.journal().read()
    return gather_facts(world.config, world.folder, entries, labels=labels, now=world.now)


def _report(world, number, cost, *, version=CHAMPION, is_broken=False):
    report = ChunkReport(
        number=number,
        since=NOON,
        until=NOON + timedelta(hours=1),
        version=version,
        num_rows=9,
        num_failed=0,
        is_broken=is_broken,
        cost_per_day=None if is_broken else cost,
    )
    write_report(world.folder.monitoring("wells"), report)


def _alarm(world, kind=Kind.DRIFT, version=CHAMPION, loss=None):
    book = AlarmBook(world.folder.monitoring("wells"), now=lambda: world.now)
    finding = Finding(
        kind=kind,
        model="wells",
        version=version,
        chunk=1,
        since=NOON,
        what="x moved",
        to_do="look",
        severity=Severity.WARNING,
        loss=loss,
    )
    return book, book.raise_alarm(finding).id


def test_the_cost_is_that_of_the_newest_sound_chunk_of_the_served_version(world):
    _report(world, 0, (10.0, 5.0, 15.0))
    _report(world, 1, (20.0, 12.0, 30.0))
    _report(world, 2, None, is_broken=True)
    _report(world, 3, (99.0, 90.0, 110.0), version=CHALLENGER)
    _, alarm = _alarm(world)
    assert _facts(world).cost == CostOfDrift(
        chunk=1, per_day=20.0, lower=12.0, upper=30.0, alarms=(alarm,)
    )


def test_reports_are_read_again_only_after_a_new_chunk(world, monkeypatch):
    reads = []
    monkeypatch.setattr(facts, "read_reports", lambda place: reads.append(1) or read_reports(place))
    _report(world, 0, (10.0, 5.0, 15.0))
    assert [_facts(world).cost.per_day for _ in range(3)] == [10.0] * 3
    assert len(reads) == 1
    _report(world, 1, (20.0, 12.0, 30.0))
    assert _facts(world).cost.per_day == 20.0
    assert len(reads) == 2


@pytest.mark.parametrize("version", [20261127, 20261127120000, 10**18])
def test_a_version_that_a_person_named_is_no_time_of_a_push(world, version):
    push(world.store, world.folder, version)
    known = _facts(world)
    assert (known.champion, known.last_trained) == (version, None)


def test_without_an_estimate_there_is_no_cost(world):
    assert _facts(world).cost is None
    _report(world, 0, (None, None, None))
    assert _facts(world).cost is None


@pytest.mark.parametrize(
    ("kind", "version", "counts"),
    [
        (Kind.ESTIMATED_LOSS, CHAMPION, True),
        (Kind.MEASURED_LOSS, CHAMPION, True),
        (Kind.BROKEN_DATA, CHAMPION, False),
        (Kind.LATENCY, CHAMPION, False),
        (Kind.DRIFT, CHALLENGER, False),
    ],
)
def test_only_alarms_of_drift_and_loss_of_the_served_version_count(world, kind, version, counts):
    _report(world, 0, (20.0, 12.0, 30.0))
    _, alarm = _alarm(world, kind, version)
    assert _facts(world).cost.alarms == ((alarm,) if counts else ())


@pytest.mark.parametrize(
    ("kind", "per_day", "expected"),
    [
        (Kind.MEASURED_LOSS, 900.0, (900.0, 400.0, 1_500.0, True)),  # no estimate sees the change
        (Kind.MEASURED_LOSS, 10.0, (20.0, 12.0, 30.0, False)),
        (Kind.MEASURED_LOSS, None, (20.0, 12.0, 30.0, False)),
        (Kind.DRIFT, 900.0, (20.0, 12.0, 30.0, False)),  # an estimate, older than the report's
    ],
)
def test_what_labels_show_to_be_lost_counts_where_it_is_more_than_the_estimate(
    world, kind, per_day, expected
):
    _report(world, 0, (20.0, 12.0, 30.0))
    _alarm(world, kind, loss=Loss(cost_per_day=per_day, unit="EUR", lower=400.0, upper=1_500.0))
    cost = _facts(world).cost
    assert (cost.per_day, cost.lower, cost.upper, cost.is_measured) == expected


def test_a_closed_alarm_does_not_count(world):
    _report(world, 0, (20.0, 12.0, 30.0))
    book, alarm = _alarm(world)
    book.close(alarm, "Ada", "the sensor was replaced")
    assert _facts(world).cost.alarms == ()


def test_spend_is_that_of_the_last_seven_days(world):
    world.runs.result = Result(outcome="rejected", words="no", cpu_s=90.0)
    world.begin()
    world.carry_out()
    world.pass_days(5)
    world.begin()
    world.carry_out()
    facts = _facts(world)
    assert (facts.num_trainings, facts.cpu_minutes) == (2, 3.0)
    assert facts.last_ended == facts.last_trained == world.now
    world.pass_days(3)  # the first one is eight days old
    facts = _facts(world)
    assert (facts.num_trainings, facts.cpu_minutes) == (1, 1.5)


@pytest.mark.parametrize(
    ("num_signals", "minutes"),
    [
        (2, 3.5),  # 60 s of each attempt that a signal ended, and 90 s of the last one
        (3, 3.0),  # given up after three attempts
    ],
)
def test_attempts_that_a_signal_ended_are_spent_too(world, num_signals, minutes):
    world.runs.result = Result(outcome="rejected", words="no", cpu_s=90.0)
    world.runs.num_signals = num_signals
    world.begin()
    world.carry_out()
    assert _facts(world).cpu_minutes == minutes


def test_the_served_version_is_the_one_that_clients_get(world):
    assert (_facts(world).champion, _facts(world).level) == (CHAMPION, 3)
    push(world.store, world.folder, CHALLENGER)
    assert _facts(world).champion == CHALLENGER  # without a gateway the newest
    candidate = Candidate(pin=Pin(base="wells", version=CHALLENGER), verdict="BLESSED")
    start(world.folder, "wells", make_plan(candidate, RolloutOptions(), "canary"), ADA)
    assert _facts(world).champion == CHAMPION
    assert _facts(world).rollout == "the rollout of wells/200 is running"
    act(world.folder, "wells", "roll_back", ADA)
    assert (_facts(world).champion, _facts(world).rollout) == (CHAMPION, "")


def test_rows_in_quarantine_are_no_new_labels(world):
    labels = NewLabels(world.config, world.folder, "wells")
    assert labels.count() == LabelCount(rows=0, positives=0)
    world.ask(1, 0, None, 1)
    assert labels.count() == LabelCount(rows=3, positives=2)
    place = world.folder.monitoring("wells")
    place.mkdir(parents=True)
    times = {"since": str(NOON), "until": str(NOON + timedelta(hours=1))}
    line = {"chunk": 0, "version": CHAMPION, "reasons": ["x is stuck"], "time": str(NOON)} | times
    (place / "quarantine.jsonl").write_text(json.dumps(line) + "\n")
    assert labels.count() == LabelCount(rows=0, positives=0)


def test_an_interrupted_retraining_goes_on_on_the_day_of_its_span(world):
    """Spans by date have one name a day, which the retraining has used."""
    text = world.config_path.read_text()
    world.config_path.write_text(text.replace("{SPAN}", "{DATE}"))
    (world.root / "spans" / "1").rename(world.root / "spans" / f"{datetime.now(UTC):%Y-%m-%d}")
    check_retrainable(world.config)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("wells.csv", r"A new span needs \{SPAN\}"),
        ('"spans/{SPAN}/*.csv"', r"needs data.window"),
    ],
)
def test_a_config_without_spans_or_a_window_cannot_be_retrained(world, data, words):
    (world.root / "wells.csv").write_text("x,faulty\n1.0,1\n")
    text = world.config_path.read_text()
    world.config_path.write_text(text.replace('"spans/{SPAN}/*.csv", window: 3', data))
    with pytest.raises(InputError, match=words):
        check_retrainable(world.config)

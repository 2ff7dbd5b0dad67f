"""An output folder with everything that the exposition reads, for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.output_folder import OutputFolder
from production.gateway.traffic import Pin
from production.monitoring.alarms.alarm import Finding, Kind, Severity
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.report import ChunkReport, write_report
from production.retraining import journal as retrainings
from production.retraining.state import Result, Retraining, Trigger, begin, decline
from production.rollout import state
from production.rollout.journal import Journal, Note

MODEL = "wells"
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)
DAY = timedelta(days=1)


def write_chunk(folder: OutputFolder, number: int, **values: object) -> None:
    """Writes the report of a chunk of one day; day 0 is the 27th of November 2026."""
    since = MIDNIGHT + number * DAY
    fields = {"version": 7, "num_rows": 300, "num_failed": 0} | values
    report = ChunkReport(number=number, since=since, until=since + DAY, **fields)  # type: ignore[arg-type]
    write_report(folder.monitoring(MODEL), report)


def write_whole_chunk(folder: OutputFolder, number: int = 0) -> None:
    """Writes the report of a chunk that has all figures."""
    write_chunk(
        folder,
        number,
        num_failed=3,
        drift={"evidence": 12.5, "limit": 182.0, "p_values": {"pressure": 0.04, "scores": 0.5}},
        estimated={"recall": (0.75, 0.5, 0.9), "cost": (0.02, 0.01, None)},
        measured={"recall": (0.8, 0.7, 0.9)},
        cost_per_day=(4.0, -1.0, 9.0),
        operations={"p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 8.0, "jitter_ms": 0.5}
        | {"error_share": 0.01, "requests_per_s": 0.25},
    )


def raise_alarms(folder: OutputFolder) -> None:
    """Raises an alarm about drift, and one about broken data that a person takes on."""
    book = AlarmBook(folder.monitoring(MODEL), now=lambda: MIDNIGHT)
    for kind, severity in (
        (Kind.DRIFT, Severity.CRITICAL),
        (Kind.BROKEN_DATA, Severity.WARNING),
    ):
        finding = Finding(
            kind=kind,
            model=MODEL,
            version=7,
            chunk=0,
            since=MIDNIGHT,
            what="Something changed.",
            to_do="Look at it.",
            severity=severity,
        )
        alarm = book.raise_alarm(finding)
    book.acknowledge(alarm.id, "Ada", "the sensor is being replaced")


def start_rollout(folder: OutputFolder) -> Journal:
    """Starts a rollout from version 7 to 8 whose first step is 5 % of the keys."""
    journal = Journal(folder.rollouts(MODEL), now=lambda: MIDNIGHT)
    stable, candidate = (Pin(base=MODEL, version=version) for version in (7, 8))
    stages = (
        state.Stage(percent=5, mirrored_percent=100),
        state.Stage(percent=50, mirrored_percent=20),
    )
    plan = state.Plan(candidate=candidate, strategy="canary", stages=stages)
    first = Note(event="begin", by="faultline", why="it is in service")
    journal.append(lambda *_: state.State(model=MODEL, stable=stable), first)
    journal.append(
        lambda entries, now: state.start(entries[-1].state, plan, now),
        Note(event="start", by="Ada", why="trained on May"),
    )
    return journal


def write_retrainings(folder: OutputFolder) -> None:
    """Writes a retraining that a person declined, and one that waits for approval."""
    journal = retrainings.Journal(folder.retraining(MODEL), now=lambda: MIDNIGHT)
    trigger = Trigger(name="labels", by="faultline", why="500 new labels")
    result = Result(outcome="declined", words="Ada declined it.", cpu_s=12.0)
    note = retrainings.Note(event="propose", by="faultline", why="500 new labels")

    def proposed(number: int) -> Retraining:
        return begin(number, trigger, champion=7, now=MIDNIGHT, is_approved=False)

    journal.append(lambda *_: proposed(1), note)
    journal.append(lambda _, now: decline(proposed(1), result, now), note)
    journal.append(lambda *_: proposed(2), note)


def write_records(folder: OutputFolder) -> Path:
    """Makes empty files where a closed hour and labels are; returns that of the labels."""
    hour = folder.collected(MODEL) / "requests" / "date=2026-11-26" / "hour=22"
    labels = folder.collected(MODEL) / "labels" / "1.parquet"
    for path in (hour / "stable-0.parquet", labels):
        path.parent.mkdir(parents=True)
        path.touch()
    return labels

"""Some days of production in the monitor's files."""

from datetime import UTC, datetime, timedelta
from typing import Any

from common.output_folder import OutputFolder
from production.gateway.traffic import Pin
from production.monitoring.alarms.alarm import Finding, Kind, Loss, Severity
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.json_lines import append_line
from production.monitoring.report import ChunkReport, Figure, write_report
from production.rollout.journal import Journal, Note
from production.rollout.state import State

FIRST_DAY = datetime(2026, 9, 1, tzinfo=UTC)
RECALL: Figure = (0.86, 0.8, 0.92)


def report(number: int, **values: Any) -> ChunkReport:
    """The report of one day."""
    since = FIRST_DAY + timedelta(days=number)
    given: dict[str, Any] = {
        "version": 100,
        "num_rows": 2500,
        "num_failed": 3,
        "drift": {"evidence": 1.5 + number, "limit": 182.6, "p_values": {}, "drivers": []},
        "estimated": {"recall": RECALL, "alarm_rate": (0.04, 0.03, 0.05)},
        "operations": {"p50_ms": 2.0, "p99_ms": 6.25, "error_share": 0.001},
    }
    return ChunkReport(
        number=number, since=since, until=since + timedelta(days=1), **given | values
    )


def broken(number: int) -> ChunkReport:
    """The report of a day in quarantine."""
    trouble = {"kind": "stuck", "feature": "pressure", "share": 0.3, "words": "", "is_broken": True}
    return report(number, is_broken=True, troubles=[trouble], drift=None, estimated=None)


def write_days(folder: OutputFolder) -> None:
    """Five days: day 2 is broken, day 3 raises an alarm, on day 4 version 200 takes over."""
    place = folder.monitoring("pump")
    book = AlarmBook(place, now=lambda: FIRST_DAY + timedelta(days=90))
    finding = Finding(
        kind=Kind.DRIFT,
        model="pump",
        version=100,
        chunk=3,
        since=FIRST_DAY + timedelta(days=1),
        features=("<b>pressure</b>",),
        what="`<b>pressure</b>` has drifted.",
        loss=Loss(recall_points=-4.0, cost_per_day=310.0, unit="EUR", lower=120.0, upper=520.0),
        to_do="Check the sensor.",
        severity=Severity.CRITICAL,
    )
    alarm = book.raise_alarm(finding)
    measured = {"recall": (0.84, 0.7, 0.95)}
    for one in (report(0, measured=measured), report(1), broken(2)):
        write_report(place, one)
    write_report(place, report(3, alarms=[alarm.id], cost_per_day=(310.0, 120.0, 520.0)))
    write_report(place, report(4, version=200, notes=["Concept drift is invisible."]))
    take_over = FIRST_DAY + timedelta(days=4)
    Journal(folder.rollouts("pump"), now=lambda: take_over).append(
        lambda *_: State(model="pump", stable=Pin(base="pump", version=200)),
        Note(event="promote", by="Ada", why="better on May"),
    )
    append_line(
        folder.retraining("pump") / "journal.jsonl",
        {"time": take_over.isoformat(), "event": "start", "by": "faultline", "why": "cost"},
    )

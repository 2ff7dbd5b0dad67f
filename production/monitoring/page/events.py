"""Events of a model in production: alarms, rollouts, retrainings, changes of version."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.errors import InputError
from production.monitoring.alarms.book import AlarmState
from production.monitoring.json_lines import read_lines
from production.monitoring.report import ChunkReport
from production.rollout.journal import Entry, describe

ALARM, ROLLOUT, RETRAINING, VERSION = "alarm", "rollout", "retraining", "version"


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event on the time axis.

    Attributes:
        time: When it happened.
        kind: `alarm`, `rollout`, `retraining` or `version`.
        level: Severity of an alarm; empty for other events.
        title: What it is, in a few words.
        text: What is known of it, a sentence or two.
    """

    time: datetime
    kind: str
    level: str = ""
    title: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """Returns the event as JSON values."""
        return asdict(self) | {"time": self.time.isoformat()}


def alarm_events(states: Sequence[AlarmState], reports: Sequence[ChunkReport]) -> Iterator[Event]:
    """Yields alarms, each at the end of the chunk that raised it.

    Args:
        states: The alarms.
        reports: The reports of the chunks.
    """
    ends = {report.number: report.until for report in reports}
    for state in states:
        alarm = state.alarm
        yield Event(
            time=ends.get(state.first_chunk, alarm.raised),
            kind=ALARM,
            level=alarm.severity,
            title=f"{alarm.id} {alarm.kind.replace('_', ' ')}, {state.status}",
            text=alarm.what,
        )


def rollout_events(entries: Sequence[Entry]) -> Iterator[Event]:
    """Yields the transitions of rollouts."""
    for entry in entries:
        words = entry.note.event.replace("_", " ")
        yield Event(
            time=entry.time,
            kind=ROLLOUT,
            title=f"{words}: {describe(entry.state)}",
            text=f"{entry.note.by}: {entry.note.why}",
        )


def retraining_events(journal: Path) -> Iterator[Event]:
    """Yields the transitions of retrainings.

    Args:
        journal: `journal.jsonl` of the retrainings; it may not be there.

    Raises:
        InputError: The journal cannot be read, or a line of it was changed.
    """
    for number, line in enumerate(read_lines(journal), start=1):
        try:
            event = Event(
                time=datetime.fromisoformat(line["time"]),
                kind=RETRAINING,
                title=f"retraining: {str(line['event']).replace('_', ' ')}",
                text=f"{line['by']}: {line['why']}",
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{journal}, line {number}: it is no transition of a retraining: {error!r}. "
                "Restore it from a backup, or move it aside."
            ) from error
        yield event


def version_events(reports: Sequence[ChunkReport]) -> Iterator[Event]:
    """Yields the first chunk of each stretch of chunks that one version answered."""
    before = None
    for report in reports:
        if report.version != before:
            title = f"version {report.version} answers"
            yield Event(time=report.since, kind=VERSION, title=title, text="")
        before = report.version

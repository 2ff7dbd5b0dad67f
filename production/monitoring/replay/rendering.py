"""A replayed request for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from common.guards.terminal import escape, escape_lines
from pipeline.counting import count
from production.monitoring.replay.recorded import Recorded
from production.monitoring.replay.replay import Replay
from serving.recording.columns import RECORD_SCHEMA

_MAX_ROWS, _MAX_VALUES = 20, 8


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One answer to a request, and what the replay of it came to.

    Attributes:
        recorded: What was recorded.
        replay: The replay; None if it was not possible.
        problem: Why it was not; empty if it was.
        lineage: Where the version came from, by subject.
    """

    recorded: Recorded
    replay: Replay | None
    problem: str
    lineage: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Returns the outcome as JSON values."""
        recorded, replay = self.recorded, self.replay
        return {
            "request_id": recorded.request_id,
            "time": recorded.time.isoformat(),
            "version": recorded.version,
            "arm": recorded.arm,
            "answered": recorded.is_answered,
            "status": recorded.status,
            "rows": recorded.records.to_pylist(),
            "replay": None
            if replay is None
            else {
                "same": replay.is_same,
                "probabilities": list(replay.probabilities),
                "decisions": list(replay.decisions),
                "float32_steps": replay.ulps,
                "batch_size": replay.batch_size,
                "words": replay.words,
            },
            "problem": self.problem,
            "lineage": dict(self.lineage),
        }


def render_outcome(outcome: Outcome, model: str) -> RenderableType:
    """Returns an outcome for the terminal.

    Args:
        outcome: The outcome.
        model: Name of the model.
    """
    recorded = outcome.recorded
    to_client = "" if recorded.is_answered else ", a copy: the client got the other server's answer"
    head = (
        f"{recorded.request_id} at {recorded.time:%Y-%m-%d %H:%M:%S.%f} UTC, "
        f"{count(recorded.records.num_rows, 'row')}, {model}/{recorded.version} "
        f"({recorded.arm}{to_client}), {recorded.status}"
    )
    verdict = outcome.problem if outcome.replay is None else f"Replay: {outcome.replay.words}"
    lineage = [f"{subject}: {text}" for subject, text in outcome.lineage.items()]
    return Group(escape(head), _rows(outcome), escape_lines([verdict, "", *lineage]))


def _rows(outcome: Outcome) -> Table:
    """A line for each row; a single row is printed vertically, a line for each column."""
    rows = outcome.recorded.records.slice(0, _MAX_ROWS).to_pylist()
    features = [name for name in outcome.recorded.records.column_names if not _is_own(name)]
    headers = ("row", "probability", "replayed", "decision", *map(escape, features))
    lines = []
    for place, row in enumerate(rows):
        replayed = "-" if outcome.replay is None else repr(outcome.replay.probabilities[place])
        own = (str(row["row"]), _cell(row["probability"]), replayed, _cell(row["decision"]))
        lines.append((*own, *(escape(_cell(row[name])) for name in features)))
    is_vertical = len(lines) == 1
    table = Table(
        *(() if is_vertical else headers), box=None, pad_edge=False, show_header=not is_vertical
    )
    for line in zip(headers, *lines, strict=True) if is_vertical else lines:
        table.add_row(*line)
    return table


def _is_own(name: str) -> bool:
    return name in RECORD_SCHEMA.names


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        shown = ", ".join(_cell(one) for one in value[:_MAX_VALUES])
        more = f", … {len(value):,} values" if len(value) > _MAX_VALUES else ""
        return f"[{shown}{more}]"
    return repr(value) if isinstance(value, float) else str(value)

"""Report of a chunk."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from common.errors import InputError
from production.monitoring.json_lines import append_line, read_sound_lines

CHUNKS = "chunks.jsonl"
# Held by the process that monitors the model.
LOCK = "lock"

# value, lower limit, upper limit; null where unknown
Figure = tuple[float | None, float | None, float | None]
UNKNOWN: Figure = (None, None, None)
CONFIDENCE = 0.95

_SMALL = 100


def figure_words(figure: Figure, form: str) -> str:
    """Returns a figure with its limits; empty if it is unknown.

    Args:
        figure: The figure.
        form: Format of each number.

    >>> figure_words((0.8, 0.7, 0.9), ".2f")
    '0.80 [0.70, 0.90]'
    """
    value, lower, upper = figure
    if value is None:
        return ""
    limits = "" if lower is None or upper is None else f" [{lower:{form}}, {upper:{form}}]"
    return f"{value:{form}}{limits}"


def amount_words(figure: Figure) -> str:
    """Returns a change of an amount; no decimals unless it is small.

    >>> amount_words((-613.0, -5446.0, 2055.0))
    '-613 [-5,446, +2,055]'
    >>> amount_words((2.25, 0.5, 4.0))
    '+2.25 [+0.5, +4]'
    """
    return figure_words(figure, "+.3g" if abs(figure[0] or 0.0) < _SMALL else "+,.0f")


def with_unit(words: str, unit: str) -> str:
    """Puts a unit behind the value of a figure in words and before its limits.

    >>> with_unit("-613 [-5,446, +2,055]", "EUR a day")
    '-613 EUR a day [-5,446, +2,055]'
    """
    value, space, limits = words.partition(" ")
    return f"{value} {unit}{space}{limits}" if words else ""


def minute_words(time: datetime) -> str:
    """Returns a time to the minute, such as `2026-11-27 12:00`."""
    return f"{time:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, kw_only=True)
class ChunkReport:
    """A finished chunk.

    Attributes:
        number: Its number, from 0, over all versions.
        since: Time of its beginning.
        until: Time of its end.
        version: Version of the model that answered.
        num_rows: Rows that were answered.
        num_failed: Requests that were not.
        troubles: Troubles of the data: `kind`, `feature`, `share`, `words`.
        is_broken: Whether they make the figures untrustworthy; then there is no drift figure, and
            the rows are quarantined.
        drift: `evidence`, `limit`, `p_values` and `effects` by channel, `drivers` (`channel`,
            `share` of the evidence, `since`, a chunk's number), `joint` (`roc_auc`, `losses` by
            feature); None if broken.
        estimated: Metric to figure, without labels: `recall`, `precision`, `pr_auc`, `cost`,
            `prevalence`, and `alarm_rate`; None if broken.
        measured: Metric to figure, with labels; None as long as labels are incomplete.
        cost_per_day: Estimated rise of the cost a day against what the gate measured.
        operations: `p50_ms`, `p95_ms`, `p99_ms`, `jitter_ms`, `error_share`, `requests_per_s`.
        alarms: Ids of the alarms that it raised or repeated.
        notes: Sentences for people.
    """

    number: int
    since: datetime
    until: datetime
    version: int
    num_rows: int
    num_failed: int
    troubles: list[dict[str, Any]] = field(default_factory=list)
    is_broken: bool = False
    drift: dict[str, Any] | None = None
    estimated: dict[str, Figure] | None = None
    measured: dict[str, Figure] | None = None
    cost_per_day: Figure | None = None
    operations: dict[str, float | None] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Returns the report as JSON values; times in ISO 8601."""
        return asdict(self) | {"since": self.since.isoformat(), "until": self.until.isoformat()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ChunkReport":
        """Returns the report of what `to_json` returned.

        Raises:
            ValidationError: The values are no report.
        """
        return _REPORT.validate_python(values, extra="forbid")


_REPORT = TypeAdapter(ChunkReport)


def write_report(folder: Path, report: ChunkReport) -> None:
    """Appends a report; a later one of the same chunk replaces it for readers.

    Args:
        folder: The folder `monitoring/NAME`.
        report: The report, on the disk when this returns.
    """
    append_line(folder / CHUNKS, report.to_json())


def read_reports(folder: Path) -> list[ChunkReport]:
    """Returns the reports of the finished chunks, oldest first.

    A chunk has a second line once its labels have arrived; the last one counts.

    Args:
        folder: The folder `monitoring/NAME`.

    Raises:
        InputError: A line is no report; the message names it.
    """
    reports, problems = read_sound_reports(folder)
    if problems:
        raise InputError(problems[0])
    return reports


def read_sound_reports(folder: Path) -> tuple[list[ChunkReport], list[str]]:
    """Returns what `read_reports` returns, without damaged lines; and a sentence for each of those.

    Args:
        folder: The folder `monitoring/NAME`.

    Raises:
        InputError: The file cannot be read.
    """
    path = folder / CHUNKS
    lines, problems = read_sound_lines(path)
    by_number = {}
    for line, values in lines.items():
        try:
            report = ChunkReport.from_json(values)
        except ValidationError as error:
            problems.append(_problem(f"{path}, line {line}", error))
        else:
            by_number[report.number] = report
    return [by_number[number] for number in sorted(by_number)], problems


def _problem(place: str, error: ValidationError) -> str:
    problem = error.errors(include_input=False)[0]
    where = ".".join(map(str, problem["loc"]))
    return (
        f"{place}: it is no report of a chunk: `{where}`: {problem['msg']}. It was changed, or "
        "another version of the project wrote it. Restore it from a backup, or move the folder "
        "aside, and the monitor begins again."
    )

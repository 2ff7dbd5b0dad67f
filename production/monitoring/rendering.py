"""Reports of chunks, for people at a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from common.guards.terminal import escape, escape_lines
from pipeline.counting import count
from production.monitoring.report import ChunkReport, amount_words, figure_words, minute_words


def chunk_table(reports: Sequence[ChunkReport], *, unit: str) -> RenderableType:
    """Returns a line for each chunk; recall and precision with a star are measured.

    Args:
        reports: The reports, oldest first.
        unit: Unit of costs.
    """
    table = Table(box=None, pad_edge=False)
    for header in (
        *("chunk", "since (UTC)", "version", "rows", "data", "drift", "recall", "precision"),
        *(f"{unit} a day vs gate", "p99", "errors", "alarms"),
    ):
        table.add_column(header, no_wrap=True)
    for report in reports:
        table.add_row(
            str(report.number),
            minute_words(report.since),
            str(report.version),
            f"{report.num_rows:,}",
            _data_words(report),
            _drift_words(report),
            _quality(report, "recall"),
            _quality(report, "precision"),
            "" if report.cost_per_day is None else escape(amount_words(report.cost_per_day)),
            _operation(report, "p99_ms", "{:.1f} ms"),
            _operation(report, "error_share", "{:.2%}"),
            escape(" ".join(report.alarms)),
        )
    lines = [
        f"{unit} a day vs gate: estimated change of the cost against what the gate measured; "
        "negative is cheaper"
    ]
    if any(report.measured for report in reports):
        lines.append("* measured with labels; recall and precision without a star are estimates")
    return Group(table, *map(escape, [*lines, *_trouble_lines(reports)]))


def last_notes(reports: Sequence[ChunkReport]) -> str:
    """Returns the notes of the newest chunk that has some."""
    notes = next((report.notes for report in reversed(reports) if report.notes), [])
    return escape_lines(notes)


def _trouble_lines(reports: Sequence[ChunkReport]) -> list[str]:
    """The troubles that raise no alarm of their own, in words."""
    return [
        f"Chunk {report.number}: {trouble['words']}"
        for report in reports
        if not report.is_broken
        for trouble in report.troubles
    ]


def _data_words(report: ChunkReport) -> str:
    if report.is_broken:
        return "[red]broken[/red]"
    if report.troubles:
        return f"[yellow]{count(len(report.troubles), 'trouble')}[/yellow]"
    # Without rows or a reference, the data were not compared.
    return "" if report.drift is None else "ok"


def _drift_words(report: ChunkReport) -> str:
    if report.drift is None:
        return ""
    evidence, limit = report.drift["evidence"], report.drift["limit"]
    words = f"{evidence:.3g} of {limit:.3g}"
    return f"[red]{words}[/red]" if evidence >= limit else words


def _quality(report: ChunkReport, metric: str) -> str:
    """The measured figure, marked, or the estimated one."""
    if report.measured is not None and report.measured[metric][0] is not None:
        return escape(figure_words(report.measured[metric], ".2f")) + " *"
    return "" if report.estimated is None else escape(figure_words(report.estimated[metric], ".2f"))


def _operation(report: ChunkReport, name: str, form: str) -> str:
    value = report.operations.get(name)
    return "" if value is None else form.format(value)

"""Alarms and their explanations in tables for people."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from common.guards.terminal import escape, escape_lines
from production.monitoring.alarms.book import AlarmState
from production.monitoring.alarms.explaining import Explanation, Side
from production.monitoring.alarms.messages import loss_lines, loss_words
from production.monitoring.report import minute_words


def alarm_table(states: Sequence[AlarmState]) -> RenderableType:
    """Returns a table of alarms."""
    if not states:
        return "No open alarms."
    table = Table(
        *("id", "severity", "kind", "version", "since", "status", "chunks", "change", "what"),
        box=None,
        pad_edge=False,
    )
    for state in states:
        alarm = state.alarm
        table.add_row(
            alarm.id,
            alarm.severity,
            alarm.kind.replace("_", " "),
            str(alarm.version),
            minute_words(alarm.since),
            state.status,
            str(state.num_repeats + 1),
            escape(loss_words(alarm.loss)) if alarm.loss else "",
            escape(alarm.what),
        )
    hint = (
        "Explain one: faultline explain-alarm ID. Take it on: faultline alarms acknowledge ID "
        '--why "..."'
    )
    return Group(table, hint)


def explanation_tables(explanation: Explanation) -> RenderableType:
    """Returns an explanation for the terminal."""
    parts: list[RenderableType] = [escape_lines(_head(explanation))]
    if explanation.comparisons:
        parts += ["", _comparison_table(explanation)]
    if explanation.examples:
        parts += ["", _example_table(explanation)]
    if explanation.causes:
        parts += ["", "Likely causes", *(escape(f"- {one}") for one in explanation.causes)]
    parts += ["", escape(f"What to do: {explanation.state.alarm.to_do}")]
    parts += [escape(note) for note in explanation.notes]
    return Group(*parts)


def _head(explanation: Explanation) -> list[str]:
    state, alarm = explanation.state, explanation.state.alarm
    seen = f"by chunk {state.first_chunk}"
    if state.num_repeats == 1:
        seen += f", seen again in chunk {state.last_chunk}"
    elif state.num_repeats:
        seen += f", seen again in {state.num_repeats} later ones up to chunk {state.last_chunk}"
    person = state.closed_by or state.acknowledged_by
    by = f" by {person}" if person else ""
    why = f": {state.why}" if state.why else ""
    return [
        f"{alarm.id} [{alarm.severity}] {alarm.kind.replace('_', ' ')} of "
        f"{alarm.model}/{alarm.version}, {state.status}{by}{why}",
        *([] if alarm.chunk == state.first_chunk else [f"Worst in chunk {alarm.chunk}:"]),
        alarm.what,
        f"Since {minute_words(alarm.since)}; raised {minute_words(alarm.raised)} {seen}",
        *loss_lines(alarm),
    ]


def _titled(title: str, explanation: Explanation) -> Table:
    """A table of the last chunk that showed the alarm, which need not be its worst one."""
    report = explanation.report
    chunk = "" if report is None else f", chunk {report.number}"
    return Table(title=title + chunk, title_justify="left", box=None)


def _comparison_table(explanation: Explanation) -> Table:
    table = _titled("training against production", explanation)
    for header in ("channel", "training", "production", "missing", "p-value"):
        table.add_column(header)
    for one in explanation.comparisons:
        table.add_row(
            escape(one.channel),
            escape(side_words(one.training)),
            escape(side_words(one.production)),
            f"{one.training.missing:.1%} -> {one.production.missing:.1%}",
            "-" if one.p_value is None else f"{one.p_value:.2g}",
        )
    return table


def side_words(side: Side) -> str:
    """Returns the distribution of a channel in words.

    >>> side_words(Side(missing=0.0, quantiles=(1.0, 2.0, 3.5), deviation=0.8))
    '2 [1, 3.5]'
    >>> side_words(Side(missing=0.0, categories={"a": 0.75, "b": 0.25}))
    'a 75.0%, b 25.0%'
    """
    if side.categories is not None:
        return ", ".join(f"{name} {share:.1%}" for name, share in side.categories.items()) or "-"
    if side.quantiles is None:
        return "-"
    low, middle, high = side.quantiles
    return f"{middle:.4g} [{low:.4g}, {high:.4g}]"


def _example_table(explanation: Explanation) -> Table:
    table = _titled("example requests", explanation)
    names = list(explanation.examples[0])
    for name in names:
        table.add_column(escape(name))
    for row in explanation.examples:
        table.add_row(*(escape(_cell(row[name])) for name in names))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(_cell(one) for one in value) + "]"
    return str(value)

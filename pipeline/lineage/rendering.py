"""Terminal rendering of lineage as a tree and of runs as a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.tree import Tree

from pipeline.components.names import INCONCLUSIVE
from pipeline.counting import count
from pipeline.lineage.facts import span_text
from pipeline.lineage.git_state import UNKNOWN
from pipeline.lineage.restoring.bringing_back import NOTES
from pipeline.lineage.runs import RunRow, RunState
from pipeline.lineage.tree import LineageNode

_Columns = Mapping[str, Callable[[RunRow], str]]

_UNLIMITED = 10_000  # characters: wider than any table
_STYLES = {
    RunState.COMPLETE: "green",
    RunState.FAILED: "red",
    RunState.INTERRUPTED: "yellow",
    RunState.RUNNING: "cyan",
}
# Facts that are internal, or already in the title or the `made by` line.
_HIDDEN = {
    *("made_by", "run", "made_at", "dirty", "python"),
    *("state", "file_format", "payload_format", "split_names"),
    *("in_words", "pushed", "pushed_version", "blessed", "current_model", "current_model_id"),
}
_VERDICT_STYLES = {
    "BLESSED": "[green]blessed[/green]",
    "APPROVED": "[green]approved[/green]",
    "INCONCLUSIVE": "[yellow]inconclusive[/yellow]",
    "REJECTED": "[red]refused[/red]",
}


def render_tree(node: LineageNode) -> Tree:
    """Returns the lineage as a rich tree, which prints plain without a terminal."""
    tree = Tree(_title(node))
    _grow(tree, node)
    return tree


def render_short(lines: Mapping[str, str]) -> Table:
    """Returns the lines of `short_lineage` as a table that rich prints."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for subject, text in lines.items():
        table.add_row(subject, escape(text))
    return table


def command_lines(node: LineageNode) -> list[str]:
    """Returns the commands of `bring_back` and its notes, one to a line, however long it is."""
    if not node.commands:
        return []
    commands = {name: text for name, text in node.commands.items() if name != NOTES}
    width = max(map(len, commands), default=0)
    lines = [f"  {name:<{width}}  {command}" for name, command in commands.items()]
    title = ["To bring it back in an empty folder and train it again:"] if lines else []
    return ["", *title, *lines, *node.commands[NOTES]]


def _grow(tree: Tree, node: LineageNode) -> None:
    made = _made_text(node.facts)
    for key, value in ({"made by": made} | dict(node.facts)).items():
        text = _text(value)
        if not text or key in _HIDDEN:
            continue
        title = f"[dim]{escape(key.replace('_', ' '))}:[/dim]"
        if isinstance(value, list) and isinstance(value[0], Mapping):
            lines = tree.add(title)
            for part in value:
                lines.add(escape(_text(part)))
        else:
            tree.add(f"{title} {escape(text)}")
    for child in node.children:
        _grow(tree.add(_title(child)), child)


def _made_text(facts: Mapping[str, Any]) -> str:
    if "made_by" not in facts:
        return ""
    return f"{facts['made_by']} in run {facts['run']}, {facts['made_at']}"


def _title(node: LineageNode) -> str:
    state = f": {node.facts['state']}" if node.kind == "step" else ""
    return f"[bold]{escape(node.kind)}[/bold] {escape(node.name)}{state}".rstrip()


def _text(value: object) -> str:
    """Formats a fact: numbers with four digits, lists and mappings in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        if "text" in value and "passed" in value:
            word = "passed" if value["passed"] else "FAILED"
            if value.get("verdict") == INCONCLUSIVE:
                word = "cannot tell"
            return f"{word}: {value['text']}"
        return ", ".join(f"{key} {_text(part)}" for key, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(_text(part) for part in value)
    return str(value)


class RunsTable:
    """The runs as a rich table, one line each; drops columns rather than wrap or cut a cell.

    Below the table, a line per withdrawn version says who withdrew it and why, and a line per
    version that took part in a rollout what its latest transition was.
    """

    def __init__(self, rows: Sequence[RunRow]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the table with as many columns as fit, then the withdrawals."""
        columns, dropped = dict(_COLUMNS), list(_DROPPED_FIRST)
        while dropped and self._width(console, columns) > options.max_width:
            del columns[dropped.pop(0)]
        yield self._table(columns)
        for row in self._rows:
            if row.withdrawn:
                label, by, why = (row.withdrawn[key] for key in ("version", "by", "why"))
                yield f"{escape(label)} [red]withdrawn[/red] by {escape(f'{by}: {why}')}"
            if row.rollout:
                yield escape(f"{row.use_case}/{row.version}: rollout {row.rollout}")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Returns the width of the columns that are never dropped, and of all columns."""
        required = {name: cell for name, cell in _COLUMNS.items() if name not in _DROPPED_FIRST}
        return Measurement(self._width(console, required), self._width(console, _COLUMNS))

    def _width(self, console: Console, columns: _Columns) -> int:
        wide = console.options.update(width=_UNLIMITED)
        return Measurement.get(console, wide, self._table(columns)).maximum

    def _table(self, columns: _Columns) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in columns:
            justify: JustifyMethod = "right" if name in _NUMBERS else "left"
            table.add_column(name, justify=justify, no_wrap=True)
        for row in self._rows:
            table.add_row(*(cell(row) for cell in columns.values()))
        return table


def render_runs(rows: Sequence[RunRow]) -> RunsTable:
    """Returns the runs as a table that rich prints."""
    return RunsTable(rows)


def _state_text(row: RunRow) -> str:
    at = f" at {row.stopped_at}" if row.stopped_at else ""
    return f"[{_STYLES[row.state]}]{row.state}{escape(at)}[/]"


def _cached_text(row: RunRow) -> str:
    return f"{row.num_cached} of {row.num_steps}" if row.num_cached else ""


def _version_text(row: RunRow) -> str:
    if row.withdrawn is None:
        return escape(row.version)
    version = str(row.withdrawn["version"]).rpartition("/")[2]
    return f"{escape(version)} [red]withdrawn[/red]"


def _data_text(data: Mapping[str, Any]) -> str:
    parts = []
    if isinstance(data.get("num_rows"), int):
        parts.append(count(data["num_rows"], "row"))
    if spans := span_text(data):
        parts.append(spans)
    digest = data.get("data_digest")
    if digest:
        parts.append(str(digest)[:8])
    return ", ".join(parts)


def _code_text(row: RunRow) -> str:
    if row.commit == UNKNOWN:
        return UNKNOWN
    return row.commit[:8] + ("+" if row.dirty else "")


def _duration_text(seconds: float) -> str:
    """Formats minutes and seconds, such as `3:20`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _metric_cell(name: str) -> Callable[[RunRow], str]:
    return lambda row: _figure(row.metrics.get(name))


_COLUMNS: _Columns = {
    "run": lambda row: escape(row.run_id),
    "state": _state_text,
    "data": lambda row: escape(_data_text(row.data)),
    "code": _code_text,
    "cached": _cached_text,
    "PR-AUC": _metric_cell("pr_auc"),
    "ROC-AUC": _metric_cell("roc_auc"),
    "recall": _metric_cell("recall"),
    "verdict": lambda row: _VERDICT_STYLES.get(row.verdict, escape(row.verdict)),
    "version": _version_text,
    "in steps": lambda row: _duration_text(row.duration_s),
}
_NUMBERS = {"PR-AUC", "ROC-AUC", "recall", "in steps"}
# The columns that a narrow terminal does without, the least important first.
_DROPPED_FIRST = ("cached", "ROC-AUC", "in steps", "code", "data", "recall", "PR-AUC", "verdict")

"""Terminal rendering of lineage as a tree and of runs as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from pipeline.components.names import INCONCLUSIVE
from pipeline.lineage.git_state import UNKNOWN
from pipeline.lineage.runs import RunRow, RunState
from pipeline.lineage.tree import LineageNode

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
    *("pushed", "pushed_version", "blessed", "current_model", "current_model_id"),
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


def render_runs(rows: Sequence[RunRow]) -> Table:
    """Returns the runs as a rich table."""
    table = Table(box=None, pad_edge=False)
    for header in ("run", "state", "data", "code"):
        table.add_column(header, overflow="fold")
    for header in ("PR-AUC", "ROC-AUC", "recall"):
        table.add_column(header, justify="right", no_wrap=True)
    for header in ("verdict", "version"):
        table.add_column(header)
    table.add_column("time", justify="right")
    for row in rows:
        table.add_row(
            escape(row.run_id),
            _state_text(row),
            escape(_data_text(row.data)),
            _code_text(row),
            *(_figure(row.metrics.get(name)) for name in ("pr_auc", "roc_auc", "recall")),
            _VERDICT_STYLES.get(row.verdict, escape(row.verdict)),
            _version_text(row),
            _duration_text(row.duration_s),
        )
    return table


def _state_text(row: RunRow) -> str:
    at = f" at {row.stopped_at}" if row.stopped_at else ""
    cached = f", {row.num_cached} of {row.num_steps} cached" if row.num_cached else ""
    return f"[{_STYLES[row.state]}]{row.state}{escape(at)}[/]{cached}"


def _version_text(row: RunRow) -> str:
    if row.withdrawn is None:
        return escape(row.version)
    by_and_why = escape(f"{row.withdrawn['by']}: {row.withdrawn['why']}")
    version = str(row.withdrawn["version"]).rpartition("/")[2]
    return f"{escape(version)} [red]withdrawn[/red] by {by_and_why}"


def _data_text(data: Mapping[str, Any]) -> str:
    parts = []
    if isinstance(data.get("num_rows"), int):
        parts.append(f"{data['num_rows']:,} rows")
    if data.get("span"):
        parts.append(f"span {data['span']}")
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

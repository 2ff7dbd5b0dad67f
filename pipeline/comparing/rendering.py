"""Terminal rendering of a comparison of two runs."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from pipeline.comparing.comparison import Comparison, Figure
from pipeline.comparing.differences import Difference
from pipeline.comparing.paired_verdict import DECISIONS, NEITHER, PairedVerdict
from pipeline.components.names import COST
from pipeline.tracking.run_record import RunRecord

_SECTIONS = {
    "data": "data",
    "code": "code",
    "steps": "code of steps",
    "config": "configuration",
    "hyperparameters": "trained with",
    "model": "model",
    "packages": "packages",
}
_JUDGES = {COST: "expected cost", DECISIONS: "decisions"}
_DIGEST_CHARS = 12
_MAX_CHARS = 40


def render_comparison(compared: Comparison) -> RenderableType:
    """Returns the comparison as rich tables."""
    return Group(*_parts(compared))


def _parts(compared: Comparison) -> Iterator[RenderableType]:
    yield _run_line("first", compared.first)
    yield _run_line("second", compared.second)
    yield ""
    same = [words for key, words in _SECTIONS.items() if getattr(compared, key) == []]
    if same:
        yield f"the same: {', '.join(same)}"
    for note in compared.notes:
        yield f"[yellow]![/yellow] {escape(note)}"
    for key, words in _SECTIONS.items():
        differences = getattr(compared, key)
        if differences:
            yield _difference_table(words, differences)
    if compared.metrics:
        yield _metric_table(compared)
    yield ""
    if compared.paired is None:
        yield f"No paired verdict: {escape(compared.not_paired)}."
    else:
        yield from _verdict_lines(compared.paired)


def _run_line(which: str, record: RunRecord) -> str:
    row = record.row
    dirty = " with uncommitted changes" if row.dirty else ""
    version = f", version {row.version}" if row.version else ""
    return escape(
        f"{which:<7} {row.run_id}  {row.state.value}{version}"
        f"{', ' + row.verdict if row.verdict else ''}  code {row.commit[:_DIGEST_CHARS]}{dirty}"
    )


def _difference_table(words: str, differences: Sequence[Difference]) -> Table:
    table = Table(title=words, title_justify="left", box=None, pad_edge=False)
    for heading in ("", "first", "second"):
        table.add_column(heading)
    for difference in differences:
        cells = (difference.key, difference.first, difference.second)
        table.add_row(*(escape(_short(str(cell))) for cell in cells))
    return table


def _short(text: str) -> str:
    is_digest = len(text) in {40, 64} and set(text) <= set("0123456789abcdef")
    if is_digest:
        return text[:_DIGEST_CHARS]
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"


def _metric_table(compared: Comparison) -> Table:
    table = Table(title="on each test split", title_justify="left", box=None, pad_edge=False)
    table.add_column("metric")
    table.add_column("first", justify="right")
    table.add_column("second", justify="right")
    for name, pair in compared.metrics.items():
        table.add_row(escape(name), *(_figure(figure) for figure in pair))
    return table


def _figure(figure: Figure | None) -> str:
    if figure is None or math.isnan(figure.value):
        return "-"
    text = f"{figure.value:.4g}"
    if figure.interval is None:
        return text
    lower, upper = figure.interval
    return escape(f"{text} [{lower:.3g}, {upper:.3g}]")


def _verdict_lines(paired: PairedVerdict) -> Iterator[RenderableType]:
    yield (
        f"[bold]On the same {paired.num_examples:,} test examples[/bold], "
        f"{paired.num_positives:,} of them positive, at {paired.confidence:.0%} confidence"
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("metric", "first", "second", "change", ""):
        table.add_column(heading, justify="left" if heading in {"metric", ""} else "right")
    for name, metric in paired.metrics.items():
        lower, upper = metric.interval
        change = escape(f"{metric.change:+.4g} [{lower:+.3g}, {upper:+.3g}]")
        figures = (f"{metric.first:.4g}", f"{metric.second:.4g}", change)
        table.add_row(name, *figures, _better(metric.better))
    yield table
    yield "[dim]better: by Holm's method over all lines; each interval is of its line alone[/dim]"
    yield (
        f"decisions: only the first is right on {paired.only_first_right:,}, only the second on "
        f"{paired.only_second_right:,}: McNemar's exact p {paired.mcnemar_p:.3g}"
    )
    yield f"[bold]verdict by {_JUDGES[paired.judged_by]}: {_better(paired.better)}[/bold]"


def _better(side: str) -> str:
    return "no difference shown" if side == NEITHER else f"the {side} is better"

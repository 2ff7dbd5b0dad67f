"""An explanation for people: tables for the terminal, and a page."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from pipeline.components.pages.layout import render, with_unit
from pipeline.explaining.explain import REPEATS, ColumnPart, Explanation
from pipeline.explaining.logit_parts import TreePart
from pipeline.publishing.index import write_index
from pipeline.publishing.publish import publish_page
from pipeline.publishing.stamp import Stamp

# A signal has dozens of summaries; those further down hardly matter.
NUM_TREE_PARTS = 20


def render_explanation(found: Explanation) -> RenderableType:
    """Returns the tables for the terminal."""
    parts = Table(title="what moved the answer", title_justify="left")
    for header in ("column", "part", "±", "value"):
        parts.add_column(header, justify="left" if header == "column" else "right")
    for one in found.parts:
        value = escape(value_text(one))
        parts.add_row(escape(one.column), f"{one.part:+.4f}", f"{one.error:.4f}", value)
    return Group(
        *_head(found),
        parts,
        *([_tree_table(found)] if shown_tree_parts(found) else []),
        *([_neighbour_table(found)] if found.neighbours else []),
        *([_importance_table(found)] if found.importances else []),
    )


def _head(found: Explanation) -> list[str]:
    label = "" if found.label is None else f", label {found.label}"
    return [
        escape(f"{found.row}{label}; model {found.version}, run {found.run}"),
        f"probability {found.probability:.4f}; on average over {found.num_background} training "
        f"rows {found.background_probability:.4f}{_ending(found)}",
        *([method_text(found)] if found.method != "sampling" else []),
    ]


def _ending(found: Explanation) -> str:
    return "; the parts add up to the difference" if found.method == "sampling" else ""


def method_text(found: Explanation) -> str:
    """Returns how the parts of a model with trees were computed, in words."""
    method = (
        "exact Shapley values of the trees (TreeSHAP, by XGBoost)"
        if found.method == "trees"
        else "exact Shapley values of the trees (TreeSHAP, by XGBoost) and sampled ones of the "
        "network, each with its weight in the blend"
    )
    return (
        f"parts: {method}; they lead from the usual logit {found.usual_logit:.4f} to this row's "
        f"{found.logit:.4f}, before the correction for sampling and the calibration"
    )


def shown_tree_parts(found: Explanation) -> list[TreePart]:
    """Returns the inputs of the trees that have a name of their own and a part, such as summaries.

    Args:
        found: What `explain` returned.
    """
    return [one for one in found.tree_parts if one.detail and one.part][:NUM_TREE_PARTS]


def tree_value_text(one: TreePart) -> str:
    """Returns the value of a summary with its unit; empty where there is none."""
    return "" if one.value is None else f"{one.value:.6g} {one.unit}".strip()


def _tree_table(found: Explanation) -> Table:
    table = Table(title="summaries of signals and cycles of times", title_justify="left")
    for header in ("column", "input of the trees", "part", "value"):
        table.add_column(header, justify="right" if header in {"part", "value"} else "left")
    for one in shown_tree_parts(found):
        value = escape(tree_value_text(one))
        table.add_row(escape(one.feature), escape(one.detail), f"{one.part:+.4f}", value)
    return table


def _neighbour_table(found: Explanation) -> Table:
    table = Table(title=f"nearest of {searched_text(found)}", title_justify="left")
    for header in ("row of train", "label", "distance", ""):
        table.add_column(header, justify="left" if not header else "right")
    for one in found.neighbours:
        names = ", ".join(f"{name} {text}" for name, text in one.names.items())
        table.add_row(str(one.row), str(one.label), f"{one.distance:.3f}", escape(names))
    return table


def _importance_table(found: Explanation) -> Table:
    table = Table(title="worth to the model, PR-AUC on test", title_justify="left")
    for header in ("column", "mean", "least", "greatest"):
        table.add_column(header, justify="left" if header == "column" else "right")
    for one in found.importances:
        table.add_row(escape(one.column), *(f"{v:.4f}" for v in (one.mean, one.low, one.high)))
    return table


def value_text(part: ColumnPart) -> str:
    """Returns a column's value with its unit."""
    return f"{part.value} {part.unit}".strip() if part.value else "missing"


def searched_text(found: Explanation) -> str:
    """Returns how many training rows were looked through, in words."""
    if found.num_searched == found.num_train:
        return f"{found.num_train:,} training rows"
    return f"{found.num_searched:,} of {found.num_train:,} training rows"


def write_page(found: Explanation, stamp: Stamp, reports: Path) -> Path:
    """Writes the page among those of the explained model's run and returns its path.

    Args:
        found: What `explain` returned.
        stamp: What the page says of the run.
        reports: Folder of reports, whose index then lists the page.
    """
    html = render(
        "pipeline.explaining",
        "explain.html.j2",
        found=found,
        signals=[
            {**vars(signal), "title": with_unit(signal.column, signal.unit)}
            for signal in found.signals
        ],
        value_text=value_text,
        tree_parts=shown_tree_parts(found),
        tree_value_text=tree_value_text,
        method=method_text(found) if found.method != "sampling" else "",
        searched=searched_text(found),
        repeats=REPEATS,
        plots=bool(found.signals),
    )
    path = publish_page(html, f"explain-{found.slug}", stamp, reports)
    write_index(reports)
    return path

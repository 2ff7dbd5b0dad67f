"""Lineage and run history from ML Metadata, without TensorFlow."""

from pipeline.lineage.rendering import command_lines, render_runs, render_short, render_tree
from pipeline.lineage.runs import RunRow, RunState, list_runs
from pipeline.lineage.short import short_lineage
from pipeline.lineage.tree import LineageNode, lineage_of

__all__ = [
    "LineageNode",
    "RunRow",
    "RunState",
    "command_lines",
    "lineage_of",
    "list_runs",
    "render_runs",
    "render_short",
    "render_tree",
    "short_lineage",
]

"""Questions to ML Metadata: where a model comes from, and what has run. Needs no TensorFlow."""

from pipeline.lineage.rendering import render_runs, render_tree
from pipeline.lineage.runs import RunRow, RunState, list_runs
from pipeline.lineage.tree import LineageNode, lineage_of

__all__ = [
    "LineageNode",
    "RunRow",
    "RunState",
    "lineage_of",
    "list_runs",
    "render_runs",
    "render_tree",
]

"""Plots of a use case's rows by class."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from common.errors import InputError
from pipeline.components.pages.layout import titled
from pipeline.notebooks.data import Data
from pipeline.notebooks.summaries import numbers_of, signal_columns

CLASSES = ((0, "healthy", "#5c6b7a"), (1, "faulty", "#b3261e"))
_NUM_BINS, _MAX_SAMPLES = 30, 500


def plot_columns(data: Data, columns: Sequence[str]) -> go.Figure:
    """Plots the distribution of each numeric column by class, as shares of the class.

    Raises:
        InputError: A column is not there or does not hold numbers.
    """
    figure = make_subplots(
        rows=max(1, -(-len(columns) // 2)),
        cols=2,
        subplot_titles=[titled(name, data.feature(name)) for name in columns],
    )
    for place, name in enumerate(columns):
        for trace in _histograms(data, name, show_legend=place == 0):
            figure.add_trace(trace, row=place // 2 + 1, col=place % 2 + 1)
    figure.update_layout(barmode="overlay", height=80 + 240 * max(1, -(-len(columns) // 2)))
    return figure


def _histograms(data: Data, name: str, *, show_legend: bool) -> list[go.Bar]:
    numbers = numbers_of(data.table.column(name)) if name in data.table.column_names else None
    if numbers is None:
        listed = ", ".join(data.table.column_names)
        raise InputError(f"`{name}` is no column of numbers. The columns are: {listed}.")
    known = np.isfinite(numbers)
    edges = np.histogram_bin_edges(numbers[known], _NUM_BINS)
    bars = []
    for label, title, colour in CLASSES:
        counts, _ = np.histogram(numbers[known & (data.labels == label)], edges)
        share = counts / max(counts.sum(), 1)
        x = (edges[:-1] + edges[1:]) / 2
        style = {"name": title, "marker_color": colour, "opacity": 0.6, "legendgroup": title}
        bars.append(go.Bar(x=x, y=share, showlegend=show_legend, **style))
    return bars


def plot_recordings(data: Data, *, per_class: int = 3) -> go.Figure:
    """Plots the first recordings of each class, a panel for each signal; empty without signals.

    Args:
        data: The rows.
        per_class: How many recordings of each class; long ones are thinned to 500 samples.
    """
    names = signal_columns(data)
    titles = [titled(name, data.feature(name)) for name in names]
    figure = make_subplots(rows=max(1, len(names)), cols=1, subplot_titles=titles or None)
    for place, name in enumerate(names):
        for label, title, colour in CLASSES:
            for number, row in enumerate(np.flatnonzero(data.labels == label)[:per_class]):
                samples = data.table.column(name)[int(row)].as_py() or []
                step = max(1, -(-len(samples) // _MAX_SAMPLES))
                trace = go.Scatter(
                    x=list(range(0, len(samples), step)),
                    y=samples[::step],
                    name=title,
                    legendgroup=title,
                    line={"color": colour, "width": 1},
                    showlegend=place == 0 and number == 0,
                )
                figure.add_trace(trace, row=place + 1, col=1)
    figure.update_layout(height=80 + 240 * max(1, len(names)))
    figure.update_xaxes(title_text="sample")
    return figure

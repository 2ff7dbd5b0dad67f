"""The page of DataReport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.features import FeatureTable
from pipeline.components.data_report.alerts import Alert
from pipeline.components.data_report.histograms import ClassHistogram
from pipeline.components.data_report.summaries import ColumnSummary, Drift
from pipeline.components.data_report.train_pass import TrainFigures
from pipeline.components.pages.layout import finite_or_none, render, titled


@dataclass(frozen=True, kw_only=True)
class GateNotes:
    """AnomalyGate's notes on the data.

    Attributes:
        drift: How drift was checked.
        findings: Its findings as text, or empty; of accepted data, all are warnings.
        is_accepted: Whether the run went on.
    """

    drift: str = ""
    findings: str = ""
    is_accepted: bool = True


@dataclass(frozen=True, kw_only=True)
class DataFigures:
    """The content of the page.

    Attributes:
        balance: What `class_balance` returned.
        columns: What `summarise_columns` returned.
        drift: What `drifts` returned.
        train: What `read_train` returned.
        alerts: What `find_alerts` returned.
        notes: AnomalyGate's.
    """

    balance: Sequence[tuple[str, int, int, float]]
    columns: Sequence[ColumnSummary]
    drift: Sequence[Drift]
    train: TrainFigures
    alerts: Sequence[Alert]
    notes: GateNotes


def render_page(name: str, figures: DataFigures, features: FeatureTable) -> str:
    """Returns the page as HTML.

    Args:
        name: The use case.
        figures: The content.
        features: The features table, for units and times.
    """
    train, columns = figures.train, figures.columns
    titles = {c.name: titled(c.name, features.get(c.name)) for c in columns}
    return render(
        "pipeline.components.data_report",
        "data.html.j2",
        name=name,
        balance=figures.balance,
        columns=columns,
        titles=titles,
        drifts=figures.drift,
        alerts=figures.alerts,
        notes=figures.notes,
        correlated=train.correlated,
        r=[[_rounded(value) for value in row] for row in train.correlations.tolist()],
        distributions={
            c.name: [{"split": split, **vars(d)} for split, d in c.distributions.items()]
            for c in columns
        },
        histograms={c.name: _histogram(train.histograms.get(c.name)) for c in columns},
        times=[c.name for c in columns if c.is_time],
        signals=train.recordings.plots(),
        pictures=train.pictures.images(),
        sounds=train.sounds.images(),
        plots=True,
    )


def _rounded(value: float) -> float | None:
    return None if finite_or_none(value) is None else round(value, 4)


def _histogram(histogram: ClassHistogram | None) -> Mapping[str, Any] | None:
    """Each class's share of its values in each bin, as JSON values."""
    if histogram is None:
        return None
    totals = histogram.counts.sum(axis=1) + histogram.outside
    shares = histogram.counts / np.maximum(totals, 1)[:, None]
    return {
        "edges": histogram.edges.tolist(),
        "shares": shares.round(6).tolist(),
        "counts": histogram.counts.tolist(),
        "outside": histogram.outside.tolist(),
    }

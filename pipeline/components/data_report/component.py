"""The DataReport component: a leaf of the pipeline that training does not wait for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    ExampleValidationMetrics,
)

from common.example_files import read_batches, split_files, split_folder
from models.features import FeatureTable, Signal, features_from_json, of_kind
from pipeline.components.anomaly_gate.component import REPORT_FILE
from pipeline.components.data_report.alerts import find_alerts
from pipeline.components.data_report.correlations import Floats
from pipeline.components.data_report.histograms import bin_edges
from pipeline.components.data_report.page import DataFigures, GateNotes, render_page
from pipeline.components.data_report.summaries import (
    ColumnSummary,
    class_balance,
    drifts,
    summarise_columns,
)
from pipeline.components.data_report.train_pass import read_train
from pipeline.components.example_validator.drift import DRIFT_FILE, DriftReport
from pipeline.components.example_validator.properties import DRIFT_KEY
from pipeline.components.names import SEPARATING
from pipeline.components.statistics_gen.executor import STATISTICS_FILE

PAGE_FILE = "data.html"
_ANOMALIES_FILE = "SchemaDiff.pb"
# A plot of more columns is unreadable.
_MAX_CORRELATED = 60


class DataPage(Artifact):  # type: ignore[misc]
    """`data.html`."""

    TYPE_NAME = "DataPage"


@component
def DataReport(  # noqa: N802, PLR0913, PLR0917 - a noun; TFX wires each channel by name
    examples: InputArtifact[Examples],
    statistics: InputArtifact[ExampleStatistics],
    anomalies: InputArtifact[ExampleAnomalies],
    report: InputArtifact[ExampleValidationMetrics],
    page: OutputArtifact[DataPage],
    name: Parameter[str],
    label: Parameter[str],
    features: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Writes the exploratory report of the data.

    Args:
        examples: The examples; train is read once.
        statistics: TFDV's statistics of all splits.
        anomalies: ExampleValidator's, with the distances to an earlier span.
        report: AnomalyGate's, with its warnings.
        page: Gets `data.html`.
        name: Name of the use case.
        label: The label column.
        features: The features table as JSON, for signals, units and times.
        code_digest: Digest of the code that decides the result.
    """
    sources = DataSources(
        examples=examples.uri,
        statistics=statistics.uri,
        anomalies=anomalies.uri,
        splits=tuple(artifact_utils.decode_split_names(statistics.split_names)),
    )
    table = features_from_json(features)
    figures = read_figures(sources, _gate_notes(report), label=label, features=table)
    output = Path(page.uri)
    output.mkdir(parents=True, exist_ok=True)
    html = render_page(name, figures, table)
    (output / PAGE_FILE).write_text(html, encoding="utf-8")
    page.set_string_custom_property(SEPARATING, json.dumps(dict(figures.train.separations)))


@dataclass(frozen=True, kw_only=True)
class DataSources:
    """The artifacts that the page shows.

    Attributes:
        examples: Folder of the examples; train is read once.
        statistics: Folder of TFDV's statistics of all splits.
        anomalies: Folder of ExampleValidator's results, with the distances to an earlier span.
        splits: The splits.
    """

    examples: str
    statistics: str
    anomalies: str
    splits: tuple[str, ...]


def make_page(
    sources: DataSources, notes: GateNotes, *, name: str, label: str, features: FeatureTable
) -> str:
    """Returns the page as HTML.

    Args:
        sources: The artifacts.
        notes: AnomalyGate's notes.
        name: Name of the use case.
        label: The label column.
        features: The features table, for signals, units and times.
    """
    figures = read_figures(sources, notes, label=label, features=features)
    return render_page(name, figures, features)


def read_figures(
    sources: DataSources, notes: GateNotes, *, label: str, features: FeatureTable
) -> DataFigures:
    """Returns the content of the page; arguments as for `make_page`."""
    splits = {
        split: _read_statistics(f"{split_folder(sources.statistics, split)}/{STATISTICS_FILE}")
        for split in sources.splits
    }
    columns = summarise_columns(splits, features)
    numbers = [column for column in columns if column.kind in {"number", "time"}]
    train = read_train(
        read_batches(*split_files(sources.examples, "train")),
        label,
        [column.name for column in numbers if not column.is_time][:_MAX_CORRELATED],
        _edges([column for column in numbers if column.name != label]),
        features,
        [c.name for c in numbers if c.name in _separating(features) and not c.is_time],
    )
    folder = split_folder(sources.anomalies, "train")
    correlations = (train.correlated, train.correlations)
    return DataFigures(
        balance=class_balance(splits, label),
        columns=columns,
        drift=drifts(
            anomalies_pb2.Anomalies.FromString(_read(f"{folder}/{_ANOMALIES_FILE}")),
            DriftReport.from_json(_read(f"{folder}/{DRIFT_FILE}").decode()),
        ),
        train=train,
        alerts=find_alerts(
            splits["train"], features, correlations, label, train.separations, train.giveaways
        ),
        notes=notes,
    )


def _separating(features: FeatureTable) -> set[str]:
    """Columns that may separate the classes: features, and the sampling rates of signals."""
    rates = (signal.rate_column for signal in of_kind(features, Signal).values())
    return {*features, *(rate for rate in rates if rate)}


def _edges(columns: Sequence[ColumnSummary]) -> dict[str, Floats]:
    """The edges of the histogram of each column of numbers that varies."""
    edges = {}
    for column in columns:
        tenths = [float(x) for x in column.distributions["train"].x]
        of_column = bin_edges(tenths, whole=column.is_whole)
        if of_column is not None:
            edges[column.name] = of_column
    return edges


def _gate_notes(report: ExampleValidationMetrics) -> GateNotes:
    return GateNotes(
        drift=report.get_string_custom_property(DRIFT_KEY),
        findings=_read(f"{report.uri}/{REPORT_FILE}").decode().strip(),
    )


def _read(path: str) -> bytes:
    with fileio.open(path, "rb") as file:
        return bytes(file.read())


def _read_statistics(path: str) -> statistics_pb2.DatasetFeatureStatistics:
    [dataset] = statistics_pb2.DatasetFeatureStatisticsList.FromString(_read(path)).datasets
    return dataset

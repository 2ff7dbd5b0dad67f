"""DataReport, the component: a leaf of the pipeline that no training waits for."""

import shutil
from importlib import resources
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import ExampleAnomalies, Examples, ExampleStatistics

from common.example_files import read_batches, split_files, split_folder
from pipeline.components.data_report.correlations import Floats, correlate
from pipeline.components.data_report.summaries import (
    ColumnSummary,
    Drift,
    class_balance,
    drifts,
    summarise_columns,
)
from pipeline.components.statistics_gen.executor import STATISTICS_FILE

PAGE_FILE = "data.html"
_ANOMALIES_FILE = "SchemaDiff.pb"
# More columns than this make no picture.
_MAX_CORRELATED = 60


class DataPage(Artifact):  # type: ignore[misc]
    """`data.html`."""

    TYPE_NAME = "DataPage"


@component
def DataReport(  # noqa: N802, PLR0913, PLR0917 - a noun; TFX wires each channel by name
    examples: InputArtifact[Examples],
    statistics: InputArtifact[ExampleStatistics],
    anomalies: InputArtifact[ExampleAnomalies],
    page: OutputArtifact[DataPage],
    name: Parameter[str],
    label: Parameter[str],
    reports_dir: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Writes the exploratory report of the data.

    Args:
        examples: The examples; train is read once, for correlations.
        statistics: TFDV's statistics of all splits.
        anomalies: ExampleValidator's, with the distances to an earlier span.
        page: Gets `data.html`.
        name: Name of the use case.
        label: The label column.
        reports_dir: Gets a copy, `data-NAME.html`.
        code_digest: Digest of the code that decides the result.
    """
    splits = {
        split: _read_statistics(f"{split_folder(statistics.uri, split)}/{STATISTICS_FILE}")
        for split in artifact_utils.decode_split_names(statistics.split_names)
    }
    columns = summarise_columns(splits)
    correlated = [c.name for c in columns if c.kind == "number"][:_MAX_CORRELATED]
    r = correlate(read_batches(*split_files(examples.uri, "train")), correlated)
    path = f"{split_folder(anomalies.uri, 'train')}/{_ANOMALIES_FILE}"
    drift = drifts(anomalies_pb2.Anomalies.FromString(_read(path)))
    html = render_page(name, class_balance(splits, label), columns, drift, (correlated, r))
    folder = Path(page.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE_FILE).write_text(html, encoding="utf-8")
    Path(reports_dir).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / PAGE_FILE, Path(reports_dir) / f"data-{name}.html")


def _read(path: str) -> bytes:
    with fileio.open(path, "rb") as file:
        return bytes(file.read())


def _read_statistics(path: str) -> statistics_pb2.DatasetFeatureStatistics:
    [dataset] = statistics_pb2.DatasetFeatureStatisticsList.FromString(_read(path)).datasets
    return dataset


def render_page(
    name: str,
    balance: list[tuple[str, int, int, float]],
    columns: list[ColumnSummary],
    drift: list[Drift],
    correlations: tuple[list[str], Floats],
) -> str:
    """Returns the HTML, which needs no network.

    Args:
        name: The use case.
        balance: What `class_balance` returned.
        columns: What `summarise_columns` returned.
        drift: What `drifts` returned.
        correlations: Column names and Pearson's r of each pair, `[k, k]`.
    """
    from plotly.offline import get_plotlyjs

    names, r = correlations
    folder = resources.files("pipeline.components.data_report") / "templates"
    text = (folder / "data.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
    return template.render(
        name=name,
        balance=balance,
        columns=columns,
        drifts=drift,
        correlated=names,
        r=[[round(v, 4) if np.isfinite(v) else None for v in row] for row in r.tolist()],
        distributions={
            # A list, for the template sorts the keys of a mapping.
            c.name: [{"split": split, **vars(d)} for split, d in c.distributions.items()]
            for c in columns
        },
        plotly_js=get_plotlyjs(),
    )

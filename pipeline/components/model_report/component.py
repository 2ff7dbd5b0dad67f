"""ModelReport, the component: a leaf of the pipeline that no model waits for."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from common.example_files import BLOCK_COLUMN
from models.exporting.export import MODEL_INFO_FILE
from pipeline.components.error_analyzer.component import ERRORS_FILE, ErrorAnalysis
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.evaluation.results import (
    Evaluation,
    read_baseline_evaluation,
    read_evaluation,
)
from pipeline.components.model_gate.figures import event_counts
from pipeline.components.model_report import figures
from pipeline.components.pages.layout import render
from pipeline.components.trainer.facts import trained_text

PAGE_FILE = "model.html"


class ModelPage(Artifact):  # type: ignore[misc]
    """`model.html`."""

    TYPE_NAME = "ModelPage"


@component
def ModelReport(  # noqa: N802, PLR0913, PLR0917 - a noun; TFX wires each channel by name
    model: InputArtifact[Model],
    analysis: InputArtifact[ErrorAnalysis],
    evaluation: InputArtifact[ModelEvaluation],
    blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
    page: OutputArtifact[ModelPage],
    name: Parameter[str],
    options: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Writes the page of a model, blessed or refused.

    Args:
        model: The candidate.
        analysis: ErrorAnalyzer's table, with the model's answer to each test example.
        evaluation: The Evaluator's metrics, overall and by slice.
        blessing: ModelGate's verdict and reasons.
        infra_blessing: Whether the model answered in a server.
        page: Gets `model.html`.
        name: Name of the use case.
        options: `MeasureOptions` as JSON: confidence, prices and groups.
        code_digest: Digest of the code that decides the result.
    """
    info = _info(Path(path_utils.serving_model_path(model.uri)) / MODEL_INFO_FILE)
    html = render_page(
        name,
        answers=pq.read_table(Path(analysis.uri) / ERRORS_FILE),
        evaluations=(read_evaluation(evaluation.uri), read_baseline_evaluation(evaluation.uri)),
        reasons=json.loads(blessing.get_string_custom_property("reasons")),
        problems=json.loads(infra_blessing.get_string_custom_property("problems")),
        threshold=_threshold(info),
        trained=trained_text(info.get("model", {})),
        options=MeasureOptions.from_json(options),
    )
    folder = Path(page.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE_FILE).write_text(html, encoding="utf-8")


def _info(path: Path) -> dict[str, Any]:
    """What the model's export notes; a model of another Trainer may have no note."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _threshold(info: dict[str, Any]) -> float | None:
    return float(info["threshold"]) if "threshold" in info else None


def render_page(  # noqa: PLR0913 - one argument per part of the page
    name: str,
    *,
    answers: pa.Table,
    evaluations: tuple[Evaluation, Evaluation | None],
    reasons: list[dict[str, object]],
    problems: list[str],
    threshold: float | None,
    options: MeasureOptions,
    trained: str = "",
) -> str:
    """Returns the HTML.

    Args:
        name: The use case.
        answers: ErrorAnalyzer's table.
        evaluations: What was measured of the model, and of the one blessed before it or None.
        reasons: The gate's reasons as JSON values.
        problems: Why a server could not answer with the model; empty where it could.
        threshold: The model's own threshold; None if it is unknown.
        options: How the model was measured.
        trained: What the model is, in words; empty if it is unknown.
    """
    measured, before = evaluations
    slices = figures.slice_rows(measured)
    answered = figures.answers_of(answers, options.group)
    cost = options.cost
    return render(
        "pipeline.components.model_report",
        "model.html.j2",
        name=name,
        reasons=reasons,
        problems=problems,
        threshold=threshold,
        trained=trained,
        level=f"{100 * options.confidence:g}",
        of_group="in one block" if options.group == BLOCK_COLUMN else f"with one {options.group}",
        group=options.group,
        metrics=figures.metric_rows(measured, before),
        events=event_counts(measured.overall),
        has_baseline=before is not None,
        confusion=figures.confusion(answered),
        slices=slices,
        points=[{key: row[key] for key in ("name", "recall", "precision")} for row in slices],
        slice_titles=figures.slice_titles(measured),
        curves=figures.curve_values(answered, options.confidence),
        calibration=figures.calibration_values(answered, options.confidence),
        histogram=figures.histogram_values(answered),
        cost=None if cost is None else figures.cost_values(answered, cost, threshold),
        prevalence=measured.overall["prevalence"],
        plots=True,
    )

"""ModelGate, the component: blesses or refuses what the Evaluator measured."""

import json
from pathlib import Path

from pydantic import TypeAdapter
from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation

from pipeline.components.evaluation.results import (
    read_baseline_evaluation,
    read_evaluation,
)
from pipeline.components.model_gate.verdict import Verdict, judge, numbers_json
from pipeline.config import Gate


@component
def ModelGate(  # noqa: N802 - a component is a noun
    evaluation: InputArtifact[ModelEvaluation],
    model: InputArtifact[Model],
    blessing: OutputArtifact[ModelBlessing],
    gate: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
) -> None:
    """Blesses the model if it clears every bar.

    Args:
        evaluation: The Evaluator's results.
        model: The candidate.
        blessing: Gets the file and properties by which TFX's resolvers and Pusher know a blessing,
            and `verdict`, `reasons`, `metrics`, `baseline_metrics` as JSON.
        gate: `pipeline.config.Gate` as JSON.
        code_digest: Digest of the gate's code.
    """
    measured = read_evaluation(evaluation.uri)
    before = read_baseline_evaluation(evaluation.uri)
    verdict = judge(
        measured.overall,
        None if before is None else before.overall,
        TypeAdapter(Gate).validate_json(gate),
    )
    _write_blessing(blessing, model, verdict)
    for key, metrics in (("metrics", measured), ("baseline_metrics", before)):
        values = {} if metrics is None else numbers_json(metrics.overall)
        blessing.set_string_custom_property(key, json.dumps(values))


def _write_blessing(blessing: ModelBlessing, model: Model, verdict: Verdict) -> None:
    """Writes what TFX's own Evaluator writes for a verdict, and the reasons."""
    names = {True: constants.BLESSED_FILE_NAME, False: constants.NOT_BLESSED_FILE_NAME}
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[verdict.blessed]).touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, verdict.blessed)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_string_custom_property("verdict", verdict.word)
    blessing.set_string_custom_property("reasons", json.dumps(verdict.reasons_json()))

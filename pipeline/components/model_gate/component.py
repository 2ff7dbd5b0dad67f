"""The ModelGate component: blesses or refuses the evaluated model."""

import json
import math
from pathlib import Path

from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation

from pipeline.components.evaluation.results import (
    read_baseline_evaluation,
    read_evaluation,
)
from pipeline.components.model_gate.reasons import INCONCLUSIVE, Verdict, numbers_json
from pipeline.components.model_gate.verdict import Terms, judge
from pipeline.components.names import ON_INCONCLUSIVE


@component
def ModelGate(  # noqa: N802 - a component is a noun
    evaluation: InputArtifact[ModelEvaluation],
    model: InputArtifact[Model],
    blessing: OutputArtifact[ModelBlessing],
    terms: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
    baseline_model: InputArtifact[Model] = None,
) -> None:
    """Blesses the model if it clears every bar.

    Args:
        evaluation: The Evaluator's results.
        model: The candidate.
        blessing: Gets the file and properties by which TFX's resolvers and Pusher know a blessing,
            and `verdict`, `reasons`, `metrics`, `baseline_metrics`, `intervals` as JSON,
            and the intervals' `confidence`.
        terms: `Terms` as JSON.
        code_digest: Digest of the gate's code.
        baseline_model: The model blessed before, if there is one.
    """
    asked = Terms.from_json(terms)
    measured = read_evaluation(evaluation.uri)
    before = read_baseline_evaluation(evaluation.uri)
    verdict = judge(measured, before, asked)
    _write_blessing(blessing, model, baseline_model, verdict)
    if verdict.word == INCONCLUSIVE:
        blessing.set_string_custom_property(ON_INCONCLUSIVE, asked.gate.on_inconclusive)
    for key, metrics in (("metrics", measured), ("baseline_metrics", before)):
        values = {} if metrics is None else numbers_json(metrics.overall)
        blessing.set_string_custom_property(key, json.dumps(values))
    intervals = {
        name: [lower, upper]
        for name, (lower, upper) in measured.intervals.get((), {}).items()
        if math.isfinite(lower) and math.isfinite(upper)
    }
    blessing.set_string_custom_property("intervals", json.dumps(intervals))
    blessing.set_float_custom_property("confidence", asked.confidence)


def _write_blessing(
    blessing: ModelBlessing, model: Model, baseline_model: Model | None, verdict: Verdict
) -> None:
    """Writes what TFX's Evaluator writes for a verdict, and the reasons."""
    names = {True: constants.BLESSED_FILE_NAME, False: constants.NOT_BLESSED_FILE_NAME}
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[verdict.blessed]).touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, verdict.blessed)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    if baseline_model is not None:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline_model.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline_model.id
        )
    blessing.set_string_custom_property("verdict", verdict.word)
    blessing.set_string_custom_property("reasons", json.dumps(verdict.reasons_json()))

"""The ModelGate component: blesses or refuses the evaluated model."""

import json
import math
from pathlib import Path

from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation

from pipeline.components.evaluation.results import (
    read_anchor_evaluation,
    read_baseline_evaluation,
    read_evaluation,
    read_procedure_evaluation,
)
from pipeline.components.model_gate.comparison import Earlier
from pipeline.components.model_gate.reasons import INCONCLUSIVE, Verdict, numbers_json
from pipeline.components.model_gate.skill import anchor_score
from pipeline.components.model_gate.verdict import Terms, judge
from pipeline.components.names import (
    ANCHOR_SCORE,
    DATA_DEFINITION,
    EVALUATED_IN,
    ON_INCONCLUSIVE,
)


@component
def ModelGate(  # noqa: N802, PLR0913, PLR0917 - a component is a noun, its inputs its interface
    evaluation: InputArtifact[ModelEvaluation],
    model: InputArtifact[Model],
    blessing: OutputArtifact[ModelBlessing],
    terms: Parameter[str],
    code_digest: Parameter[str],  # noqa: ARG001 - part of the cache key
    baseline_model: InputArtifact[Model] = None,
    anchor_blessings: InputArtifact[list[ModelBlessing]] = None,
) -> None:
    """Blesses the model if it clears every bar.

    Args:
        evaluation: The Evaluator's results.
        model: The candidate.
        blessing: Gets the file and properties by which TFX's resolvers and Pusher know a blessing,
            and `verdict`, `reasons`, `metrics`, `baseline_metrics`, `intervals` as JSON,
            the intervals' `confidence`, and what makes the model an anchor.
        terms: `Terms` as JSON.
        code_digest: Digest of the gate's code.
        baseline_model: The model blessed before, if there is one.
        anchor_blessings: Those of the anchor and of the models blessed since.
    """
    asked = Terms.from_json(terms)
    measured = read_evaluation(evaluation.uri)
    before = read_baseline_evaluation(evaluation.uri)
    earlier = [] if before is None else [Earlier(evaluation=before)]
    anchor = read_anchor_evaluation(evaluation.uri)
    if anchor is not None and anchor_blessings:
        since = anchor_blessings[0].get_string_custom_property(EVALUATED_IN)
        earlier.append(Earlier.anchor(anchor, since or "the anchor", len(anchor_blessings)))
    verdict = judge(measured, earlier, asked, read_procedure_evaluation(evaluation.uri))
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
    score = anchor_score(measured.overall, measured.intervals.get((), {}), asked.cost)
    if score is not None:
        blessing.set_float_custom_property(ANCHOR_SCORE, score)
        blessing.set_string_custom_property(DATA_DEFINITION, asked.definition)
    run_id = evaluation.get_string_custom_property(EVALUATED_IN)
    blessing.set_string_custom_property(EVALUATED_IN, run_id)


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

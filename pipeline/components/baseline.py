"""Which model a candidate must not fall behind."""

from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types.artifact import Artifact

CANDIDATE, MODEL, BLESSING = "candidate", "model", "model_blessing"


class BlessedBeforeStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the latest blessed model that is older than the candidate.

    TFX's own `LatestBlessedModelStrategy` returns the candidate itself as soon as it has been
    blessed, so that an unchanged second run would compare a model with itself, and the Evaluator's
    cache key would change with it. "Blessed before the candidate" is the same answer every time.
    """

    def resolve_artifacts(
        self,
        store: object,  # noqa: ARG002 - the interface's
        input_dict: dict[str, list[Artifact]],
    ) -> dict[str, list[Artifact]]:
        """Returns the candidate with its baseline model and that model's blessing.

        Args:
            store: The metadata store; unused.
            input_dict: Lists of artifacts under `candidate`, `model` and `model_blessing`.

        Returns:
            The same keys with one artifact each, or none where no older model is blessed.
        """
        candidate = input_dict[CANDIDATE]
        blessings = {
            blessing.get_int_custom_property(
                constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
            ): blessing
            for blessing in input_dict[BLESSING]
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
        }
        older = [
            model
            for model in input_dict[MODEL]
            if candidate and model.id < candidate[0].id and model.id in blessings
        ]
        if not older:
            return {CANDIDATE: candidate, MODEL: [], BLESSING: []}
        baseline = max(older, key=lambda model: int(model.id))
        return {CANDIDATE: candidate, MODEL: [baseline], BLESSING: [blessings[baseline.id]]}

"""Resolvers of the models that a candidate is compared with or trained after."""

from ml_metadata.metadata_store import MetadataStore
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.dsl.io import fileio
from tfx.types.artifact import Artifact

from pipeline.components.anchor import choose_anchor
from pipeline.components.pusher.withdrawn import withdrawn_model_ids

CANDIDATE, MODEL = "candidate", "model"
BLESSING, INFRA_BLESSING = "model_blessing", "infra_blessing"
ANCHOR_MODEL, ANCHOR_BLESSINGS = "anchor_model", "anchor_blessings"


class BlessedBeforeStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the latest model that both gate and server blessed and that the candidate follows.

    TFX's own `LatestBlessedModelStrategy` returns the candidate itself as soon as it has been
    blessed, so that an unchanged second run would compare a model with itself, and the Evaluator's
    cache key would change with it. "Blessed before the candidate" is the same answer every time.

    A model that a person took out of service is no baseline: after a rollback the candidate is
    compared with the model that is served.

    It also resolves the anchor (`choose_anchor`), so that many small losses cannot add up.
    """

    def __init__(self, definition: str) -> None:
        """Makes the strategy.

        Args:
            definition: Digest of what the data are, as on the blessings of comparable models.
        """
        self._definition = definition

    def resolve_artifacts(
        self,
        store: MetadataStore,
        input_dict: dict[str, list[Artifact]],
    ) -> dict[str, list[Artifact]]:
        """Returns the candidate with its baseline and anchor and their blessings.

        Args:
            store: The metadata store, which says what was taken out of service.
            input_dict: Lists of artifacts under `candidate`, `model`, `model_blessing` and
                `infra_blessing`.

        Returns:
            The same keys with one artifact each, or none where no older model is blessed. Under
            `anchor_model` the anchor, and under `anchor_blessings` its blessing and those of the
            models blessed since.
        """
        candidate = input_dict[CANDIDATE]
        blessings = _blessed(input_dict[BLESSING])
        servable = _blessed(input_dict[INFRA_BLESSING])
        withdrawn = withdrawn_model_ids(store)
        older = [
            model
            for model in input_dict[MODEL]
            if candidate
            and model.id < candidate[0].id
            and model.id in blessings
            and model.id in servable
            and model.id not in withdrawn
        ]
        if not older:
            nothing: dict[str, list[Artifact]] = {
                key: [] for key in (MODEL, BLESSING, INFRA_BLESSING, ANCHOR_MODEL, ANCHOR_BLESSINGS)
            }
            return {CANDIDATE: candidate, **nothing}
        older.sort(key=lambda model: int(model.id))
        baseline = older[-1]
        present = [model for model in older if fileio.exists(model.uri)]
        anchor = choose_anchor(present, blessings, self._definition)
        since = [] if anchor is None else [model for model in older if model.id >= anchor.id]
        return {
            CANDIDATE: candidate,
            MODEL: [baseline],
            BLESSING: [blessings[baseline.id]],
            INFRA_BLESSING: [servable[baseline.id]],
            ANCHOR_MODEL: [] if anchor is None else [anchor],
            ANCHOR_BLESSINGS: [blessings[model.id] for model in since],
        }


class LatestBlessedStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the latest model that gate and server blessed, for a training that learns of it.

    It is asked before the run's own model exists. After a model was blessed it answers with that
    one, so that a step that reads it runs again, also where nothing else has changed: each training
    follows the one before it.
    """

    def resolve_artifacts(
        self,
        store: MetadataStore,
        input_dict: dict[str, list[Artifact]],
    ) -> dict[str, list[Artifact]]:
        """Returns the model and its blessings, or empty lists where none is blessed.

        Args:
            store: The metadata store, which says what was taken out of service.
            input_dict: Lists of artifacts under `model`, `model_blessing` and `infra_blessing`.
        """
        blessings = _blessed(input_dict[BLESSING])
        servable = _blessed(input_dict[INFRA_BLESSING])
        candidates = (blessings.keys() & servable.keys()) - withdrawn_model_ids(store)
        models = [model for model in input_dict[MODEL] if model.id in candidates]
        if not models:
            return {MODEL: [], BLESSING: [], INFRA_BLESSING: []}
        latest = max(models, key=lambda model: int(model.id))
        return {
            MODEL: [latest],
            BLESSING: [blessings[latest.id]],
            INFRA_BLESSING: [servable[latest.id]],
        }


def _blessed(blessings: list[Artifact]) -> dict[int, Artifact]:
    """The blessings that say yes, by the id of their model."""
    return {
        blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): blessing
        for blessing in blessings
        if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
    }

"""The anchor: the model that later ones may not fall behind, however small their steps."""

from collections.abc import Mapping, Sequence

from tfx.types.artifact import Artifact

from pipeline.components.names import ANCHOR_AT, ANCHOR_SCORE, DATA_DEFINITION


def choose_anchor(
    models: Sequence[Artifact], blessings: Mapping[int, Artifact], definition: str
) -> Artifact | None:
    """Returns the model with the best lower limit since the definition of the data changed.

    A person may have declared a new anchor: only that model and later ones then count.

    Args:
        models: The blessed models, the oldest first.
        blessings: Model id to its blessing.
        definition: Digest of what the data are.
    """
    comparable = [
        model
        for model in models
        if blessings[model.id].get_string_custom_property(DATA_DEFINITION) == definition
    ]
    declared = max(
        (model for model in comparable if _declared_at(blessings[model.id])),
        key=lambda model: _declared_at(blessings[model.id]),
        default=None,
    )
    if declared is not None:
        since_ms = 1_000 * _declared_at(blessings[declared.id])
        comparable = [
            model
            for model in comparable
            if model is declared or model.mlmd_artifact.create_time_since_epoch > since_ms
        ]
    # Of equals the oldest stays.
    return max(comparable, key=lambda model: _score(blessings[model.id]), default=None)


def _declared_at(blessing: Artifact) -> int:
    return int(blessing.get_int_custom_property(ANCHOR_AT))


def _score(blessing: Artifact) -> float:
    return float(blessing.get_float_custom_property(ANCHOR_SCORE))

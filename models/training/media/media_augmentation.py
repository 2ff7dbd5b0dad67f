"""Inputs of the network that are varied after the transform graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features import FeatureTable, Image
from models.inputs.encoding import encodings
from models.inputs.transform_graph import input_groups
from models.train_options import Augmentation
from models.training.media.picture_augmentation import augment_pictures


def augment_media(
    inputs: Mapping[str, NDArray[Any]],
    table: FeatureTable,
    augmentation: Mapping[str, Augmentation],
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Returns the inputs of the network with pictures that are varied, varied.

    Args:
        inputs: The inputs of the network, each `[n, …]`.
        table: The features table.
        augmentation: The ranges of each varied feature; those of signals are left out.
        rng: Source of all random draws.
    """
    keys = dict(zip(table, _keys(table), strict=True))
    return {
        keys[name]: augment_pictures(inputs[keys[name]], options, rng)
        for name, options in augmentation.items()
        if isinstance(table[name], Image)
    }


def _keys(table: FeatureTable) -> list[str]:
    """The input of the network that each feature is in, in table order."""
    encoded = encodings(table)
    groups = input_groups(tuple(encoded))
    of_name = {one.name: key for key, group in groups.items() for one in group}
    return [of_name[one.name] for one in encoded]

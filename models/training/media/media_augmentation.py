"""Inputs of the network that are varied after the transform graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features import Audio, FeatureTable, Image
from models.inputs.encoding import encodings
from models.inputs.transform_graph import input_groups
from models.train_options import Augmentation
from models.training.media.picture_augmentation import augment_pictures
from models.training.media.sound_augmentation import augment_sounds


def augment_media(
    inputs: Mapping[str, NDArray[Any]],
    table: FeatureTable,
    augmentation: Mapping[str, Augmentation],
    deviations_db: Mapping[str, NDArray[np.float32]],
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Returns the inputs of the network with sounds and pictures that are varied, varied.

    Args:
        inputs: The inputs of the network, each `[n, …]`.
        table: The features table.
        augmentation: The ranges of each varied feature; those of signals are left out.
        deviations_db: By sound, float32 `[mels]`, what its levels were divided by.
        rng: Source of all random draws.
    """
    keys = dict(zip(table, _keys(table), strict=True))
    varied = {}
    for name, options in augmentation.items():
        feature, key = table[name], keys[name]
        if isinstance(feature, Image):
            varied[key] = augment_pictures(inputs[key], options, rng)
        elif isinstance(feature, Audio):
            varied[key] = augment_sounds(inputs[key], feature, options, deviations_db[name], rng)
    return varied


def _keys(table: FeatureTable) -> list[str]:
    """The input of the network that each feature is in, in table order."""
    encoded = encodings(table)
    groups = input_groups(tuple(encoded))
    of_name = {one.name: key for key, group in groups.items() for one in group}
    return [of_name[one.name] for one in encoded]

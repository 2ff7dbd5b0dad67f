"""The network: a tabular branch, and convolutional ones of signals, sounds and pictures, joined."""

import math

import keras
from keras import layers

from models.inputs.encoding import SIGNAL_CHANNELS, IndexSpace
from models.inputs.transform_graph import input_groups
from models.train_options import TrainOptions
from models.training.media.picture_branch import picture_branch

_KERNEL, _KERNEL_2D = 5, 3
_MAX_EMBEDDING = 16


def build_network(space: IndexSpace, options: TrainOptions) -> keras.Model:
    """Returns a network from packed inputs to one logit.

    Args:
        space: The transformed features and the indices of their categories.
        options: Widths and dropout.

    Returns:
        A Keras model from the inputs of `network_inputs` to float32 `[batch, 1]`.
    """
    inputs: dict[str, keras.KerasTensor] = {}
    branches: list[keras.KerasTensor] = []
    tabular: list[keras.KerasTensor] = []
    for key, group in input_groups(space.encoded).items():
        if key == "dense":
            inputs[key] = keras.Input((sum(e.size for e in group),), name=key)
            tabular.append(inputs[key])
        elif key == "index":
            inputs[key] = keras.Input((len(group),), name=key, dtype="int64")
            tabular.append(_embedded(inputs[key], space))
        elif key.startswith("audio_"):
            inputs[key] = keras.Input(group[0].shape, name=key)
            branches.append(_sound_branch(inputs[key], options))
        elif key.startswith("image_"):
            [picture] = group
            inputs[key] = keras.Input(picture.shape, name=key)
            branches.append(
                picture_branch(inputs[key], options.filters, name=key, backbone=picture.backbone)
            )
        else:
            inputs[key] = keras.Input((group[0].size, SIGNAL_CHANNELS * len(group)), name=key)
            branches.append(_signal_branch(inputs[key], options))
    if tabular:
        branches.append(_tabular_branch(_joined(tabular), options))
    head = _joined(branches)
    if len(branches) > 1 and options.hidden_units:
        head = layers.Dense(options.hidden_units[-1], activation="relu", name="head")(head)
    head = layers.Dropout(options.dropout, name="head_dropout")(head)
    return keras.Model(inputs, layers.Dense(1, name="logit")(head), name="faultline")


def _joined(tensors: list[keras.KerasTensor]) -> keras.KerasTensor:
    return tensors[0] if len(tensors) == 1 else layers.Concatenate()(tensors)


def _embedded(index: keras.KerasTensor, space: IndexSpace) -> keras.KerasTensor:
    """float32 `[batch, num_index_features * width]`; one table for all indices."""
    width = embedding_width(space.size)
    return layers.Flatten(name="categories")(
        layers.Embedding(space.size, width, name="embedding")(index)
    )


def embedding_width(size: int) -> int:
    """Returns the width of an embedding of `size` indices: 1.6 * size^0.56, at most 16.

    References:
        The rule of thumb of the fastai library for categorical variables.
    """
    return min(_MAX_EMBEDDING, math.ceil(1.6 * math.pow(size, 0.56)))


def _tabular_branch(features: keras.KerasTensor, options: TrainOptions) -> keras.KerasTensor:
    for position, units in enumerate(options.hidden_units):
        features = layers.Dense(units, activation="relu", name=f"tabular_{position}")(features)
    return features


def _sound_branch(sound: keras.KerasTensor, options: TrainOptions) -> keras.KerasTensor:
    """2-D convolutions of a spectrogram, each halving the sides that are long enough, then pooling.

    The maximum over time and frequency responds to a brief impact or a narrow tone, the mean to
    what lasts.
    """
    name = sound.name
    sound = layers.Reshape((*sound.shape[1:], 1), name=f"{name}_channel")(sound)
    for position, filters in enumerate(options.filters):
        sound = layers.Conv2D(
            filters, _KERNEL_2D, padding="same", activation="relu", name=f"{name}_conv_{position}"
        )(sound)
        halves = tuple(2 if side >= 2 * _KERNEL_2D else 1 for side in sound.shape[1:3])
        if max(halves) > 1:
            sound = layers.MaxPooling2D(halves, name=f"{name}_pool_{position}")(sound)
    return layers.Concatenate(name=f"{name}_summary")(
        [layers.GlobalAveragePooling2D()(sound), layers.GlobalMaxPooling2D()(sound)]
    )


def _signal_branch(signal: keras.KerasTensor, options: TrainOptions) -> keras.KerasTensor:
    """Convolutions, each halving the length while it is long enough, then mean and maximum pooling.

    The mean responds to lasting effects, the maximum to short ones.
    """
    name = signal.name
    for position, filters in enumerate(options.filters):
        signal = layers.Conv1D(
            filters, _KERNEL, padding="same", activation="relu", name=f"{name}_conv_{position}"
        )(signal)
        if signal.shape[1] >= 2 * _KERNEL:
            signal = layers.MaxPooling1D(2, name=f"{name}_pool_{position}")(signal)
    return layers.Concatenate(name=f"{name}_summary")(
        [layers.GlobalAveragePooling1D()(signal), layers.GlobalMaxPooling1D()(signal)]
    )

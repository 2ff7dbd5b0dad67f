"""The network's 2-D convolutional branch for a picture."""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import layers

from models.exporting.saved_layer import SavedLayer

_KERNEL = 3
_STEM_KERNEL = 5
# A picture of at least this many pixels on its shorter side is halved by the first convolution.
_MIN_HALVED = 32
# No block halves a side below this.
_MIN_SIDE = 4
_MAX_GROUPS = 8
_SAVED_MODEL_FILE = "saved_model.pb"


def picture_branch(
    picture: keras.KerasTensor, filters: Sequence[int], *, name: str, backbone: str | None = None
) -> keras.KerasTensor:
    """Returns what a branch makes of a picture, `[batch, width]`.

    A small residual network that is trained from nothing: a convolution, then a block of two
    convolutions for each number of filters. Each block after the first halves the sides. The mean
    over the picture responds to its texture, the maximum to a small fault.

    References:
        He, K., Zhang, X., Ren, S., and Sun, J. (2016), "Identity mappings in deep residual
        networks", ECCV; Wu, Y., and He, K. (2018), "Group normalization", ECCV, which unlike that
        of batches does not depend on the few faults of a batch.

    Args:
        picture: float32 `[batch, height, width, channels]` from 0 to 1.
        filters: Filters of each block.
        name: Prefix of the names of its layers.
        backbone: A saved model that makes the first layers; see `apply_backbone`.

    Raises:
        ValueError: The backbone does not fit the picture.
    """
    if backbone is not None:
        features = apply_backbone(picture, backbone, name=name)
        return features if len(features.shape) == 2 else _pooled(features, name)
    # Intensities centred and of about unit variance.
    features = layers.Rescaling(4.0, offset=-2.0, name=f"{name}_rescaled")(picture)
    stride = 2 if min(picture.shape[1:3]) >= _MIN_HALVED else 1
    features = layers.Conv2D(
        filters[0], _STEM_KERNEL, stride, padding="same", use_bias=False, name=f"{name}_stem"
    )(features)
    for position, width in enumerate(filters):
        halves = position > 0 and min(features.shape[1:3]) >= 2 * _MIN_SIDE
        features = _block(features, width, 2 if halves else 1, f"{name}_block_{position}")
    return _pooled(_activated(features, f"{name}_last"), name)


def _block(features: keras.KerasTensor, width: int, stride: int, name: str) -> keras.KerasTensor:
    """Two convolutions beside a shortcut."""
    inner = _activated(features, f"{name}_a")
    shortcut = features
    if stride != 1 or features.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, stride, use_bias=False, name=f"{name}_shortcut")(inner)
    inner = layers.Conv2D(
        width, _KERNEL, stride, padding="same", use_bias=False, name=f"{name}_a_conv"
    )(inner)
    inner = _activated(inner, f"{name}_b")
    inner = layers.Conv2D(width, _KERNEL, padding="same", name=f"{name}_b_conv")(inner)
    return layers.Add(name=f"{name}_sum")([shortcut, inner])


def _activated(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    channels = features.shape[-1]
    groups = max(g for g in range(1, _MAX_GROUPS + 1) if channels % g == 0)
    normalised = layers.GroupNormalization(groups, name=f"{name}_norm")(features)
    return layers.Activation("relu", name=f"{name}_relu")(normalised)


def _pooled(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.Concatenate(name=f"{name}_summary")(
        [
            layers.GlobalAveragePooling2D(name=f"{name}_mean")(features),
            layers.GlobalMaxPooling2D(name=f"{name}_maximum")(features),
        ]
    )


def apply_backbone(picture: keras.KerasTensor, path: str, *, name: str) -> keras.KerasTensor:
    """Returns what a saved model makes of a picture; its weights are not trained further.

    Args:
        picture: float32 `[batch, height, width, channels]` from 0 to 1.
        path: A `.keras` file, or the folder of a SavedModel with the signature `serving_default`.
        name: Prefix of the names of its layers.

    Raises:
        ValueError: There is no such model; or it does not turn such pictures into one tensor
            `[batch, width]` or `[batch, height, width, channels]`.
    """
    is_folder = (Path(path) / _SAVED_MODEL_FILE).exists()
    if not is_folder and not (path.endswith(".keras") and Path(path).is_file()):
        raise ValueError(
            f"The backbone {path} is neither a `.keras` file nor the folder of a SavedModel. "
            "Correct `backbone` of the picture, or remove it to train from nothing."
        )
    layer, inputs, outputs = (_saved_model if is_folder else _keras_model)(path, name)
    expected = tuple(picture.shape[1:])
    if len(inputs) != 1 or not _fits(inputs[0], expected):
        raise ValueError(
            f"The backbone {path} takes {_words(inputs)}, and the pictures are {list(expected)} "
            "(height, width, channels). Set `height`, `width` and `channels` to its input, or give "
            "another model."
        )
    if len(outputs) != 1 or len(outputs[0]) not in {2, 4} or outputs[0][-1] is None:
        raise ValueError(
            f"The backbone {path} gives {_words(outputs)}; it must give one tensor of [width] or "
            "[height, width, channels] for each picture. Save the model without its last layers."
        )
    layer.trainable = False
    return layer(picture)


_Shapes = list[tuple[int | None, ...]]


def _keras_model(path: str, _: str) -> tuple[keras.Layer, _Shapes, _Shapes]:
    model = keras.saving.load_model(path, compile=False)
    inputs, outputs = ([tuple(t.shape) for t in side] for side in (model.inputs, model.outputs))
    return model, inputs, outputs


def _saved_model(path: str, name: str) -> tuple[keras.Layer, _Shapes, _Shapes]:
    layer = SavedLayer(path, f"{name}_backbone")
    return layer, layer.input_shapes, layer.output_shapes


def _fits(shape: tuple[int | None, ...], picture: tuple[int, ...]) -> bool:
    return len(shape) == 1 + len(picture) and all(
        own in {None, size} for own, size in zip(shape[1:], picture, strict=True)
    )


def _words(shapes: _Shapes) -> str:
    return " and ".join(f"[{', '.join(str(n or 'any') for n in shape[1:])}]" for shape in shapes)

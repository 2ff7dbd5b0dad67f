"""Pictures of the worst examples, with an overlay of what decided."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

from common.example_files import read_examples
from models.features import Image
from models.inputs.encoding import encoded_name
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.picture_file import (
    data_url,
    make_thumbnail,
)

Floats: TypeAlias = NDArray[np.float64]

_STEPS = 16
# Of the magnitudes: what is above is shown in full colour.
_FULL_COLOUR = 0.99
_SMOOTHING = 1.0
_RAISES, _LOWERS = np.array([214.0, 48.0, 39.0]), np.array([33.0, 102.0, 172.0])


def draw_pictures(
    files: Sequence[str],
    rows: NDArray[np.int64],
    pictures: Mapping[str, Image],
    model: Path,
) -> list[dict[str, list[str]]]:
    """Returns, for each of some rows, the images of each column with pictures.

    Args:
        files: Gzip TFRecords of tf.Examples.
        rows: `[k]`, the rows in the files, from 0 on.
        pictures: The pictures by column.
        model: The SavedModel.

    Returns:
        `[k]` of a column's name to the sources of its images: the picture, and where the model has
        a gradient, the picture in grey with red where it raises the logit and blue where it lowers
        it. A missing picture has no images.
    """
    if not pictures:
        return [{} for _ in rows]
    # The functions do not keep the variables of what was loaded.
    loaded = tf.saved_model.load(str(model))
    explained = getattr(loaded, "explained", None)
    drawn: dict[int, dict[str, list[str]]] = {}
    start = 0
    for serialised, batch in read_examples(*files):
        own = rows[(rows >= start) & (rows < start + batch.num_rows)]
        for row in own.tolist():
            place = row - start
            example = serialised[place : place + 1]
            drawn[row] = _draw(example, batch.slice(place, 1), pictures, explained)
        start += batch.num_rows
    return [drawn[row] for row in rows.tolist()]


def _draw(
    example: NDArray[np.object_],
    batch: pa.RecordBatch,
    pictures: Mapping[str, Image],
    explained: Any,
) -> dict[str, list[str]]:
    parts = {} if explained is None else explain_pictures(explained, example, pictures)
    images = {}
    for name in pictures:
        [content] = file_contents(batch, name)
        thumbnail = make_thumbnail(content)
        if thumbnail is None:
            continue
        images[name] = [data_url(thumbnail)]
        if name in parts:
            images[name].append(data_url(overlay(thumbnail, parts[name])))
    return images


def explain_pictures(
    explained: Any, example: NDArray[np.object_], pictures: Mapping[str, Image]
) -> dict[str, Floats]:
    """Returns what each pixel adds to the logit, float64 `[height, width]` for each picture.

    Integrated gradients from a plain picture of the mean intensity of each channel; all pictures of
    the example become plain together. One without any effect is left out.

    References:
        Sundararajan, M., Taly, A., and Yan, Q. (2017), "Axiomatic attribution for deep networks",
        ICML.

    Args:
        explained: A `models.exporting.explained_logit.ExplainedLogit`, loaded.
        example: One serialised tf.Example, `[1]`.
        pictures: The pictures by column.
    """
    transformed = explained.transform(tf.constant(example.tolist()))
    keys = {name: encoded_name(name) for name in pictures}
    steps = {
        name: transformed[key] - tf.reduce_mean(transformed[key], [1, 2], keepdims=True)
        for name, key in keys.items()
    }
    way = {name: tf.repeat(value, _STEPS, axis=0) for name, value in transformed.items()}
    shares = (np.arange(_STEPS, dtype=np.float32) + 0.5) / _STEPS
    for name, key in keys.items():
        way[key] -= (1 - shares)[:, None, None, None] * steps[name]
    watched = [way[key] for key in keys.values()]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(watched)
        total = tf.reduce_sum(explained.logit(way))
    gradients = tape.gradient(total, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    parts = {
        name: (gradient.numpy().mean(axis=0) * steps[name].numpy()[0]).sum(axis=2).astype(float)
        for name, gradient in zip(keys, gradients, strict=True)
    }
    return {name: part for name, part in parts.items() if part.any()}


def overlay(thumbnail: Pillow.Image, parts: Floats) -> Pillow.Image:
    """Returns a picture in grey, red where its pixels raise the logit, blue where they lower it.

    Args:
        thumbnail: The picture.
        parts: float64 `[rows, columns]`, of any size with the same proportions.
    """
    smooth = ndimage.gaussian_filter(parts, _SMOOTHING)
    full = np.quantile(np.abs(smooth), _FULL_COLOUR)
    scaled = np.clip(smooth / full, -1, 1) if full > 0 else smooth
    resized = Pillow.fromarray(scaled.astype(np.float32)).resize(
        thumbnail.size, Pillow.Resampling.BILINEAR
    )
    values = np.asarray(resized, np.float64)[..., np.newaxis]
    grey = np.asarray(thumbnail.convert("L"), np.float64)[..., np.newaxis]
    colour = np.where(values > 0, _RAISES, _LOWERS)
    # Paler, so that the colours are seen on black and on white.
    pale = 64 + grey / 2
    mixed = pale + np.abs(values) * (colour - pale)
    return Pillow.fromarray(np.rint(mixed).astype(np.uint8))

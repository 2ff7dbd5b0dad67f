"""Pictures and spectrograms of the worst examples, with an overlay of what decided."""

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
from models.features import Audio, Media
from models.inputs.encoding import encoded_name
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.picture_file import (
    data_url,
    make_thumbnail,
)
from pipeline.components.recording_troubles.sounds.spectrogram import draw_spectrogram, upright

Floats: TypeAlias = NDArray[np.float64]

_STEPS = 16
# Of the magnitudes: what is above is shown in full colour.
_FULL_COLOUR = 0.99
_SMOOTHING = 1.0
_RAISES, _LOWERS = np.array([214.0, 48.0, 39.0]), np.array([33.0, 102.0, 172.0])


def draw_pictures(
    files: Sequence[str],
    rows: NDArray[np.int64],
    media: Mapping[str, Media],
    model: Path,
) -> list[dict[str, list[str]]]:
    """Returns, for each of some rows, the images of each column with sounds or pictures.

    Args:
        files: Gzip TFRecords of tf.Examples.
        rows: `[k]`, the rows in the files, from 0 on.
        media: The sounds and pictures by column.
        model: The SavedModel.

    Returns:
        `[k]` of a column's name to the sources of its images: the picture or spectrogram, and where
        the model has a gradient, the same in grey with red where it raises the logit and blue where
        it lowers it. A missing file has no images.
    """
    if not media:
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
            drawn[row] = _draw(example, batch.slice(place, 1), media, explained)
        start += batch.num_rows
    return [drawn[row] for row in rows.tolist()]


def _draw(
    example: NDArray[np.object_],
    batch: pa.RecordBatch,
    media: Mapping[str, Media],
    explained: Any,
) -> dict[str, list[str]]:
    parts = {} if explained is None else explain_pictures(explained, example, media)
    images = {}
    for name, feature in media.items():
        [content] = file_contents(batch, name)
        thumbnail = _thumbnail(content, feature)
        if thumbnail is None:
            continue
        images[name] = [data_url(thumbnail)]
        if name in parts:
            shown = upright(parts[name]) if isinstance(feature, Audio) else parts[name]
            images[name].append(data_url(overlay(thumbnail, shown)))
    return images


def _thumbnail(content: bytes, feature: Media) -> Pillow.Image | None:
    if isinstance(feature, Audio):
        return draw_spectrogram(content, feature)
    return make_thumbnail(content)


def explain_pictures(
    explained: Any, example: NDArray[np.object_], media: Mapping[str, Media]
) -> dict[str, Floats]:
    """Returns what each pixel adds to the logit, float64 `[height, width]` for each picture.

    Integrated gradients from a plain picture of the mean intensity of each channel; all pictures of
    the example become plain together. For each sound it is what each level adds, `[frames, mels]`,
    from the mean level of each band over the train split. One without any effect is left out.

    References:
        Sundararajan, M., Taly, A., and Yan, Q. (2017), "Axiomatic attribution for deep networks",
        ICML.

    Args:
        explained: A `models.exporting.explained_logit.ExplainedLogit`, loaded.
        example: One serialised tf.Example, `[1]`.
        media: The sounds and pictures by column.
    """
    transformed = explained.transform(tf.constant(example.tolist()))
    keys = {name: encoded_name(name) for name in media}
    steps = {name: transformed[key] - _plain(transformed[key]) for name, key in keys.items()}
    way = {name: tf.repeat(value, _STEPS, axis=0) for name, value in transformed.items()}
    shares = (np.arange(_STEPS, dtype=np.float32) + 0.5) / _STEPS
    for name, key in keys.items():
        rest = (1 - shares).reshape(-1, *[1] * (len(steps[name].shape) - 1))
        way[key] -= rest * steps[name]
    watched = [way[key] for key in keys.values()]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(watched)
        total = tf.reduce_sum(explained.logit(way))
    gradients = tape.gradient(total, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    parts = {
        name: (gradient.numpy().mean(axis=0) * steps[name].numpy()[0]).astype(float)
        for name, gradient in zip(keys, gradients, strict=True)
    }
    summed = {name: part.sum(axis=2) if part.ndim == 3 else part for name, part in parts.items()}
    return {name: part for name, part in summed.items() if part.any()}


def _plain(transformed: tf.Tensor) -> tf.Tensor:
    """The mean intensity of each channel of a picture; of a spectrogram 0, the mean of train."""
    if transformed.shape.rank == 3:
        return tf.zeros_like(transformed)
    return tf.reduce_mean(transformed, [1, 2], keepdims=True)


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

"""Pictures varied at random within physical ranges, on whole arrays at once."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.train_options import Augmentation

# Pictures that are turned at once, so that few copies are in memory.
_CHUNK = 1_024

Floats = NDArray[np.float64]
Pictures = NDArray[np.float32]


@dataclass(frozen=True)
class _Draws:
    """How each picture is varied.

    Attributes:
        moves: float32 `[n, 8]`, the projective transform from an output pixel to its source.
        gain: float64 `[n]`, factor of the intensities.
        offset: float64 `[n]`, added to the intensities.
        hidden: int64 `[n, 4]`: first row, end row, first column, end column of the rectangle.
    """

    moves: NDArray[np.float32]
    gain: Floats
    offset: Floats
    hidden: NDArray[np.int64]


def augment_pictures(
    pictures: Pictures, options: Augmentation, rng: np.random.Generator
) -> Pictures:
    """Returns pictures varied; every draw is uniform except the noise. Missing ones are unchanged.

    References:
        Shorten, C., and Khoshgoftaar, T. M. (2019), "A survey on image data augmentation for deep
        learning", Journal of Big Data 6; DeVries, T., and Taylor, G. W. (2017), "Improved
        regularization of convolutional neural networks with cutout", arXiv:1708.04552, for hidden
        rectangles.

    Args:
        pictures: float32 `[n, height, width, channels]` from 0 to 1, negative where one is missing.
        options: The ranges.
        rng: Source of all random draws.
    """
    draws = _draw(pictures.shape, options, rng)
    varied = np.empty_like(pictures)
    for start in range(0, len(pictures), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = _moved(pictures[part], draws.moves[part])
        chunk = _hidden(chunk, draws.hidden[part])
        gain, offset = (d[part].astype(np.float32) for d in (draws.gain, draws.offset))
        chunk = chunk * gain[:, None, None, None] + offset[:, None, None, None]
        if options.noise:
            chunk += options.noise * rng.standard_normal(chunk.shape, np.float32)
        np.clip(chunk, 0, 1, out=varied[part])
    missing = pictures[:, 0, 0, 0] < 0
    varied[missing] = pictures[missing]
    return varied


def _draw(shape: tuple[int, ...], options: Augmentation, rng: np.random.Generator) -> _Draws:
    num, height, width, _ = shape
    angle = np.deg2rad(options.rotate_deg) * rng.uniform(-1, 1, num)
    # Whole pixels: an interpolation would blur.
    shift = np.rint(options.shift_px * rng.uniform(-1, 1, (num, 2)))
    flips = rng.random((num, 2)) < [
        0.5 * (options.flip in {"horizontal", "both"}),
        0.5 * (options.flip in {"vertical", "both"}),
    ]
    side = np.sqrt(options.hide_share * rng.random(num))
    return _Draws(
        _moves(angle, shift, np.where(flips, -1.0, 1.0), (height, width)),
        1 + options.scale * rng.uniform(-1, 1, num),
        options.brightness * rng.uniform(-1, 1, num),
        np.concatenate([_stretch(side, size, rng) for size in (height, width)], axis=1),
    )


def _moves(
    angle: Floats, shift: Floats, signs: Floats, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Transforms about the centre: source = R S (target - centre - shift) + centre."""
    cos, sin = np.cos(angle), np.sin(angle)
    centre_y, centre_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    a, b = cos * signs[:, 0], -sin * signs[:, 1]
    c, d = sin * signs[:, 0], cos * signs[:, 1]
    x, y = centre_x + shift[:, 0], centre_y + shift[:, 1]
    zero = np.zeros_like(angle)
    rows = [a, b, centre_x - a * x - b * y, c, d, centre_y - c * x - d * y, zero, zero]
    return np.stack(rows, axis=1).astype(np.float32)


def _stretch(share: Floats, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`[n, 2]`, first and end of a share of a side at a random place."""
    length = np.rint(share * size)
    first = np.rint(rng.random(len(share)) * (size - length))
    return np.stack([first, first + length], axis=1).astype(np.int64)


def _moved(pictures: Pictures, moves: NDArray[np.float32]) -> Pictures:
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=moves,
        output_shape=pictures.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return np.asarray(moved.numpy(), np.float32)


def _hidden(pictures: Pictures, hidden: NDArray[np.int64]) -> Pictures:
    """Gives a rectangle of each picture the mean of the picture."""
    rows, columns = (
        (np.arange(size) >= edges[:, :1]) & (np.arange(size) < edges[:, 1:])
        for size, edges in zip(pictures.shape[1:3], np.split(hidden, 2, axis=1), strict=True)
    )
    inside = rows[:, :, None, None] & columns[:, None, :, None]
    return np.where(inside, pictures.mean(axis=(1, 2), keepdims=True), pictures)

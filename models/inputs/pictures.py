"""Pictures in the transform graph: decoded, resized, and summarised for trees.

All are TensorFlow core operations, so a client sends a file as it is.
"""

from functools import cache
from itertools import product

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.features import Image
from models.inputs.exif.orientation import exif_orientation, turn_upright
from models.inputs.summary_formulas import QUANTILES

# Every pixel of a missing picture; an intensity is from 0 to 1.
MISSING_INTENSITY = -1.0

# Weights of red, green and blue in the intensity, ITU-R BT.601.
_GREY = (0.299, 0.587, 0.114)
_CHANNELS = ("red", "green", "blue")
# Blocks of 1, 2, 4 and 8 pixels, as far as a side has at least four of them.
_SCALES = (1, 2, 4, 8)
_MIN_BLOCKS = 4
# Sides of the line and spot filters, in pixels, and the angles of the lines.
_FILTER = 9
_NUM_ANGLES = 8
_QUANTILES = QUANTILES | {"1st percentile": 0.01, "99th percentile": 0.99}
# A variance below this is what rounding leaves of a plain picture.
_ROUNDING = 1e-12


def decode_pictures(name: str, content: tf.Tensor, image: Image) -> tf.Tensor:
    """Returns the pictures of a batch at the size of the feature.

    An alpha channel is ignored. Grey is 0.299 red + 0.587 green + 0.114 blue. The picture is
    resized by triangle filters, which average where it shrinks, to the height and width of the
    feature, whatever its proportions. A JPEG is turned upright as its EXIF data say.

    Args:
        name: The column, for the message.
        content: string `[batch, 1]`, the bytes of PNG, JPEG, BMP or GIF files, of a GIF the first
            frame; empty where a picture is missing.
        image: Size and channels.

    Returns:
        float32 `[batch, height, width, channels]` from 0 to 1, and `MISSING_INTENSITY` for a
        missing picture. Running the graph fails with the positions of the rows that hold no
        complete picture.
    """
    files = tf.reshape(content, [-1])
    rows = tf.cast(tf.where(tf.not_equal(files, "")), tf.int32)[:, 0]
    decoded, pictures = _decode(rows, tf.gather(files, rows), image)
    damaged = tf.sets.difference(rows[tf.newaxis], decoded[tf.newaxis]).values
    check = tf.debugging.Assert(
        tf.equal(tf.size(damaged), 0),
        [
            f"`{name}` holds no complete PNG, JPEG, BMP or GIF picture in these rows of the batch, "
            "counted from 0:",
            damaged,
        ],
        summarize=20,
    )
    shape = [image.height, image.width, image.channels]
    with tf.control_dependencies([check]):
        missing = tf.fill(tf.concat([tf.shape(files), shape], axis=0), MISSING_INTENSITY)
    filled = tf.tensor_scatter_nd_update(missing, decoded[:, tf.newaxis], pictures)
    return tf.ensure_shape(tf.stop_gradient(filled), [None, *shape])


def _decode(rows: tf.Tensor, files: tf.Tensor, image: Image) -> tuple[tf.Tensor, tf.Tensor]:
    """The rows that could be decoded, and their pictures.

    A dataset, unlike `tf.map_fn`, can leave out what cannot be decoded, so that the rows are known.
    """

    def decode(row: tf.Tensor, file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.io.decode_image(file, dtype=tf.float32, expand_animations=False)
        pixels = tf.ensure_shape(pixels, [None, None, None])
        upright = turn_upright(pixels, exif_orientation(file))
        coloured = _with_channels(upright, image.channels)
        size = [image.height, image.width]
        resized = tf.image.resize(coloured, size, antialias=True)
        return row, tf.clip_by_value(resized, 0.0, 1.0)

    shape = [image.height, image.width, image.channels]
    # A first element, so that there is one if no picture can be decoded.
    first = tf.data.Dataset.from_tensors((tf.constant(-1), tf.zeros(shape)))
    pictures = (
        tf.data.Dataset.from_tensor_slices((rows, files))
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .ignore_errors()
    )
    size = tf.size(rows, tf.int64) + 1
    decoded, stacked = first.concatenate(pictures).batch(size).get_single_element()
    return decoded[1:], tf.reshape(stacked[1:], [-1, *shape])


def _with_channels(pixels: tf.Tensor, channels: int) -> tf.Tensor:
    """`[height, width, channels]` of a picture with 1 to 4 channels; the last of 2 and 4 is alpha.

    A file says only when it is decoded how many channels it has, so they are weighted by a matrix
    that is gathered by that number.
    """
    matrices = np.zeros((5, 4, channels), np.float32)
    for grey in (1, 2):
        matrices[grey, 0] = 1.0
    for coloured in (3, 4):
        matrices[coloured, :3] = np.eye(3) if channels == 3 else np.array(_GREY)[:, None]
    num = tf.shape(pixels)[2]
    return tf.tensordot(pixels, tf.gather(matrices, num)[:num], axes=1)


def picture_summary_names(image: Image) -> list[str]:
    """Returns the names of the summaries of a picture, in their order."""
    names = [f"{name} intensity" for name in ("mean", "standard deviation", *_QUANTILES)]
    names += ["skewness of intensity", "kurtosis of intensity"]
    if image.channels == 3:
        names += [
            f"{measure} of {name}"
            for measure in ("mean", "standard deviation")
            for name in _CHANNELS
        ]
    for scale in _scales(image):
        of_scale = (
            *("gradient energy", "horizontal share of gradient energy"),
            *("99th percentile of gradient", "largest gradient"),
            *("rms contrast", "largest contrast", "smallest contrast"),
            *("brightest block", "darkest block"),
        )
        names += [f"{name}, {scale} px" for name in of_scale]
    return [*names, "brightest line", "darkest line", "brightest spot", "darkest spot"]


def _scales(image: Image) -> list[int]:
    shortest = min(image.height, image.width)
    return [scale for scale in _SCALES if shortest >= _MIN_BLOCKS * scale]


def summarise_pictures(pictures: tf.Tensor, image: Image) -> tf.Tensor:
    """Returns the summaries of pictures that trees take in place of the pixels.

    The intensity's quantiles and moments; the mean squared difference of neighbours (gradient
    energy) and the difference of a block from the eight around it (contrast) at several scales; and
    the responses of line and spot filters of nine pixels.

    References:
        Burt, P. J., and Adelson, E. H. (1983), "The Laplacian pyramid as a compact image code",
        IEEE Transactions on Communications 31(4), for contrast at scales; Haralick, R. M.,
        Shanmugam, K., and Dinstein, I. (1973), "Textural features for image classification", IEEE
        Transactions on Systems, Man, and Cybernetics 3(6), for contrast of neighbours as texture.

    Args:
        pictures: float32 `[batch, height, width, channels]`, as `decode_pictures` returns them.
        image: Size and channels.

    Returns:
        float32 `[batch, num_summaries]`; NaN where the picture is missing or a summary undefined.
    """
    # Trees need no gradients; those of a square root at 0 are infinite.
    values = tf.cast(tf.stop_gradient(pictures), tf.float64)
    weights = np.array(_GREY)[:, np.newaxis]
    grey = values if image.channels == 1 else tf.tensordot(values, weights, axes=1)
    parts = [_intensities(grey)]
    if image.channels == 3:
        parts += [tf.reduce_mean(values, [1, 2]), tf.math.reduce_std(values, [1, 2])]
    for scale in _scales(image):
        parts.append(_texture(_blocks(grey, scale)))
    parts.append(_lines_and_spots(grey))
    present = tf.reduce_min(values, [1, 2, 3])[:, tf.newaxis] >= 0
    return tf.cast(tf.where(present, tf.concat(parts, axis=1), np.nan), tf.float32)


def _intensities(grey: tf.Tensor) -> tf.Tensor:
    """Mean, deviation, quantiles, skewness m3 / m2^1.5 and kurtosis m4 / m2²."""
    flat = tf.reshape(grey, [-1, grey.shape[1] * grey.shape[2]])
    mean = tf.reduce_mean(flat, axis=1, keepdims=True)
    centred = flat - mean
    variance = tf.reduce_mean(tf.square(centred), axis=1, keepdims=True)
    defined = tf.where(variance > _ROUNDING, variance, np.nan)
    third = tf.reduce_mean(centred**3, axis=1, keepdims=True)
    fourth = tf.reduce_mean(centred**4, axis=1, keepdims=True)
    return tf.concat(
        [
            *(mean, tf.sqrt(variance), _quantiles(flat, list(_QUANTILES.values()))),
            *(third / defined**1.5, fourth / defined**2),
        ],
        axis=1,
    )


def _quantiles(flat: tf.Tensor, shares: list[float]) -> tf.Tensor:
    """Quantiles of each row, linear between the ordered values."""
    ordered = tf.sort(flat, axis=1)
    position = np.array(shares) * (int(flat.shape[1]) - 1)
    below, above = np.floor(position).astype(int), np.ceil(position).astype(int)
    low, high = tf.gather(ordered, below, axis=1), tf.gather(ordered, above, axis=1)
    return low + (position - below) * (high - low)


def _blocks(grey: tf.Tensor, scale: int) -> tf.Tensor:
    return grey if scale == 1 else tf.nn.avg_pool2d(grey, scale, scale, "VALID")


def _texture(blocks: tf.Tensor) -> tf.Tensor:
    """Gradients and contrast of one scale."""
    # Both differences where both exist: [batch, rows - 1, columns - 1, 1].
    across = (blocks[:, :, 1:] - blocks[:, :, :-1])[:, :-1]
    down = (blocks[:, 1:] - blocks[:, :-1])[:, :, :-1]
    squares = tf.square(across) + tf.square(down)
    energy = tf.reduce_mean(squares, [1, 2])
    share = tf.math.divide_no_nan(tf.reduce_mean(tf.square(across), [1, 2]), energy)
    slopes = tf.sqrt(tf.reshape(squares, [-1, squares.shape[1] * squares.shape[2]]))
    surround = tf.nn.avg_pool2d(blocks, 3, 1, "VALID")
    # The mean of the eight around: the block of nine less the middle.
    middle = blocks[:, 1:-1, 1:-1]
    contrast = middle - (9 * surround - middle) / 8
    return tf.concat(
        [
            *(energy, share, _quantiles(slopes, [0.99, 1.0])),
            tf.sqrt(tf.reduce_mean(tf.square(contrast), [1, 2])),
            *(tf.reduce_max(contrast, [1, 2]), tf.reduce_min(contrast, [1, 2])),
            *(tf.reduce_max(blocks, [1, 2]), tf.reduce_min(blocks, [1, 2])),
        ],
        axis=1,
    )


def _lines_and_spots(grey: tf.Tensor) -> tf.Tensor:
    """Largest and smallest difference of lines, and of spots, from the mean around them."""
    size = min(_FILTER, int(grey.shape[1]), int(grey.shape[2]))
    responses = tf.nn.conv2d(grey, _filters(size), 1, "VALID")
    lines, spots = responses[..., :-1], responses[..., -1:]
    extremes = [
        reduce(part, [1, 2, 3])
        for part in (lines, spots)
        for reduce in (tf.reduce_max, tf.reduce_min)
    ]
    return tf.stack(extremes, axis=1)


@cache
def _filters(size: int) -> NDArray[np.float64]:
    """Filters `[size, size, 1, n]`: lines of one pixel's width at equal angles, then a spot."""
    centre = (size - 1) / 2
    filters = np.zeros((size, size, 1, _NUM_ANGLES + 1))
    for number in range(_NUM_ANGLES):
        angle = np.pi * number / _NUM_ANGLES
        # Half a pixel's steps miss no pixel on the way.
        steps = np.linspace(-centre, centre, 2 * size)
        rows = np.rint(centre - steps * np.sin(angle) - 1e-9).astype(int)
        columns = np.rint(centre + steps * np.cos(angle) - 1e-9).astype(int)
        filters[rows, columns, 0, number] = 1
    for row, column in product(range(size), repeat=2):
        inside = (row - centre) ** 2 + (column - centre) ** 2 <= (size / 4) ** 2
        filters[row, column, 0, -1] = float(inside)
    shares: NDArray[np.float64] = filters / filters.sum(axis=(0, 1))
    return shares - 1 / size**2

"""The orientation of a JPEG by its EXIF data, read and applied by core operations.

A phone stores the picture as its sensor has it, and notes how it was held.

References:
    CIPA DC-008 (2019), Exchangeable image file format 2.32, tag 274 of the first directory.
"""

import tensorflow as tf

_EXIF = b"Exif\0\0"
_TAG = 0x0112
_UPRIGHT = 1
_MAX_OFFSET = 0xFFFF  # a segment is no longer
_ENTRY = 12  # bytes
# What is done to the stored picture, after rows and columns were exchanged for 5 to 8.
_MIRRORED, _UPSIDE_DOWN, _TURNED = (2, 3, 6, 7), (3, 4, 7, 8), (5, 6, 7, 8)


def exif_orientation(file: tf.Tensor) -> tf.Tensor:
    """Returns the orientation that a file notes: int32, from 1 to 8; 1 if it is none or no JPEG.

    Args:
        file: string, scalar; the bytes of a file.
    """
    start = _tiff_start(file)
    is_little = tf.equal(_text(file, start, 2), b"II")
    offset = _number(file, start + 4, 4, is_little)
    is_inside = (start > 0) & (offset >= 0) & (offset <= _MAX_OFFSET)
    place = start + tf.where(is_inside, offset, 0)
    num_entries = tf.where(is_inside, _number(file, place, 2, is_little), 0)
    entries = tf.cast(tf.io.decode_raw(_text(file, place + 2, _ENTRY * num_entries), tf.uint8),
                      tf.int32)  # fmt: skip
    rows = tf.reshape(entries[: tf.size(entries) // _ENTRY * _ENTRY], [-1, _ENTRY])
    is_wanted = tf.equal(_short(rows[:, 0], rows[:, 1], is_little), _TAG)
    values = tf.boolean_mask(_short(rows[:, 8], rows[:, 9], is_little), is_wanted)
    first = tf.concat([values, [_UPRIGHT]], axis=0)[0]
    return tf.where((first >= 1) & (first <= 8), first, _UPRIGHT)


def _tiff_start(file: tf.Tensor) -> tf.Tensor:
    """int32, where the EXIF data of a JPEG begin; 0 if it has none."""
    size = tf.strings.length(file)

    def step(place: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        header = tf.cast(tf.io.decode_raw(tf.strings.join([_text(file, place, 4), b"\0" * 4]),
                                          tf.uint8), tf.int32)  # fmt: skip
        is_marker, marker = tf.equal(header[0], 0xFF), header[1]
        length = 256 * header[2] + header[3]
        is_end = ~is_marker | tf.equal(marker, 0xDA) | tf.equal(marker, 0xD9) | (length < 2)
        is_exif = tf.equal(marker, 0xE1) & tf.equal(_text(file, place + 4, 6), _EXIF)
        found = tf.where(is_marker & is_exif, place + 10, 0)
        is_fill = is_marker & tf.equal(marker, 0xFF)
        following = tf.where(is_fill, place + 1, tf.where(is_end, size, place + 2 + length))
        return following, found

    begins = tf.equal(_text(file, 0, 2), b"\xff\xd8")
    _, start = tf.while_loop(
        lambda place, found: (place + 4 <= size) & tf.equal(found, 0),
        step,
        (tf.where(begins, 2, size), tf.constant(0)),
    )
    return start


def turn_upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Returns a picture as it was seen.

    Args:
        pixels: `[rows, columns, channels]`, as stored.
        orientation: int32, as `exif_orientation` returns it.
    """

    def is_one_of(numbers: tuple[int, ...]) -> tf.Tensor:
        return tf.reduce_any(tf.equal(orientation, list(numbers)))

    turned = tf.cond(
        is_one_of(_TURNED), lambda: tf.transpose(pixels, [1, 0, 2]), lambda: tf.identity(pixels)
    )
    mirrored = tf.cond(
        is_one_of(_MIRRORED), lambda: tf.reverse(turned, [1]), lambda: tf.identity(turned)
    )
    return tf.cond(
        is_one_of(_UPSIDE_DOWN), lambda: tf.reverse(mirrored, [0]), lambda: tf.identity(mirrored)
    )


def _text(file: tf.Tensor, place: tf.Tensor | int, size: tf.Tensor | int) -> tf.Tensor:
    """Some bytes of a file; fewer, perhaps none, where it ends before."""
    start = tf.minimum(place, tf.strings.length(file))
    return tf.strings.substr(file, tf.maximum(start, 0), size)


def _number(file: tf.Tensor, place: tf.Tensor, size: int, is_little: tf.Tensor) -> tf.Tensor:
    """int32, a number of 2 or 4 bytes in either order; 0 beyond the end."""
    padded = tf.strings.join([_text(file, place, size), b"\0" * size])
    raw = tf.cast(tf.io.decode_raw(tf.strings.substr(padded, 0, size), tf.uint8), tf.int32)
    ordered = tf.where(is_little, raw[::-1], raw)
    number = tf.constant(0)
    for place_of_byte in range(size):
        number = 256 * number + ordered[place_of_byte]
    return number


def _short(first: tf.Tensor, second: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
    return tf.where(is_little, first + 256 * second, 256 * first + second)

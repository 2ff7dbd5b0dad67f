"""Pictures, decoded by Pillow where the model's graph decodes them too."""

import io
import struct
import warnings

from PIL import Image, UnidentifiedImageError

from pipeline.reading.files.pieces import first_line
from pipeline.reading.recordings.media.orientation import turn_upright

# The formats that the model's graph decodes.
FORMATS = ("PNG", "JPEG", "BMP", "GIF")


def decode_picture(content: bytes) -> Image.Image:
    """Returns a picture with its pixels, upright as its EXIF data say, if it is a JPEG.

    Raises:
        ValueError: The content is empty, has another format, is damaged, or is a BMP of a kind that
            the graph does not decode; says which.
    """
    if not content:
        raise ValueError("is empty")
    try:
        # A person's own picture may be larger than Pillow deems likely.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            mode = picture.mode
            picture.load()
    except UnidentifiedImageError as error:
        raise ValueError(f"is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded: {first_line(error)}") from error
    if picture.format == "BMP":
        _check_bmp(content, mode)
    if picture.format == "PNG" and b"IEND" not in content:
        # Pillow does without the end, and the graph does not.
        raise ValueError("is truncated: the end of the PNG file is missing")
    upright = turn_upright(picture, content)
    upright.format = picture.format  # which a turned copy lacks
    return upright


def _check_bmp(content: bytes, mode: str) -> None:
    """Checks that the model's graph decodes a BMP file as Pillow does.

    The graph takes 8 bits as an intensity, whatever the palette.

    Raises:
        ValueError: It does not.
    """
    num_bits, compression = struct.unpack_from("<HI", content, 28)
    is_plain = num_bits in {24, 32} or (num_bits == 8 and mode == "L")
    if not is_plain or compression not in {0, 3}:
        raise ValueError(
            f"is a BMP of {num_bits} bits, mode {mode}, compression {compression}; convert it to "
            "PNG, or to 24 bits without compression"
        )

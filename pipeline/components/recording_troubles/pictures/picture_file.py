"""A picture's file, read by Pillow for checks and pages; the model decodes it in its own graph."""

import base64
import io
from dataclasses import dataclass
from typing import TypeAlias

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from pipeline.reading.recordings.media.orientation import upright_size
from pipeline.reading.recordings.media.pictures import FORMATS, decode_picture

# Longest side that is measured, in pixels: enough for blur and exposure.
_MEASURED_PX = 512
_HASH_SIZE = 16
_GREY_MODES = ("1", "L", "LA", "F")
# Longest side of a thumbnail, in pixels.
THUMBNAIL_PX = 96

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureFile:
    """A picture that Pillow could read to its end.

    Attributes:
        form: Format of the content: `PNG`, `JPEG`, `BMP` or `GIF`.
        width: Pixels of a row.
        height: Rows of pixels.
        mode: Pillow's mode, such as `L` for 8-bit grey, `RGB` or `I;16`.
        grey: float64 `[rows, columns]` from 0 to 1, its longest side at most 512 pixels.
    """

    form: str
    width: int
    height: int
    mode: str
    grey: Floats

    @property
    def is_coloured(self) -> bool:
        """Whether it has other channels than grey and alpha."""
        return self.mode not in _GREY_MODES and not self.mode.startswith("I")

    @property
    def perceptual_hash(self) -> NDArray[np.uint64]:
        """256 bits as uint64 `[4]`, which hardly change with size, format and brightness.

        References:
            Zauner, C. (2010), "Implementation and benchmarking of perceptual image hash functions",
            for the signs of the low frequencies of a cosine transform; ImageHash's `phash`.
        """
        picture = Pillow.fromarray(np.rint(255 * self.grey).astype(np.uint8))
        bits = imagehash.phash(picture, hash_size=_HASH_SIZE).hash.reshape(-1)
        return np.packbits(bits).view(np.uint64)


def read_picture(content: bytes) -> PictureFile:
    """Returns a picture.

    Raises:
        ValueError: The content is empty, has another format, or is damaged; says which.
    """
    picture = decode_picture(content)
    width, height = picture.size
    return PictureFile(
        form=str(picture.format),
        width=width,
        height=height,
        mode=picture.mode,
        grey=_grey(picture),
    )


def _grey(picture: Pillow.Image) -> Floats:
    """Intensities from 0 to 1, of a copy of limited size."""
    if picture.mode.startswith("I"):
        values = np.asarray(picture, np.float64) / 65_535
        picture = Pillow.fromarray((255 * np.clip(values, 0, 1)).astype(np.float32))
    else:
        picture = picture.convert("L")
    if max(picture.size) > _MEASURED_PX:
        picture.thumbnail((_MEASURED_PX, _MEASURED_PX), Pillow.Resampling.BOX)
    return np.asarray(picture, np.float64) / 255


def make_thumbnail(content: bytes) -> Pillow.Image | None:
    """Returns a picture in grey or colour, its longest side 96 pixels; None if it is damaged."""
    try:
        picture = read_picture(content)
    except ValueError:
        return None
    if picture.is_coloured:
        shown = decode_picture(content).convert("RGB")
    else:
        shown = Pillow.fromarray(np.rint(255 * picture.grey).astype(np.uint8))
    share = THUMBNAIL_PX / max(picture.width, picture.height)
    size = [max(1, round(side * share)) for side in (picture.width, picture.height)]
    return shown.resize((size[0], size[1]), Pillow.Resampling.BILINEAR)


def read_header(content: bytes) -> tuple[str, int, int] | None:
    """Returns format and mode, width and height of a picture as seen; None if it is none.

    Its pixels are not decoded.
    """
    try:
        picture = Pillow.open(io.BytesIO(content), formats=FORMATS)
    except (OSError, SyntaxError, ValueError):
        return None
    return f"{picture.format} {picture.mode}", *upright_size(picture, content)


def data_url(picture: Pillow.Image) -> str:
    """Returns a small picture as the source of an `img` element: JPEG, a few kilobytes."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()

"""The orientation that a JPEG notes in its EXIF data, as the model's graph reads it.

References:
    CIPA DC-008 (2019), Exchangeable image file format 2.32, tag 274 of the first directory.
"""

import struct

from PIL import Image

_TAG = 0x0112
_UPRIGHT = 1
_MAX_OFFSET = 0xFFFF
_EXCHANGED = (5, 6, 7, 8)  # rows and columns
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def exif_orientation(content: bytes) -> int:
    """Returns the orientation from 1 to 8; 1, upright, for a file that notes none or is no JPEG."""
    start = _tiff_start(content)
    if not start:
        return _UPRIGHT
    order = "<" if content[start : start + 2] == b"II" else ">"
    try:
        [offset] = struct.unpack_from(f"{order}i", content, start + 4)
        if not 0 <= offset <= _MAX_OFFSET:
            return _UPRIGHT
        [number] = struct.unpack_from(f"{order}H", content, start + offset)
        for entry in range(number):
            place = start + offset + 2 + 12 * entry
            tag, _, _, value = struct.unpack_from(f"{order}HHIHxx", content, place)
            if tag == _TAG:
                return value if value in _TURNS else _UPRIGHT
    except struct.error:  # it ends before
        pass
    return _UPRIGHT


def upright_size(picture: Image.Image, content: bytes) -> tuple[int, int]:
    """Returns width and height of an opened picture as it was seen.

    Args:
        picture: The picture, as stored.
        content: Its file.
    """
    width, height = picture.size
    return (height, width) if exif_orientation(content) in _EXCHANGED else (width, height)


def turn_upright(picture: Image.Image, content: bytes) -> Image.Image:
    """Returns a decoded picture as it was seen.

    Args:
        picture: The picture, as stored.
        content: Its file.
    """
    turn = _TURNS.get(exif_orientation(content))
    return picture if turn is None else picture.transpose(turn)


def _tiff_start(content: bytes) -> int:
    place = 2 if content[:2] == b"\xff\xd8" else len(content)
    while place + 4 <= len(content):
        mark, marker, length = struct.unpack_from(">BBH", content, place)
        if mark == 0xFF and marker == 0xFF:
            place += 1
            continue
        if mark != 0xFF or marker in (0xDA, 0xD9) or length < 2:
            return 0
        if marker == 0xE1 and content[place + 4 : place + 10] == b"Exif\0\0":
            return place + 10
        place += 2 + length
    return 0

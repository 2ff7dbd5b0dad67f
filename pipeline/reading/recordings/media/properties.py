"""Properties of sounds and pictures that say how they were recorded, by their headers."""

import io

import soundfile
from PIL import Image, UnidentifiedImageError

Properties = dict[str, str | float]


def sound_properties(source: bytes | str) -> Properties:
    """Returns the sampling rate, encoding, channels and duration in s; none if it is no sound.

    Args:
        source: The content of a file, or its path.
    """
    try:
        info = soundfile.info(source if isinstance(source, str) else io.BytesIO(source))
    except soundfile.LibsndfileError:
        return {}
    return {
        "sampling rate": f"{info.samplerate} Hz",
        "encoding": f"{info.format} {info.subtype_info}",
        "number of channels": f"{info.channels}",
        "duration in s": float(f"{info.duration:.4g}"),
    }


def picture_properties(source: bytes | str) -> Properties:
    """Returns the size, format and mode of a picture; none if it is no picture.

    Args:
        source: The content of a file, or its path.
    """
    try:
        with Image.open(source if isinstance(source, str) else io.BytesIO(source)) as picture:
            width, height = picture.size
            return {
                "size": f"{width} x {height} pixels",
                "format": str(picture.format),
                "mode": picture.mode,
            }
    except (UnidentifiedImageError, OSError, ValueError):
        return {}

"""Properties of sounds and pictures that say how they were recorded, by their headers."""

import io

import soundfile
from PIL import Image, UnidentifiedImageError

Properties = dict[str, str | float]


def sound_properties(content: bytes) -> Properties:
    """Returns the sampling rate, encoding, channels and duration in s; none if it is no sound."""
    try:
        info = soundfile.info(io.BytesIO(content))
    except soundfile.LibsndfileError:
        return {}
    return {
        "sampling rate": f"{info.samplerate} Hz",
        "encoding": str(info.subtype_info),
        "number of channels": f"{info.channels}",
        "duration in s": float(f"{info.duration:.4g}"),
    }


def picture_properties(content: bytes) -> Properties:
    """Returns the size, format and mode of a picture; none if it is no picture."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
            return {
                "size": f"{width} x {height} pixels",
                "format": str(picture.format),
                "mode": picture.mode,
            }
    except (UnidentifiedImageError, OSError, ValueError):
        return {}

"""Raw sounds and pictures as the bytes that the served model takes.

References:
    RFC 3533, The Ogg Encapsulation Format, 2003 (the flag of the last page).
"""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.files.pieces import first_line
from pipeline.reading.recordings.media.wav import find_chunks
from pipeline.reading.recordings.raw.clock import UnusableError

_SOUND_FORMATS = {
    ".wav": ("WAV", "WAVEX", "RF64"),
    ".flac": ("FLAC",),
    ".ogg": ("OGG",),
}
_PICTURE_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".gif": "GIF",
}
# Encodings whose samples 16 bits hold exactly.
_16_BIT_SUBTYPES = ("PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM")
_LAST_PAGE = 4  # flag of an Ogg page


def read_sound(path: str) -> tuple[bytes, float]:
    """Returns a sound as a WAV file with all its channels, and its rate in Hz.

    Samples of at most 16 bits become 16-bit ones without rounding. All others become 32-bit floats,
    which is how the served model decodes them: 24 bits are exact, and floats are not clipped.

    Raises:
        UnusableError: The file is damaged, empty, or of another format than its suffix says.
    """
    import soundfile

    content = Path(path).read_bytes()
    suffix = Path(path).suffix.lower()
    _check_not_empty(content)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            _check_format(file.format, _SOUND_FORMATS[suffix], suffix)
            samples = file.read(dtype="int16" if file.subtype in _16_BIT_SUBTYPES else "float32")
            rate, num_frames = file.samplerate, file.frames
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise UnusableError(f"it is not a readable {suffix} file ({reason})") from error
    if not len(samples):
        raise UnusableError("it has no samples")
    if len(samples) < num_frames:
        raise UnusableError(
            f"it is truncated: it has {len(samples):,} of {num_frames:,} samples; copy it again"
        )
    _check_finite(samples)
    if suffix == ".wav":
        _check_wav_header(content)
    elif suffix == ".ogg":
        _check_last_page(content)
    return _to_wav(samples, rate), float(rate)


def _check_finite(samples: NDArray[Any]) -> None:
    """Checks that floats are numbers: the model's graph would take others for silence."""
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        number = int((~np.isfinite(samples)).sum())
        raise UnusableError(f"{number:,} of its {samples.size:,} samples are no finite numbers")


def _to_wav(samples: NDArray[Any], rate: int) -> bytes:
    import soundfile
    from scipy.io import wavfile

    canonical = io.BytesIO()
    if samples.dtype == np.float32:  # soundfile would add the time of writing
        wavfile.write(canonical, rate, samples)
    else:
        soundfile.write(canonical, samples, rate, format="WAV", subtype="PCM_16")
    return canonical.getvalue()


def _check_not_empty(content: bytes) -> None:
    if not content:
        raise UnusableError("it is empty")


def _check_format(actual: str | None, expected: tuple[str, ...], suffix: str) -> None:
    if actual not in expected:
        is_read = actual in _PICTURE_FORMATS.values() or any(
            actual in formats for formats in _SOUND_FORMATS.values()
        )
        remedy = "correct the suffix" if is_read else "convert it"
        raise UnusableError(
            f"its suffix is {suffix}, but its content is {actual or 'of an unknown format'}; "
            f"{remedy}"
        )


def _check_wav_header(content: bytes) -> None:
    """Checks what the reader takes on trust: the sizes that the header states."""
    try:
        fmt, _ = find_chunks(content)
    except ValueError as error:
        raise UnusableError(f"it {error}; copy it again") from error
    if len(fmt) < 16:
        return
    code, channels, rate, byte_rate, block, bits = struct.unpack_from("<HHIIHH", fmt)
    is_pcm = code in (1, 3)
    if is_pcm and (block != channels * ((bits + 7) // 8) or byte_rate != rate * block):
        raise UnusableError(
            f"its header contradicts itself: {channels} channels of {bits} bit at {rate:,} Hz are "
            f"not {block} bytes a frame and {byte_rate:,} bytes a second"
        )


def _check_last_page(content: bytes) -> None:
    place = content.rfind(b"OggS")
    if place < 0 or len(content) < place + 6 or not content[place + 5] & _LAST_PAGE:
        raise UnusableError("it is truncated: its last page is missing; copy it again")


def read_picture(path: str) -> bytes:
    """Returns a picture as its file is, once it is clear that the served model can decode it.

    Raises:
        UnusableError: The file is damaged, of another format than its suffix says, or of a kind
            that the model's graph cannot decode.
    """
    from PIL import Image, UnidentifiedImageError

    from pipeline.reading.recordings.media.pictures import decode_picture

    content = Path(path).read_bytes()
    suffix = Path(path).suffix.lower()
    _check_not_empty(content)
    try:
        with Image.open(io.BytesIO(content)) as header:
            _check_format(header.format, (_PICTURE_FORMATS[suffix],), suffix)
            has_bare_inks = header.mode == "CMYK" and "adobe" not in header.info
        decode_picture(content)
    except UnusableError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableError(f"its suffix is {suffix}, but its content is no picture") from error
    except ValueError as error:
        raise UnusableError(f"it {error}") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnusableError(f"it cannot be decoded: {first_line(error)}") from error
    if has_bare_inks:
        raise UnusableError(
            "its colours are stored as CMYK without Adobe's marker, so programs differ on which "
            "amounts of ink they mean; save it as RGB or grey"
        )
    return content

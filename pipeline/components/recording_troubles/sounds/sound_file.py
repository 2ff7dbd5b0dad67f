"""A sound's WAV file, read for checks and pages; the model decodes it in its own graph.

Both take the same files: what cannot be read here, the graph does not decode.
"""

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.recordings.media.wav import find_chunks

Floats: TypeAlias = NDArray[np.float32]

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TYPES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "u1",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}
_MAX_CHANNELS = 64
_OTHERS = {b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3", b"\xff\xfb": "MP3", b"FORM": "AIFF"}


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundFile:
    """A sound that could be read to its end.

    Attributes:
        rate_hz: Samples per second.
        codec: Encoding of a sample, such as `16-bit PCM`.
        samples: float32 `[n, channels]`, full scale from -1 to 1.
    """

    rate_hz: int
    codec: str
    samples: Floats

    @property
    def duration_s(self) -> float:
        """The duration in s."""
        return len(self.samples) / self.rate_hz

    @property
    def mono(self) -> Floats:
        """float32 `[n]`, the mean of the channels."""
        return np.asarray(self.samples.mean(axis=1), np.float32)


def read_sound(content: bytes) -> SoundFile:
    """Returns a sound.

    Raises:
        ValueError: The content is no WAV file, has another encoding than PCM or float, contradicts
            itself, or is truncated; says which.
    """
    if not content:
        raise ValueError("is empty")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        other = next((name for start, name in _OTHERS.items() if content.startswith(start)), "")
        raise ValueError(f"is {other}, not WAV" if other else "is no WAV file")
    fmt, data = find_chunks(content)
    code, num_channels, rate_hz, bits = _read_format(fmt)
    width = bits // 8 * num_channels
    if len(data) < width:
        raise ValueError("has no samples")
    numbers = np.frombuffer(data[: len(data) // width * width], _TYPES[code, bits])
    return SoundFile(
        rate_hz=rate_hz,
        codec=f"{bits}-bit {'float' if code == _FLOAT else 'PCM'}",
        samples=_scaled(numbers, bits).reshape(-1, num_channels),
    )


def _read_format(fmt: bytes) -> tuple[int, int, int, int]:
    """Code, channels, rate and bits of the samples."""
    if len(fmt) < 16:
        raise ValueError("has no complete header")
    code, num_channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if code == _EXTENSIBLE and len(fmt) >= 26:
        [code] = struct.unpack_from("<H", fmt, 24)
    if (code, bits) not in _TYPES:
        raise ValueError(
            f"has samples of format {code} with {bits} bits; PCM with 8, 16, 24 or 32 bits and "
            "float with 32 or 64 bits are decoded"
        )
    if not (0 < num_channels <= _MAX_CHANNELS and 0 < rate_hz < 2**31):
        raise ValueError(f"has a wrong header: {num_channels} channels at {rate_hz:,} Hz")
    return code, num_channels, rate_hz, bits


def _scaled(numbers: NDArray[Any], bits: int) -> Floats:
    """float32, full scale from -1 to 1."""
    if np.issubdtype(numbers.dtype, np.floating):
        values = np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    elif bits == 8:
        values = numbers / 128 - 1
    elif bits == 24:
        low, middle, high = numbers.reshape(-1, 3).astype(np.int32).T
        values = (low + 2**8 * middle + 2**16 * high - 2**24 * (high >= 2**7)) / 2**23
    else:
        values = numbers / 2.0 ** (bits - 1)
    return np.asarray(values, np.float32)

"""Measures of sounds that show how they were recorded, and what is wrong with them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.components.recording_troubles.sounds.sound_file import SoundFile, read_sound

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

# Clipping makes runs of equal samples at the extremes.
_CLIPPED_RUN, _CLIPPED_SHARE, _MIN_PEAK = 3, 1e-3, 0.1
# A dropout is a run of equal samples: no microphone gives it.
_DROPOUT_S = 0.02
# Root mean square below which nothing was recorded: 80 dB below full scale.
_SILENT = 1e-4
# Mean, relative to full scale and to the root mean square of what varies.
_OFFSET, _OFFSET_SHARE = 0.01, 0.1
_RATE_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundMeasures:
    """What the files of some rows hold, each `[n]`; NaN where there is no readable file.

    Attributes:
        rate_hz: Sampling rate in Hz.
        num_channels: Number of channels.
        duration_s: Duration in s.
        level: Root mean square of the mean of the channels less its mean, relative to full scale.
        offset: Mean, relative to full scale.
        peak: Largest magnitude of a sample.
        clipped_share: Share of the samples in runs at an extreme.
        dropout_s: Longest run of equal samples in s.
    """

    rate_hz: Floats
    num_channels: Floats
    duration_s: Floats
    level: Floats
    offset: Floats
    peak: Floats
    clipped_share: Floats
    dropout_s: Floats

    @classmethod
    def of_table(cls, table: Floats) -> "SoundMeasures":
        """Returns the measures of `to_table`."""
        return cls(**dict(zip(_NAMES, table.T, strict=True)))

    def to_table(self) -> Floats:
        """Returns float64 `[n, num_measures]`."""
        return np.stack([getattr(self, name) for name in _NAMES], axis=1)

    @property
    def is_silent(self) -> Flags:
        """Whether nothing was recorded, or for a while."""
        return (self.level < _SILENT) | (self.dropout_s >= _DROPOUT_S)

    @property
    def is_clipped(self) -> Flags:
        """Whether samples beyond the range of the recorder were cut."""
        return (self.peak >= _MIN_PEAK) & (self.clipped_share > _CLIPPED_SHARE)

    @property
    def has_offset(self) -> Flags:
        """Whether the mean is off zero."""
        size = np.abs(self.offset)
        return (size > _OFFSET) & (size > _OFFSET_SHARE * self.level)

    def is_slower(self, nominal_hz: float) -> Flags:
        """Whether the rate is below the nominal one, so that high frequencies are missing."""
        return self.rate_hz < (1 - _RATE_TOLERANCE) * nominal_hz


_NAMES = tuple(field.name for field in fields(SoundMeasures))


def measure_sounds(contents: Iterable[bytes]) -> tuple[SoundMeasures, list[str]]:
    """Returns the measures of files, and of each why it cannot be read, empty if it can.

    Args:
        contents: Files; empty ones are missing and no error.
    """
    rows, reasons = [], []
    for content in contents:
        reason, row = "", [np.nan] * len(_NAMES)
        try:
            row = _measure(read_sound(content)) if content else row
        except ValueError as error:
            reason = str(error)
        rows.append(row)
        reasons.append(reason)
    return SoundMeasures.of_table(np.array(rows, np.float64).reshape(-1, len(_NAMES))), reasons


def _measure(sound: SoundFile) -> list[float]:
    mono = sound.mono.astype(np.float64)
    offset = float(mono.mean())
    runs = [_equal_runs(channel) for channel in sound.samples.T]
    # A channel that is always silent is no dropout of the others: the shortest counts.
    dropout = min(int(lengths.max()) for _, lengths in runs)
    clipped = max(_clipped_share(*one, len(mono)) for one in runs)
    return [
        float(sound.rate_hz),
        float(sound.samples.shape[1]),
        sound.duration_s,
        float(np.sqrt(np.mean((mono - offset) ** 2))),
        offset,
        float(np.abs(sound.samples).max()),
        clipped,
        dropout / sound.rate_hz if dropout > 1 else 0.0,
    ]


def _equal_runs(channel: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The value and the length of each run of equal samples."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(channel)) + 1])
    return channel[starts], np.diff(np.append(starts, len(channel)))


def _clipped_share(
    values: NDArray[np.float32], lengths: NDArray[np.int64], num_samples: int
) -> float:
    extreme = (values == values.max()) | (values == values.min())
    return float(lengths[extreme & (lengths >= _CLIPPED_RUN)].sum()) / num_samples

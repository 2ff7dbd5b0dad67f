"""A recording as it was read, and one that could not be used."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording, with its samples checked.

    Attributes:
        name: Its name, unique among all recordings.
        path: The file that it was read from.
        times_s: float64 [samples], in s since 1970 (UTC) or since the start, ascending; None
            without time stamps.
        has_dates: `times_s` counts from 1970.
        channels: Name to float32 [samples], all of one length; NaN where missing.
        content: Bytes of the file, for sounds and pictures.
        rate_hz: Sampling rate, if the times or the file tell it.
        label: The label as text; None if it has none, or one for each sample.
        sample_labels: bool [samples], whether each sample is positive.
        context: What is constant in the recording, by column.
        counts: What was changed in it, by kind.
    """

    name: str
    path: str
    times_s: NDArray[np.float64] | None = None
    has_dates: bool = False
    channels: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    content: bytes | None = None
    rate_hz: float | None = None
    label: str | None = None
    sample_labels: NDArray[np.bool_] | None = None
    context: dict[str, Any] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def num_samples(self) -> int:
        """Samples of each channel; 0 for sounds and pictures."""
        return next((len(samples) for samples in self.channels.values()), 0)


@dataclass(frozen=True, kw_only=True)
class BadRecording:
    """A recording that could not be used.

    Attributes:
        name: Its name.
        path: Its file.
        reason: What was found and what was expected.
    """

    name: str
    path: str
    reason: str

    def __str__(self) -> str:
        where = "" if self.name in self.path else f", recording `{self.name}`"
        return f"{self.path}{where}: {self.reason}"

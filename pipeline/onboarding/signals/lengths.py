"""Lists of unequal length: how recordings get the same number of samples."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from models.features import Lengths
from pipeline.onboarding.profile.words import percent

_MIN_SAMPLES = 8  # of half of the recordings; shorter lists of unequal length are no recordings
_MAX_CUT = 0.2  # of the median length
_MAX_PADDED = 4  # median lengths; beyond, most of the samples would be padding


@dataclass(frozen=True, kw_only=True)
class LengthChoice:
    """How the lists of a column become recordings of one length.

    Attributes:
        num_samples: Samples of each recording.
        lengths: What happens to recordings of another length; None if there are none.
        reason: What decided, for a comment.
    """

    num_samples: int
    lengths: Lengths | None = None
    reason: str


def choose_lengths(counts: Counter[int], *, rate_varies: bool) -> LengthChoice | None:
    """Returns how to bring lists to one length, or None if they are no recordings.

    Args:
        counts: Number of lists of each length, over all rows.
        rate_varies: Recordings were taken at different sampling rates.
    """
    low, high = min(counts, default=0), max(counts, default=0)
    if low == high:
        reason = f"lists of {high} numbers each"
        return LengthChoice(num_samples=high, reason=reason) if high >= 2 else None
    median = int(np.median(np.repeat(list(counts), list(counts.values()))))
    if low < 2 or median < _MIN_SAMPLES:
        return None
    lists = f"lists of {low} to {high} numbers"
    if rate_varies:
        reason = f"{lists} at different sampling rates: resampled to the median length"
        return LengthChoice(num_samples=median, lengths="resample", reason=reason)
    if low >= (1 - _MAX_CUT) * median:
        most = percent(1 - low / high)
        reason = f"{lists}: cut to the shortest, which drops at most {most} of a recording"
        return LengthChoice(num_samples=low, lengths="cut", reason=reason)
    if high > _MAX_PADDED * median:
        return None
    reason = f"{lists}: padded to the longest"
    return LengthChoice(num_samples=high, lengths="pad", reason=reason)

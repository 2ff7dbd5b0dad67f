"""Detection of columns that are the samples of one signal, such as `t000` to `t151`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import words_of

MIN_SAMPLES = 16
_MAX_ROWS_LOOKED_AT = 2_000
# Neighbouring samples of a smooth signal differ less than half as much as distant ones.
_SMOOTH_RATIO = 0.5
_SAMPLE_NAMES = {"t", "ts", "sample", "samples", "time", "step", "signal", "point"}
# Also names of unrelated features: these must show the lags of a vibration.
_PERHAPS_SAMPLES = {"s", "x"}
_MAX_LAG = 4
_MIN_LAG_CORRELATION = 0.1  # beyond that of any two columns
_MIN_STEADINESS = 1.5  # of a lag's correlations: their mean over their deviation
# Samples of one sensor share a scale; separate measurements seldom do.
_MAX_SCALE_RATIO = 20.0


@dataclass(frozen=True, kw_only=True)
class WideColumns:
    """Numbered columns that may form one signal.

    Attributes:
        prefix: Common prefix of their names.
        names: The columns, in the order of their numbers.
        is_signal: Whether they form one signal.
        roughness: Mean squared difference of neighbouring columns over that of any two columns:
            near 0 for a smooth signal, near 1 for unrelated columns.
    """

    prefix: str
    names: tuple[str, ...]
    is_signal: bool
    roughness: float


def find_wide_signals(columns: Mapping[str, Column]) -> list[WideColumns]:
    """Returns for each prefix the longest run of consecutively numbered numeric columns.

    It has at least 16. Other numbers of the prefix, such as `T85` beside `T0` to `T23`, are columns
    of their own.
    """
    runs = []
    for prefix, numbered in _by_prefix(columns).items():
        numbers = _longest_run(sorted(numbered))
        if len(numbers) >= MIN_SAMPLES:
            runs.append(_judge(prefix, tuple(numbered[n] for n in numbers), columns))
    return runs


def _longest_run(numbers: list[int]) -> list[int]:
    """Returns the longest run of consecutive numbers, the first one of several.

    >>> _longest_run([0, 1, 2, 50, 70, 71])
    [0, 1, 2]
    """
    starts = [place for place, n in enumerate(numbers) if not place or n != numbers[place - 1] + 1]
    ends = [*starts[1:], len(numbers)]
    runs = [numbers[start:end] for start, end in zip(starts, ends, strict=True)]
    return max(runs, key=len)


def _by_prefix(columns: Mapping[str, Column]) -> dict[str, dict[int, str]]:
    groups: dict[str, dict[int, str]] = {}
    for name, column in columns.items():
        match = re.fullmatch(r"(.*?)(\d+)", name)
        if match and (column.is_number or column.kind == "empty"):
            groups.setdefault(match[1], {}).setdefault(int(match[2]), name)
    return groups


def _judge(prefix: str, names: tuple[str, ...], columns: Mapping[str, Column]) -> WideColumns:
    samples = np.stack(
        [np.asarray(columns[name].sample[:_MAX_ROWS_LOOKED_AT], np.float64) for name in names],
        axis=1,
    )
    roughness = _roughness(samples)
    # Noise and vibration are rough too; they are identified by name and common scale.
    words = set(words_of(prefix))
    named = bool(_SAMPLE_NAMES & words)
    if not named and (_PERHAPS_SAMPLES & words or prefix == ""):
        named = _has_lags(samples)
    return WideColumns(
        prefix=prefix,
        names=names,
        is_signal=roughness < _SMOOTH_RATIO or (named and _same_scale(samples)),
        roughness=roughness,
    )


def _roughness(samples: npt.NDArray[np.float64]) -> float:
    filled = np.where(np.isfinite(samples), samples, np.nan)
    with np.errstate(invalid="ignore"):
        near = np.nanmean(np.diff(filled, axis=1) ** 2)
        shuffled = np.random.default_rng(0).permutation(filled.shape[1])
        far = np.nanmean(
            (filled - filled[:, shuffled])[:, shuffled != np.arange(len(shuffled))] ** 2
        )
    return float(near / far) if far > 0 else 1.0


def _has_lags(samples: npt.NDArray[np.float64]) -> bool:
    """Tells whether columns at some lag correlate alike all along, unlike any two columns.

    Of a vibration, sample n correlates with sample n + 1 as any sample does with the next one.
    """
    present = np.isfinite(samples)
    means = np.where(present, samples, 0).sum(axis=0) / np.maximum(1, present.sum(axis=0))
    deviations = np.where(present, samples - means, 0)
    lengths = np.sqrt((deviations**2).sum(axis=0))
    unit = deviations / np.where(lengths > 0, lengths, 1)  # a constant column correlates with none
    correlations = unit.T @ unit
    usual = float(correlations[np.triu_indices_from(correlations, 1)].mean())
    for lag in range(1, _MAX_LAG + 1):
        at_lag = np.diagonal(correlations, lag)
        excess = abs(float(at_lag.mean()) - usual)
        if excess > max(_MIN_LAG_CORRELATION, _MIN_STEADINESS * float(at_lag.std())):
            return True
    return False


def _same_scale(samples: npt.NDArray[np.float64]) -> bool:
    filled = samples[:, np.isfinite(samples).any(axis=0)]
    spread = np.nanstd(np.where(np.isfinite(filled), filled, np.nan), axis=0)
    spread = spread[spread > 0]
    return bool(len(spread)) and bool(np.max(spread) <= _MAX_SCALE_RATIO * np.median(spread))


def signal_name(prefix: str, taken: Mapping[str, object], label: str) -> str:
    """Returns an unused name for the signal of the columns with `prefix`."""
    base = prefix.strip(" _-.[(") or "signal"
    name, number = base, 2
    while name in taken or name == label:
        name, number = f"{base}_signal" if number == 2 else f"{base}_signal_{number}", number + 1
    return name

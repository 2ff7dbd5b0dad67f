"""Dependence of rows: blocks, long-run variances and effective sizes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring.intervals import effective_groups

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# More rows than this add nothing to the choice of a block length.
_MAX_ROWS = 1 << 16
# Of an AR(1); one of 1 has no mean.
_MAX_CORRELATION = 0.999
# Lags that show whether rows depend on each other, and how often chance may.
_FIRST_LAGS, _CHANCE = 5, 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanOfRows:
    """The means of columns over dependent rows.

    Attributes:
        mean: float64 `[columns]`.
        variance: float64 `[columns]`: variance of the mean times the number of rows.
        num_rows: Number of rows.
        num_blocks: Number of equally large blocks that are worth as much as the blocks.
    """

    mean: Floats
    variance: Floats
    num_rows: int
    num_blocks: float


def choose_block_length(values: Floats) -> int:
    """Returns the block length at which the block bootstrap of the mean errs least.

    Args:
        values: float64 `[n, columns]`, rows in order; the longest length of the columns counts.

    Returns:
        The length in rows, 1 for rows without autocorrelation.

    References:
        Politis & White (2004), Automatic block-length selection for the dependent bootstrap,
        Econometric Reviews 23, with the correction of Patton, Politis & White (2009), Econometric
        Reviews 28: for the circular bootstrap, b = (3/2 n (G / g)^2)^(1/3). Andrews (1991),
        Heteroskedasticity and autocorrelation consistent covariance matrix estimation, Econometrica
        59: an AR(1) of the same first correlation is the least that autocorrelated rows are taken
        for. It errs far less from chunk to chunk than the autocorrelations of all lags.
    """
    values = values[:_MAX_ROWS]
    if len(values) < 9:
        return 1
    return max((_column_length(column) for column in values.T), default=1)


def are_dependent(values: Floats, *, num_columns: int) -> bool:
    """Returns whether rows depend on each other beyond what chance shows among many columns.

    Args:
        values: float64 `[n, columns]`, rows in order.
        num_columns: Columns that were looked at in all. One of a thousand such looks errs.
    """
    values = values[:_MAX_ROWS]
    n = len(values)
    if n < 9:
        return False
    limit = stats.norm.isf(_CHANCE / (2 * num_columns * _FIRST_LAGS)) / math.sqrt(n)
    for column in values.T:
        covariances = _autocovariances(column, _FIRST_LAGS)
        if covariances[0] > 0 and np.abs(covariances[1:] / covariances[0]).max() > limit:
            return True
    return False


def _column_length(column: Floats) -> int:
    n = len(column)
    run = max(5, int(np.sqrt(np.log10(n))))
    last = min(int(np.ceil(np.sqrt(n))) + run, n - 1)
    covariances = _autocovariances(column, last)
    if covariances[0] <= 0:
        return 1
    # The last lag before `run` lags in a row without a correlation that exceeds chance.
    large = np.abs(covariances[1:] / covariances[0]) >= 2 * np.sqrt(np.log10(n) / n)
    quiet = np.convolve(~large, np.ones(run), mode="valid") == run
    cut = int(np.argmax(quiet)) if quiet.any() else last
    if cut == 0:
        return 1
    width = min(2 * cut, last)
    lags = np.arange(1, width + 1)
    window = np.minimum(1.0, 2 * (1 - lags / width))  # flat-top
    weighted = window * covariances[1 : width + 1]
    slope, spectrum = 2 * float(lags @ weighted), covariances[0] + 2 * float(weighted.sum())
    longest = int(np.ceil(min(3 * np.sqrt(n), n / 3)))
    if spectrum <= 0 < slope:
        return longest
    ratio = 0.0 if spectrum <= 0 else (slope / spectrum) ** 2
    first = float(np.clip(covariances[1] / covariances[0], 0, _MAX_CORRELATION))
    ratio = max(ratio, (2 * first / (1 - first**2)) ** 2)
    return int(np.clip(np.ceil((1.5 * n * ratio) ** (1 / 3)), 1, longest))


def _autocovariances(column: Floats, last: int) -> Floats:
    centred = column - column.mean()
    size = 1 << (len(column) + last).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    return np.asarray(np.fft.irfft(spectrum, size)[: last + 1] / len(column), np.float64)


def mean_in_order(values: Floats, block_length: int) -> MeanOfRows:
    """Returns the means over rows in order, with variances from the means of blocks.

    Args:
        values: float64 `[n, columns]`, n > 0.
        block_length: Rows of a block; 1 for independent rows. It is shortened to keep two blocks.

    References:
        Vats & Flegal (2022), Lugsail lag windows for estimating time-average covariance matrices,
        Biometrika 109: twice the variance from whole blocks less that from half blocks has a far
        smaller bias. The larger of that and the variance from whole blocks is returned.
    """
    length = max(1, min(block_length, len(values) // 2))
    if length == 1:
        return _mean_of_rows(values)
    whole = _mean_of_blocks(values, np.arange(len(values)) // length)
    half = _mean_of_blocks(values, np.arange(len(values)) // (length // 2))
    # A half block of an odd length is shorter than half: the extrapolation takes its own ratio.
    ratio = (length // 2) / length
    corrected = (whole.variance - ratio * half.variance) / (1 - ratio)
    return MeanOfRows(
        mean=whole.mean,
        variance=np.maximum(whole.variance, corrected),
        num_rows=whole.num_rows,
        num_blocks=whole.num_blocks,
    )


def mean_of_recordings(values: Floats, recordings: NDArray[np.generic]) -> MeanOfRows:
    """Returns the means over rows, with variances from the sums of each recording.

    Args:
        values: float64 `[n, columns]`, n > 0.
        recordings: `[n]`, equal for the rows of one recording.

    References:
        Cochran (1977), Sampling techniques, section 9A: a ratio of sums over clusters.
    """
    _, places = np.unique(recordings, return_inverse=True)
    return _mean_of_blocks(values, places)


def _mean_of_rows(values: Floats) -> MeanOfRows:
    n = len(values)
    variance = values.var(axis=0, ddof=1) if n > 1 else np.zeros(values.shape[1])
    return MeanOfRows(mean=values.mean(axis=0), variance=variance, num_rows=n, num_blocks=n)


def _mean_of_blocks(values: Floats, places: Counts) -> MeanOfRows:
    n, num_blocks = len(values), int(places.max()) + 1
    mean = values.mean(axis=0)
    residuals = (values - mean).T
    sums = np.stack([np.bincount(places, row, num_blocks) for row in residuals])
    correction = num_blocks / (num_blocks - 1) if num_blocks > 1 else 1.0
    sizes = np.bincount(places, minlength=num_blocks).astype(np.float64)
    return MeanOfRows(
        mean=mean,
        variance=(sums**2).sum(axis=1) / n * correction,
        num_rows=n,
        num_blocks=effective_groups(sizes),
    )


def design_effect(share: MeanOfRows) -> float:
    """Returns how many dependent rows are worth one independent row, for shares; at least 1.

    Args:
        share: Means of columns of 0 and 1; the largest effect of the columns counts.

    References:
        Kish (1965), Survey Sampling. Rao & Scott (1981), The analysis of categorical data from
        complex sample surveys, JASA 76: counts over the effect are taken for independent ones.
    """
    independent = share.mean * (1 - share.mean)
    varied = independent > 0
    if not varied.any():
        return 1.0
    return float(max(1.0, (share.variance[varied] / independent[varied]).max()))

"""P-values of a chunk's column against a reference, for rows that may depend on each other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from measuring.drift import category_distance, share_distance
from measuring.monitoring.dependence import (
    MeanOfRows,
    choose_block_length,
    mean_in_order,
    mean_of_recordings,
)

Floats = NDArray[np.float64]
Recordings = NDArray[np.generic]

LEAST_REFERENCE = 10  # times the rows of a chunk
ASPECTS = ("level", "spread", "skew", "tails")
# Points of a reference's distribution; the error of a rank, 1 / 8,192, is in the reference too.
_MAX_QUANTILES = 4_096
# A shift of d standard deviations moves the first component by sqrt(3 / pi) d, if d is small.
_PER_SD = math.sqrt(3 / math.pi)
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A chunk's column beside the reference.

    Attributes:
        p_value: Probability of a difference as large or larger if nothing changed, in [0, 1].
        what: What differs most: an aspect of numbers, or a category.
        effect: Size of the difference: for numbers, of the level in standard deviations of a normal
            distribution; for shares, of the share; NaN if it is unknown.
        num_rows: Rows of the chunk that count.
        effective_rows: Independent rows that are worth as much.
        reference_is_short: Whether the reference has less than ten times the chunk's rows, so that
            its own error may raise false alarms.
    """

    p_value: float
    what: str
    effect: float
    num_rows: int
    effective_rows: float
    reference_is_short: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberReference:
    """The distribution of a column of numbers in the training data.

    Attributes:
        quantiles: Ascending sample, or as many of its quantiles as matter.
        num_rows: Rows with a value.
        means: Means of the four components.
        variances: Their variances over the mean of all rows, times the rows.
        num_blocks: Equally large blocks that are worth as much as the blocks behind `variances`.
        block_length: Rows of a block in order; 0 for recordings.
    """

    quantiles: Floats
    num_rows: int
    means: Floats
    variances: Floats
    num_blocks: float
    block_length: int

    @classmethod
    def of(cls, values: Floats, recordings: Recordings | None = None) -> Self:
        """Summarises the reference.

        Args:
            values: float64 `[n]`, in order of time; NaN is no value.
            recordings: `[n]`, equal for the rows of one recording; None to take blocks of rows in
                order, whose length is chosen from the autocorrelation.

        Raises:
            ValueError: Less than two rows have a value.
        """
        values, recordings = _present(values, recordings)
        if len(values) < 2:
            raise ValueError(f"A reference needs at least 2 values, got {len(values)}.")
        quantiles = np.sort(values)
        if len(values) > _MAX_QUANTILES:
            places = (np.arange(_MAX_QUANTILES) + 0.5) / _MAX_QUANTILES * len(values)
            quantiles = quantiles[places.astype(np.int64)]
        components = _components(quantiles, values)
        length = 0 if recordings is not None else choose_block_length(components)
        mean = _mean(components, recordings, length)
        return cls(
            quantiles=quantiles,
            num_rows=len(values),
            means=mean.mean,
            variances=mean.variance,
            num_blocks=mean.num_blocks,
            block_length=length,
        )


def compare_numbers(
    reference: NumberReference,
    values: Floats,
    recordings: Recordings | None = None,
    *,
    tolerance: float = 0.0,
) -> Comparison:
    """Compares the numbers of a chunk with the reference, by Neyman's smooth test.

    Each value becomes its rank u in the reference. Its components are the first four normalised
    Legendre polynomials of u: level, spread, skew, tails. Their means in the chunk and in the
    reference are compared, each by a t-test times four (Bonferroni). A component's long-run
    variance is the larger of that in the reference and in the chunk, from blocks of rows in order
    or from recordings, so that autocorrelated rows count as what they are worth. No p-value is
    below that of the most extreme of all exchanges of blocks.

    The test sees a shift of the level about as well as a t-test (relative efficiency 3 / pi on
    normal data), which Kolmogorov and Smirnov's does not, and does not suffer from heavy tails.

    Args:
        reference: The reference.
        values: float64 `[n]`, in order of time; NaN is no value.
        recordings: `[n]`, if the reference has recordings.
        tolerance: Difference that does not matter, in standard deviations of a shift of the level.

    Returns:
        The comparison; its p-value is 1 if the chunk has no value.

    Raises:
        ValueError: Only one of reference and chunk has recordings.

    References:
        Neyman (1937), "Smooth test" for goodness of fit, Skandinavisk Aktuarietidskrift 20. Janic-
        Wróblewska & Ledwina (2000), Data driven rank test for two-sample problem, Scandinavian
        Journal of Statistics 27. Chernoff & Savage (1958), Annals of Mathematical Statistics 29:
        normality of such means of ranks.
    """
    if (reference.block_length == 0) != (recordings is not None):
        raise ValueError("Both the reference and the chunk must have recordings, or neither.")
    values, recordings = _present(values, recordings)
    n, m = len(values), reference.num_rows
    if not n:
        return _no_rows()
    components = _components(reference.quantiles, values)
    now = _mean(components, recordings, reference.block_length)
    differences = now.mean - reference.means
    variances = np.maximum(now.variance, reference.variances)
    excess = np.maximum(np.abs(differences) - _PER_SD * tolerance - _ROUNDING, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(excess > 0, excess / np.sqrt(variances * (1 / n + 1 / m)), 0.0)
    place = int(np.argmax(scores))
    freedom = max(reference.num_blocks - 1, 1.0)
    p_value = 2 * len(ASPECTS) * float(stats.t.sf(scores[place], freedom))
    above = 0.5 + float(differences[0]) / (2 * math.sqrt(3))
    worth = _effective_rows(components[:, 0], float(variances[0]), n)
    return Comparison(
        p_value=min(1.0, max(p_value, _least_p_value(reference.num_blocks, now.num_blocks))),
        what=ASPECTS[place],
        effect=math.sqrt(2) * float(special.ndtri(np.clip(above, 1e-9, 1 - 1e-9))),
        num_rows=n,
        effective_rows=worth,
        reference_is_short=m < LEAST_REFERENCE * n,
    )


def compare_shares(
    now: int, num_now: int, then: int, num_then: int, *, effect: float = 1.0
) -> Comparison:
    """Compares a share of the chunk's rows, such as that of missing values or of alarms.

    Args:
        now: Rows of the chunk with the property.
        num_now: Rows of the chunk.
        then: Rows of the reference with the property.
        num_then: Rows of the reference, > 0.
        effect: Rows that are worth one independent row (`dependence.design_effect`), >= 1.
    """
    if not num_now:
        return _no_rows()
    counts = [round(count / effect) for count in (now, num_now, then, num_then)]
    counts[1], counts[3] = max(counts[1], 1), max(counts[3], 1)
    distance = share_distance(*counts, floor=0.0, relative=False)
    return Comparison(
        p_value=distance.p_value,
        what="share",
        effect=now / num_now - then / num_then,
        num_rows=num_now,
        effective_rows=num_now / effect,
        reference_is_short=num_then < LEAST_REFERENCE * num_now,
    )


def compare_categories(
    now: Mapping[str, int], then: Mapping[str, int], *, effect: float = 1.0
) -> Comparison:
    """Compares the categories of a chunk with the reference: Fisher's test of each, Bonferroni.

    Args:
        now: Count of each category in the chunk.
        then: Count of each category in the reference.
        effect: Rows that are worth one independent row (`dependence.design_effect`), >= 1.

    Returns:
        The comparison; its p-value is 1 if the chunk or the reference is empty. `what` is the
        category that differs most.
    """
    num_now, num_then = sum(now.values()), sum(then.values())
    scaled = [
        {name: round(count / effect) for name, count in counts.items()} for counts in (now, then)
    ]
    distance = category_distance(*scaled, floor=0.0)
    if distance is None:
        return _no_rows()
    name = distance.where
    shares = now.get(name, 0) / num_now, then.get(name, 0) / num_then
    return Comparison(
        p_value=distance.p_value,
        what=name,
        effect=shares[0] - shares[1] if name in now or name in then else math.nan,
        num_rows=num_now,
        effective_rows=num_now / effect,
        reference_is_short=num_then < LEAST_REFERENCE * num_now,
    )


def _no_rows() -> Comparison:
    return Comparison(
        p_value=1.0,
        what="",
        effect=math.nan,
        num_rows=0,
        effective_rows=0.0,
        reference_is_short=False,
    )


def _present(values: Floats, recordings: Recordings | None) -> tuple[Floats, Recordings | None]:
    values = np.asarray(values, np.float64)
    present = ~np.isnan(values)
    if present.all():
        return values, recordings
    return values[present], None if recordings is None else recordings[present]


def _components(quantiles: Floats, values: Floats) -> Floats:
    """float64 `[n, 4]`: normalised Legendre polynomials of each value's mid-rank, in [-1, 1]."""
    below = np.searchsorted(quantiles, values, side="left")
    up_to = np.searchsorted(quantiles, values, side="right")
    x = (below + up_to) / len(quantiles) - 1
    square = x * x
    return np.column_stack(
        [
            math.sqrt(3) * x,
            math.sqrt(5) * (1.5 * square - 0.5),
            math.sqrt(7) * x * (2.5 * square - 1.5),
            3 * (square * (4.375 * square - 3.75) + 0.375),
        ]
    )


def _mean(components: Floats, recordings: Recordings | None, block_length: int) -> MeanOfRows:
    if recordings is None:
        return mean_in_order(components, block_length)
    return mean_of_recordings(components, recordings)


def _effective_rows(component: Floats, variance: float, num_rows: int) -> float:
    """Independent rows that are worth as much, at most all."""
    if not variance:
        return float(num_rows)
    return float(min(num_rows, num_rows * float(component.var()) / variance))


def _least_p_value(num_then: float, num_now: float) -> float:
    """One over the number of ways to choose the chunk's blocks among all."""
    ways = special.gammaln(num_then + num_now + 1)
    ways -= special.gammaln(num_then + 1) + special.gammaln(num_now + 1)
    return math.exp(-min(float(ways), 690.0))

"""Least sizes of splits, whatever the strategy: enough positives, and nearly their shares."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.config import SPLITS
from pipeline.counting import count

# With fewer positives in `eval` or `test`, neither calibration nor any verdict is possible.
MIN_POSITIVES = 5
# A split with less than this of its share of rows or positives is refused.
MIN_SHARE_KEPT = 0.4
# A prevalence or a share of rows that is off by a larger factor is reported.
MAX_FACTOR = 1.25

Rows = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def why_too_small(rows: Rows, shares: Sequence[float]) -> str | None:
    """Returns why `eval` or `test` is too small, or None.

    Args:
        rows: [splits, classes], negative and positive rows of each split.
        shares: Shares of the splits.
    """
    num_rows, num_positives = float(rows.sum()), float(rows[:, 1].sum())
    for place, name in list(enumerate(SPLITS))[1:]:
        positives, share = float(rows[place, 1]), shares[place]
        expected = share * num_positives
        # Rounded, for 0.4 * 17.5 must be 7 and not a hair more.
        least = max(MIN_POSITIVES, round(MIN_SHARE_KEPT * expected, 9))
        if positives < least:
            return (
                f"{name} would get {count(round(positives), 'positive')} of {num_positives:,.0f}, "
                f"at least {int(np.ceil(least)):,} needed (its share is {expected:,.1f})"
            )
        if rows[place].sum() < round(MIN_SHARE_KEPT * share * num_rows, 9):
            return (
                f"{name} would get {rows[place].sum() / num_rows:.1%} of the rows, not {share:.0%}"
            )
    return None


def describe_imbalance(rows: Rows, shares: Sequence[float]) -> Iterator[str]:
    """Yields a sentence for each split whose prevalence or size is off by a factor beyond 1.25.

    Args:
        rows: [splits, classes], negative and positive rows of each split.
        shares: Shares of the splits.
    """
    num_rows, num_positives = float(rows.sum()), float(rows[:, 1].sum())
    prevalence = num_positives / num_rows
    for name, (negative, positive), share in zip(SPLITS, rows, shares, strict=True):
        size = negative + positive
        if not _is_near(positive / size, prevalence):
            yield f"{name} has a prevalence of {positive / size:.4f}, all rows {prevalence:.4f}"
        if not _is_near(size / num_rows, share):
            yield f"{name} has {size / num_rows:.1%} of the rows, not {share:.0%}"


def _is_near(value: float, wanted: float) -> bool:
    return wanted / MAX_FACTOR <= value <= wanted * MAX_FACTOR

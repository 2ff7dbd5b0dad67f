"""Association of a column with others: equal values, order of values, separated classes."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from measuring.intervals import roc_auc_interval

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A single legitimate measurement seldom separates the classes this well: the lower limit of the
# interval decides, so that chance in few faults does not count.
MAX_ROC_AUC = 0.98
MIN_SEPARATED = 20  # faults; fewer are separated completely by chance
_CONFIDENCE = 0.95
_MIN_ORDERED = 4  # values; fewer have no order to speak of


def likeness(codes: Ints, numbers: Floats) -> float:
    """Returns the intraclass correlation ICC(1) of numbers in groups, at most 1.

    Args:
        codes: int64 [rows], each row's group; negative for none.
        numbers: float64 [rows], NaN where missing.

    References:
        Shrout and Fleiss, Intraclass correlations, Psychological Bulletin 86(2), 1979.
    """
    valid = (codes >= 0) & np.isfinite(numbers)
    _, groups, sizes = np.unique(codes[valid], return_inverse=True, return_counts=True)
    values, num_groups, num_rows = numbers[valid], len(sizes), int(valid.sum())
    if num_groups < 2 or num_rows <= num_groups:
        return 0.0
    means = np.bincount(groups, values) / sizes
    within = float(((values - means[groups]) ** 2).sum()) / (num_rows - num_groups)
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (num_groups - 1)
    typical = (num_rows - float((sizes.astype(float) ** 2).sum()) / num_rows) / (num_groups - 1)
    total = between + (typical - 1) * within
    return (between - within) / total if total > 0 else 0.0


def agreement(codes: Ints, values: Ints) -> float:
    """Returns how often two rows of one group have the same value, corrected for chance, at most 1.

    0 if rows of a group agree no more than any two rows, and where no row has a group in common
    with another one.

    Args:
        codes: int64 [rows], each row's group; negative for none.
        values: int64 [rows], each row's value; negative where missing, which is a value too.

    References:
        Fleiss, Measuring nominal scale agreement among many raters, Psychological Bulletin 76(5),
        1971, with the shares of all rows.
    """
    valid = codes >= 0
    _, groups = np.unique(codes[valid], return_inverse=True)
    _, places = np.unique(values[valid], return_inverse=True)
    num_rows = np.bincount(groups)
    pairs = float((num_rows * (num_rows - 1.0)).sum())
    shares = np.bincount(places) / max(1, len(places))
    by_chance = float((shares**2).sum())
    if not pairs or by_chance == 1:
        return 0.0
    cells = np.unique(groups * (int(places.max()) + 1) + places, return_counts=True)[1]
    observed = float((cells * (cells - 1.0)).sum()) / pairs
    return (observed - by_chance) / (1 - by_chance)


def means_by_code(codes: Floats, values: Floats) -> Floats:
    """Returns the mean of `values` for each distinct code, in ascending order of the codes.

    Args:
        codes: float64 [rows], NaN where missing.
        values: float64 [rows], NaN where missing.
    """
    valid = np.isfinite(codes) & np.isfinite(values)
    _, places = np.unique(codes[valid], return_inverse=True)
    means: Floats = np.bincount(places, values[valid]) / np.bincount(places)
    return means


def order_p_value(series: Floats) -> float:
    """Returns the p-value of a series in random order, against a trend or similar neighbours.

    The smaller of two p-values, doubled: Spearman's rank correlation with the position (two-sided)
    and the rank version of von Neumann's ratio (one-sided: neighbours are similar). Ranks bound the
    influence of a few extreme values. 1 for a constant or very short series.

    Args:
        series: float64 [positions].

    References:
        Bartels, The rank version of von Neumann's ratio test for randomness, Journal of the
        American Statistical Association 77(377), 1982, with its normal approximation.
    """
    n = len(series)
    if n < _MIN_ORDERED or np.ptp(series) == 0:
        return 1.0
    ranks = stats.rankdata(series)
    ratio = float((np.diff(ranks) ** 2).sum() / ((ranks - ranks.mean()) ** 2).sum())
    variance = 4 * (n - 2) * (5 * n**2 - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2)
    similar = float(stats.norm.cdf((ratio - 2) / np.sqrt(variance)))
    trend = float(stats.spearmanr(np.arange(n), ranks).pvalue)
    return min(1.0, 2 * min(similar, trend))


def roc_auc(scores: Floats, positive: Bools) -> float:
    """Returns the area under the ROC curve by ranks, with ties counted half; 0.5 for one class.

    Unlike `measuring.scores.roc_auc` it takes infinite scores and needs no scikit-learn.

    Args:
        scores: float64 [rows], no NaN.
        positive: bool [rows].

    References:
        Hanley and McNeil, Radiology 143, 1982: the area is the Mann-Whitney statistic.
    """
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if not num_positive or not num_negative:
        return 0.5
    above = stats.rankdata(scores)[positive].sum() - num_positive * (num_positive + 1) / 2
    return float(above / (num_positive * num_negative))


def separation(values: Floats, positive: Bools) -> float | None:
    """Returns the ROC-AUC of a column that separates the classes almost alone, or None.

    An area below 0.5 means that low values mark the positives. Rows without a value do not count;
    with more than a tenth of them the result is None.

    Args:
        values: float64 [rows], NaN where missing.
        positive: bool [rows].
    """
    present = ~np.isnan(values)
    num_positive = int(positive[present].sum())
    num_negative = int(present.sum()) - num_positive
    if present.mean() < 0.9 or not num_positive or not num_negative:
        return None
    area = roc_auc(values[present], positive[present])
    strength = max(area, 1 - area)
    if strength == 1:
        return area if min(num_positive, num_negative) >= MIN_SEPARATED else None
    least, _ = roc_auc_interval(strength, num_positive, num_negative, _CONFIDENCE)
    return area if least > MAX_ROC_AUC else None

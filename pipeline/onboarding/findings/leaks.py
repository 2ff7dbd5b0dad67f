"""Detection of columns that leak the label: copies, codes that determine it, flags.

References:
    Kaufman, Rosset, Perlich and Stitelman, Leakage in data mining: formulation, detection, and
    avoidance, ACM TKDD 6(4), 2012.
"""

import numpy as np
import numpy.typing as npt
from pandas import Series
from scipy import stats

from measuring.intervals import proportion_interval, roc_auc_interval
from pipeline.counting import count
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import percent, quoted

# A single legitimate measurement does not separate the classes this well: the lower limit of the
# interval decides, so that chance in few faults does not exclude an honest column.
MAX_ROC_AUC = 0.98
_CONFIDENCE = 0.95
_MIN_SEPARATED = 20  # faults; fewer are separated completely by chance
MAX_BALANCED_ACCURACY = 0.995
_SUSPICIOUS_ROC_AUC = 0.9
_MIN_OF_EACH_CLASS = 10  # with fewer, chance can separate the classes perfectly
_MAX_FLAG_VALUES = 20
_FLAG_PRECISION = 0.99
# A precision that is certain, if it is many times the prevalence: errors do not hide a flag.
_MIN_SURE_PRECISION, _MIN_SURE_LIFT = 0.5, 10.0
_MIN_FLAGGED = 10
_MIN_FLAG_LIFT = 3.0
# All rows with a value may be positive by chance; below this probability it is a flag.
_MAX_CHANCE = 1e-6

Bools = npt.NDArray[np.bool_]


def find_leak(column: Column, positive: Bools) -> str | None:
    """Returns how a column leaks the label, or None.

    Args:
        column: The column.
        positive: bool [sampled rows], whether the label is positive.
    """
    if not _can_tell(column, positive):
        return None
    codes = column.codes
    return (
        presence_leak(column, positive)
        or _order_leak(column, codes >= 0, positive)
        or _value_leak(codes, positive)
        or _flag_leak(column, codes, positive)
    )


def _can_tell(column: Column, positive: Bools) -> bool:
    fewest = min(int(positive.sum()), int((~positive).sum()))
    return fewest >= _MIN_OF_EACH_CLASS and len(column.sample) > 0


def presence_leak(column: Column, positive: Bools) -> str | None:
    """Returns how the presence of a value leaks the label, as a repair date does, or None."""
    if not _can_tell(column, positive):
        return None
    present = column.codes >= 0
    hit = present[positive].mean()
    false_hit = present[~positive].mean()
    accuracy = (hit + 1 - false_hit) / 2
    if max(accuracy, 1 - accuracy) <= MAX_BALANCED_ACCURACY:
        return None
    when = "positive" if accuracy > 0.5 else "negative"
    return f"it has a value exactly where the label is {when}"


def suspicion(column: Column, positive: Bools) -> str:
    """Returns a warning about a very strong but not perfect column, or an empty text.

    Together with another column it may determine the label, as a tip and the fare do.
    """
    if not _can_tell(column, positive) or not column.is_number or column.num_sampled < 2:
        return ""
    present = column.codes >= 0
    area = roc_auc(column.sample[present], positive[present])
    if max(area, 1 - area) <= _SUSPICIOUS_ROC_AUC or present.mean() < 0.5:
        return ""
    return (
        f"alone it has ROC-AUC {max(area, 1 - area):.3f}: remove it if it is known only after "
        "the label"
    )


def _order_leak(column: Column, present: Bools, positive: Bools) -> str | None:
    if not column.is_number or present.mean() < 0.9 or column.num_distinct < 2:
        return None
    area = roc_auc(column.sample[present], positive[present])
    num_positive, num_negative = int(positive[present].sum()), int((~positive[present]).sum())
    strength = max(area, 1 - area)
    least, _ = roc_auc_interval(strength, num_positive, num_negative, _CONFIDENCE)
    if strength == 1:
        is_leak = min(num_positive, num_negative) >= _MIN_SEPARATED
    else:
        is_leak = least > MAX_ROC_AUC
    if not is_leak:
        return None
    side = "high" if area > 0.5 else "low"
    return f"alone it separates the classes with ROC-AUC {max(area, 1 - area):.4f} ({side} values)"


def roc_auc(scores: npt.NDArray[np.float64], positive: Bools) -> float:
    """Returns the area under the ROC curve, with ties counted half.

    References:
        Hanley and McNeil, Radiology 143, 1982: the area is the Mann-Whitney statistic.
    """
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if not num_positive or not num_negative:
        return 0.5
    ranks = np.asarray(Series(scores).rank(method="average"), np.float64)
    above = ranks[positive].sum() - num_positive * (num_positive + 1) / 2
    return float(above / (num_positive * num_negative))


def _value_leak(codes: npt.NDArray[np.int64], positive: Bools) -> str | None:
    """Learns the label of each value on one half of the rows and tests it on the other.

    A value that occurs once carries no information about the other half, so identifiers are not
    mistaken for copies of the label.
    """
    accuracy = _two_fold_accuracy(codes + 1, positive)  # missing counts as a value
    if accuracy <= MAX_BALANCED_ACCURACY:
        return None
    return f"its values determine the label (balanced accuracy {accuracy:.4f} on held-out rows)"


def _two_fold_accuracy(codes: npt.NDArray[np.int64], positive: Bools) -> float:
    half = np.random.default_rng(0).random(len(codes)) < 0.5
    size = int(codes.max(initial=0)) + 1
    accuracies = []
    for learn, check in ((half, ~half), (~half, half)):
        rates = [
            np.bincount(codes[learn & side], minlength=size) / max(1, int((learn & side).sum()))
            for side in (positive, ~positive)
        ]
        guess = np.where(rates[0] == rates[1], 0.5, (rates[0] > rates[1]).astype(np.float64))[codes]
        if not (check & positive).any() or not (check & ~positive).any():
            return 0.0
        accuracies.append(
            (guess[check & positive].mean() + 1 - guess[check & ~positive].mean()) / 2
        )
    return float(np.mean(accuracies))


def _flag_leak(column: Column, codes: npt.NDArray[np.int64], positive: Bools) -> str | None:
    """Finds a value, or the presence of any, exclusive to positives: a failure-mode flag."""
    prevalence = float(positive.mean())
    if column.num_distinct > _MAX_FLAG_VALUES:
        codes = (codes >= 0).astype(np.int64)  # then only the presence of a value can be a flag
    rows = np.bincount(codes + 1, minlength=2)
    hits = np.bincount(codes + 1, positive, minlength=2)
    for place in np.flatnonzero(rows >= _MIN_FLAGGED):
        precision = hits[place] / rows[place]
        # Its exact lower limit, so that a few false ones do not hide a flag.
        least, _ = proportion_interval(float(hits[place]), float(rows[place]), _CONFIDENCE)
        chance = float(stats.binom.sf(hits[place] - 1, rows[place], prevalence))
        is_pure = precision >= _FLAG_PRECISION and precision >= _MIN_FLAG_LIFT * prevalence
        is_sure = least >= max(_MIN_SURE_PRECISION, _MIN_SURE_LIFT * prevalence)
        if (is_pure or is_sure) and chance < _MAX_CHANCE:
            return (
                f"{_value_words(column, int(place))} occurs in {count(int(rows[place]), 'row')}, "
                f"{percent(precision)} of them positive: it may be a consequence of the label"
            )
    return None


def _value_words(column: Column, place: int) -> str:
    if column.num_distinct > _MAX_FLAG_VALUES:
        return "any value" if place == 2 else "no value"
    if place == 0:
        return "no value"
    value = column.sample[int(np.flatnonzero(column.codes == place - 1)[0])]
    return f"the value {quoted(f'{value:g}' if column.kind != 'text' else str(value))}"

"""Detection of columns that leak the label: copies, codes that determine it, flags.

References:
    Kaufman, Rosset, Perlich and Stitelman, Leakage in data mining: formulation, detection, and
    avoidance, ACM TKDD 6(4), 2012.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from measuring.association import roc_auc, separation
from measuring.intervals import proportion_interval
from pipeline.counting import count
from pipeline.onboarding.findings.siblings import consequence_reason
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import percent, quoted

_CONFIDENCE = 0.95
MAX_BALANCED_ACCURACY = 0.995
_COPY_ACCURACY = 0.97  # of two values; a copy of the label may have errors
_SUSPICIOUS_ROC_AUC = 0.9
_MIN_OF_EACH_CLASS = 10  # with fewer, chance can separate the classes perfectly
_MAX_FLAG_VALUES = 20
_MAX_SHOWN = 5
_FLAG_PRECISION = 0.99
# A precision that is certain, if it is many times the prevalence: errors do not hide a flag.
_MIN_SURE_PRECISION, _MIN_SURE_LIFT = 0.5, 10.0
_MIN_FLAGGED = 10
_MIN_FLAG_LIFT = 3.0
# All rows with a value may be positive by chance; below this probability it is a flag.
_MAX_CHANCE = 1e-6

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Leak:
    """A column that marks the positives almost alone: a leak, or an excellent predictor.

    Attributes:
        finding: What the data show.
        evidence: What else speaks for a leak; empty where only a person can tell.
    """

    finding: str
    evidence: str = ""


def find_leak(column: Column, positive: Bools, label: str) -> Leak | None:
    """Returns how a column marks the positives, or None.

    Args:
        column: The column.
        positive: bool [sampled rows], whether the label is positive.
        label: Name of the label column.
    """
    if not _can_tell(column, positive):
        return None
    present = presence_leak(column, positive)
    if present is not None:
        return present
    finding = (
        _order_leak(column, positive)
        or _value_leak(column.codes, positive)
        or _flag_leak(column, positive)
    )
    if finding is None:
        return None
    evidence = _equality(column, positive) or consequence_reason(column.name, label)
    return Leak(finding=finding, evidence=evidence)


def _can_tell(column: Column, positive: Bools) -> bool:
    fewest = min(int(positive.sum()), int((~positive).sum()))
    return fewest >= _MIN_OF_EACH_CLASS and len(column.sample) > 0


def _equality(column: Column, positive: Bools) -> str:
    """Returns how the values repeat the label or a part of it, or an empty text.

    An honest measurement has many values in each class. A copy of the label has one for each class,
    a code of faults one for all healthy rows, and a flag of one kind of fault two in all.
    """
    codes = column.codes
    if (codes < 0).any() and _is_pure(positive[codes >= 0]):
        return "it is written only once there is a fault"
    if column.num_distinct <= 2:
        is_part = any(_is_pure(positive[codes == code]) for code in range(column.num_distinct))
        is_copy = _two_fold_accuracy(codes + 1, positive) > _COPY_ACCURACY
        return "its two values repeat the label or a part of it" if is_part or is_copy else ""
    if column.num_distinct > _MAX_FLAG_VALUES and column.kind != "text":
        return ""
    if any(_has_one_value(codes, side) for side in (positive, ~positive)):
        return "it repeats the label: all rows of one class have the same value"
    return ""


def _is_pure(positive: Bools) -> bool:
    return len(positive) >= _MIN_FLAGGED and float(positive.mean()) >= _FLAG_PRECISION


def _has_one_value(codes: npt.NDArray[np.int64], side: Bools) -> bool:
    """Whether one value marks a class: 0 events in healthy rows, and 1, 2 or 7 in the others.

    Of few faults, each number of events may occur once. Their values are not compared.
    """
    own = np.bincount(codes[side] + 1)
    if (own > (1 - _FLAG_PRECISION) * len(codes[side])).sum() != 1:
        return False
    is_it = codes == int(own.argmax()) - 1
    accuracy = (is_it[side].mean() + 1 - is_it[~side].mean()) / 2
    return bool(accuracy > MAX_BALANCED_ACCURACY)


def presence_leak(column: Column, positive: Bools) -> Leak | None:
    """Returns how the presence of a value marks the positives, as a repair date does, or None."""
    if not _can_tell(column, positive):
        return None
    present = column.codes >= 0
    hit = present[positive].mean()
    false_hit = present[~positive].mean()
    accuracy = (hit + 1 - false_hit) / 2
    if max(accuracy, 1 - accuracy) <= MAX_BALANCED_ACCURACY:
        return None
    when = "positive" if accuracy > 0.5 else "negative"
    return Leak(
        finding=f"it has a value exactly where the label is {when}",
        evidence="it is written once the label is known",
    )


def question(name: str, finding: str) -> str:
    """Returns what a person should do about a column that marks the positives almost alone."""
    return (
        f"It is a feature, and {finding}. The data cannot tell an excellent measurement from a "
        f"consequence of the fault. If it is known only afterwards, run `init` with `--leave-out "
        f"{name}` or remove its line under `features`."
    )


def strength(column: Column, positive: Bools) -> float | None:
    """Returns the ROC-AUC of a very strong but not perfect column, at least 0.5; else None.

    Together with another column it may determine the label, as a tip and the fare do.
    """
    if not _can_tell(column, positive) or not column.is_number or column.num_sampled < 2:
        return None
    present = column.codes >= 0
    area = roc_auc(column.sample[present], positive[present])
    strong = max(area, 1 - area)
    return None if strong <= _SUSPICIOUS_ROC_AUC or present.mean() < 0.5 else strong


def warning(strong: Mapping[str, float]) -> str:
    """Returns a warning about strong columns.

    Args:
        strong: ROC-AUC of each alone.
    """
    names = sorted(strong, key=lambda name: -strong[name])
    shown = ", ".join(f"{quoted(name)} {strong[name]:.3f}" for name in names[:_MAX_SHOWN])
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return (
        f"Some columns are strong alone (ROC-AUC: {shown}{more}). Leave those out that are known "
        "only after the fault: `--leave-out COLUMN`."
    )


def _order_leak(column: Column, positive: Bools) -> str | None:
    if not column.is_number or column.num_distinct < 2:
        return None
    area = separation(np.where(column.codes >= 0, column.sample, np.nan), positive)
    if area is None:
        return None
    side = "high" if area > 0.5 else "low"
    return f"alone it separates the classes with ROC-AUC {max(area, 1 - area):.4f} ({side} values)"


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


def _flag_leak(column: Column, positive: Bools) -> str | None:
    """Finds a value, or the presence of any, exclusive to positives: a failure-mode flag."""
    codes, prevalence = column.codes, float(positive.mean())
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
                f"{percent(precision)} of them positive"
            )
    return None


def _value_words(column: Column, place: int) -> str:
    if column.num_distinct > _MAX_FLAG_VALUES:
        return "any value" if place == 2 else "no value"
    if place == 0:
        return "no value"
    value = column.sample[int(np.flatnonzero(column.codes == place - 1)[0])]
    return f"the value {quoted(f'{value:g}' if column.kind != 'text' else str(value))}"

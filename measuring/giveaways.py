"""Properties of files that tell the label, such as a sampling rate that only faulty files have.

References:
    Kaufman, Rosset, Perlich and Stitelman, Leakage in data mining: formulation, detection, and
    avoidance, ACM TKDD 6(4), 2012.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from measuring.association import separation

_MIN_OF_EACH_CLASS = 10  # with fewer, chance can separate the classes
_MAX_VALUES = 20  # of a property that is no measurement
_MIN_ACCURACY = 0.9
# A value of positives alone is no chance if so many would all be positive with this probability.
_MAX_CHANCE = 1e-6
_UNKNOWN = "unknown"

Bools = NDArray[np.bool_]
Value = str | float | None


def find_giveaways(properties: Mapping[str, Sequence[Value]], positive: Bools) -> dict[str, str]:
    """Returns how properties tell the label, in words, for those that do.

    One does if its values, or its order, divide the classes with a balanced accuracy of 0.9, or if
    one of its values is that of many positives and of nothing else.

    >>> rates = ["44100 Hz"] * 10 + ["48000 Hz"] * 40
    >>> find_giveaways({"sampling rate": rates}, np.arange(50) < 10)
    {'sampling rate': '44100 Hz in 10 of 10 positives and in 0 of 40 others'}

    Args:
        properties: Name to the value of each file: a text, or a number such as a duration.
        positive: bool [files], whether the label is positive.
    """
    if min(int(positive.sum()), int((~positive).sum())) < _MIN_OF_EACH_CLASS:
        return {}
    found = {name: _judge(values, positive) for name, values in properties.items()}
    return {name: words for name, words in found.items() if words}


def _judge(values: Sequence[Value], positive: Bools) -> str:
    names, codes = np.unique([_shown(value) for value in values], return_inverse=True)
    if len(names) < 2:
        return ""
    if len(names) > _MAX_VALUES:
        return _by_order(values, positive)
    hits = np.bincount(codes, positive, minlength=len(names)) / positive.sum()
    misses = np.bincount(codes, ~positive, minlength=len(names)) / (~positive).sum()
    # Half of what the shares of the two classes differ by is the accuracy above chance.
    accuracy = 0.5 + np.abs(hits - misses).sum() / 4
    num_positive = hits * positive.sum()
    is_pure = (misses == 0) & (positive.mean() ** num_positive < _MAX_CHANCE)
    if accuracy < _MIN_ACCURACY and not is_pure.any():
        return ""
    place = int(np.argmax(np.where(is_pure, hits, 0) if is_pure.any() else hits - misses))
    num_others = int((~positive).sum())
    return (
        f"{names[place]} in {round(num_positive[place]):,} of {int(positive.sum()):,} positives "
        f"and in {round(misses[place] * num_others):,} of {num_others:,} others"
    )


def _shown(value: Value) -> str:
    if value is None:
        return _UNKNOWN
    return value if isinstance(value, str) else f"{value:.4g}"


def _by_order(values: Sequence[Value], positive: Bools) -> str:
    """Returns how a measurement of each file divides the classes; texts do not."""
    if any(isinstance(value, str) for value in values):
        return ""
    area = separation(np.array([np.nan if v is None else v for v in values], float), positive)
    if area is None:
        return ""
    side = "high" if area > 0.5 else "low"
    return f"{side} values mark the positives with ROC-AUC {max(area, 1 - area):.4f}"

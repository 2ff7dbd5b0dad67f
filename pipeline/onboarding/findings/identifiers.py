"""Detection of identifier columns."""

import numpy as np
import numpy.typing as npt

from pipeline.onboarding.findings.times import direction_of
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import ID_WORDS, percent, words_of

UNIQUE_SHARE = 0.95
# Parts of a data set that somebody has divided before.
_TRAIN_WORDS = {"train", "training", "learn", "dev", "development", "build"}
_TEST_WORDS = {"test", "testing", "valid", "val", "validation", "eval", "holdout", "hold-out"}
_FIRST_LONG = 1e15  # nothing is measured in 16 digits


def identifier_reason(column: Column, num_distinct_rows_share: float) -> str | None:
    """Returns why a column is an identifier, or None if it is a measurement.

    Args:
        column: The column.
        num_distinct_rows_share: Share of rows that do not repeat an earlier one, in (0, 1].
    """
    if column.kind not in ("int", "float", "text") or column.num_sampled < 10:
        return None
    unique = column.num_distinct / column.num_sampled / num_distinct_rows_share
    if column.kind == "text":
        if unique < UNIQUE_SHARE:
            return None
        return f"an identifier: {percent(min(1, unique))} of its texts are unique"
    direction = direction_of(column.sample)
    if direction and (column.is_whole or _evenly_spaced(column.sample)):
        return f"a row number or counter: strictly {direction} from row to row"
    return _integer_identifier(column, unique) if column.is_whole else None


def earlier_split_reason(column: Column) -> str | None:
    """Returns why a column only says in which part of an earlier split a row was, or None."""
    if column.kind != "text" or column.num_distinct > len(_TRAIN_WORDS | _TEST_WORDS):
        return None
    values = {str(text).lower() for text in set(column.sample[column.codes >= 0].tolist())}
    is_split = bool(values & _TRAIN_WORDS and values & _TEST_WORDS)
    if not is_split or values - _TRAIN_WORDS - _TEST_WORDS:
        return None
    return "the part of an earlier split in which a row was, which new rows do not have"


def _evenly_spaced(numbers: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(numbers)
    return bool(np.ptp(steps) <= 1e-3 * abs(float(np.mean(steps))))


def _integer_identifier(column: Column, unique: float) -> str | None:
    if unique < UNIQUE_SHARE:
        return None
    present = column.sample[~np.isnan(column.sample)]
    if np.abs(present).min(initial=np.inf) >= _FIRST_LONG:
        return "an identifier: whole numbers of 16 digits or more, nearly all of them unique"
    dense = len(present) > 0.8 * (np.ptp(present) + 1)
    if ID_WORDS & set(words_of(column.name)):
        return f"an identifier: {percent(min(1, unique))} of its values are unique"
    if dense and unique >= 0.999:
        return "an identifier: each whole number of its range occurs once"
    return None

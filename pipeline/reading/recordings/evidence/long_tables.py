"""Long tables: which columns name the recording and the time of each row."""

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.reading.recordings.evidence.regularity import REGULAR, is_regular
from pipeline.reading.recordings.evidence.series import (
    MIN_SAMPLES,
    Floats,
    is_named_as_time,
    time_column,
    time_values,
)

MIN_IDS = 6
_ID_WORDS = {"id", "recording", "unit", "run", "series", "trial", "experiment", "name", "file"}
_PAIR = "pair of ids"
_MAX_PAIRED = 4  # columns that may name the recordings in pairs


def long_axes(
    frame: pd.DataFrame, wanted: str | None = None, label: str | None = None
) -> tuple[str, str] | None:
    """Returns the columns with the recording and the time of each row of a long table, or None.

    There are six recordings or more, of eight samples or more in the median, and in each the times
    follow each other at a regular step. The rows may be in any order; the reader refuses
    recordings whose times go backwards.

    Args:
        frame: The rows.
        wanted: The column of recordings, if it is known.
        label: The label's column, which is neither.
    """
    seconds: dict[str, Floats | None] = {}
    for name in [wanted] if wanted else _id_candidates(frame):
        codes = pd.factorize(frame[name])[0]
        sizes = np.bincount(codes[codes >= 0])
        if len(sizes) < MIN_IDS or np.median(sizes) < MIN_SAMPLES:
            continue
        time = _time_of_any_order(frame[codes == 0], (name, label or ""))
        if time is None:
            continue
        if time not in seconds:
            seconds[time] = time_values(frame[time])
        if _is_regular_within(codes, seconds[time]):
            return name, time
    return None


def paired_ids(frame: pd.DataFrame, label: str) -> tuple[str, str] | None:
    """Returns two columns that name the recordings of a long table together, or None.

    Such as a machine and the number of its run. The label is constant within each pair.
    """
    names = [name for name in _id_candidates(frame) if name != label]
    names = [name for name in names if 2 <= frame[name].nunique() <= len(frame) / MIN_SAMPLES]
    for first, second in combinations(names[:_MAX_PAIRED], 2):
        pairs = frame.groupby([first, second], sort=False)
        if pairs.ngroups < MIN_IDS or pairs[label].nunique().max() > 1:
            continue
        numbered = frame.drop(columns=[first, second]).assign(**{_PAIR: pairs.ngroup()})
        if long_axes(numbered, _PAIR, label) is not None:
            return first, second
    return None


def names_runs(names: pd.Series, ids: pd.Series) -> bool:
    """Tells whether a column has each id of a long table once, and the table has it many times."""
    sizes = ids.value_counts()
    return bool(
        names.is_unique
        and len(sizes) >= MIN_IDS
        and sizes.median() >= MIN_SAMPLES
        and sizes.index.isin(names).mean() >= REGULAR
    )


def _time_of_any_order(frame: pd.DataFrame, not_time: Sequence[str]) -> str | None:
    in_order = time_column(frame, not_time)
    if in_order is not None:
        return in_order
    named = [str(n) for n in frame.columns if n not in not_time and is_named_as_time(str(n))]
    for name in named:
        seconds = time_values(frame[name])
        if seconds is not None and is_regular(np.sort(seconds)):
            return name
    return None


def _id_candidates(frame: pd.DataFrame) -> list[str]:
    names = [
        str(name)
        for name in frame.columns
        if not pd.api.types.is_float_dtype(frame[name].dtype)
        and not pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    ]
    return sorted(names, key=lambda name: not _ID_WORDS & set(re.split(r"[^a-z]+", name.lower())))


def _is_regular_within(codes: NDArray[np.int64], seconds: Floats | None) -> bool:
    """Tells whether the times of each recording, once sorted, are at a regular step."""
    if seconds is None:
        return False
    order = np.lexsort((seconds, codes))
    is_within = np.diff(codes[order]) == 0
    steps = pd.Series(np.diff(seconds[order])[is_within])
    if steps.empty:
        return False
    typical = steps.groupby(codes[order][1:][is_within]).transform("median")
    regular = np.isclose(steps, typical, rtol=0.05, atol=0.0)
    return bool(typical.median() > 0 and regular.mean() >= REGULAR)

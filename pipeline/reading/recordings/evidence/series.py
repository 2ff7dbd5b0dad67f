"""How the samples of recordings follow each other: their times, ids, events and windows."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.reading import times
from pipeline.reading.recordings.evidence.regularity import is_regular
from pipeline.reading.recordings.raw.stamps import time_unit
from pipeline.reading.recordings.windows import (
    Event,
    events_of_samples,
)
from pipeline.recording_options import OWN_COLUMNS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_READABLE = 0.95  # share of texts that makes a property certain
# An event of the label lasts so many samples at least, on average.
_MIN_RUN = 5.0
MIN_SAMPLES = 8
_MIN_STREAM_SAMPLES = 500
# Words of a column that numbers the samples, if its values are whole numbers in steps of 1.
_INDEX_WORDS = {
    "cycle", "cycles", "step", "steps", "tick", "ticks", "sample", "samples", "timestep",
}  # fmt: skip
_NUMBER_WORDS = {"no", "nr", "num", "number", "index", "idx", "id", "count"}
_TIME_WORDS = {
    "time", "timestamp", "datetime", "date", "ts", "t", "stamp", "zeit", "utc", "elapsed",
    "second", "seconds", *_INDEX_WORDS,
}  # fmt: skip
_LABVIEW_TIME = "x_value"


@dataclass(frozen=True, kw_only=True)
class Series:
    """The samples of one recording, as evidence.

    Attributes:
        times_s: float64 [samples], or None without times.
        positive: bool [samples], or None without a label of each sample.
        num_samples: Their number.
    """

    times_s: Floats | None
    positive: Flags | None
    num_samples: int

    @property
    def step_s(self) -> float | None:
        """Median time between neighbouring samples, or None."""
        if self.times_s is None or len(self.times_s) < 2:
            return None
        return float(np.median(np.diff(self.times_s)))

    @property
    def events(self) -> tuple[Event, ...]:
        """Runs of positive samples."""
        if self.positive is None:
            return ()
        return events_of_samples(self.positive, np.arange(self.num_samples, dtype=np.float64))


def time_column(frame: pd.DataFrame, not_time: Sequence[str] = ()) -> str | None:
    """Returns the column of the samples' times, or None.

    Dates need no name; numbers do, such as `time` or `t_s`. Times must not go backwards within the
    first recording, so this is asked of the rows of one file or id. Dates that go back at a few
    places, as at the end of summer time, and rows from the last time to the first are times too:
    the reader refuses them with a remedy.
    """
    candidates = [str(name) for name in frame.columns if name not in not_time]

    def rank(name: str) -> tuple[bool, bool]:
        return not is_named_as_time(name), numbers_rows(frame[name])

    for name in sorted(candidates, key=rank):
        seconds = time_values(frame[name], is_named=is_named_as_time(name))
        if seconds is None or _repeats(frame[name]):
            continue
        is_date = not pd.api.types.is_numeric_dtype(frame[name].dtype)
        if _never_descends(seconds) or is_regular(-seconds) or (is_date and is_regular(seconds)):
            return name
    return None


def _repeats(column: pd.Series) -> bool:
    """Tells whether a number such as `cycle` is that of most samples before too: no time."""
    if not is_named_as_index(str(column.name)) or not pd.api.types.is_numeric_dtype(column.dtype):
        return False
    numbers = column.dropna().to_numpy(np.float64)
    return len(numbers) > 1 and bool(np.median(np.diff(numbers)) == 0)


def is_named_as_time(name: str) -> bool:
    """Tells whether a column such as `time_s` or `t` is named as one of times."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    ends = {*(words or [""])[:1], *words[-2:]}
    return name.lower() == _LABVIEW_TIME or bool(_TIME_WORDS & ends)


def numbers_rows(column: pd.Series) -> bool:
    """Tells whether a column such as `cycle` numbers the samples, and is no time.

    Args:
        column: That of one recording; its rows may be in any order.
    """
    if not is_named_as_index(str(column.name)) or not pd.api.types.is_numeric_dtype(column.dtype):
        return False
    numbers = np.sort(column.dropna().to_numpy(np.float64))
    if len(numbers) < MIN_SAMPLES or (numbers != np.round(numbers)).any():
        return False
    return bool(np.median(np.diff(numbers)) == 1)


def is_named_as_index(name: str) -> bool:
    """Tells whether a column such as `cycle` or `sample` may number the samples by its name."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    if len(words) > 1 and words[-1] in _NUMBER_WORDS:  # `Sample No.`
        words.pop()
    return bool(words) and words[-1] in _INDEX_WORDS


def order_of(column: pd.Series | None) -> dict[str, Any]:
    """Returns the option of a recording's column of times, or of the numbers of its samples."""
    if column is None:
        return {}
    return {"index_column" if numbers_rows(column) else "time_column": str(column.name)}


def index_note(name: str) -> str:
    """Returns in words that a column is taken for no times."""
    return (
        f"`{name}` numbers the samples and is no time: it orders them, and their rate is not known "
        "by it"
    )


def time_values(column: pd.Series, *, is_named: bool = True) -> Floats | None:
    """Returns a column's points in time in s, float64 [samples], or None if it holds none."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return None
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _seconds(column)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _number_seconds(column) if is_named else None
    return _text_seconds(column)


def _text_seconds(column: pd.Series) -> Floats | None:
    head = column.dropna().astype(str).head(50)
    if not len(head) or not head.str.contains(r"\d[-/.:T]\d").all():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # texts of several formats, or with the name of a zone
        # Without a format, the first text decides whether the others have fractions of seconds.
        for form in ("ISO8601", None):
            for texts in (head, column.astype(str)):
                parsed = pd.to_datetime(texts, errors="coerce", utc=True, format=form)
                if parsed.notna().mean() < _READABLE:
                    break
            else:
                return _seconds(parsed)
    return None


def _number_seconds(column: pd.Series) -> Floats:
    numbers = column.to_numpy(np.float64, na_value=np.nan)
    if not np.isfinite(numbers).any():
        return numbers
    unit, _ = time_unit(str(column.name), float(np.nanmin(numbers)), float(np.nanmax(numbers)))
    return numbers / times.PER_SECOND[unit]


def _seconds(column: pd.Series) -> Floats:
    stamps = pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy("datetime64[ns]")
    seconds = stamps.astype(np.int64) / 1e9
    return np.where(np.isnat(stamps), np.nan, seconds)


def _never_descends(seconds: Floats) -> bool:
    present = seconds[np.isfinite(seconds)]
    return len(present) > 1 and bool((np.diff(present) >= 0).all()) and present[-1] > present[0]


def channels_of(frame: pd.DataFrame, not_channel: Sequence[str | None]) -> list[str]:
    """Returns the numeric columns without another role."""
    return [
        str(name)
        for name in frame.columns
        if name not in (*not_channel, *OWN_COLUMNS)
        and pd.api.types.is_numeric_dtype(frame[name].dtype)
        and not pd.api.types.is_bool_dtype(frame[name].dtype)
    ]


def looks_like_stream(
    frame: pd.DataFrame, label: str, time: str | None, positive_value: str | None = None
) -> bool:
    """Tells samples of an endless recording from rows that are examples of their own.

    Samples follow each other at a regular step, all other columns are numbers, and the label comes
    in runs. A label of more than two values needs the name of the positive one.
    """
    if time is None or len(frame) < _MIN_STREAM_SAMPLES:
        return False
    seconds = time_values(frame[time])
    if seconds is None or not (is_regular(seconds) or is_regular(-seconds)):
        return False
    others = [name for name in frame.columns if name not in (label, time)]
    numbers = channels_of(frame, (label, time))
    if not numbers or set(others) - set(numbers) - set(OWN_COLUMNS):
        return False
    positive = positive_flags(frame[label], positive_value)
    if positive is None:
        return False
    runs = Series(times_s=None, positive=positive, num_samples=len(positive)).events
    return not runs or float(positive.sum()) / len(runs) >= _MIN_RUN


def positive_flags(column: pd.Series, positive: str | None = None) -> Flags | None:
    """Returns bool [samples], whether a label is its positive value; None of another column.

    Args:
        column: The label, with one or two values; with more if the positive one is named.
        positive: The positive value as text; by default the rarer one.
    """
    texts = column.map(label_text)
    counts = texts.value_counts()
    if positive is not None:
        return np.asarray(texts == positive)
    positive = rarest({str(name): int(number) for name, number in counts.items()})
    return np.asarray(texts == positive) if 1 <= len(counts) <= 2 else None


def label_text(value: object) -> str:
    """Returns a label as text: `1.0` and true are `1`."""
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value).strip()


def rarest(classes: Mapping[str, int]) -> str | None:
    """Returns the rarest value; None if two are equally rare, and there are only these."""
    ordered = sorted(classes.items(), key=lambda item: item[1])
    if not ordered or (len(ordered) == 2 and ordered[0][1] == ordered[1][1]):
        return None
    return ordered[0][0]


def is_recording(frame: pd.DataFrame, time: str | None) -> bool:
    """Tells whether rows are samples at a regular step."""
    if time is None or len(frame) < MIN_SAMPLES:
        return False
    seconds = time_values(frame[time])
    return seconds is not None and is_regular(seconds)


def duration_words(seconds: float) -> str:
    """Returns a duration in the largest unit that makes it at least 1.

    >>> duration_words(300), duration_words(86_400), duration_words(0.02)
    ('5 min', '1 d', '20 ms')
    """
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size * 0.999:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e3:.3g} ms"

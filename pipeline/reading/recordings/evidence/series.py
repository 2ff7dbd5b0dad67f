"""How the samples of recordings follow each other: their times, ids, events and windows."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.reading import times
from pipeline.reading.recordings.evidence.regularity import is_regular
from pipeline.reading.recordings.raw.clock import rate_of
from pipeline.reading.recordings.raw.stamps import time_unit
from pipeline.reading.recordings.windows import (
    POSITIVE,
    Cutting,
    Event,
    cut_windows,
    events_of_samples,
)
from pipeline.recording_options import OWN_COLUMNS, Window

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_READABLE = 0.95  # share of texts that makes a property certain
# An event of the label lasts so many samples at least, on average.
_MIN_RUN = 5.0
MIN_SAMPLES = 8
_MIN_STREAM_SAMPLES = 500
_TIME_WORDS = {
    "time", "timestamp", "datetime", "date", "ts", "t", "stamp", "zeit", "utc", "elapsed",
    "second", "seconds", "cycle", "cycles", "step", "tick", "sample",
}  # fmt: skip
_LABVIEW_TIME = "x_value"
MIN_POSITIVE_WINDOWS = 30
_MIN_WINDOW = 8
# Fewer streams are no basis for a verdict on new ones: three splits would have a few each.
_MIN_STREAMS, _MIN_POSITIVE_STREAMS = 20, 15
_NUM_STRETCHES = 60
_MIN_WINDOWS_A_STRETCH = 10  # a gap of one window between stretches costs a tenth of them at most
# Past of a window, in windows; with fewer in a stretch, most windows would have little of it.
_HISTORY, _MIN_WINDOWS_FOR_HISTORY = 12, 6
_MAX_STEPS_APART = 1_000  # what the reader resamples
# Round lengths of windows in s: seconds, minutes, hours and days.
_ROUND_S = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_200.0, 1_800.0),
    *(3_600.0, 7_200.0, 10_800.0, 14_400.0, 21_600.0, 28_800.0, 43_200.0, 86_400.0, 172_800.0),
    *(259_200.0, 604_800.0, 1_209_600.0),
)


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
    named = sorted(candidates, key=lambda name: not is_named_as_time(name))
    for name in named:
        seconds = time_values(frame[name], is_named=is_named_as_time(name))
        if seconds is None:
            continue
        is_date = not pd.api.types.is_numeric_dtype(frame[name].dtype)
        if _never_descends(seconds) or is_regular(-seconds) or (is_date and is_regular(seconds)):
            return name
    return None


def is_named_as_time(name: str) -> bool:
    """Tells whether a column such as `time_s` or `t` is named as one of times."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    ends = {*(words or [""])[:1], *words[-2:]}
    return name.lower() == _LABVIEW_TIME or bool(_TIME_WORDS & ends)


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


@dataclass(frozen=True, kw_only=True)
class WindowChoice:
    """Proposed windows of streams, and why.

    Attributes:
        window: The options.
        reasons: In words.
        rate_hz: Rate to resample the streams to; None if they have one rate, or an unknown one.
    """

    window: Window
    reasons: tuple[str, ...]
    rate_hz: float | None = None


def choose_window(streams: Sequence[Series]) -> WindowChoice:
    """Proposes windows: about as long as the median event, and shorter if they are too few.

    The length is a round time where the steps of all streams are known, else a round number of
    samples. It is halved until 30 windows are positive, and windows overlap by half if that is
    still too few. Where steps differ, windows have one duration, and the streams are resampled to
    the median step.
    """
    step = common_step(streams)
    nominal_s = None if step else _nominal_step(streams)
    if nominal_s is not None:
        choice = _window_of([_at_step(stream, nominal_s) for stream in streams], nominal_s)
        length_s = float(f"{(choice.window.num_samples or 0) * nominal_s:.9g}")
        reason = (
            f"steps of {' to '.join(_extreme_steps(streams))}: all are resampled to "
            f"{duration_words(nominal_s)}, the median, so that a window has one duration"
        )
        return WindowChoice(
            window=replace(choice.window, num_samples=None, length_s=length_s),
            reasons=(*choice.reasons, reason),
            rate_hz=rate_of(nominal_s),
        )
    return _window_of(streams, step)


def _nominal_step(streams: Sequence[Series]) -> float | None:
    """Returns the median step in s; None if one is unknown, or they are too far apart."""
    steps = sorted(stream.step_s or 0.0 for stream in streams)
    if steps[0] <= 0 or steps[-1] > _MAX_STEPS_APART * steps[0]:
        return None
    return steps[len(steps) // 2]


def _extreme_steps(streams: Sequence[Series]) -> tuple[str, str]:
    steps = sorted(stream.step_s or 0.0 for stream in streams)
    return duration_words(steps[0]), duration_words(steps[-1])


def _at_step(stream: Series, step_s: float) -> Series:
    """Returns a stream as it will be at another step."""
    factor = (stream.step_s or step_s) / step_s
    size = max(1, round(stream.num_samples * factor))
    places = np.minimum((np.arange(size) / factor).astype(int), stream.num_samples - 1)
    return Series(
        times_s=None,
        positive=None if stream.positive is None else stream.positive[places],
        num_samples=size,
    )


def _window_of(streams: Sequence[Series], step: float | None) -> WindowChoice:
    """Proposes windows of streams of one step in s, if it is known."""
    lengths = [event.stop - event.first for stream in streams for event in stream.events]
    shortest = min(stream.num_samples for stream in streams)
    median = float(np.median(lengths)) if lengths else shortest / 50
    size = _round_size(min(median, shortest / 4), step)
    num_positive = _num_positive(streams, size, 1.0)
    while num_positive < MIN_POSITIVE_WINDOWS and size >= 2 * _MIN_WINDOW:
        size = _round_size(size / 2, step)
        num_positive = _num_positive(streams, size, 1.0)
    hop = 1.0 if num_positive >= MIN_POSITIVE_WINDOWS else 0.5
    num_positive = num_positive if hop == 1.0 else _num_positive(streams, size, hop)
    num_stretches = _num_stretches(streams, size)
    has_past = shortest // (num_stretches or 1) >= _MIN_WINDOWS_FOR_HISTORY * size
    window = Window(
        num_samples=size,
        hop=hop,
        num_stretches=num_stretches,
        history=_HISTORY if has_past else None,
    )
    lasting = f" ({duration_words(size * step)})" if step else ""
    reason = (
        f"windows of {size:,} samples{lasting}: the median of {len(lengths):,} events is "
        f"{median:,.0f} samples, and {num_positive:,} windows are positive"
    )
    if hop < 1:
        reason += "; windows overlap by half, since they are few"
    reasons = [reason]
    if window.num_stretches is not None:
        reasons.append(_stretches_reason(streams, window.num_stretches))
    if window.history is not None:
        reasons.append(
            f"`history` compares each window with the {window.history} before it: a change may "
            "tell more than a level"
        )
    return WindowChoice(window=window, reasons=tuple(reasons))


def common_step(streams: Sequence[Series]) -> float | None:
    """Returns the step in s that all streams have, or None."""
    steps = [stream.step_s for stream in streams]
    known = [step for step in steps if step]
    if len(known) < len(steps) or max(known) > 1.01 * min(known):
        return None
    return float(np.median(known))


def _round_size(samples: float, step: float | None) -> int:
    if step:
        nearest = min(_ROUND_S, key=lambda s: abs(math.log(s / (samples * step))))
        size = nearest / step
        if samples / 1.5 <= size <= samples * 1.5 and abs(size - round(size)) < 1e-6:
            return max(_MIN_WINDOW, round(size))
    digits = 10 ** max(0, math.floor(math.log10(max(samples, 1))) - 1)
    return int(max(_MIN_WINDOW, round(samples / digits) * digits))


def _num_positive(streams: Sequence[Series], size: int, hop: float) -> int:
    cutting = Cutting(size=size, hop=max(1, round(size * hop)))
    return sum(
        int((cut_windows(stream.num_samples, cutting, stream.events).labels == POSITIVE).sum())
        for stream in streams
        if stream.num_samples >= size
    )


def _num_stretches(streams: Sequence[Series], size: int) -> int | None:
    """Stretches of each stream where there are too few streams to split by recording."""
    num_positive = sum(bool(stream.events) for stream in streams)
    if len(streams) >= _MIN_STREAMS and num_positive >= _MIN_POSITIVE_STREAMS:
        return None
    room = min(stream.num_samples for stream in streams) // (_MIN_WINDOWS_A_STRETCH * size)
    wanted = math.ceil(_NUM_STRETCHES / len(streams))
    return max(3, min(wanted, room))


def _stretches_reason(streams: Sequence[Series], num_stretches: int) -> str:
    number = "1 recording is" if len(streams) == 1 else f"{len(streams):,} recordings are"
    return (
        f"{number} too few to split by recording: each is cut into {num_stretches} stretches with "
        "a gap of one window between them, so test measures other times, not other recordings"
    )


def duration_words(seconds: float) -> str:
    """Returns a duration in the largest unit that makes it at least 1.

    >>> duration_words(300), duration_words(86_400), duration_words(0.02)
    ('5 min', '1 d', '20 ms')
    """
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size * 0.999:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e3:.3g} ms"

"""Proposed windows of streams: about as long as the median event."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.reading.recordings.evidence.series import Series, duration_words
from pipeline.reading.recordings.raw.clock import rate_of
from pipeline.reading.recordings.windows import POSITIVE, Cutting, cut_windows
from pipeline.recording_options import Window

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

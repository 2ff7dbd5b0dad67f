"""Bars that the config sets: over the whole test split, and for slices of it."""

import math
from collections.abc import Iterator, Mapping

from measuring.intervals import UNKNOWN, Interval
from pipeline.components.evaluation.results import Evaluation, SliceKey
from pipeline.components.model_gate.more_data import (
    fewest_for_area,
    fewest_for_share,
    growth_of_mean,
    growth_of_share,
)
from pipeline.components.model_gate.reasons import (
    BLESSED,
    INCONCLUSIVE,
    LOWER_IS_BETTER,
    REJECTED,
    WORDS,
    Metrics,
    Reason,
    Word,
    figure,
    num_faults,
    with_interval,
)
from pipeline.config import Bars, GateSlice
from pipeline.counting import count
from pipeline.slicing import Slice, make_slice

_SHARES = frozenset({"recall", "precision"})
_MANY = 1_000_000
_NOTHING: Metrics = dict.fromkeys(
    ("true_positives", "false_negatives", "false_positives", "true_negatives"), 0.0
)


def whole_split(evaluation: Evaluation, bars: Bars, confidence: float) -> Iterator[Reason]:
    """Yields a reason for each bar over the whole test split."""
    yield from _clear(evaluation, (), bars, confidence)


def slices(evaluation: Evaluation, asked: GateSlice, confidence: float) -> Iterator[Reason]:
    """Yields a reason for each bar and each slice by the columns; the Evaluator measured them.

    If no example of the test split is in any of them, each bar is reported as too small.
    """
    parts = make_slice(asked.columns)
    keys = [key for key in sorted(evaluation.slices) if _is_of(key, parts)]
    for key in keys or [tuple((part.key_name, part.key_value or "any") for part in parts)]:
        yield from _clear(evaluation, key, asked.bars, confidence)


def _is_of(key: SliceKey, parts: Slice) -> bool:
    """Whether a measured slice is one that the parts ask for."""
    pairs = sorted(key)
    return len(pairs) == len(parts) and all(
        name == part.key_name and part.key_value in {None, value}
        for (name, value), part in zip(pairs, parts, strict=True)
    )


def _clear(
    evaluation: Evaluation, key: SliceKey, bars: Bars, confidence: float
) -> Iterator[Reason]:
    metrics = evaluation.slices.get(key, _NOTHING) if key else evaluation.overall
    intervals = evaluation.intervals.get(key, {})
    name = ", ".join(f"{column}={value}" for column, value in key)
    for metric, bar in bars.given.items():
        verdict, text = _judge(metric, bar, metrics, intervals, confidence)
        yield Reason(
            metric=metric,
            value=metrics.get(metric, math.nan),
            bar=bar,
            verdict=verdict,
            text=f"{name}: {text}" if name else text,
            slice=name,
        )


def _judge(
    metric: str,
    bar: float,
    metrics: Metrics,
    intervals: Mapping[str, Interval],
    confidence: float,
) -> tuple[Word, str]:
    value, interval = metrics.get(metric, math.nan), intervals.get(metric, UNKNOWN)
    side = "at most" if metric in LOWER_IS_BETTER else "against"
    text = f"{WORDS[metric]} {with_interval(metric, value, interval)} {side} {figure(metric, bar)}"
    verdict = compare(interval, bar, lower_is_better=metric in LOWER_IS_BETTER)
    if verdict != INCONCLUSIVE:
        return verdict, text
    return verdict, f"{text}: {_missing(metric, bar, metrics, interval, confidence)}"


def compare(interval: Interval, bar: float, *, lower_is_better: bool = False) -> Word:
    """Compares an interval with a bar; an unknown interval is inconclusive."""
    lower, upper = interval
    if lower_is_better:
        lower, upper, bar = -upper, -lower, -bar
    if lower >= bar:
        return BLESSED
    return REJECTED if upper < bar else INCONCLUSIVE


def _missing(
    metric: str, bar: float, metrics: Metrics, interval: Interval, confidence: float
) -> str:
    """Why the test split is inconclusive."""
    faults = num_faults(metrics)
    least = _least_faults(metric, bar, confidence)
    if faults < least:
        return f"too small, {count(faults, 'fault')}; even a perfect model needs {least} to show it"
    value = metrics.get(metric, math.nan)
    if not math.isfinite(value) or not math.isfinite(interval[0]):
        alarms = metrics["true_positives"] + metrics["false_positives"]
        return "it raises no alarm" if metric == "precision" and not alarms else "it has no value"
    if metric in _SHARES:
        growth = growth_of_share(value, interval, bar, confidence)
    else:
        growth = growth_of_mean(value, interval, bar)
    return more_needed(growth, metrics)


def _least_faults(metric: str, bar: float, confidence: float) -> int:
    if metric == "recall":
        return fewest_for_share(bar, confidence)
    if metric == "pr_auc":
        return fewest_for_area(bar, confidence)
    return 1


def more_needed(growth: float, metrics: Metrics) -> str:
    """Returns how many more faults are needed, with healthy examples in proportion.

    Args:
        growth: The factor by which the test split must grow.
        metrics: The metrics on the current split.
    """
    faults = num_faults(metrics)
    number = math.ceil((growth - 1) * faults) if math.isfinite(growth) else _MANY
    if number >= _MANY:
        return "too close to the bar, however many faults are added"
    return f"about {max(number, 1):,} more faults needed"

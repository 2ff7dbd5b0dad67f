"""Bars that the config sets: over the whole test split, and for slices of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from scipy import stats

from measuring.intervals import UNKNOWN, Interval, holm_rejected
from pipeline.components.evaluation.results import Evaluation, SliceKey
from pipeline.components.model_gate.event_bars import BY_EVENT, missing_by_event
from pipeline.components.model_gate.figures import figure
from pipeline.components.model_gate.more_data import (
    ASSURANCE,
    Need,
    fewest_for_area,
    fewest_for_share,
    need_of_mean,
    need_of_share,
    trials_of_share,
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
    num_faults,
    with_interval,
)
from pipeline.config import Bars, GateSlice
from pipeline.counting import count
from pipeline.slicing import Slice, make_slice

_SHARES = frozenset({"recall", "precision", "event_recall"})
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


def hold_together(reasons: Sequence[Reason], confidence: float) -> Iterator[Reason]:
    """Yields the reasons of all slices; a false REJECTED among them has at most the gate's rate.

    Otherwise one of twenty slices whose truth is at the bar would fail in 1 - 0.975^20, 40 % of all
    splits.
    """
    rejected = [reason for reason in reasons if reason.verdict == REJECTED]
    p_values = [reason.p_value or 0.0 for reason in rejected]
    level = (1 - confidence) / 2
    stays = holm_rejected(p_values, level, num_tests=len(reasons))
    is_rejected = dict(zip(map(id, rejected), stays, strict=True))
    for reason in reasons:
        if is_rejected.get(id(reason), True):
            yield reason
        else:
            text = (
                f"{reason.text}: fails alone, but not as one of {count(len(reasons), 'slice bar')}"
            )
            yield replace(reason, verdict=INCONCLUSIVE, text=f"{text} (Holm's test)")


def _failure_p_value(
    metric: str, bar: float, value: float, interval: Interval, confidence: float
) -> float:
    """The probability of a value at least this bad if the truth were at the bar.

    Exact for a share; for the other metrics that of a normal error as wide as the interval.
    """
    if metric in _SHARES:
        trials = trials_of_share(value, interval, confidence)
        successes = value * trials
        return float(stats.beta.sf(bar, successes + 1, trials - successes))
    reach = value - interval[0] if metric in LOWER_IS_BETTER else interval[1] - value
    z = stats.norm.ppf((1 + confidence) / 2)
    return float(stats.norm.sf(z * abs(bar - value) / reach)) if reach > 0 else 0.0


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
        value, p_value = metrics.get(metric, math.nan), None
        if name and verdict == REJECTED:
            p_value = _failure_p_value(metric, bar, value, intervals[metric], confidence)
        yield Reason(
            metric=metric,
            value=value,
            bar=bar,
            verdict=verdict,
            text=f"{name}: {text}" if name else text,
            slice=name,
            p_value=p_value,
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
    if metric in BY_EVENT:
        return missing_by_event(metric, bar, metrics, interval, confidence)
    faults = num_faults(metrics)
    least = _least_faults(metric, bar, metrics, confidence)
    if faults < least:
        return f"too small, {count(faults, 'fault')}; even a perfect model needs {least} to show it"
    value = metrics.get(metric, math.nan)
    if not math.isfinite(value) or not math.isfinite(interval[0]):
        alarms = metrics["true_positives"] + metrics["false_positives"]
        return "it raises no alarm" if metric == "precision" and not alarms else "it has no value"
    if metric in _SHARES:
        need = need_of_share(value, interval, bar, confidence)
    else:
        lower_is_better = metric in LOWER_IS_BETTER
        need = need_of_mean(value, interval, bar, confidence, lower_is_better=lower_is_better)
    return more_needed(need, metrics)


def _least_faults(metric: str, bar: float, metrics: Metrics, confidence: float) -> int:
    if metric == "recall":
        return fewest_for_share(bar, confidence)
    if metric in {"pr_auc", "roc_auc"}:
        prevalence = num_faults(metrics) / max(metrics.get("num_examples", 0.0), 1.0)
        # A slice without faults says nothing of its prevalence.
        return fewest_for_area(metric, bar, confidence, prevalence or 0.5)
    return 1


def more_needed(need: Need, metrics: Metrics) -> str:
    """Returns how many more faults are needed, with healthy examples in proportion.

    Args:
        need: What the answer needs.
        metrics: The metrics on the current split.
    """
    number = math.ceil((need.growth - 1) * num_faults(metrics))
    if number >= _MANY:
        return "an answer cannot be promised, however many faults are added"
    text = f"about {max(number, 1):,} more faults needed for an answer in {ASSURANCE:.0%} of cases"
    return text if need.chance >= ASSURANCE else f"{text}; a pass cannot be promised"

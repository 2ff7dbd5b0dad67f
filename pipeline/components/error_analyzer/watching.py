"""YAML that makes the gate watch a common factor of errors: a slice and its bars."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from measuring.intervals import proportion_interval
from pipeline.components.error_analyzer.analysis import CommonFactor, Flags, Floats

_FEWEST, _MOST = 0.01, 0.99
_CONFIDENCE = 0.95


def watch_yaml(
    cluster: CommonFactor,
    labels: NDArray[np.int64],
    probability: Floats,
    decision: NDArray[np.int64],
    bars: Mapping[str, float],
) -> str:
    """Returns the block of YAML that makes a common factor a slice of the gate.

    Its bars are those that the config sets for the whole test split. Without one, the bar is the
    limit of the exact 95 % interval of the whole test split: with the estimate itself as a bar, an
    equally good slice would often be inconclusive. The metric is recall for missed faults,
    precision for false alarms, and the Brier score if decisions are right and only probabilities
    are wrong.

    Args:
        cluster: The common factor.
        labels: `[n]` of 0 and 1.
        probability: `[n]` of the positive class, the model's.
        decision: `[n]` of 0 and 1, the model's.
        bars: Metric to the config's bar over the whole test split.
    """
    fault, alarm = labels == 1, decision == 1
    shown = _asked(cluster.members, fault, alarm, np.asarray((probability - labels) ** 2))
    asked = {metric: bars.get(metric, figure) for metric, figure in shown.items()}
    listed = ", ".join(f"{metric}: {bar:g}" for metric, bar in asked.items())
    return (
        f"gate:\n  slices:\n    - columns: [{cluster.part.to_yaml()}]\n      bars: {{{listed}}}\n"
    )


def _asked(members: Flags, fault: Flags, alarm: Flags, squares: Floats) -> dict[str, float]:
    """The metrics in which a cluster fails, each with the whole test split's confidence limit."""
    found = int((fault & alarm).sum())
    shown = {}
    if (members & fault & ~alarm).any():
        shown["recall"] = _at_least(found, int(fault.sum()))
    if (members & ~fault & alarm).any():
        shown["precision"] = _at_least(found, int(alarm.sum()))
    # A square in [0, 1] has at most the variance of a Bernoulli variable with the same mean.
    highest = proportion_interval(float(squares.sum()), len(squares), _CONFIDENCE)[1]
    return shown or {"brier": min(math.ceil(highest * 1_000) / 1_000, _MOST)}


def _at_least(found: int, among: int) -> float:
    """The lower confidence limit of a share, rounded down to hundredths."""
    lowest = proportion_interval(found, among, _CONFIDENCE)[0]
    return max(math.floor(lowest * 100) / 100, _FEWEST)

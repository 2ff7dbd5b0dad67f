"""How the gate is told to watch what errors share: a slice and its bars, in YAML."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from measuring.intervals import proportion_interval
from pipeline.components.error_analyzer.analysis import Cluster, Flags, Floats

_FEWEST, _MOST = 0.01, 0.99
_CONFIDENCE = 0.95


def watch_yaml(
    cluster: Cluster,
    labels: NDArray[np.int64],
    probability: Floats,
    decision: NDArray[np.int64],
    bars: Mapping[str, float],
) -> str:
    """Returns the block of YAML that makes a cluster a slice of the gate.

    Its bars ask of the slice what the config asks of the whole test split; where that asks
    nothing, what the whole test split surely shows: the limit of the exact interval at 95 %. The
    figure itself as a bar could hardly be told from what an equally good slice shows. Where faults
    are missed it is recall, where alarms are false precision, and where decisions are right and
    only probabilities bad the Brier score.

    Args:
        cluster: What errors share.
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
    """The metrics in which a cluster fails, and what the whole test split surely shows in them."""
    found = int((fault & alarm).sum())
    shown = {}
    if (members & fault & ~alarm).any():
        shown["recall"] = _at_least(found, int(fault.sum()))
    if (members & ~fault & alarm).any():
        shown["precision"] = _at_least(found, int(alarm.sum()))
    # A square lies in [0, 1] and so spreads no more than a yes or no with the same mean.
    highest = proportion_interval(float(squares.sum()), len(squares), _CONFIDENCE)[1]
    return shown or {"brier": min(math.ceil(highest * 1_000) / 1_000, _MOST)}


def _at_least(found: int, among: int) -> float:
    """A bar that a share surely clears, in whole hundredths."""
    lowest = proportion_interval(found, among, _CONFIDENCE)[0]
    return max(math.floor(lowest * 100) / 100, _FEWEST)

"""Performance of a chunk without labels, from calibrated probabilities, and its own grades."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from measuring.intervals import Interval, proportion_interval
from measuring.monitoring.priors import PriorShift, ScoreBins
from measuring.scores import average_precision, decision_metrics

Floats = NDArray[np.float64]

METRICS = ("recall", "precision", "pr_auc", "cost", "prevalence")
_SEED = 20_261_128


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate of what the labels of a chunk will say.

    Attributes:
        value: The estimate; NaN if it has none, such as precision without alarms.
        lower: Lower limit of the interval; NaN if it is unknown.
        upper: Upper limit.
    """

    value: float
    lower: float
    upper: float

    def covers(self, realised: float) -> bool:
        """Whether the interval contains what the labels said."""
        rounding = 1e-9 * max(1.0, abs(realised))
        return self.lower - rounding <= realised <= self.upper + rounding


def estimate_performance(
    bins: ScoreBins,
    *,
    miss: float = 1.0,
    false_alarm: float = 1.0,
    shift: PriorShift | None = None,
    confidence: float = 0.95,
    num_draws: int = 1_000,
) -> dict[str, Estimate]:
    """Estimates the performance of a chunk before its labels are known (CBPE).

    A row with the probability p is a fault with the probability p. So alarms find sum p of the
    alarms, of sum p of all faults. The intervals are those of what the labels will say, from labels
    drawn with these probabilities; draws in which a metric has no value are left out. So a chunk of
    one class has an estimate, too.

    It is right as long as the probabilities are calibrated. A changed prevalence is corrected by
    `shift`, whose uncertainty widens the intervals. **Concept drift is invisible**: if faults no
    longer look as they did, no figure here changes. Only labels show it.

    Args:
        bins: The chunk.
        miss: Cost of a missed fault.
        false_alarm: Cost of a false alarm.
        shift: The changed prevalence; None if it is that of training.
        confidence: Two-sided confidence.
        num_draws: Draws of all labels.

    Returns:
        Each of `METRICS`; `cost` and `prevalence` are per row.

    References:
        Białek, Kuberski, Perrakis & Bifet (2024), Estimating model performance under covariate
        shift without labels, arXiv:2401.08348: CBPE. The sums are Poisson-binomial; rows of a bin
        share its mean probability, which widens their spread slightly (Hoeffding 1956).
    """
    rng = np.random.default_rng(_SEED)
    chances = bins.probability
    drawn_chances: Floats = chances[None]
    if shift is not None:
        priors = rng.choice(shift.draws, num_draws)
        drawn_chances = shift.correct(chances, priors[:, None])
        chances = shift.correct(chances, shift.prior)
    shape = (num_draws, len(bins.count))
    faults = rng.binomial(bins.count, np.broadcast_to(drawn_chances, shape)).astype(np.float64)
    costs = miss, false_alarm
    drawn = _metrics(bins, faults, costs)
    expected = _metrics(bins, (chances * bins.count)[None], costs)
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    estimates = {}
    for name in METRICS:
        values = drawn[name][np.isfinite(drawn[name])]
        # Average precision is no ratio of sums: its value for expected labels is not the expected.
        value = float(values.mean() if name == "pr_auc" and values.size else expected[name][0])
        lower, upper = np.quantile(values, tails) if values.size else (math.nan, math.nan)
        estimates[name] = Estimate(value=value, lower=float(lower), upper=float(upper))
    return estimates


def realised_performance(
    probabilities: Floats,
    decisions: NDArray[np.generic],
    labels: NDArray[np.generic],
    *,
    miss: float = 1.0,
    false_alarm: float = 1.0,
) -> dict[str, float]:
    """Returns what the labels say, for the metrics of `estimate_performance`.

    Args:
        probabilities: float64 `[n]`, n > 0, as the model gave them.
        decisions: `[n]`, 1 for an alarm.
        labels: `[n]`, 1 for a fault.
        miss: Cost of a missed fault.
        false_alarm: Cost of a false alarm.
    """
    counts = decision_metrics(labels, decisions)
    loss = miss * counts["false_negatives"] + false_alarm * counts["false_positives"]
    return {
        "recall": counts["recall"],
        "precision": counts["precision"],
        "pr_auc": average_precision(labels, probabilities),
        "cost": loss / len(labels),
        "prevalence": float((labels == 1).mean()),
    }


def _metrics(bins: ScoreBins, faults: Floats, costs: tuple[float, float]) -> dict[str, Floats]:
    """Each metric of faults, `[draws, bins]`, as `[draws]`."""
    total, num_rows = faults.sum(axis=1), float(bins.count.sum())
    hits = faults[:, bins.alarm].sum(axis=1)
    num_alarms = float(bins.count[bins.alarm].sum())
    loss = costs[0] * (total - hits) + costs[1] * (num_alarms - hits)
    precisions = np.cumsum(faults, axis=1) / np.cumsum(bins.count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "recall": hits / total,
            "precision": hits / num_alarms if num_alarms else np.full_like(hits, math.nan),
            "pr_auc": (faults * precisions).sum(axis=1) / total,
            "cost": loss / num_rows,
            "prevalence": total / num_rows,
        }


class Grades:
    """How often past intervals covered what the labels said."""

    def __init__(self, confidence: float = 0.95) -> None:
        """Starts without chunks.

        Args:
            confidence: That of the intervals.
        """
        self.confidence = confidence
        self._covered = dict.fromkeys(METRICS, 0)
        self._total = dict.fromkeys(METRICS, 0)

    def add(self, estimates: Mapping[str, Estimate], realised: Mapping[str, float]) -> None:
        """Grades the estimates of a chunk all of whose labels are known.

        A metric without an estimate or without a value, such as the recall without faults, has no
        grade in this chunk.
        """
        for name in METRICS:
            if math.isfinite(realised[name]) and math.isfinite(estimates[name].lower):
                self._total[name] += 1
                self._covered[name] += estimates[name].covers(realised[name])

    def coverage(self, metric: str) -> tuple[float, Interval]:
        """Returns the share of covered chunks, NaN without any, and its exact interval."""
        covered, total = self._covered[metric], self._total[metric]
        share = covered / total if total else math.nan
        return share, proportion_interval(covered, total, 0.95)

    def is_failing(self, metric: str) -> bool:
        """Whether the intervals surely cover less than they say.

        They do if the upper limit of the coverage is below the confidence. Then the probabilities
        are no longer calibrated: faults look different, or more than the prevalence changed.
        """
        _, (_, upper) = self.coverage(metric)
        return upper < self.confidence

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {"covered": dict(self._covered), "total": dict(self._total)}

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self._covered, self._total = dict(state["covered"]), dict(state["total"])
        return self

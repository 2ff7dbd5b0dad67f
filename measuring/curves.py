"""ROC and precision-recall curves with confidence bands, calibration bins and score histograms."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from measuring.answers import Answers, in_order, num_units
from measuring.bootstrap import draw_weights, percentile_interval
from measuring.intervals import Interval, proportion_interval, widest

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# More points than this are indistinguishable on a screen.
_MAX_POINTS = 400
_MAX_GRID = 120
# Counts are whole numbers: tolerance for the rounding of a product.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A curve and the band around it.

    Attributes:
        x: float64 `[points]`, ascending.
        y: float64 `[points]`.
        grid: float64 `[places]`, ascending: where the band is computed.
        lower: float64 `[places]`; NaN where it is unknown.
        upper: float64 `[places]`.
    """

    x: Floats
    y: Floats
    grid: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """The examples whose probability is in one bin.

    Attributes:
        low: Lower edge.
        high: Upper edge; 1 belongs to the last bin.
        count: Examples.
        positives: Positive examples.
        mean: Mean probability; NaN in an empty bin.
        share: Share of positive examples; NaN in an empty bin.
        interval: Exact interval of the share.
    """

    low: float
    high: float
    count: int
    positives: int
    mean: float
    share: float
    interval: Interval


def precision_recall_and_roc(answers: Answers, confidence: float) -> tuple[Curve, Curve] | None:
    """Returns both curves of the only model, each with a pointwise band.

    A band holds the percentile interval of the bootstrap and the exact interval of the proportion:
    the bootstrap alone is too narrow where every fault is found (see `measuring.intervals`).

    Args:
        answers: The answers of one model.
        confidence: Two-sided confidence of the band at each place.

    Returns:
        Precision over recall, in steps whose area is average precision: between two recalls the
        precision is that of the higher one. Sensitivity (recall) over the false-positive rate.
        None where a class is missing or a probability is not finite.
    """
    answers = in_order(answers)
    [scores] = answers.probabilities.T
    positives = int((answers.labels == 1).sum())
    negatives = len(answers.labels) - positives
    if not positives or not negatives or not np.isfinite(scores).all():
        return None
    ranking = _Ranking.of(answers.labels, scores)
    recalls, rates = _recall_grid(positives), _rate_grid(negatives)
    [precision], [sensitivity] = ranking.at(np.ones((1, len(scores)), np.uint8), recalls, rates)
    drawn = [ranking.at(weights, recalls, rates) for weights in draw_weights(answers)]
    drawn_precision, drawn_sensitivity = (
        np.concatenate(parts) for parts in zip(*drawn, strict=True)
    )
    units, negative_units = num_units(answers)
    # Grouped examples count as fewer independent trials.
    worth = min((units + negative_units) / len(scores), 1.0)
    alarms = np.ceil(recalls * positives - _ROUNDING) / precision * worth
    lower, upper = _band(drawn_precision, precision, alarms, units, confidence)
    steps = Curve(x=recalls, y=precision, grid=recalls, lower=lower, upper=upper)
    trials = np.full(len(rates), float(units))
    lower, upper = _band(drawn_sensitivity, sensitivity, trials, units, confidence)
    x, y, _ = roc_curve(answers.labels, scores)
    shown = _spread(len(x), _MAX_POINTS)
    return steps, Curve(x=x[shown], y=y[shown], grid=rates, lower=lower, upper=upper)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ranking:
    """Examples from the highest score to the lowest.

    Attributes:
        order: Places of the examples.
        is_positive: uint8 `[n]`, in that order.
        ends: Where a tie that holds a positive example ends, as the place of its last example.
    """

    order: Counts
    is_positive: NDArray[np.uint8]
    ends: Counts

    @classmethod
    def of(cls, labels: NDArray[np.int8], scores: Floats) -> "_Ranking":
        order = np.argsort(-scores, kind="stable")
        ranked = -scores[order]
        is_positive = (labels[order] == 1).astype(np.uint8)
        ends = np.unique(np.searchsorted(ranked, ranked[is_positive == 1], side="right")) - 1
        return cls(order=order, is_positive=is_positive, ends=ends)

    def at(
        self, weights: NDArray[np.uint8], recalls: Floats, rates: Floats
    ) -> tuple[Floats, Floats]:
        """Returns precision at recalls and sensitivity at rates, `[resamples, places]` each.

        Args:
            weights: uint8 `[resamples, n]`, how often each example is drawn.
            recalls: Recalls in (0, 1].
            rates: False-positive rates in [0, 1].
        """
        ranked = np.take(weights, self.order, axis=1)
        alarms = np.cumsum(ranked, axis=1, dtype=np.int64)
        hits = np.cumsum(ranked * self.is_positive, axis=1, dtype=np.int64)
        totals = alarms[:, -1]
        alarms, hits = alarms[:, self.ends], hits[:, self.ends]
        precision = [_precision_at(recalls, h, a) for h, a in zip(hits, alarms, strict=True)]
        sensitivity = [
            _sensitivity_at(rates, h, a - h, total - h[-1])
            for h, a, total in zip(hits, alarms, totals, strict=True)
        ]
        return np.array(precision), np.array(sensitivity)


def _precision_at(recalls: Floats, hits: Counts, alarms: Counts) -> Floats:
    """The precision at the highest threshold that reaches each recall."""
    if not hits[-1]:
        return np.full(len(recalls), math.nan)
    wanted = np.maximum(np.ceil(recalls * hits[-1] - _ROUNDING), 1)
    places = np.searchsorted(hits, wanted, side="left")
    return np.asarray(hits[places] / alarms[places], np.float64)


def _sensitivity_at(rates: Floats, hits: Counts, false: Counts, negatives: int) -> Floats:
    """The highest recall whose false-positive rate is at most each rate."""
    if not hits[-1] or not negatives:
        return np.full(len(rates), math.nan)
    places = np.searchsorted(false, np.floor(rates * negatives + _ROUNDING), side="right")
    return np.asarray(np.concatenate([[0], hits])[places] / hits[-1], np.float64)


def _band(
    resampled: Floats, own: Floats, trials: Floats, units: float, confidence: float
) -> tuple[Floats, Floats]:
    """Lower and upper limit at each place of `resampled`, `[resamples, places]`."""
    limits = [
        widest(
            percentile_interval(column, units, confidence),
            proportion_interval(value * number, number, confidence),
        )
        for column, value, number in zip(resampled.T, own, trials, strict=True)
    ]
    lower, upper = np.array(limits).T
    return lower, upper


def _recall_grid(positives: int) -> Floats:
    """Every recall that can be reached, or some of them, evenly spread."""
    return (np.arange(1, positives + 1) / positives)[_spread(positives, _MAX_GRID)]


def _rate_grid(negatives: int) -> Floats:
    """False-positive rates, closer together near 0, where a rare fault's threshold is."""
    near = np.geomspace(min(1 / negatives, 0.04), 0.05, _MAX_GRID // 3)
    return np.unique(np.concatenate([[0.0], near, np.linspace(0.05, 1, _MAX_GRID // 2)]))


def _spread(total: int, limit: int) -> Counts:
    """Places in `total`, the first and the last among them, at most `limit`."""
    return np.unique(np.linspace(0, total - 1, min(total, limit)).round().astype(np.int64))


def calibration_bins(
    labels: NDArray[Any], probabilities: Floats, *, num_bins: int, confidence: float
) -> list[CalibrationBin]:
    """Returns bins of equal width over [0, 1]; probabilities that are not finite are in none.

    Args:
        labels: `[n]` of 0 and 1.
        probabilities: float64 `[n]`, of the positive class.
        num_bins: Number of bins.
        confidence: Two-sided confidence of each share's interval.
    """
    finite = np.isfinite(probabilities)
    probabilities, positive = probabilities[finite], labels[finite] == 1
    places = np.clip((probabilities * num_bins).astype(int), 0, num_bins - 1)
    bins = []
    for number in range(num_bins):
        members = places == number
        count, positives = int(members.sum()), int((members & positive).sum())
        bins.append(
            CalibrationBin(
                low=number / num_bins,
                high=(number + 1) / num_bins,
                count=count,
                positives=positives,
                mean=float(probabilities[members].mean()) if count else math.nan,
                share=positives / count if count else math.nan,
                interval=proportion_interval(positives, count, confidence),
            )
        )
    return bins


def score_histogram(
    labels: NDArray[Any], probabilities: Floats, *, num_bins: int
) -> tuple[Floats, Counts, Counts]:
    """Returns the edges `[bins + 1]` over [0, 1], and the counts of label 0 and 1 `[bins]`."""
    edges = np.linspace(0, 1, num_bins + 1)
    healthy, faulty = (np.histogram(probabilities[labels == k], edges)[0] for k in (0, 1))
    return edges, healthy, faulty

"""Thresholds: whether a promised rate holds on new examples, and how much F1 the default loses."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.metrics import precision_recall_curve

from benchmarks.statistics.calibration import METHODS
from benchmarks.statistics.known_truth import Floats, Truth
from benchmarks.statistics.tables import Table, mean_cell, share_cell
from common.errors import InputError
from models.probabilities.firth import sigmoid
from models.probabilities.thresholds import best_f1_threshold, choose_threshold
from models.threshold_rule import PromisedRate, ThresholdRule

# Takes probabilities and labels of eval.
Choice = Callable[[Floats, Floats], float]
_RATE, _RECALL = 0.01, 0.9


def empirical_rate_threshold(probabilities: Floats, labels: Floats) -> float:
    """The lowest threshold with at most 1 % false alarms on eval."""
    healthy = np.sort(probabilities[labels == 0])[::-1]
    return float(np.nextafter(healthy[int(_RATE * healthy.size)], 1))


def empirical_recall_threshold(probabilities: Floats, labels: Floats) -> float:
    """The threshold with the highest precision on eval at a recall of at least 0.9 there."""
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    return float(thresholds[np.argmax(np.where(recall[:-1] >= _RECALL, precision[:-1], -1))])


def labels_f1_threshold(probabilities: Floats, labels: Floats) -> float:
    """The threshold with the highest F1 on eval, half-way to the next lower score."""
    order = np.argsort(-probabilities)
    scores = np.append(probabilities[order], 0.0)
    f1 = np.cumsum(labels[order]) / (np.arange(1, labels.size + 1) + labels.sum())
    best = int(np.argmax(f1))
    return float((scores[best] + scores[best + 1]) / 2)


def promised(kind: PromisedRate) -> Choice:
    """Returns the rule of the pipeline, at a confidence of 0.9."""
    value = _RATE if kind == "recall_at_false_alarm_rate" else _RECALL
    rule = ThresholdRule(kind=kind, value=value)
    return lambda probabilities, labels: choose_threshold(rule, probabilities, labels)


def true_rates(
    truth: Truth, choose: Choice, *, num_faults: int, num_sets: int
) -> tuple[Floats, Floats, Floats]:
    """Returns recall, false alarm rate and precision on all examples, each `[sets]`.

    Args:
        truth: The network; its logits are taken at their word, as every rising calibration would.
        choose: The rule.
        num_faults: Faults in eval.
        num_sets: Simulated eval splits.

    Raises:
        InputError: The rule refuses such an eval.
    """
    rng = np.random.default_rng(num_faults)
    rates = np.empty((num_sets, 3))
    for index in range(num_sets):
        logits, labels = truth.draw(rng, num_faults)
        rates[index] = truth.rates(_logit(choose(sigmoid(logits), labels)))
    recall, false, precision = rates.T
    return recall, false, precision


def f1_scores(
    truth: Truth, method: str, choose: Choice, *, num_faults: int, num_sets: int
) -> tuple[Floats, Floats]:
    """Returns the true F1 and the F1 on eval, each `[sets]`.

    Args:
        truth: The network.
        method: The calibration, of `calibration.METHODS`.
        choose: The rule.
        num_faults: Faults in eval.
        num_sets: Simulated eval splits.
    """
    rng = np.random.default_rng(num_faults)
    scores = np.empty((num_sets, 2))
    for index in range(num_sets):
        logits, labels = truth.draw(rng, num_faults)
        line = METHODS[method](logits, labels)
        threshold = choose(line.probabilities(logits), labels)
        cut = (_logit(threshold) - line.intercept) / line.slope
        alarms = logits >= cut
        shown = 2 * labels[alarms].sum() / (alarms.sum() + labels.sum())
        scores[index] = _f1(truth, cut), shown
    true, shown_all = scores.T
    return true, shown_all


def best_f1(truth: Truth) -> float:
    """Returns the highest F1 of any threshold on all examples."""
    fit = minimize_scalar(lambda cut: -_f1(truth, cut), bounds=(-12, 12), method="bounded")
    return float(-fit.fun)


def _f1(truth: Truth, cut: float) -> float:
    recall, _, precision = truth.rates(cut)
    return 2 * recall * precision / (recall + precision)


def _logit(probability: float) -> float:
    return float(np.log(probability) - np.log1p(-probability))


def _false_alarm_rows(num_sets: int) -> Iterator[Sequence[str]]:
    truth = Truth(distance=3)
    for num_faults in (5, 17, 50, 200):
        for name, choose in (
            ("before", empirical_rate_threshold),
            ("now", promised("recall_at_false_alarm_rate")),
        ):
            healthy = f"{truth.draw(np.random.default_rng(), num_faults)[1].size - num_faults:,}"
            try:
                recall, false, _ = true_rates(
                    truth, choose, num_faults=num_faults, num_sets=num_sets
                )
            except InputError:
                yield [healthy, name, "refused", "", ""]
                continue
            shares = [share_cell(false > _RATE), share_cell(false > 1.5 * _RATE)]
            yield [healthy, name, *shares, f"{recall.mean():.3f}"]


def _recall_rows(num_sets: int) -> Iterator[Sequence[str]]:
    truth = Truth(distance=3)
    for num_faults in (11, 17, 30, 50, 200):
        for name, choose in (
            ("before", empirical_recall_threshold),
            ("now", promised("precision_at_recall")),
        ):
            try:
                recall, _, precision = true_rates(
                    truth, choose, num_faults=num_faults, num_sets=num_sets
                )
            except InputError:
                yield [str(num_faults), name, "refused", "", ""]
                continue
            shares = [share_cell(recall < _RECALL), share_cell(recall < 0.8)]
            yield [str(num_faults), name, *shares, f"{precision.mean():.3f}"]


def grouped_rates(
    kind: PromisedRate, likeness: float, sizes: Sequence[int], *, is_grouped: bool, num_sets: int
) -> Floats:
    """Returns recall and false alarm rate on examples of all groups, `[sets, 2]`; NaN if refused.

    Scores are N(0, 1) of healthy and N(3, 1) of faulty examples over all groups.

    Args:
        kind: The rule.
        likeness: Share of the scores' variance that a group has in common.
        sizes: Examples of each group in eval.
        is_grouped: Whether the rule knows the groups.
        num_sets: Simulated eval splits.
    """
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rule = ThresholdRule(kind=kind, value=_RATE if kind == "recall_at_false_alarm_rate" else 0.9)
    rates = np.full((num_sets, 2), np.nan)
    for index in range(num_sets):
        labels = (rng.random(groups.size) < 0.035).astype(float)
        shifts = rng.normal(0, np.sqrt(likeness), len(sizes))[groups]
        scores = shifts + rng.normal(0, np.sqrt(1 - likeness), groups.size) + 3 * labels
        with contextlib.suppress(InputError):
            chosen = choose_threshold(rule, sigmoid(scores), labels, groups if is_grouped else None)
            rates[index] = norm.sf(_logit(min(chosen, 1 - 1e-12)) - np.array([3, 0]))
    return rates


_UNEQUAL = tuple(np.geomspace(8, 700, 40).astype(int).tolist())
_GROUPED_CASES = (
    *(("40 groups of 35", (35,) * 40, likeness) for likeness in (0.05, 0.5)),
    *(("40 groups of 140", (140,) * 40, likeness) for likeness in (0.05, 0.2, 0.5, 0.8)),
    *(("40 groups of 8 to 700", _UNEQUAL, likeness) for likeness in (0.2, 0.5)),
    *(("400 groups of 14", (14,) * 400, likeness) for likeness in (0.2, 0.8)),
)


def _grouped_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, sizes, likeness in _GROUPED_CASES:
        for when, is_grouped in (("before", False), ("now", True)):
            alarms, recalls = (
                grouped_rates(kind, likeness, sizes, is_grouped=is_grouped, num_sets=num_sets)
                for kind in get_args(PromisedRate)
            )
            yield [
                name,
                f"{likeness:g}",
                when,
                share_cell(alarms[:, 1] > _RATE),
                share_cell(np.isnan(alarms[:, 0])),
                _mean_or_none(alarms[:, 0]),
                share_cell(recalls[:, 0] < _RECALL),
                share_cell(np.isnan(recalls[:, 0])),
            ]


def _mean_or_none(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.3f}" if known.size else ""


F1_CASES = (
    ("d 3, 17 faults", Truth(distance=3), 17),
    ("d 2, 17 faults", Truth(distance=2), 17),
    ("d 4.5, 17 faults", Truth(distance=4.5), 17),
    ("d 5, 15 % of faults invisible, 17 faults", Truth(distance=5, invisible=0.15), 17),
    ("d 3, 5 faults", Truth(distance=3), 5),
    ("d 3, 50 faults", Truth(distance=3), 50),
    ("d 3, 200 faults", Truth(distance=3), 200),
)
# Without calibration, probabilities that are wrong give a wrong threshold.
UNCALIBRATED = ("d 3, 17 faults, logits half as large as the true ones", Truth(distance=3, slope=2))


def _f1_rows(num_sets: int) -> Iterator[Sequence[str]]:
    cases = [(*case, "Platt") for case in F1_CASES]
    cases += [(*UNCALIBRATED, 17, method) for method in ("Platt", "none")]
    for name, truth, num_faults, method in cases:
        best = best_f1(truth)
        for when, choose in (
            ("before", labels_f1_threshold),
            ("now", lambda probabilities, _labels: best_f1_threshold(probabilities)),
        ):
            true, shown = f1_scores(truth, method, choose, num_faults=num_faults, num_sets=num_sets)
            yield [
                name,
                method,
                when,
                f"{best:.3f}",
                mean_cell(best - true, digits=4),
                f"{np.quantile(true, 0.05):.3f}",
                f"{(shown - true).mean():+.3f}",
            ]


def tables(num_sets: int) -> Iterator[Table]:
    """Yields whether false alarm rate and recall hold, and how much F1 the default loses."""
    sides = ("rule", "F1 at best", "F1 lost", "5 % worst F1", "F1 on eval minus true F1")
    yield Table(
        title="`recall_at_false_alarm_rate: 0.01`, d 3, prevalence 3.5 %, confidence 0.9.",
        head=("healthy in eval", "rule", "true rate > 1 %", "> 1.5 %", "mean recall"),
        rows=_false_alarm_rows(num_sets),
    )
    yield Table(
        title="`precision_at_recall: 0.9`, d 3, prevalence 3.5 %, confidence 0.9.",
        head=("faults in eval", "rule", "true recall < 0.9", "< 0.8", "mean precision"),
        rows=_recall_rows(num_sets),
    )
    yield Table(
        title="Both in groups that share a part of the scores' variance, prevalence 3.5 %.",
        head=(
            *("groups", "share", "rule", "false alarms > 1 %", "refused", "mean recall"),
            *("true recall < 0.9", "refused"),
        ),
        rows=_grouped_rows(num_sets),
    )
    yield Table(
        title="`best_f1`, prevalence 3.5 %, calibrated on the same eval.",
        head=("case", "calibration", *sides),
        rows=_f1_rows(num_sets),
    )

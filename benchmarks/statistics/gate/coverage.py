"""Every interval of one model, and the intervals of the change between two."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.statistics.tables import share_cell
from measuring.answers import make_answers
from models.probabilities.cost import Cost
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import Estimate, MeasureOptions, measure
from pipeline.components.model_gate.bars import compare

Floats = NDArray[np.float64]

PREVALENCE = 112 / 3242
COST = Cost(missed_fault=100, false_alarm=5, inspection=1)
OPTIONS = MeasureOptions(cost=COST)
_NUM_FAULTS = (5, 11, 30, 100)
METRICS = ("recall", "precision", "pr_auc", "roc_auc", "brier", "expected_cost")
_COMPARED = ("pr_auc", "expected_cost")
_LOWER_IS_BETTER = ("brier", "expected_cost")


@dataclass(frozen=True)
class Detector:
    """Scores N(0, 1) of healthy and N(shift, 1) of faulty examples, exactly calibrated.

    Attributes:
        shift: Distance of the classes.
        prevalence: Share of faulty examples.
    """

    shift: float
    prevalence: float = PREVALENCE

    def probability(self, score: Floats) -> Floats:
        """Returns P(fault | score), by Bayes."""
        odds = (
            self.prevalence / (1 - self.prevalence) * np.exp(self.shift * score - self.shift**2 / 2)
        )
        return np.asarray(odds / (1 + odds), np.float64)

    @property
    def cut(self) -> float:
        """The score at the threshold that the prices ask for."""
        odds = COST.threshold / (1 - COST.threshold) * (1 - self.prevalence) / self.prevalence
        return math.log(odds) / self.shift + self.shift / 2

    def truth(self) -> dict[str, float]:
        """Returns the metrics over infinitely many examples, by integration over the scores."""
        grid = np.linspace(-8, 8 + self.shift, 200_001)
        recall, false = stats.norm.sf(grid - self.shift), stats.norm.sf(grid)
        alarms = self.prevalence * recall + (1 - self.prevalence) * false
        precision = self.prevalence * recall / np.maximum(alarms, 1e-300)
        density = (
            self.prevalence * stats.norm.pdf(grid - self.shift),
            (1 - self.prevalence) * stats.norm.pdf(grid),
        )
        probability = self.probability(grid)
        squares = density[0] * (1 - probability) ** 2 + density[1] * probability**2
        hits, fall_out = stats.norm.sf(self.cut - self.shift), stats.norm.sf(self.cut)
        missed = self.prevalence * (1 - hits) * COST.missed_fault
        alarm = self.prevalence * hits * COST.inspection
        wrong = (1 - self.prevalence) * fall_out * COST.regret_of_alarm
        return {
            "recall": float(hits),
            "precision": float(
                self.prevalence * hits / (self.prevalence * hits + (1 - self.prevalence) * fall_out)
            ),
            "pr_auc": float(-np.trapezoid(precision, recall)),
            "roc_auc": float(stats.norm.cdf(self.shift / math.sqrt(2))),
            "brier": float(np.trapezoid(squares, grid)),
            "expected_cost": float(1_000 * (missed + alarm + wrong)),
        }


def labels_of(num_faults: int, prevalence: float = PREVALENCE) -> NDArray[np.int64]:
    """Returns labels with so many faults, by default at the prevalence of the signals."""
    num_healthy = round(num_faults * (1 - prevalence) / prevalence)
    return np.repeat([0, 1], [num_healthy, num_faults])


def verdict_at_truth(estimate: Estimate, metric: str, truth: float) -> str:
    """Returns the verdict on a bar at the truth: an interval that excludes it errs."""
    limits = estimate.interval or (0.0, 0.0)
    return compare(limits, truth, lower_is_better=metric in _LOWER_IS_BETTER)


def model_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often each interval of one model excludes the truth, by number of faults."""
    detector = Detector(3.0)
    truth = detector.truth()
    for num_faults in _NUM_FAULTS:
        random = np.random.default_rng(num_faults)
        labels = labels_of(num_faults)
        words: dict[str, list[str]] = {metric: [] for metric in METRICS}
        for _ in range(num_sets):
            score = random.normal(size=labels.size) + detector.shift * labels
            answers = (detector.probability(score), score >= detector.cut)
            outputs = measure(make_answers(labels, {"": answers}), OPTIONS).models[""]
            estimates = dict(outputs["probability"]) | dict(outputs["decision"])
            for metric in METRICS:
                words[metric].append(verdict_at_truth(estimates[metric], metric, truth[metric]))
        for metric in METRICS:
            yield [str(num_faults), metric, f"{truth[metric]:.4g}", *_cells(words[metric])]


def change_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields the same for the change between two models whose scores correlate by 0.95."""
    baseline, candidate = Detector(3.0), Detector(2.9)
    before, now = baseline.truth(), candidate.truth()
    for num_faults in _NUM_FAULTS:
        random = np.random.default_rng(1_000 + num_faults)
        labels = labels_of(num_faults)
        words: dict[str, list[str]] = {metric: [] for metric in _COMPARED}
        for _ in range(num_sets):
            noise, other = random.normal(size=(2, labels.size))
            answers = {}
            for name, model, error in (
                (BASELINE, baseline, noise),
                (CANDIDATE, candidate, 0.95 * noise + math.sqrt(1 - 0.95**2) * other),
            ):
                score = error + model.shift * labels
                answers[name] = (model.probability(score), score >= model.cut)
            changes = measure(make_answers(labels, answers), OPTIONS).differences
            estimates = dict(changes["probability"]) | dict(changes["decision"])
            for metric in _COMPARED:
                change = now[metric] - before[metric]
                words[metric].append(verdict_at_truth(estimates[metric], metric, change))
        for metric in _COMPARED:
            change = now[metric] - before[metric]
            yield [str(num_faults), f"{metric}, change", f"{change:+.3g}", *_cells(words[metric])]


def _cells(words: Sequence[str]) -> list[str]:
    given = np.array(words)
    return [share_cell(given == word) for word in ("BLESSED", "REJECTED")]

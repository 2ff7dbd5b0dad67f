"""The record of a version with labels: what the gate promised, and how good past estimates were."""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from measuring.intervals import Interval
from measuring.monitoring.estimated import METRICS, Grades, realised_performance
from measuring.monitoring.labelled import BrokenPromise, Promise, misses_of_faults
from models.probabilities.cost import decision_costs
from production.monitoring.performance.answers import Answers, Floats
from production.monitoring.performance.estimating import as_estimate, estimate
from production.monitoring.performance.measuring import Labels
from production.monitoring.performance.prices import Prices
from production.monitoring.report import CONFIDENCE, UNKNOWN, Figure

COST, RECALL, PREVALENCE = "cost", "recall", "prevalence"
# Up to this many times as many faults as in the training data are no broken promise.
_FACTOR = 1.5
# Beginning of the sentences on grades.
GRADE = "Graded by labels:"
# Metrics whose grades are told.
GRADED = (RECALL, "precision", COST)


class LabelledRecord:
    """What the labels of a version have shown so far.

    Three promises are tested at every labelled chunk, however often: the cost per row and the share
    of missed faults are at most the upper limits that the gate measured, and the share of faults is
    at most 1.5 times the upper limit of that in the training data. Estimates made without labels
    are graded: how often their intervals covered what the labels said.
    """

    def __init__(self, promised: Mapping[str, Figure], prices: Prices, *, alpha: float) -> None:
        """Starts without labels.

        Args:
            promised: What the gate measured; `cost` per row. `prevalence`, that of the training
                data, is left out where their rows depend on each other.
            prices: The prices of decisions.
            alpha: Probability that a kept promise is ever called broken, for each of them.
        """
        self._prices = prices
        limits = {COST: _scaled(promised["cost"][2], prices), RECALL: _missed(promised["recall"])}
        limits[PREVALENCE] = _FACTOR * (promised.get(PREVALENCE, UNKNOWN)[2] or math.nan)
        # A promise that allows any loss, or none, cannot be tested.
        self._limits = {name: limit for name, limit in limits.items() if 0 < limit < 1}
        self._alpha = alpha
        self._tests = {name: self._make(name) for name in self._limits}
        self.grades = Grades(CONFIDENCE)

    def add(self, answers: Answers, labels: Labels, *, prevalence: float) -> None:
        """Takes a chunk whose labels have arrived.

        Args:
            answers: Its answers.
            labels: Their labels; alarms and other rows have one equally often.
            prevalence: That for which the probabilities are calibrated.
        """
        labelled, faults = answers.rows(labels.known), labels.values[labels.known]
        if not labelled.num_rows:
            return
        costs = decision_costs(faults, labelled.decisions, self._prices.cost)
        losses = {
            COST: costs / self._prices.dearest,
            RECALL: misses_of_faults(faults, labelled.decisions),
            # Faults may come in bursts: a block counts as one value.
            PREVALENCE: _block_means(faults, labelled.block_length),
        }
        for name, test in self._tests.items():
            if len(losses[name]):
                test.update(losses[name])
        self._grade(labelled, faults, prevalence=prevalence)

    def _grade(self, labelled: Answers, faults: Floats, *, prevalence: float) -> None:
        """Grades the estimate of the labelled rows: the reported one if all rows have labels."""
        faults = faults[labelled.has_probability]
        labelled = labelled.rows(labelled.has_probability)
        if not labelled.num_rows:
            return
        figures = estimate(labelled, prevalence=prevalence, cost=self._prices.cost).figures
        realised = realised_performance(labelled.probabilities, labelled.decisions, faults)
        costs = decision_costs(faults, labelled.decisions, self._prices.cost)
        realised["cost"] = float(costs.mean())
        self.grades.add({name: as_estimate(figures[name]) for name in METRICS}, realised)

    def broken(self) -> list[str]:
        """Returns which promises have been broken: `cost`, `recall`, `prevalence`."""
        return [name for name, test in self._tests.items() if test.is_broken]

    def interval(self, name: str) -> Interval | None:
        """Returns the interval over all labelled chunks: the cost is per row."""
        test = self._tests.get(name)
        if test is None:
            return None
        lower, upper = test.interval
        if name == COST:
            return lower * self._prices.dearest, upper * self._prices.dearest
        if name == PREVALENCE:
            return lower, upper
        return 1 - upper, 1 - lower

    def _make(self, name: str) -> BrokenPromise:
        return BrokenPromise(Promise(limit=self._limits[name]), self._alpha)

    def forget(self) -> None:
        """Forgets all labels, after many of them turned out to be wrong."""
        self.restart()
        self.grades = Grades(CONFIDENCE)

    def restart(self) -> None:
        """Starts the tests anew, after an alarm that was acknowledged."""
        self._tests = {name: self._make(name) for name in self._limits}

    def grade_words(self) -> list[str]:
        """Returns how often past estimates were right, and which of them can no longer be trusted.

        There are none before the first labels.
        """
        words = []
        for metric in GRADED:
            share, (lower, upper) = self.grades.coverage(metric)
            if not math.isfinite(share):
                continue
            verdict = (
                " The probabilities are no longer calibrated: do not trust the estimates."
                if self.grades.is_failing(metric)
                else ""
            )
            words.append(
                f"{GRADE} {share:.0%} [{lower:.0%}, {upper:.0%}] of the estimates of {metric} "
                f"covered what the labels said, of {CONFIDENCE:.0%} that should.{verdict}"
            )
        return words

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {
            "tests": {name: test.to_state() for name, test in self._tests.items()},
            "grades": self.grades.to_state(),
        }

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        for name, test in self._tests.items():
            if name in state["tests"]:
                test.with_state(state["tests"][name])
        self.grades.with_state(state["grades"])
        return self


def _block_means(values: Floats, length: int) -> Floats:
    starts = np.arange(0, len(values), max(length, 1))
    sizes = np.diff(np.append(starts, len(values)))
    return np.asarray(np.add.reduceat(values.astype(np.float64), starts) / sizes, np.float64)


def _scaled(limit: float | None, prices: Prices) -> float:
    return math.nan if limit is None else limit / prices.dearest


def _missed(recall: Figure) -> float:
    """The largest share of missed faults; recall's lower limit says it."""
    return math.nan if recall[1] is None else 1 - recall[1]

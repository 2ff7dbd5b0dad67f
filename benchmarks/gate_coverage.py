"""How often the gate errs, over simulated test splits whose truth is known.

python -m benchmarks.gate_coverage [--sets 1000] prints the tables of benchmarks/README.md.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring.answers import Answers, make_answers
from models.probabilities.cost import Cost
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import Estimate, MeasureOptions, measure
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import compare
from pipeline.components.model_gate.verdict import Terms, judge

Floats = NDArray[np.float64]

PREVALENCE = 112 / 3242
COST = Cost(missed_fault=100, false_alarm=5, inspection=1)
OPTIONS = MeasureOptions(cost=COST)
NUM_FAULTS = (5, 11, 30, 100)
METRICS = ("recall", "precision", "pr_auc", "roc_auc", "brier", "expected_cost")
LOWER_IS_BETTER = ("brier", "expected_cost")


@dataclass(frozen=True)
class Detector:
    """Scores N(0, 1) of healthy and N(shift, 1) of faulty examples, exactly calibrated.

    Attributes:
        shift: Distance of the classes.
    """

    shift: float

    def probability(self, score: Floats) -> Floats:
        """Returns P(fault | score), by Bayes."""
        odds = PREVALENCE / (1 - PREVALENCE) * np.exp(self.shift * score - self.shift**2 / 2)
        return np.asarray(odds / (1 + odds), np.float64)

    @property
    def cut(self) -> float:
        """The score at the threshold that the prices ask for."""
        odds = COST.threshold / (1 - COST.threshold) * (1 - PREVALENCE) / PREVALENCE
        return math.log(odds) / self.shift + self.shift / 2

    def truth(self) -> dict[str, float]:
        """Returns the metrics over infinitely many examples, by integration over the scores."""
        grid = np.linspace(-8, 8 + self.shift, 200_001)
        recall, false = stats.norm.sf(grid - self.shift), stats.norm.sf(grid)
        alarms = PREVALENCE * recall + (1 - PREVALENCE) * false
        precision = PREVALENCE * recall / np.maximum(alarms, 1e-300)
        density = (
            PREVALENCE * stats.norm.pdf(grid - self.shift),
            (1 - PREVALENCE) * stats.norm.pdf(grid),
        )
        probability = self.probability(grid)
        squares = density[0] * (1 - probability) ** 2 + density[1] * probability**2
        found, fall_out = stats.norm.sf(self.cut - self.shift), stats.norm.sf(self.cut)
        missed = PREVALENCE * (1 - found) * COST.missed_fault
        alarm = PREVALENCE * found * COST.inspection
        wrong = (1 - PREVALENCE) * fall_out * COST.regret_of_alarm
        return {
            "recall": float(found),
            "precision": float(
                PREVALENCE * found / (PREVALENCE * found + (1 - PREVALENCE) * fall_out)
            ),
            "pr_auc": float(-np.trapezoid(precision, recall)),
            "roc_auc": float(stats.norm.cdf(self.shift / math.sqrt(2))),
            "brier": float(np.trapezoid(squares, grid)),
            "expected_cost": float(1_000 * (missed + alarm + wrong)),
        }


def labels_of(num_faults: int) -> NDArray[np.int64]:
    """Returns labels with the prevalence of the signals."""
    num_healthy = round(num_faults * (1 - PREVALENCE) / PREVALENCE)
    return np.repeat([0, 1], [num_healthy, num_faults])


@dataclass
class Tally:
    """How often an interval held the truth, and how often it lay wholly on either side of it.

    With the bar at the truth itself these are the gate's errors at their worst: a model a hair
    below the bar that is blessed, and one a hair above it that is rejected.

    Attributes:
        blessed: Intervals that clear a bar at the truth.
        rejected: Intervals that fail it.
        sets: Intervals in all.
    """

    blessed: int = 0
    rejected: int = 0
    sets: int = 0

    def add(self, estimate: Estimate, truth: float, *, lower_is_better: bool) -> None:
        """Counts one interval."""
        word = compare(estimate.interval or (0, 0), truth, lower_is_better=lower_is_better)
        self.sets += 1
        self.blessed += word == "BLESSED"
        self.rejected += word == "REJECTED"

    @property
    def cells(self) -> list[str]:
        """Coverage, false BLESSED and false REJECTED."""
        held = self.sets - self.blessed - self.rejected
        return [f"{count / self.sets:.1%}" for count in (held, self.blessed, self.rejected)]


def print_table(title: str, head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Prints a table in Markdown."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def single(num_sets: int) -> Iterator[Sequence[str]]:
    """One model: its intervals, by number of faults."""
    detector = Detector(3.0)
    truth = detector.truth()
    for num_faults in NUM_FAULTS:
        random = np.random.default_rng(num_faults)
        labels = labels_of(num_faults)
        tallies = {metric: Tally() for metric in METRICS}
        for _ in range(num_sets):
            score = random.normal(size=labels.size) + detector.shift * labels
            answers = (detector.probability(score), score >= detector.cut)
            outputs = measure(make_answers(labels, {"": answers}), OPTIONS).models[""]
            found = outputs["probability"] | outputs["decision"]  # type: ignore[operator]
            for metric, tally in tallies.items():
                tally.add(found[metric], truth[metric], lower_is_better=metric in LOWER_IS_BETTER)
        for metric, tally in tallies.items():
            yield [str(num_faults), metric, f"{truth[metric]:.4g}", *tally.cells]


def paired(num_sets: int) -> Iterator[Sequence[str]]:
    """Two models with correlated scores, the bar at their true difference."""
    baseline, candidate = Detector(3.0), Detector(2.9)
    truths = baseline.truth(), candidate.truth()
    for num_faults in NUM_FAULTS:
        random = np.random.default_rng(1_000 + num_faults)
        labels = labels_of(num_faults)
        tallies = {metric: Tally() for metric in ("pr_auc", "expected_cost")}
        for _ in range(num_sets):
            noise, other = random.normal(size=(2, labels.size))
            answers = {}
            for name, model, error in (
                (BASELINE, baseline, noise),
                (CANDIDATE, candidate, 0.95 * noise + math.sqrt(1 - 0.95**2) * other),
            ):
                score = error + model.shift * labels
                answers[name] = (model.probability(score), score >= model.cut)
            outputs = measure(make_answers(labels, answers), OPTIONS).differences
            found = outputs["probability"] | outputs["decision"]  # type: ignore[operator]
            for metric, tally in tallies.items():
                change = truths[1][metric] - truths[0][metric]
                tally.add(found[metric], change, lower_is_better=metric in LOWER_IS_BETTER)
        for metric, tally in tallies.items():
            change = truths[1][metric] - truths[0][metric]
            yield [str(num_faults), f"{metric}, change", f"{change:+.3g}", *tally.cells]


def grouped(num_sets: int) -> Iterator[Sequence[str]]:
    """Recordings of 40 magnets, each of which shifts all its scores; by magnet and as if alone."""
    for by_group in (True, False):
        random = np.random.default_rng(7)
        truth = _grouped_truth()
        tallies = {metric: Tally() for metric in ("recall", "pr_auc", "roc_auc")}
        for _ in range(num_sets):
            labels, answers, groups = _recordings(random, num_groups=40)
            made = make_answers(labels, {"": answers}, groups if by_group else None)
            outputs = measure(made, OPTIONS).models[""]
            found = outputs["probability"] | outputs["decision"]  # type: ignore[operator]
            for metric, tally in tallies.items():
                tally.add(found[metric], truth[metric], lower_is_better=False)
        for metric, tally in tallies.items():
            name = "by group" if by_group else "as if independent"
            yield [name, metric, f"{truth[metric]:.3f}", *tally.cells]


def _recordings(
    random: np.random.Generator, *, num_groups: int, size: int = 30
) -> tuple[NDArray[np.int64], tuple[Floats, NDArray[np.bool_]], NDArray[np.uint64]]:
    """Groups of recordings with one shift each; one group in three holds three faults."""
    detector = Detector(2.5)
    groups = np.repeat(np.arange(num_groups, dtype=np.uint64), size)
    labels = ((groups % 3 == 0) & (np.arange(groups.size) % size < 3)).astype(np.int64)
    shifts = np.repeat(random.normal(0, 0.8, num_groups), size)
    score = random.normal(0, 0.6, groups.size) + shifts + detector.shift * labels
    return labels, (detector.probability(score), score >= detector.cut), groups


def _grouped_truth() -> dict[str, float]:
    random = np.random.default_rng(11)
    labels, answers, _ = _recordings(random, num_groups=60_000)
    from measuring.scores import decision_metrics, probability_metrics

    probabilities, decisions = answers
    return probability_metrics(labels, probabilities) | decision_metrics(labels, decisions)


def by_number(num_sets: int) -> Iterator[Sequence[str]]:
    """What the gate answers to a bar of 0.9 for recall, by true recall and number of faults."""
    from measuring.intervals import proportion_interval

    for recall in (0.80, 0.90, 0.95, 0.99):
        for num_faults in (11, 30, 100, 300, 1_000):
            random = np.random.default_rng(num_faults)
            words = [
                compare(proportion_interval(int(found), num_faults, 0.95), 0.9)
                for found in random.binomial(num_faults, recall, num_sets)
            ]
            shares = [
                f"{words.count(word) / num_sets:.1%}"
                for word in ("BLESSED", "INCONCLUSIVE", "REJECTED")
            ]
            yield [f"{recall:.2f}", f"{num_faults:,}", *shares]


def noise(num_sets: int) -> Iterator[Sequence[str]]:
    """Labels that have nothing to do with the scores, judged by the default gate."""
    cases = [(11, spread, alarms) for spread in (0.05, 0.2, 0.5) for alarms in (0.02, 0.1, 0.3)]
    for num_faults, spread, alarms in [*cases, (30, 0.2, 0.1)]:
        random = np.random.default_rng(3)
        labels = labels_of(num_faults)
        words = [_noise_verdict(random, labels, spread, alarms) for _ in range(num_sets)]
        yield [
            str(num_faults),
            f"{spread}",
            f"{alarms:.0%}",
            *(f"{words.count(word) / num_sets:.1%}" for word in ("BLESSED", "INCONCLUSIVE")),
        ]


def _noise_verdict(
    random: np.random.Generator, labels: NDArray[np.int64], spread: float, alarms: float
) -> str:
    odds = PREVALENCE / (1 - PREVALENCE) * np.exp(spread * random.normal(size=labels.size))
    probability = odds / (1 + odds)
    decision = probability >= np.quantile(probability, 1 - alarms)
    return verdict_of(make_answers(labels, {"": (probability, decision)}))


def verdict_of(answers: Answers) -> str:
    """Returns the default gate's word on the answers of one model, named ``."""
    outputs = measure(answers, MeasureOptions()).models[""]
    found = outputs["probability"] | outputs["decision"]  # type: ignore[operator]
    values = {name: estimate.value for name, estimate in found.items()}
    limits = {name: each.interval for name, each in found.items() if each.interval is not None}
    return judge(Evaluation(values, {}, {(): limits}), [], Terms()).word


_COVERAGE = ("interval holds the truth", "false BLESSED", "false REJECTED")
_STUDIES: dict[str, tuple[str, tuple[str, ...], Callable[[int], Iterator[Sequence[str]]]]] = {
    "single": ("One model", ("faults", "metric", "truth", *_COVERAGE), single),
    "paired": ("Two models", ("faults", "metric", "truth", *_COVERAGE), paired),
    "grouped": ("Groups", ("resampled", "metric", "truth", *_COVERAGE), grouped),
    "by_number": (
        "A bar of 0.90 for recall",
        ("true recall", "faults", "BLESSED", "INCONCLUSIVE", "REJECTED"),
        by_number,
    ),
    "noise": (
        "Labels of noise",
        ("faults", "spread of logits", "alarms", "BLESSED", "INCONCLUSIVE"),
        noise,
    ),
}


def main() -> None:
    """Runs the studies that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("studies", nargs="*", choices=[*_STUDIES, []], help="default: all")
    parser.add_argument("--sets", type=int, default=1_000, help="simulated test splits a row")
    options = parser.parse_args()
    for name in options.studies or _STUDIES:
        title, head, study = _STUDIES[name]
        print_table(title, head, study(options.sets))


if __name__ == "__main__":
    main()

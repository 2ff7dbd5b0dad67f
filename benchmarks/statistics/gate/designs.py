"""Other scores and prevalences: weak, tied, separated and partly blind models; all bars at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.statistics.gate.coverage import (
    COST,
    METRICS,
    OPTIONS,
    PREVALENCE,
    Detector,
    labels_of,
    verdict_at_truth,
)
from benchmarks.statistics.gate.verdicts import evaluation_of
from benchmarks.statistics.tables import share_cell
from measuring.answers import Answers, make_answers
from measuring.scores import decision_metrics, probability_metrics
from pipeline.components.evaluation.measurement import example_costs, measure
from pipeline.components.model_gate.verdict import Terms, judge
from pipeline.config import Bars, Gate

_LARGE = 2_000_000
_BLESSED, _REJECTED = "BLESSED", "REJECTED"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores that differ from N(0, 1) of healthy and N(shift, 1) of faulty examples.

    Attributes:
        shift: Distance of the classes.
        prevalence: Share of faulty examples.
        has_levels: Whether scores are rounded to 0, 1, … 4.
        invisible: Share of the faults that score as healthy examples do.
        above: Share of the healthy examples that score above all others.
        freedom: Degrees of freedom of Student's t; None for normal scores.
    """

    shift: float = 3.0
    prevalence: float = PREVALENCE
    has_levels: bool = False
    invisible: float = 0.0
    above: float = 0.0
    freedom: float | None = None

    def draw(self, random: np.random.Generator, num_faults: int) -> Answers:
        """Returns the answers to a split with so many faults.

        The probabilities are those of the normal scores, right or not; the threshold is that of the
        prices.
        """
        labels = labels_of(num_faults, self.prevalence)
        fate = random.random(labels.size)
        score = (
            random.normal(size=labels.size)
            if self.freedom is None
            else random.standard_t(self.freedom, labels.size)
        )
        score += self.shift * (labels & (fate >= self.invisible))
        score += 20 * ((labels == 0) & (fate < self.above))
        if self.has_levels:
            score = np.clip(np.round(score), 0, 4)
        detector = Detector(self.shift, self.prevalence)
        return make_answers(labels, {"": (detector.probability(score), score >= detector.cut)})

    def truth(self) -> dict[str, float]:
        """Returns the metrics on two million examples."""
        large = self.draw(np.random.default_rng(0), round(_LARGE * self.prevalence))
        probabilities, decisions = large.of("")
        cost = {"expected_cost": float(1_000 * example_costs(large, COST).mean())}
        areas = probability_metrics(large.labels, probabilities)
        return areas | decision_metrics(large.labels, decisions) | cost


DESIGNS = {
    "weak model, d 0.7": Scores(shift=0.7),
    "weak model, prevalence 20 %": Scores(shift=0.7, prevalence=0.2),
    "prevalence 0.5 %": Scores(prevalence=0.005),
    "prevalence 20 %": Scores(prevalence=0.2),
    "scores of five levels": Scores(has_levels=True),
    "classes well apart, d 6": Scores(shift=6.0),
    "20 % of faults invisible": Scores(invisible=0.2),
    "20 % of faults invisible, prevalence 20 %": Scores(invisible=0.2, prevalence=0.2),
    "0.1 % of healthy above all faults": Scores(above=1e-3),
    "heavy tails, Student's t with 3 degrees of freedom": Scores(freedom=3),
}
_NUM_FAULTS = (11, 30, 100)


def design_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often each interval excludes the truth, by design and number of faults."""
    for place, (title, scores) in enumerate(DESIGNS.items()):
        truth = scores.truth()
        for num_faults in _NUM_FAULTS:
            random = np.random.default_rng([place, num_faults])
            splits = (scores.draw(random, num_faults) for _ in range(num_sets))
            words = words_at_truth(splits, truth)
            for side in (_BLESSED, _REJECTED):
                cells = (share_cell(np.array(words[metric]) == side) for metric in METRICS)
                yield [title, str(num_faults), side, *cells]


def words_at_truth(splits: Iterable[Answers], truth: Mapping[str, float]) -> dict[str, list[str]]:
    """Returns the verdicts on a bar at the truth, by metric."""
    words: dict[str, list[str]] = {metric: [] for metric in METRICS}
    for split in splits:
        outputs = measure(split, OPTIONS).models[""]
        estimates = dict(outputs["probability"]) | dict(outputs["decision"])
        for metric in METRICS:
            words[metric].append(verdict_at_truth(estimates[metric], metric, truth[metric]))
    return words


def together_rows(num_sets: int, sizes: Sequence[int] = (30, 100, 300)) -> Iterator[Sequence[str]]:
    """Yields the whole gate's verdicts on six bars: all at the truth, or only that of recall."""
    truth = Detector(3.0).truth()
    # The other bars, which the model clears in almost every split.
    easy = {"precision": 0.2, "pr_auc": 0.4, "roc_auc": 0.8, "brier": 0.05, "expected_cost": 3_000}
    cases = {"all at the truth": truth, "recall at the truth": truth | easy}
    terms = {name: Terms(gate=Gate(bars=Bars(**bars)), cost=COST) for name, bars in cases.items()}
    for num_faults in sizes:
        random = np.random.default_rng(num_faults)
        splits = (Scores().draw(random, num_faults) for _ in range(num_sets))
        evaluations = [evaluation_of(measure(split, OPTIONS), "") for split in splits]
        for name, asked in terms.items():
            words = np.array([judge(one, [], asked).word for one in evaluations])
            cells = (share_cell(words == side) for side in (_BLESSED, _REJECTED))
            yield [name, str(num_faults), *cells]

"""Twenty retrainings in a row: whether small losses add up."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from benchmarks.statistics.gate.comparisons import change_before
from benchmarks.statistics.gate.coverage import COST, Detector, labels_of
from benchmarks.statistics.gate.verdicts import evaluation_of
from benchmarks.statistics.tables import mean_cell
from measuring.answers import Answers, make_answers
from measuring.intervals import mcnemar_p_value
from pipeline.components.evaluation.eval_config import ANCHOR, BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import MeasureOptions, measure
from pipeline.components.model_gate.comparison import Earlier
from pipeline.components.model_gate.reasons import BLESSED
from pipeline.components.model_gate.skill import anchor_score
from pipeline.components.model_gate.verdict import Terms, judge

# Whether a candidate is blessed, and its score as an anchor.
Judged = tuple[bool, float]

NUM_RETRAININGS = 20
_START, _CORRELATION, _MAX_DROP, _MIN_P_VALUE = 0.85, 0.95, 0.05, 0.025
_SHIFTS = np.linspace(1.0, 5.0, 81)


@dataclass(frozen=True, kw_only=True)
class Process:
    """Retrainings whose true PR-AUC changes; the first model has 0.85.

    Attributes:
        num_faults: Faults in the fresh test split of each retraining.
        fall: PR-AUC that each retraining loses.
        spread: Standard deviation of the PR-AUC of a retraining.
    """

    num_faults: int
    fall: float = 0.0
    spread: float = 0.0

    def shifts(self, random: np.random.Generator) -> tuple[list[float], list[float]]:
        """Returns the true PR-AUC and the distance of the classes of each model."""
        numbers = np.arange(NUM_RETRAININGS + 1)
        noise = self.spread * random.normal(size=numbers.size) * (numbers > 0)
        areas = np.clip(_START - self.fall * numbers + noise, 0.1, 0.99)
        return areas.tolist(), np.interp(areas, _known_areas(), _SHIFTS).tolist()


@cache
def _known_areas() -> list[float]:
    return [Detector(float(shift)).truth()["pr_auc"] for shift in _SHIFTS]


def draw(random: np.random.Generator, shifts: Mapping[str, float], num_faults: int) -> Answers:
    """Returns the answers of models whose scores correlate by 0.95, by their class distances."""
    labels = labels_of(num_faults)
    common = np.sqrt(_CORRELATION) * random.normal(size=labels.size)
    answers = {}
    for name, shift in shifts.items():
        own = np.sqrt(1 - _CORRELATION) * random.normal(size=labels.size)
        detector, score = Detector(shift), common + own + shift * labels
        answers[name] = (detector.probability(score), score >= detector.cut)
    return make_answers(labels, answers)


def judge_before(answers: Answers) -> Judged:
    """The gate before: a drop of at most 0.05 from the last model, and McNemar's test."""
    if BASELINE not in answers.models:
        return True, 0.0
    fault = answers.labels == 1
    now, before = (answers.of(model)[1][fault] == 1 for model in (CANDIDATE, BASELINE))
    lost, gained = int((before & ~now).sum()), int((now & ~before).sum())
    is_kept = change_before(answers)[0] >= -_MAX_DROP
    return is_kept and mcnemar_p_value(lost, gained) > _MIN_P_VALUE, 0.0


def judge_now(answers: Answers, *, terms: Terms) -> Judged:
    """The gate."""
    measured = measure(answers, MeasureOptions(cost=terms.cost))
    candidate = evaluation_of(measured, CANDIDATE)
    earlier = []
    if BASELINE in answers.models:
        earlier.append(Earlier(evaluation=evaluation_of(measured, BASELINE)))
    if ANCHOR in answers.models:
        earlier.append(Earlier.anchor(evaluation_of(measured, ANCHOR), "the anchor", 1))
    score = anchor_score(candidate.overall, candidate.intervals[()], terms.cost)
    return judge(candidate, earlier, terms).word == BLESSED, math.nan if score is None else score


def retrain(
    random: np.random.Generator,
    process: Process,
    judge_one: Callable[[Answers], Judged],
    *,
    has_anchor: bool,
) -> tuple[float, int]:
    """Returns the true PR-AUC that is served after all retrainings, and how many are blessed."""
    areas, shifts = process.shifts(random)
    served = anchor = num_blessed = 0
    _, best = judge_one(draw(random, {CANDIDATE: shifts[0]}, process.num_faults))
    for number in range(1, len(areas)):
        models = {CANDIDATE: shifts[number], BASELINE: shifts[served]}
        if has_anchor and anchor != served:
            models[ANCHOR] = shifts[anchor]
        is_blessed, score = judge_one(draw(random, models, process.num_faults))
        if is_blessed:
            served, num_blessed = number, num_blessed + 1
            if score > best:
                anchor, best = number, score
    return areas[served], num_blessed


_DEFAULT, _PRICED = (partial(judge_now, terms=Terms(cost=cost)) for cost in (None, COST))
# Title, rule, whether it has an anchor.
RULES: Sequence[tuple[str, Callable[[Answers], Judged], bool]] = (
    ("the last model, before", judge_before, False),
    ("the last model and the anchor", _DEFAULT, True),
    ("cost, the last model", _PRICED, False),
    ("cost, the last model and the anchor", _PRICED, True),
)
_CASES = (
    ("-0.01 each", Process(num_faults=300, fall=0.01), RULES),
    ("-0.005 each", Process(num_faults=300, fall=0.005), RULES[:2]),
    ("equal", Process(num_faults=300), RULES),
    ("equal, standard deviation 0.03", Process(num_faults=300, spread=0.03), RULES[:2]),
    ("-0.01 each", Process(num_faults=100, fall=0.01), RULES[:2]),
)


def ratchet_rows(num_series: int) -> Iterator[Sequence[str]]:
    """Yields what is served after twenty retrainings, by process and rule."""
    for title, process, rules in _CASES:
        for rule, judge_one, has_anchor in rules:
            random = np.random.default_rng(process.num_faults)
            results = [
                retrain(random, process, judge_one, has_anchor=has_anchor)
                for _ in range(num_series)
            ]
            areas, blessed = np.array(results).T
            served = f"{areas.mean():.3f} [{areas.min():.3f}, {areas.max():.3f}]"
            yield [title, str(process.num_faults), rule, served, mean_cell(blessed)]

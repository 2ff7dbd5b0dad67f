"""Which of two models is better, from their answers to the same examples."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.comparing.answers import PairedAnswers

CONFIDENCE = 0.95
# The same answers give the same interval.
_SEED = 20_251
_NUM_RESAMPLES = 2_000
_CHUNK_DRAWS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class PairedVerdict:
    """What the same examples say of two models.

    Attributes:
        num_examples: Examples that both were asked about.
        num_positives: Positive ones among them.
        only_first_right: Examples that only the first run's model decides rightly.
        only_second_right: Examples that only the second run's model decides rightly.
        mcnemar_p: Chance of so unequal a pair of numbers if both were equally often right.
        pr_auc: PR-AUC of the first and of the second model.
        pr_auc_gain: The second's PR-AUC less the first's.
        pr_auc_gain_interval: Its interval at 95 %; NaN where a class is missing.
    """

    num_examples: int
    num_positives: int
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    pr_auc: tuple[float, float]
    pr_auc_gain: float
    pr_auc_gain_interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Returns plain values for a JSON document."""
        words = {"better_decisions": self.decisions_word, "better_ranking": self.ranking_word}
        return dataclasses.asdict(self) | words

    @property
    def decisions_word(self) -> str:
        """`first`, `second` or `neither`: whose decisions are better, beyond chance."""
        if self.mcnemar_p >= 1 - CONFIDENCE:
            return "neither"
        return "first" if self.only_first_right > self.only_second_right else "second"

    @property
    def ranking_word(self) -> str:
        """`first`, `second` or `neither`: whose PR-AUC is better, beyond chance."""
        lower, upper = self.pr_auc_gain_interval
        return "second" if lower > 0 else "first" if upper < 0 else "neither"


def judge(answers: PairedAnswers) -> PairedVerdict:
    """Returns the paired verdict."""
    right = answers.decisions == answers.labels[:, None]
    only_first = int((right[:, 0] & ~right[:, 1]).sum())
    only_second = int((right[:, 1] & ~right[:, 0]).sum())
    ones = np.ones((1, answers.labels.size))
    first, second = (float(_average_precision(answers, side, ones)[0]) for side in (0, 1))
    return PairedVerdict(
        num_examples=int(answers.labels.size),
        num_positives=int(answers.labels.sum()),
        only_first_right=only_first,
        only_second_right=only_second,
        mcnemar_p=mcnemar_p(only_first, only_second),
        pr_auc=(first, second),
        pr_auc_gain=second - first,
        pr_auc_gain_interval=pr_auc_gain_interval(answers),
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Returns the two-sided exact p value of McNemar's test; 1 where nothing differs.

    References:
        McNemar (1947), Note on the sampling error of the difference between correlated proportions
        or percentages, Psychometrika 12; exact, by the binomial distribution.
    """
    if not only_first + only_second:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue)


def pr_auc_gain_interval(answers: PairedAnswers) -> tuple[float, float]:
    """Returns the 95 % interval of the second's PR-AUC less the first's, by a paired bootstrap.

    Both models are measured on the same resamples, each class resampled by itself: the test split
    is stratified, and no resample is without a positive example.

    References:
        Efron & Tibshirani (1993), An introduction to the bootstrap, chapter 13, the percentile
        interval.
    """
    random = np.random.default_rng(_SEED)
    size = answers.labels.size
    positive, negative = (np.flatnonzero(answers.labels == label) for label in (1, 0))
    if not positive.size or not negative.size:
        return math.nan, math.nan
    gains = []
    step = max(1, _CHUNK_DRAWS // size)
    for start in range(0, _NUM_RESAMPLES, step):
        count = min(step, _NUM_RESAMPLES - start)
        weights = np.zeros((count, size))
        for places in (positive, negative):
            even = np.full(places.size, 1 / places.size)
            weights[:, places] = random.multinomial(places.size, even, size=count)
        first, second = (_average_precision(answers, side, weights) for side in (0, 1))
        gains.append(second - first)
    lower, upper = np.quantile(np.concatenate(gains), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(lower), float(upper)


def _average_precision(
    answers: PairedAnswers, side: int, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """float64 `[resamples]`: average precision with weighted examples, ties taken together."""
    scores = answers.probabilities[:, side]
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(weights[:, order] * answers.labels[order], axis=1)
    alarms = np.cumsum(weights[:, order], axis=1)
    last = np.append(ranked[1:] != ranked[:-1], True)
    hits, alarms = hits[:, last], alarms[:, last]
    gained = np.diff(hits, axis=1, prepend=0.0)
    precision = hits / np.maximum(alarms, 1)
    total = hits[:, -1]
    with np.errstate(invalid="ignore"):  # without a positive example: 0 / 0 is NaN
        found: NDArray[np.float64] = (gained * precision).sum(axis=1) / total
    return found

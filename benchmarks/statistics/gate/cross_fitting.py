"""Cross-fitting: coverage of the intervals for the exported model, and undecided verdicts."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.statistics.gate.coverage import PREVALENCE, labels_of, verdict_at_truth
from benchmarks.statistics.tables import Table, mean_cell, share_cell
from measuring.answers import Answers, make_answers
from measuring.scores import decision_metrics, probability_metrics
from models.features import Numeric
from models.folds import deal_folds
from models.model_spec import FoldRule, ModelSpec
from models.train_options import TrainOptions
from models.training.cross_fitting.deciding import Held, Rule, decide, fit_rule
from pipeline.components.evaluation.measurement import Estimate, MeasureOptions, measure
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.verdict import Terms, judge
from pipeline.config import Bars, Gate

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Scorer = Callable[[Floats], Floats]

_NUM_FOLDS = 5
_NUM_FEATURES = 20
_SHIFT = 3.0
_NUM_FRESH = 100_000
_METRICS = ("recall", "precision", "pr_auc", "roc_auc", "brier")
_BARS = Bars(recall=0.6, pr_auc=0.65)
_SPEC = ModelSpec(label="y", features={"x": Numeric()}, train=TrainOptions(), cross_fit=_NUM_FOLDS)


def fit_logistic(features: Floats, labels: Labels) -> Scorer:
    """Returns the logits of a logistic regression."""
    model = LogisticRegression(max_iter=200).fit(features, labels)
    return lambda rows: np.asarray(model.decision_function(rows), np.float64)


def fit_trees(features: Floats, labels: Labels) -> Scorer:
    """Returns the logits of 40 boosted trees of depth 3."""
    options = {
        "objective": "binary:logistic",
        "max_depth": 3,
        "eta": 0.2,
        "base_score": float(labels.mean()),
        "nthread": 1,
    }
    model = xgboost.train(options, xgboost.DMatrix(features, labels), 40)
    return lambda rows: np.asarray(model.inplace_predict(rows, predict_type="margin"), np.float64)


_DESIGNS = (
    ("logistic", fit_logistic, 50),
    ("logistic", fit_logistic, 112),
    ("trees", fit_trees, 50),
)


@dataclass(frozen=True, eq=False)
class Examples:
    """Healthy examples N(0, 1) in 20 features, and faulty ones that are shifted in the first.

    Attributes:
        features: float64 `[n, 20]`.
        labels: int64 `[n]`.
    """

    features: Floats
    labels: Labels

    @classmethod
    def draw(cls, random: np.random.Generator, labels: Labels) -> "Examples":
        """Returns examples with these labels, in random order."""
        labels = random.permutation(labels)
        features = random.normal(size=(labels.size, _NUM_FEATURES))
        features[:, 0] += _SHIFT * labels
        return cls(features, labels)

    def rows(self, chosen: NDArray[np.int64]) -> "Examples":
        """Returns some of the examples."""
        return Examples(self.features[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Judged:
    """A model that is ready for the export, and the answers that it is judged by."""

    scorer: Scorer
    rule: Rule
    answers: Answers

    def answer(self, examples: Examples) -> tuple[Floats, Labels]:
        """Returns its probabilities and decisions."""
        return _answer(self.scorer, self.rule, examples)


def _answer(scorer: Scorer, rule: Rule, examples: Examples) -> tuple[Floats, Labels]:
    probabilities = rule.calibration.probabilities(scorer(examples.features))
    return probabilities, (probabilities >= rule.threshold).astype(np.int64)


def _held(logits: Floats, labels: Labels, folds: Labels) -> Held:
    places = np.arange(labels.size)
    truth = labels.astype(np.float64)
    return Held(places=places, logits=logits, labels=truth, folds=folds, groups=None)


def cross_fitted(examples: Examples, test: Examples, fit: Callable[..., Scorer]) -> Judged:
    """Trains out of fold and on all; judges by the predictions out of fold and by test."""
    logits, folds = np.empty(examples.labels.size), np.empty(examples.labels.size, np.int64)
    keys = np.arange(examples.labels.size)
    labels = examples.labels.astype(np.float32)
    for number, fold in enumerate(deal_folds(FoldRule(), keys, labels, _NUM_FOLDS)):
        own = examples.rows(fold.train)
        scorer = fit(own.features, own.labels)
        logits[fold.held_out] = scorer(examples.features[fold.held_out])
        folds[fold.held_out] = number
    held = _held(logits, examples.labels, folds)
    rule = fit_rule(held, _SPEC)
    scorer = fit(examples.features, examples.labels)
    parts = zip(decide(held, _SPEC, rule), _answer(scorer, rule, test), strict=True)
    probabilities, decisions = (np.concatenate(pair) for pair in parts)
    truth = np.concatenate([examples.labels, test.labels])
    return Judged(scorer, rule, make_answers(truth, {"": (probabilities, decisions)}))


def held_out(examples: Examples, test: Examples, fit: Callable[..., Scorer]) -> Judged:
    """Trains on 75 of 90 parts of the examples, calibrates on the rest, judges by test."""
    keys = np.arange(examples.labels.size)
    fold = deal_folds(FoldRule(), keys, examples.labels.astype(np.float32), 6)[0]
    train, evaluation = examples.rows(fold.train), examples.rows(fold.held_out)
    scorer = fit(train.features, train.labels)
    logits = scorer(evaluation.features)
    rule = fit_rule(_held(logits, evaluation.labels, np.zeros(logits.size, np.int64)), _SPEC)
    answers = make_answers(test.labels, {"": _answer(scorer, rule, test)})
    return Judged(scorer, rule, answers)


def _draw(random: np.random.Generator, num_faults: int) -> tuple[Examples, Examples]:
    """Train and eval, nine parts of ten, and test."""
    num_test = max(round(num_faults / 10), 1)
    return (
        Examples.draw(random, labels_of(num_faults - num_test)),
        Examples.draw(random, labels_of(num_test)),
    )


def _estimates(answers: Answers) -> dict[str, Estimate]:
    outputs = measure(answers, MeasureOptions()).models[""]
    return dict(outputs["probability"]) | dict(outputs["decision"])


def coverage_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often an interval clears a bar at the exported model's own metric."""
    for name, fit, num_faults in _DESIGNS:
        random = np.random.default_rng(num_faults)
        fresh = Examples.draw(random, (random.random(_NUM_FRESH) < PREVALENCE).astype(np.int64))
        words: dict[str, list[str]] = {metric: [] for metric in _METRICS}
        gaps: dict[str, list[float]] = {metric: [] for metric in _METRICS}
        for _ in range(num_sets):
            judged = cross_fitted(*_draw(random, num_faults), fit)
            truth = _metrics(fresh.labels, *judged.answer(fresh))
            estimates = _estimates(judged.answers)
            for metric in _METRICS:
                words[metric].append(verdict_at_truth(estimates[metric], metric, truth[metric]))
                gaps[metric].append(estimates[metric].value - truth[metric])
        for metric in _METRICS:
            given, gap = np.array(words[metric]), np.array(gaps[metric])
            shares = [share_cell(given == word) for word in ("BLESSED", "REJECTED")]
            yield [name, str(num_faults), metric, mean_cell(gap, digits=4), *shares]


def _metrics(labels: Labels, probabilities: Floats, decisions: Labels) -> dict[str, float]:
    return {
        **probability_metrics(labels, probabilities),
        **decision_metrics(labels, decisions),
    }


def undecided_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields the verdicts with and without cross-fitting on bars that good models clear."""
    ways = {"without": held_out, "with": cross_fitted}
    for num_faults in (50, 112, 300):
        for name, way in ways.items():
            random = np.random.default_rng(num_faults)
            words, widths, slopes = [], [], []
            for _ in range(num_sets):
                judged = way(*_draw(random, num_faults), fit_logistic)
                estimates = _estimates(judged.answers)
                words.append(_verdict(estimates))
                lower, upper = estimates["pr_auc"].interval or (math.nan, math.nan)
                widths.append(upper - lower)
                slopes.append(getattr(judged.rule.calibration, "slope", math.nan))
            given = np.array(words)
            shares = [share_cell(given == word) for word in ("BLESSED", "INCONCLUSIVE", "REJECTED")]
            cells = [mean_cell(np.array(values), digits=2) for values in (widths, slopes)]
            yield [str(num_faults), name, *shares, *cells]


def _verdict(estimates: dict[str, Estimate]) -> str:
    values = {name: one.value for name, one in estimates.items()}
    limits = {name: one.interval for name, one in estimates.items() if one.interval is not None}
    terms = Terms(gate=Gate(bars=_BARS))
    return judge(Evaluation(values, {}, {(): limits}), [], terms).word


def tables(num_sets: int) -> Iterator[Table]:
    """Yields the tables of the section."""
    yield Table(
        title="Cross-fitting, a bar at the exported model's own metric.",
        head=("model", "faults", "metric", "minus the truth", "false BLESSED", "false REJECTED"),
        rows=coverage_rows(num_sets),
    )
    yield Table(
        title="Bars of 0.6 for recall and 0.65 for PR-AUC, with and without cross-fitting.",
        head=("faults", "cross-fitting", "BLESSED", "INCONCLUSIVE", "REJECTED", "width", "slope"),
        rows=undecided_rows(num_sets),
    )

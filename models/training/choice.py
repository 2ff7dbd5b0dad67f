"""Choice among network, trees and a blend of both, by predictions out of fold."""

import gc
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.guards.free_memory import return_free_memory
from models.folds import Fold, deal_folds, held_out_places, last_fold, thinned
from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.probabilities.calibration import fit_platt
from models.stored_rows import Rows, pick_rows
from models.train_options import TreeOptions
from models.training.data import Dataset, make_correction
from models.training.network import build_network
from models.training.network_fit import fit_epochs, network_logits
from models.trees.fitting import TreeData, TreeScores, out_of_fold

_NUM_FOLDS = 5
# The network is tried on so many of the folds, each for this share of its epochs.
_NUM_NETWORK_FOLDS = 3
_EPOCHS_SHARE = 0.25
# With more examples than these, one fold is as good as five. Variants of the trees are compared on
# about so many of them, if so many positive ones are left.
_MANY_ROWS = 100_000
_COMPARED_ROWS, _COMPARED_POSITIVES = 50_000, 1_000
ChosenKind = Literal["network", "trees", "blend"]
# XGBoost puts at most so many values of a category on one side of a split. Where it has more, no
# split separates the missing ones from all others.
_MAX_SET_VALUES = 64
# Up to so many trees a round, as long as a request does not pay for more than so many in all.
_PARALLEL_TREES = 3
_MAX_TREES = 600
_WEIGHTS = np.linspace(0.05, 0.95, 19)
_SIMPLEST: tuple[ChosenKind, ...] = ("trees", "network", "blend")
_progress = logging.getLogger("faultline.progress")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChosenTrees:
    """The trees that predict best out of fold.

    Attributes:
        options: Their options.
        rounds: The number of rounds.
    """

    options: TreeOptions
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen model, and what it was compared with.

    Attributes:
        kind: The chosen model.
        network_weight: Weight of the network's logit in a blend, in (0, 1).
        trees: The trees.
        log_loss: Mean log loss out of fold by model, after calibration.
        standard_error: By model, of the difference of its log loss from the lowest.
        num_examples: Examples that the models were compared on.
        reason: The choice in words.
    """

    kind: ChosenKind
    network_weight: float
    trees: ChosenTrees
    log_loss: Mapping[str, float]
    standard_error: Mapping[str, float]
    num_examples: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Returns plain values for a JSON document."""
        return asdict(self)


def choose_model(train: Dataset, trees: TreeData, graph: TransformGraph, spec: ModelSpec) -> Choice:
    """Chooses the model: the simplest within one standard error of the best.

    All predictions are of examples that were not trained on: the train split is dealt to five folds
    as the split's strategy asks. Trees are grown for every fold, in a few variants. The network is
    trained for three of the folds and a quarter of its epochs, and only for the first if it does
    not help there. Compared is the log loss after Platt scaling. From the simplest on: trees,
    network, blend.

    Args:
        train: The train split, with keys.
        trees: The same as the trees take it.
        graph: The transform graph.
        spec: The options, the seed and the rule of the folds. `blend` compares nothing but
            weights.

    References:
        Breiman et al. (1984), Classification and regression trees, section 3.4.3, for the rule of
        one standard error. Wolpert (1992), Stacked generalization, for weights out of fold.
    """
    folds = train_folds(train, spec)
    _progress.info("choosing the model on %d folds: trees", len(folds))
    options, scores = best_trees(trees, folds, spec)
    chosen = ChosenTrees(options=options, rounds=scores.rounds)
    # Of many examples one fold is predicted: what has a number for each is of that one alone.
    labels = train.labels[scores.places]
    if any(column.monotone for column in trees.columns):
        return only_trees(scores.logits, labels, chosen)
    corrected = make_correction(train.labels, spec.train, part="trees").apply(scores.logits)
    dependent = clusters(pick_rows(train.keys, scores.places), spec)
    return_free_memory()

    def compare(network: Floats) -> Comparison:
        return Comparison.of({"trees": corrected, "network": network}, labels, dependent)

    def is_in_question(network: Floats) -> bool:
        return spec.train.model == "blend" or compare(network).simplest() != "trees"

    network = _network_scores(train, folds, graph, spec, is_in_question)
    # The networks that were tried are reference cycles and hold their examples.
    gc.collect()
    return_free_memory()
    return compare(network).choose(spec, chosen)


def train_folds(train: Dataset, spec: ModelSpec) -> list[Fold]:
    """Returns the folds of the train split; of many examples, the last one alone.

    Args:
        train: The train split, with keys.
        spec: The rule of the folds.

    Raises:
        InputError: Fewer than two folds have both classes.
    """
    dealt = (spec.folds, train.keys[:], train.labels, _NUM_FOLDS)
    if train.labels.size > _MANY_ROWS:
        last = last_fold(*dealt)
        folds = [] if last is None else [last]
    else:
        folds = deal_folds(*dealt)
        folds = folds if len(folds) > 1 else []
    if not folds:
        raise InputError(
            f"The train split has {int(train.labels.sum())} positive examples among "
            f"{train.labels.size}, too few to compare models on folds. Set `train.model` to "
            "`network`, or to `trees` with `trees.stopping: none`, or bring more data."
        )
    return folds


def best_trees(
    data: TreeData, folds: Sequence[Fold], spec: ModelSpec
) -> tuple[TreeOptions, TreeScores]:
    """Returns the variant of the trees with the lowest log loss out of fold, and its scores.

    Args:
        data: The train split.
        folds: Its folds.
        spec: The options, from which the variants start, and the seed. The best variant is also
            tried with the ranks of a large category's values, if there is one, and then with
            several trees a round, if the examples are few enough for that to matter. Of many
            examples, a part is enough to compare the variants; the best one is grown on all.
    """
    given = spec.train.trees
    if spec.train.model != "auto":
        return given, out_of_fold(data, folds, given, seed=spec.seed)
    is_large = data.labels.size > _MANY_ROWS
    compared = folds
    if is_large:
        limits = {"most": _COMPARED_ROWS, "positives": _COMPARED_POSITIVES}
        compared = [thinned(fold, data.labels, **limits) for fold in folds]

    def tried(options: TreeOptions) -> tuple[TreeOptions, TreeScores]:
        return options, out_of_fold(data, compared, options, seed=spec.seed)

    others = [variant for variant in _variants(given) if variant != given]
    best = tried(given)
    # One at a time: the scores of many examples take memory.
    for options in others:
        best = min(best, tried(options), key=_lowest_loss)
    if _has_large_category(data, given):
        by_rank = tried(replace(best[0], max_set_values=_MAX_SET_VALUES))
        best = min(best, by_rank, key=_lowest_loss)
    if is_large:
        return best[0], out_of_fold(data, folds, best[0], seed=spec.seed)
    parallel = _parallel(best[0], best[1].rounds)
    return best if parallel == best[0] else min(best, tried(parallel), key=_lowest_loss)


def _lowest_loss(tried: tuple[TreeOptions, TreeScores]) -> float:
    return float(tried[1].log_loss.min())


def _has_large_category(data: TreeData, given: TreeOptions) -> bool:
    """Whether sets of values may overfit a category: rare values, and nothing missing alone."""
    is_open = given.max_set_values is None
    return is_open and any(column.num_values > _MAX_SET_VALUES for column in data.columns)


def _parallel(options: TreeOptions, rounds: int) -> TreeOptions:
    """The same trees, several a round; a request pays for each of them.

    `benchmarks/against_boosting.md` has what this gains.
    """
    count = min(_PARALLEL_TREES, _MAX_TREES // rounds)
    if options.parallel_trees > 1 or count < 2:
        return options
    return replace(options, parallel_trees=count, subsample=min(options.subsample, 0.8))


def _variants(given: TreeOptions) -> list[TreeOptions]:
    """Trees on random shares of the rows and columns, as deep as given and shallower.

    `benchmarks/against_boosting.md` has the log losses of these and of other variants.
    """
    varied = replace(given, subsample=0.8, column_share=0.5, min_leaf_rows=5.0)
    return [replace(varied, max_depth=3), varied]


def _network_scores(
    train: Dataset,
    folds: Sequence[Fold],
    graph: TransformGraph,
    spec: ModelSpec,
    is_in_question: Callable[[Floats], bool],
) -> Floats:
    """Corrected logits of what folds hold out, float64 `[p]`, NaN where the network is not tried.

    After the first fold, others follow only while the network may be chosen.
    """
    epochs = max(2, math.ceil(_EPOCHS_SHARE * spec.train.epochs))
    places = held_out_places(folds)
    logits = np.full(places.size, np.nan)
    # The last folds, for by time these are trained on most.
    tried = folds[-_NUM_NETWORK_FOLDS:]
    for number, fold in enumerate(tried, start=1):
        _progress.info("choosing the model: network, fold %d/%d", number, len(tried))
        own = train.rows(fold.train)
        keras.utils.set_random_seed(spec.seed)
        network = build_network(graph.index_space, spec.train)
        fit_epochs(network, own, options=spec.train, epochs=epochs)
        held_out = train.rows(fold.held_out)
        raw = network_logits(network, held_out.network_inputs)
        corrected = make_correction(own.labels, spec.train).apply(raw)
        logits[np.searchsorted(places, fold.held_out)] = corrected
        if number == 1 and len(tried) > 1 and not is_in_question(logits):
            break
    return logits


def clusters(keys: Rows, spec: ModelSpec) -> Ints | None:
    """Returns the keys of dependent examples, int64 `[n]`, or None if all are independent."""
    return keys[:] if spec.folds.group else None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Log losses of examples by model, on those that every model has predicted."""

    losses: Mapping[str, Floats]
    network_weight: float
    clusters: Ints | None

    @classmethod
    def of(
        cls, logits: Mapping[str, Floats], labels: NDArray[np.float32], clusters: Ints | None
    ) -> "Comparison":
        """Returns the comparison of corrected logits out of fold, NaN where there are none."""
        known = np.isfinite(logits["network"]) & np.isfinite(logits["trees"])
        own = {name: values[known] for name, values in logits.items()}
        truth = labels[known].astype(np.float64)

        def of_blend(weight: float) -> Floats:
            mixed = weight * own["network"] + (1 - weight) * own["trees"]
            return _log_losses(mixed, truth)

        # One blend at a time is in memory.
        weight = float(min(_WEIGHTS, key=lambda w: of_blend(w).mean()))
        losses = {name: _log_losses(values, truth) for name, values in own.items()}
        losses["blend"] = of_blend(weight)
        return cls(losses, weight, None if clusters is None else clusters[known])

    def simplest(self) -> ChosenKind:
        """The simplest model within one standard error of the best."""
        means, errors = self._means(), self._errors()
        lowest = min(means.values())
        return next(name for name in _SIMPLEST if means[name] - lowest <= errors[name])

    def choose(self, spec: ModelSpec, trees: ChosenTrees) -> Choice:
        """Returns the simplest model, or the blend if the options ask for it."""
        kind: ChosenKind = "blend" if spec.train.model == "blend" else self.simplest()
        means, errors = self._means(), self._errors()
        num_examples = self.losses["trees"].size
        listed = ", ".join(f"{name} {means[name]:.4f}" for name in _SIMPLEST)
        return Choice(
            kind=kind,
            network_weight=self.network_weight,
            trees=trees,
            log_loss=means,
            standard_error=errors,
            num_examples=num_examples,
            reason=f"log loss out of fold on {num_examples:,} examples: {listed}",
        )

    def _means(self) -> dict[str, float]:
        return {name: float(losses.mean()) for name, losses in self.losses.items()}

    def _errors(self) -> dict[str, float]:
        means = self._means()
        best = self.losses[min(means, key=means.__getitem__)]
        return {
            name: _standard_error(losses - best, self.clusters)
            for name, losses in self.losses.items()
        }


def only_trees(logits: Floats, labels: NDArray[np.float32], trees: ChosenTrees) -> Choice:
    """Returns the choice of the trees, which alone can be monotone."""
    known = np.isfinite(logits)
    losses = _log_losses(logits[known], labels[known].astype(np.float64))
    return Choice(
        kind="trees",
        network_weight=0.0,
        trees=trees,
        log_loss={"trees": float(losses.mean())},
        standard_error={"trees": 0.0},
        num_examples=losses.size,
        reason="`monotone` is for trees",
    )


def _log_losses(logits: Floats, labels: Floats) -> Floats:
    """Log loss of each example after Platt scaling."""
    calibration = fit_platt(logits, labels)
    towards = (2 * labels - 1) * (calibration.slope * logits + calibration.intercept)
    return np.asarray(np.logaddexp(0.0, -towards), np.float64)


def _standard_error(differences: Floats, clusters: Ints | None) -> float:
    """Of the mean of differences, where those of one cluster depend on each other."""
    centred = differences - differences.mean()
    if clusters is not None:
        _, places = np.unique(clusters, return_inverse=True)
        centred = np.bincount(places, weights=centred)
    return float(np.sqrt(np.square(centred).sum()) / differences.size)

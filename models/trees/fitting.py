"""Training of gradient-boosted trees by XGBoost, and the choice of their number."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import xgboost
from numpy.typing import NDArray

from common.guards.free_memory import return_free_memory
from models.folds import Fold, Ints, held_out_places
from models.stored_rows import Rows, StoredRows, pick_rows, row_slices
from models.train_options import TreeOptions
from models.trees.inputs import TreeColumn, feature_types, ranked

Floats = NDArray[np.float64]
# Below this many values, threads wait for each other longer than they compute.
_MIN_PARALLEL_VALUES = 5_000_000
_MIN_LEAF_HESSIAN = 1e-3
# XGBoost partitions the rows of each batch in blocks of its own, so that small batches take more
# memory together: 2.5 million rows of 19 columns 56 bytes a row with 2**16, 50 with 2**17, and no
# less with 2**19.
_MAX_BATCH_ROWS = 2**17


@dataclass(frozen=True, eq=False)
class TreeData:
    """Examples for trees.

    Attributes:
        features: float32 `[n, columns]`, NaN where missing; in memory or in a file.
        labels: float32 `[n]` of 0 and 1.
        weights: float32 `[n]`; None: all 1.
        columns: What the columns are.
    """

    features: Rows
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    columns: Sequence[TreeColumn]

    def rows(self, places: NDArray[np.int64]) -> "TreeData":
        """Returns the examples at `places`."""
        weights = None if self.weights is None else self.weights[places]
        features = pick_rows(self.features, places)
        return TreeData(features, self.labels[places], weights, self.columns)

    def encoded(self, options: TreeOptions) -> "TreeData":
        """Returns the same examples, their large categories as numbers if the options say so."""
        return replace(self, columns=ranked(self.columns, options.max_set_values))

    def matrix(self, threads: int, reference: xgboost.DMatrix | None = None) -> xgboost.DMatrix:
        """Returns the examples in XGBoost's form; a reference gives its bins.

        The bins of features in a file are in files too. They are merged from those of batches, so
        that they may differ a little from the bins of the same features in memory where there are
        many examples.
        """
        if isinstance(self.features, StoredRows):
            return self._matrix_in_files(self.features, threads, reference)
        return xgboost.QuantileDMatrix(
            self.features,
            self.labels,
            weight=self.weights,
            feature_types=feature_types(self.columns),
            enable_categorical=True,
            nthread=threads,
            ref=reference,
        )

    def _matrix_in_files(
        self, features: StoredRows, threads: int, reference: xgboost.DMatrix | None
    ) -> xgboost.DMatrix:
        folder = tempfile.mkdtemp(dir=features.folder)
        matrix = xgboost.ExtMemQuantileDMatrix(
            _Batches(self, f"{folder}/bins"),
            enable_categorical=True,
            nthread=threads,
            ref=reference,
        )
        weakref.finalize(matrix, shutil.rmtree, folder, ignore_errors=True)
        return matrix


class _Batches(xgboost.DataIter):
    """Examples in a file, for XGBoost to read in batches; it reads them several times."""

    def __init__(self, data: TreeData, cache_prefix: str) -> None:
        super().__init__(cache_prefix)
        self._data = data
        self.reset()

    def reset(self) -> None:
        self._batches = row_slices([self._data.features], _MAX_BATCH_ROWS)

    def next(self, input_data: Callable[..., None]) -> bool:
        rows = next(self._batches, None)
        if rows is None:
            return False
        data = self._data
        input_data(
            data=data.features[rows],
            label=data.labels[rows],
            weight=None if data.weights is None else data.weights[rows],
            feature_types=feature_types(data.columns),
        )
        return True


@dataclass(frozen=True, eq=False)
class TreeScores:
    """Predictions of examples by trees that were not trained on them.

    Attributes:
        places: int64 `[p]`, the examples that a fold predicts, ascending.
        logits: float64 `[p]`, of these.
        rounds: The number of rounds with the lowest log loss over all folds.
        log_loss: float64 `[rounds grown]`, mean log loss for each number of rounds.
    """

    places: Ints
    logits: Floats
    rounds: int
    log_loss: Floats


def grow(
    data: TreeData,
    options: TreeOptions,
    *,
    rounds: int,
    seed: int,
    watched: TreeData | None = None,
    on_round: Callable[[int, dict[str, float]], None] | None = None,
) -> tuple[xgboost.Booster, Floats]:
    """Grows trees; the result is the same, bit for bit, for any number of threads.

    Args:
        data: Examples to grow on.
        options: Options of the trees.
        rounds: Number of rounds, the largest one with `watched`.
        seed: Seed of what is drawn.
        watched: Examples whose log loss ends the growing after `options.patience` rounds without a
            lower one.
        on_round: Called after each round with its number, from 1, and log losses by split: of
            `train`, where its features are in memory, and of `watched` as `eval`.

    Returns:
        The trees, and the log loss of `watched` for each number of rounds.

    References:
        Chen & Guestrin (2016), XGBoost: a scalable tree boosting system. Breiman (1996), Bagging
        predictors, for the mean of trees on different draws.
    """
    is_stored = isinstance(data.features, StoredRows)
    if is_stored:
        # What was computed before has left free memory of the size of the examples.
        return_free_memory()
    threads = 0 if data.features.size >= _MIN_PARALLEL_VALUES else 1
    matrix = data.encoded(options).matrix(threads)
    evals = []
    if watched is not None:
        evals.append((watched.encoded(options).matrix(threads, matrix), "eval"))
    # XGBoost copies the predictions of what it evaluates, 4 bytes a row.
    if on_round is not None and not is_stored:
        evals.insert(0, (matrix, "train"))
    results: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        _parameters(data, options, seed=seed, threads=threads),
        matrix,
        num_boost_round=rounds,
        evals=evals,
        early_stopping_rounds=None if watched is None else options.patience,
        evals_result=results,
        verbose_eval=False,
        callbacks=[] if on_round is None else [_Rounds(on_round)],
    )
    # Gradients and places of the rows are no longer needed, and the trees may live long.
    booster.reset()
    if is_stored:
        del matrix, evals
        return_free_memory()
    return booster, np.asarray(results.get("eval", {}).get("logloss", []), np.float64)


class _Rounds(xgboost.callback.TrainingCallback):
    def __init__(self, on_round: Callable[[int, dict[str, float]], None]) -> None:
        super().__init__()
        self._on_round = on_round

    def after_iteration(
        self,
        model: xgboost.Booster,  # noqa: ARG002 - XGBoost's signature
        epoch: int,
        evals_log: xgboost.callback.TrainingCallback.EvalsLog,
    ) -> bool:
        """Reports the round and goes on."""
        losses = {
            split: float(np.mean(metrics["logloss"][-1])) for split, metrics in evals_log.items()
        }
        self._on_round(epoch + 1, losses)
        return False


def _parameters(
    data: TreeData, options: TreeOptions, *, seed: int, threads: int
) -> dict[str, object]:
    weights = np.ones_like(data.labels) if data.weights is None else data.weights
    prevalence = float(np.average(data.labels, weights=weights))
    # A row's hessian is p (1 - p), so a leaf's least hessian stands for a number of rows.
    least = options.min_leaf_rows * float(weights.mean()) * prevalence * (1 - prevalence)
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "eval_metric": "logloss",
        "max_depth": options.max_depth,
        "eta": options.learning_rate,
        "subsample": options.subsample,
        "colsample_bynode": options.column_share,
        "num_parallel_tree": options.parallel_trees,
        "min_child_weight": max(least, _MIN_LEAF_HESSIAN),
        "lambda": options.l2,
        "base_score": prevalence,
        "monotone_constraints": tuple(column.monotone for column in data.columns),
        "seed": seed,
        "nthread": threads,
    }


def out_of_fold(
    data: TreeData, folds: Sequence[Fold], options: TreeOptions, *, seed: int
) -> TreeScores:
    """Predicts the examples of every fold by trees that were grown without it.

    Args:
        data: The examples.
        folds: Which examples are grown on and predicted.
        options: Options of the trees; `rounds` is the largest number.
        seed: Seed of what is drawn.
    """

    def grow_fold(fold: Fold) -> tuple[xgboost.Booster, Floats]:
        return grow(
            data.rows(fold.train),
            options,
            rounds=options.rounds,
            seed=seed,
            watched=data.rows(fold.held_out),
        )

    with ThreadPoolExecutor(max_workers=2) as pool:
        grown = list(pool.map(grow_fold, folds))
    shortest = min(curve.size for _, curve in grown)
    sizes = [fold.held_out.size for fold in folds]
    curve = np.average([curve[:shortest] for _, curve in grown], axis=0, weights=sizes)
    rounds = int(np.argmin(curve)) + 1
    places = held_out_places(folds)
    logits = np.empty(places.size)
    for fold, (booster, _) in zip(folds, grown, strict=True):
        own = margins(booster[:rounds], data.rows(fold.held_out))
        logits[np.searchsorted(places, fold.held_out)] = own
    return TreeScores(places=places, logits=logits, rounds=rounds, log_loss=curve)


def margins(booster: xgboost.Booster, data: TreeData) -> Floats:
    """Returns XGBoost's own logits, float64 `[n]`."""
    parts = [
        booster.inplace_predict(data.features[rows], predict_type="margin")
        for rows in row_slices([data.features], _MAX_BATCH_ROWS)
    ]
    return np.concatenate(parts).astype(np.float64)

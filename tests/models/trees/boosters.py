"""Small boosters with every kind of split, and rows that are hard to send down a tree."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ["q", "q", "q", "c", "c"]
CODES = {3: 6, 4: 300}  # number of categories, by feature


def training_rows(seed: int, num_rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows with missing, few-valued and denormal numbers, and a label that depends on all."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(num_rows, len(KINDS))).astype(np.float32)
    rows[:, 1] = random.integers(-2, 3, num_rows)
    rows[:, 2] *= 1e-40
    for feature, codes in CODES.items():
        rows[:, feature] = random.integers(0, codes, num_rows)
    numbers = rows[:, :3].astype(np.float64) * [1, 1, 1e40]
    effects = [*numbers.T]
    effects += [random.normal(size=n)[rows[:, f].astype(int)] for f, n in CODES.items()]
    label = np.sum(effects, axis=0) + random.normal(size=num_rows) > 2
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows, label.astype(np.int64)


def train(seed: int, *, rounds: int, num_rows: int = 500, **options: Any) -> Any:
    """A booster of `training_rows`."""
    import xgboost

    rows, label = training_rows(seed, num_rows)
    data = xgboost.DMatrix(rows, label, feature_types=KINDS, enable_categorical=True)
    chosen = {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, **options}
    return xgboost.train(chosen, data, rounds)


def hard_rows(seed: int, num_rows: int, booster: Any) -> NDArray[np.float32]:
    """Rows at and beside the thresholds, missing, infinite, denormal, or of unseen categories."""
    random = np.random.default_rng(seed)
    rows, _ = training_rows(seed + 1, num_rows)
    trees = _trees(booster)
    for feature, kind in enumerate(KINDS):
        choices = np.array(
            [-1, -0.5, 2.5, 1e9, -1e-40, 299, 300, 301, 5, 6, 7, 2.0**31]
            if kind == "c"
            else [*_beside(_thresholds(trees, feature)), 0.0, -0.0, 1e-40, -1e-40, 3e38],
            np.float32,
        )
        chosen = random.random(num_rows) < 0.5
        rows[chosen, feature] = random.choice(choices, chosen.sum())
        rows[random.random(num_rows) < 0.05, feature] = np.inf
        rows[random.random(num_rows) < 0.05, feature] = -np.inf
        rows[random.random(num_rows) < 0.1, feature] = np.nan
    return rows


def _beside(values: NDArray[np.float32]) -> NDArray[np.float32]:
    inf = np.float32(np.inf)
    return np.concatenate([values, np.nextafter(values, inf), np.nextafter(values, -inf)])


def thresholds(booster: Any, feature: int) -> NDArray[np.float32]:
    """The thresholds of a numeric feature."""
    return _thresholds(_trees(booster), feature)


def _thresholds(trees: list[dict[str, Any]], feature: int) -> NDArray[np.float32]:
    values = [
        value
        for tree in trees
        for value, split, left in zip(
            tree["split_conditions"], tree["split_indices"], tree["left_children"], strict=True
        )
        if split == feature and left != -1
    ]
    return np.array(values, np.float32)


def sum_of_leaves(booster: Any, leaf_ids: NDArray[Any]) -> NDArray[np.float64]:
    """The float64 sum of the leaves that XGBoost says each row reaches, `[n]`."""
    values = [np.array(tree["split_conditions"], np.float32) for tree in _trees(booster)]
    columns = np.asarray(leaf_ids, np.int64).reshape(len(leaf_ids), -1).T
    leaves = [own[ids].astype(np.float64) for own, ids in zip(values, columns, strict=True)]
    total: NDArray[np.float64] = np.sum(leaves, axis=0)
    return total


def _trees(booster: Any) -> list[dict[str, Any]]:
    model = json.loads(bytes(booster.save_raw("json")))
    trees: list[dict[str, Any]] = model["learner"]["gradient_booster"]["model"]["trees"]
    return trees

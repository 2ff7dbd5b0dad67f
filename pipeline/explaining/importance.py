"""Permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

Ask = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float64]]


@dataclass(frozen=True)
class Importance:
    """What a column is worth to a model.

    Attributes:
        column: The column.
        mean: PR-AUC less PR-AUC with the column shuffled, mean over the repeats.
        low: The least of the repeats.
        high: The greatest of the repeats.
    """

    column: str
    mean: float
    low: float
    high: float


def permutation_importance(
    ask: Ask,
    columns: Mapping[str, NDArray[Any]],
    labels: NDArray[np.int64],
    *,
    repeats: int = 10,
    seed: int = 0,
) -> list[Importance]:
    """Returns the importance of each column, the greatest first.

    A column is shuffled over the examples, which breaks its tie to the label and keeps its
    distribution. Columns that say the same share their worth: each can be shuffled without harm.

    Args:
        ask: The model: columns to `[n]` probabilities.
        columns: `[n, …]` each.
        labels: `[n]` of 0 and 1, both among them.
        repeats: Shuffles of each column.
        seed: Seed of the shuffles.

    Raises:
        ValueError: The labels are all of one class.
    """
    if len(np.unique(labels)) < 2:
        raise ValueError("The examples are all of one class; permutation importance needs both.")
    whole = float(average_precision_score(labels, ask(columns)))
    rng = np.random.default_rng(seed)
    found = []
    # In an order of their own: that of a model's inputs differs from process to process.
    for name, values in sorted(columns.items()):
        drops = []
        for _ in range(repeats):
            shuffled = {**columns, name: values[rng.permutation(len(labels))]}
            drops.append(whole - float(average_precision_score(labels, ask(shuffled))))
        found.append(Importance(name, float(np.mean(drops)), min(drops), max(drops)))
    return sorted(found, key=lambda each: -each.mean)

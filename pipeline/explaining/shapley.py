"""Shapley values of one answer by sampling, for any column and any model.

References:
    Štrumbelj and Kononenko (2014), Explaining prediction models and individual predictions with
    feature contributions, Knowledge and Information Systems 41: sampled orders of the columns.
    Lundberg and Lee (2017), A unified approach to interpreting model predictions, NeurIPS:
    background rows stand for "the column is not known".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
Ask = Callable[[Columns], NDArray[np.float64]]

_ROWS_A_CALL = 4_096


@dataclass(frozen=True, kw_only=True)
class Shapley:
    """Each column's part in the difference between an answer and the usual answer.

    Attributes:
        probability: The model's answer for the example.
        background_probability: Its mean answer for the background rows.
        parts: By column; they add up to the difference of the two, without a remainder.
        errors: By column, the standard error that the sampling leaves in the part.
    """

    probability: float
    background_probability: float
    parts: dict[str, float]
    errors: dict[str, float]


def shapley_values(
    ask: Ask, example: Columns, background: Columns, *, num_pairs: int = 500, seed: int = 0
) -> Shapley:
    """Returns the Shapley values of the columns of one row.

    Each walk begins at a background row and replaces its columns by those of the example, one after
    the other in a random order; a column's part is the mean change of the answer at its turn. A
    second walk in the reverse order follows each, which lowers the variance.

    Args:
        ask: The model: columns of `[n]` rows to `[n]` probabilities.
        example: Columns of one row, `[1]` or `[1, samples]`; a signal is one column.
        background: The same columns of `[m]` rows of the training data.
        num_pairs: Pairs of walks; background rows take turns.
        seed: Seed of the orders.

    Raises:
        ValueError: There is no background row.
    """
    names = sorted(example)
    num_rows = len(background[names[0]])
    if not num_rows:
        raise ValueError("Shapley values need at least one background row; got none.")
    rng = np.random.default_rng(seed)
    # Whole rounds over the background, so that every row counts alike.
    num_pairs = max(1, round(num_pairs / num_rows)) * num_rows
    orders = np.argsort(rng.random((num_pairs, len(names))), axis=1)
    turns = np.argsort(orders, axis=1)
    # [pair, way, column]: at which step of its walk a column is replaced.
    places = np.stack([turns, len(names) - 1 - turns], axis=1)
    rows = np.arange(num_pairs) % num_rows
    answers = _walk(ask, example, background, places, rows)
    changes = np.take_along_axis(np.diff(answers, axis=2), places, axis=2).mean(axis=1)
    spread = changes.std(axis=0, ddof=1) if num_pairs > 1 else np.zeros(len(names))
    return Shapley(
        probability=float(answers[0, 0, -1]),
        background_probability=float(answers[:, :, 0].mean()),
        parts=dict(zip(names, changes.mean(axis=0).tolist(), strict=True)),
        errors=dict(zip(names, (spread / np.sqrt(num_pairs)).tolist(), strict=True)),
    )


def _walk(
    ask: Ask, example: Columns, background: Columns, places: NDArray[Any], rows: NDArray[Any]
) -> NDArray[np.float64]:
    """The answers along the walks, float64 `[pair, way, step]` from step 0 on."""
    names = sorted(example)
    num_steps = len(names) + 1
    size = max(1, _ROWS_A_CALL // (2 * num_steps))
    answers = []
    for start in range(0, len(rows), size):
        part, chosen = places[start : start + size], rows[start : start + size]
        columns = {}
        for number, name in enumerate(names):
            values = background[name][chosen]
            # A column is the example's from the step after its place on.
            replaced = part[:, :, number, None] < np.arange(num_steps)
            shape = (*replaced.shape, *[1] * (values.ndim - 1))
            mixed = np.where(replaced.reshape(shape), example[name], values[:, None, None, ...])
            columns[name] = mixed.reshape(-1, *values.shape[1:]).astype(values.dtype)
        answers.append(ask(columns).reshape(*part.shape[:2], num_steps))
    # The last step is the example itself in every walk; rounding in a batch must not tell.
    whole = np.concatenate(answers).astype(np.float64)
    whole[:, :, -1] = whole[0, 0, -1]
    return whole

"""Integrated gradients of an exported model (Sundararajan, Taly and Yan 2017)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.exporting.export import MODEL_INFO_FILE, SERVING_DEFAULT

Columns = Mapping[str, NDArray[Any]]
Probability = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]


@dataclass(frozen=True)
class Attribution:
    """What moved one answer away from the answer for a baseline.

    Attributes:
        probability: The model's answer for the example.
        baseline_probability: Its answer for the baseline.
        parts: By numeric column, float64 of the column's own shape `[]` or `[samples]`: the share
            of each number in the difference of the two probabilities; 0 where a sample is missing.
    """

    probability: float
    baseline_probability: float
    parts: dict[str, NDArray[np.float64]]

    @property
    def gap(self) -> float:
        """Difference of the probabilities less the sum of the parts; 0 in the limit of steps."""
        total = sum(float(part.sum()) for part in self.parts.values())
        return self.probability - self.baseline_probability - total


def load_probability(model: Path) -> Probability:
    """Returns the model as a function from columns, as clients send them, to `[n]` probabilities.

    Args:
        model: The SavedModel. Loaded as TensorFlow 2 does: its functions have gradients, which the
            Session that serves it has not.
    """
    loaded = tf.saved_model.load(str(model))
    signature = loaded.signatures[SERVING_DEFAULT]
    info = json.loads((model / MODEL_INFO_FILE).read_text(encoding="utf-8"))

    def probability(columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        # The names that clients see are in the SignatureDef only; within, columns have numbers.
        named = {f"column_{place}": columns[name] for place, name in enumerate(info["inputs"])}
        return signature(**named)["probability"][:, 0]

    probability.loaded = loaded  # type: ignore[attr-defined] # its variables live as long as it
    return probability


def as_tensors(columns: Columns) -> dict[str, tf.Tensor]:
    """Returns columns as tensors; texts as strings."""
    return {
        name: tf.constant(values.tolist() if values.dtype == object else values)
        for name, values in columns.items()
    }


def mean_baseline(columns: Columns) -> dict[str, NDArray[np.float32]]:
    """Returns the mean of every numeric column, sample by sample; missing values do not count.

    A column without any value has the baseline 0.
    """
    baseline = {}
    for name, values in columns.items():
        if values.dtype.kind == "f":
            present = np.isfinite(values)
            total = np.where(present, values, 0).sum(axis=0, dtype=np.float64)
            baseline[name] = np.asarray(total / np.maximum(present.sum(axis=0), 1), np.float32)
    return baseline


def integrated_gradients(
    probability: Probability,
    example: Columns,
    baseline: Mapping[str, NDArray[np.float32]],
    *,
    steps: int = 256,
) -> Attribution:
    """Returns what each number of an example adds to the model's answer.

    A number x with baseline b has the part (x - b) times the mean of the gradient along the
    straight way from the baseline to the example, here at the middles of equal steps.

    Args:
        probability: What `load_probability` returned.
        example: Columns of one row, `[1]` or `[1, samples]`; texts, whole numbers and missing
            values stay what they are along the way.
        baseline: By numeric column, of its own shape without the row.
        steps: Steps along the way.
    """
    moving = {name: values for name, values in example.items() if name in baseline}
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    way = {name: np.repeat(values, steps, axis=0) for name, values in example.items()}
    start = dict(example)
    for name, values in moving.items():
        step = values[0] - baseline[name]
        way[name] = baseline[name] + shares.reshape(-1, *[1] * step.ndim) * step
        start[name] = np.where(np.isfinite(values), baseline[name][None], np.nan).astype(np.float32)
    tensors = as_tensors(way)
    watched = [tensors[name] for name in moving]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(watched)
        total = tf.reduce_sum(probability(tensors))
    gradients = tape.gradient(total, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    parts = {
        name: _part(name, gradient.numpy().astype(np.float64).mean(axis=0), values[0], baseline)
        for (name, values), gradient in zip(moving.items(), gradients, strict=True)
    }
    return Attribution(
        probability=float(probability(as_tensors(example)).numpy()[0]),
        baseline_probability=float(probability(as_tensors(start)).numpy()[0]),
        parts=parts,
    )


def _part(
    name: str,
    gradient: NDArray[np.float64],
    values: NDArray[np.float32],
    baseline: Mapping[str, NDArray[np.float32]],
) -> NDArray[np.float64]:
    """The part of each number of a column; 0 where it is missing.

    Raises:
        ValueError: The model has no gradient there: 0 would say that the column has no effect.
    """
    step = np.asarray(values - baseline[name], np.float64)
    present = np.isfinite(step)
    if not np.isfinite(gradient[present]).all():
        raise ValueError(f"The model's answer has no finite gradient by `{name}`.")
    return np.where(present, gradient, 0.0) * np.where(present, step, 0.0)

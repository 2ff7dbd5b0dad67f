"""Asks two models about the same examples, as TensorFlow Serving asks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BATCH_ROWS = 4_096


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedAnswers:
    """What two models answered to the same examples.

    Attributes:
        labels: int64 `[n]` of 0 and 1.
        probabilities: float64 `[n, 2]`, of the positive class.
        decisions: int64 `[n, 2]` of 0 and 1, each at its model's own threshold.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.int64]


def ask_both(models: Sequence[Path], files: Sequence[Path], label: str) -> PairedAnswers:
    """Returns the answers of two models.

    Args:
        models: Their SavedModels.
        files: tf.Examples in gzip TFRecords.
        label: The label's column, int64.

    Raises:
        ValueError: A model cannot read the examples.
    """
    import tensorflow as tf

    from models.export import SERVE_EXAMPLES, load_in_session

    signatures = [load_in_session(path, SERVE_EXAMPLES) for path in models]
    spec = {label: tf.io.FixedLenFeature([], tf.int64)}
    records = tf.data.TFRecordDataset([str(file) for file in files], compression_type="GZIP")
    labels: list[Any] = []
    answers: list[list[Any]] = [[] for _ in models]
    for batch in records.batch(_BATCH_ROWS):
        labels.append(tf.io.parse_example(batch, spec)[label].numpy())
        for path, signature, found in zip(models, signatures, answers, strict=True):
            try:
                found.append(signature({"examples": batch.numpy()}))
            except tf.errors.InvalidArgumentError as error:
                raise ValueError(f"{path} cannot read the examples: {error.message}") from error
    return PairedAnswers(
        labels=np.concatenate(labels),
        probabilities=_columns(answers, "probability").astype(np.float64),
        decisions=_columns(answers, "decision").astype(np.int64),
    )


def _columns(answers: Sequence[Sequence[dict[str, NDArray[Any]]]], key: str) -> NDArray[Any]:
    return np.stack([np.concatenate([a[key][:, 0] for a in each]) for each in answers], axis=1)

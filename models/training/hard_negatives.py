"""Hard-negative mining: the healthy examples that the model before took for faults count more."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.example_files import read_serialised
from models.exporting.export import SERVE_EXAMPLES, load_in_session
from models.train_options import HardNegatives


def emphasis(
    scores: NDArray[np.float32], labels: NDArray[np.float32], options: HardNegatives
) -> NDArray[np.float32]:
    """Returns float32 `[n]`, how much each example counts.

    The negatives together count as much as before, so that the odds of the whole stay; those of
    the hard ones do not, and no number undoes that without the model before. Calibration does, as
    far as a function of the logit can.

    Args:
        scores: float32 `[n]`, the probability that the model before gave.
        labels: float32 `[n]` of 0 and 1.
        options: Share and weight of the hard ones. All that score as high as the last of them count
            as hard too: the order of the examples decides nothing.
    """
    negative = labels < 0.5
    num_hard = max(1, round(options.share * int(negative.sum())))
    cut = np.partition(scores[negative], -num_hard)[-num_hard]
    weights = np.ones(labels.shape, np.float32)
    weights[negative & (scores >= cut)] = options.weight
    weights[negative] /= weights[negative].mean(dtype=np.float64)
    return weights


def score_examples(folder: Path, files: Sequence[str]) -> NDArray[np.float32]:
    """Returns float32 `[n]`, the probability that an exported model gives each example.

    Args:
        folder: The SavedModel.
        files: Gzip TFRecords of tf.Examples; the answers come in their order.

    Raises:
        ValueError: The model cannot read these examples.
    """
    ask = load_in_session(folder, SERVE_EXAMPLES)
    try:
        answers = [
            ask({"examples": batch})["probability"][:, 0] for batch in read_serialised(*files)
        ]
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"The model blessed before, {folder}, cannot read these examples "
            f"({error.message.splitlines()[0]}), so that it cannot say which negatives are hard. "
            "Leave `train.hard_negatives` out until a model of the new columns is blessed."
        ) from error
    return np.concatenate(answers)

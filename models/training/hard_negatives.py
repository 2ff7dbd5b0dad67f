"""Hard-negative mining: larger weights for the false alarms of the last blessed model."""

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
    """Returns the weights of the examples, float32 `[n]`.

    The total weight of the negatives is unchanged, and with it the odds overall. The odds of the
    hard ones change, and no constant shift can undo that. Calibration does, as far as a function of
    the logit can.

    Args:
        scores: float32 `[n]`, the probabilities by the last blessed model.
        labels: float32 `[n]` of 0 and 1.
        options: Share and weight of the hard ones. Ties with the last of them count as hard too,
            so that the order of the examples does not matter.
    """
    negative = labels < 0.5
    num_hard = max(1, round(options.share * int(negative.sum())))
    cut = np.partition(scores[negative], -num_hard)[-num_hard]
    weights = np.ones(labels.shape, np.float32)
    weights[negative & (scores >= cut)] = options.weight
    weights[negative] /= weights[negative].mean(dtype=np.float64)
    return weights


def score_examples(folder: Path, files: Sequence[str]) -> NDArray[np.float32]:
    """Returns the probabilities by an exported model, float32 `[n]`.

    Args:
        folder: The SavedModel.
        files: Gzip TFRecords of tf.Examples; the result is in their order.

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
            f"The last blessed model, {folder}, cannot read these examples "
            f"({error.message.splitlines()[0]}), so hard negatives cannot be determined. "
            "Remove `train.hard_negatives` until a model with the new columns is blessed."
        ) from error
    return np.concatenate(answers)

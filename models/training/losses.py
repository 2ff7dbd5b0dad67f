"""Training losses on logits."""

from collections.abc import Callable

import keras
from keras import ops

from models.train_options import TrainOptions

Loss = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]


def training_loss(options: TrainOptions) -> Loss:
    """Returns the loss of the training options."""
    if options.loss == "cross_entropy":
        return keras.losses.BinaryCrossentropy(from_logits=True)  # type: ignore[no-any-return]
    return focal_loss(options.focal_gamma)


def focal_loss(gamma: float) -> Loss:
    """Returns -(1 - q)^gamma * ln q, with q the probability that a logit gives the true class.

    Keras's own loss clips probabilities, so that a very wrong answer has no gradient.

    Args:
        gamma: >= 0; 0 is cross-entropy.

    References:
        Lin et al. (2017), Focal loss for dense object detection, equation 4.
    """

    def loss(labels: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        towards = (2 * ops.cast(labels, logits.dtype) - 1) * logits
        # ln q = -softplus(-towards) and ln(1 - q) = -softplus(towards).
        focus = ops.exp(-gamma * ops.softplus(towards))
        return ops.mean(focus * ops.softplus(-towards), axis=-1)

    return loss

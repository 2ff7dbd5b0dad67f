import math

import keras
import numpy as np
import pytest

from models.train_options import TrainOptions
from models.training.losses import focal_loss, training_loss

LABELS = np.array([[1.0], [0.0], [1.0], [0.0]], np.float32)
LOGITS = np.array([[0.0], [0.0], [3.0], [60.0]], np.float32)


def test_focal_loss_by_hand():
    # At logit 0, q = 1/2 for either class: (1/2)^2 * ln 2. At 3: q = 0.952574,
    # (0.047426)^2 * 0.048587. Negative at 60: all wrong, (1 - e^-60)^2 * 60.
    loss = np.asarray(focal_loss(2.0)(LABELS, LOGITS))
    half = math.log(2) / 4
    assert loss == pytest.approx([half, half, 0.047426**2 * 0.048587, 60.0], rel=1e-4)


def test_focal_loss_without_focus_is_cross_entropy():
    options = TrainOptions(loss="focal", focal_gamma=0.0)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    expected = np.asarray(cross_entropy(LABELS, LOGITS))
    assert np.asarray(training_loss(options)(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_the_default_is_the_mean_cross_entropy_of_logits():
    # ln 2 at logit 0, ln(1 + e^-3) = 0.048587 and ln(1 + e^60) = 60: a mean of 15.358720.
    loss = float(training_loss(TrainOptions())(LABELS, LOGITS))
    assert loss == pytest.approx((2 * math.log(2) + 0.048587 + 60) / 4, rel=1e-5)

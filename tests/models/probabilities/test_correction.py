import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from models.probabilities.correction import LogitCorrection, unfocus
from models.probabilities.sampling import Kept, SamplingRecord, sampling_shift
from models.train_options import TrainOptions
from models.training.data import make_correction


def _focal_risk(logit: float, probability: float, gamma: float) -> float:
    """Expected focal loss of answering `logit` where the truth is `probability`, term by term."""
    q = 1 / (1 + math.exp(-logit))
    missed = -((1 - q) ** gamma) * math.log(q)
    alarm = -(q**gamma) * math.log(1 - q)
    return probability * missed + (1 - probability) * alarm


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("probability", [0.001, 0.03, 0.3, 0.5, 0.9])
def test_unfocus_finds_the_truth_where_focal_loss_is_least(probability, gamma):
    least = minimize_scalar(
        _focal_risk, bounds=(-9, 9), args=(probability, gamma), options={"xatol": 1e-9}
    )
    truth = math.log(probability / (1 - probability))
    # The minimum is flat: its place is known to about 1e-6.
    assert unfocus(np.array([least.x]), gamma)[0] == pytest.approx(truth, abs=1e-4)


def test_without_focus_the_logit_stays():
    logits = np.linspace(-40, 40, 81)
    assert unfocus(logits, 0.0) == pytest.approx(logits)


def test_unfocus_rises_and_stays_finite_far_out():
    logits = np.array([-1e6, -1_000, -500, -50, -1, 0, 1, 50, 500, 1_000, 1e6])
    truth = unfocus(logits, 2.0)
    assert np.isfinite(truth).all()
    assert (np.diff(truth) > 0).all()
    assert truth[5] == 0.0


def test_balanced_weights_are_undone_by_the_logarithm_of_their_ratio():
    # 1 positive and 4 negatives: weights 2.5 and 0.625, ratio 4.
    labels = np.array([1, 0, 0, 0, 0], np.float32)
    correction = make_correction(labels, TrainOptions(), sampling_shift(None))
    assert correction.class_weight == pytest.approx(-math.log(4))
    assert correction.apply(np.zeros(1))[0] == pytest.approx(-math.log(4))


def test_balanced_weights_on_a_sample_come_to_the_prevalence_of_all():
    # 10 positives, 1,000 negatives of which 30 were kept: whatever the sample, a network that saw
    # balanced classes and knows nothing (logit 0) must answer the odds of 10 to 1,000.
    labels = np.array([1] * 10 + [0] * 30, np.float32)
    record = SamplingRecord(strata={}, rest=Kept(nominal=0.03, kept=30, total=1_000))
    shift = sampling_shift(record)
    correction = make_correction(labels, TrainOptions(), shift)
    assert correction.apply(np.zeros(1), shift.rest)[0] == pytest.approx(math.log(10 / 1_000))


def test_only_focal_loss_has_a_gamma_to_undo():
    labels = np.array([1, 0], np.float32)
    shift = sampling_shift(None)
    plain = make_correction(labels, TrainOptions(focal_gamma=3), shift)
    focal = make_correction(labels, TrainOptions(loss="focal", focal_gamma=3), shift)
    assert (plain.focal_gamma, focal.focal_gamma) == (0.0, 3.0)


def test_nothing_done_nothing_undone():
    assert LogitCorrection().apply(np.array([1.5])) == pytest.approx([1.5])

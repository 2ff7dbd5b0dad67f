import numpy as np
import pytest

from models.probabilities.calibration import (
    NO_CALIBRATION,
    fit_calibration,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from models.probabilities.thresholds import best_f1_threshold


def test_constant_logits_get_the_mean_of_the_smoothed_targets():
    # Three positives, one negative: targets 4/5 and 1/3, mean (3 * 0.8 + 1/3) / 4 = 0.68333.
    platt = fit_platt(np.zeros(4), np.array([1.0, 1.0, 1.0, 0.0]))
    assert platt.probabilities(np.zeros(1)) == pytest.approx([0.683333], abs=1e-5)


def test_calibration_recovers_the_line_that_made_the_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 200_000)
    labels = (rng.random(logits.size) < 1 / (1 + np.exp(-(0.5 * logits - 3)))).astype(float)
    platt = fit_platt(logits, labels)
    # The standard error of both is about 0.01 at this size.
    assert (platt.slope, platt.intercept) == pytest.approx((0.5, -3.0), abs=0.05)


def test_separated_classes_do_not_give_certainty():
    logits = np.array([-5.0, -4.0, -3.0, 3.0])
    labels = np.array([0.0, 0.0, 0.0, 1.0])
    probabilities = fit_platt(logits, labels).probabilities(logits)
    # One positive: its target is 2/3; three negatives: 1/5.
    assert probabilities[3] == pytest.approx(2 / 3, abs=0.05)
    assert probabilities[:3].mean() == pytest.approx(1 / 5, abs=0.05)


def test_huge_logits_do_not_overflow():
    platt = fit_platt(np.array([-1e4, 1e4, -1e4]), np.array([0.0, 1.0, 0.0]))
    low, high = platt.probabilities(np.array([-1e4, 1e4]))
    assert 0 <= low < 0.5 < high <= 1


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_calibration_needs_both_classes(label):
    with pytest.raises(ValueError, match="needs both classes"):
        fit_platt(np.zeros(3), np.full(3, label))


def test_threshold_lies_halfway_below_the_best_f1():
    # F1 after 1, 2, 3 and 4 alarms: 2/3, 2/4, 4/5, 4/6. The best takes 0.6 in and leaves 0.2 out.
    probabilities, labels = np.array([0.9, 0.8, 0.6, 0.2]), np.array([1.0, 0.0, 1.0, 0.0])
    assert best_f1_threshold(probabilities, labels) == pytest.approx(0.4)


def test_threshold_never_splits_equal_probabilities():
    # Cut after one of the two 0.7 would give F1 1; together they give 2/3, the best possible.
    probabilities, labels = np.array([0.7, 0.7, 0.1]), np.array([1.0, 0.0, 0.0])
    assert best_f1_threshold(probabilities, labels) == pytest.approx(0.4)


def test_of_equal_f1_the_fewer_alarms_win():
    # Three positives: F1 after one alarm 2/4, after five alarms 4/8.
    probabilities = np.array([0.9, 0.5, 0.4, 0.3, 0.2, 0.1])
    labels = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    # After six: 6/9, which is better; without the last positive's alarm it would be a tie.
    assert best_f1_threshold(probabilities, labels) == pytest.approx(0.05)
    labels = np.array([1.0, 0.0, 0.0, 1.0])
    # After one alarm 2/3, after four 4/6: equal.
    assert best_f1_threshold(np.array([0.9, 0.5, 0.4, 0.3]), labels) == pytest.approx(0.7)


def test_temperature_recovers_the_slope_that_made_the_labels_and_has_no_intercept():
    rng = np.random.default_rng(1)
    logits = rng.normal(-2, 2, 100_000)
    labels = (rng.random(logits.size) < 1 / (1 + np.exp(-0.6 * logits))).astype(float)
    fitted = fit_temperature(logits, labels)
    # The standard error is about 0.005 at this size.
    assert fitted.slope == pytest.approx(0.6, abs=0.025)
    assert fitted.intercept == 0.0


def test_isotonic_follows_any_rising_curve():
    rng = np.random.default_rng(2)
    logits = rng.uniform(-3, 3, 40_000)
    # A step, which no slope and intercept can follow.
    labels = (rng.random(logits.size) < np.where(logits < 0, 0.02, 0.3)).astype(float)
    isotonic = fit_isotonic(logits, labels)
    # About 2,000 neighbours share a level: standard error 0.01 on the right.
    found = isotonic.probabilities(np.array([-1.5, 1.5]))
    assert found == pytest.approx([0.02, 0.3], abs=0.05)
    assert (np.diff(isotonic.probabilities(np.linspace(-9, 9, 200))) >= 0).all()


def test_isotonic_is_never_certain():
    logits = np.linspace(-3, 3, 600)
    labels = (logits > 0).astype(float)
    # 300 of either class: 1/302 and 301/302.
    found = fit_isotonic(logits, labels).probabilities(np.array([-9.0, 9.0]))
    assert found == pytest.approx([1 / 302, 301 / 302])


def test_isotonic_with_few_positives_is_refused_in_words():
    labels = np.zeros(1_000)
    labels[:199] = 1
    with pytest.raises(ValueError, match=r"at least 200 positive .* has 199.*calibration: platt"):
        fit_calibration("isotonic", np.arange(1_000.0), labels)


def test_no_calibration_takes_the_logit_at_its_word():
    fitted = fit_calibration("none", np.zeros(3), np.zeros(3))
    assert fitted is NO_CALIBRATION
    assert fitted.probabilities(np.array([0.0])) == pytest.approx([0.5])


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
def test_every_fit_needs_both_classes(method):
    with pytest.raises(ValueError, match="needs both classes"):
        fit_calibration(method, np.zeros(3), np.ones(3))

import gc
import tracemalloc

import numpy as np
import pytest

from models.probabilities.calibration import (
    NO_CALIBRATION,
    fit_calibration,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)


@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_constant_logits_get_the_share_of_faults(rounding):
    # Near 7, float32 has steps of 5e-7.
    logits = 7 + rounding * np.arange(4.0)
    platt = fit_platt(logits, np.array([1.0, 1.0, 1.0, 0.0]))
    assert platt.slope == 0
    assert platt.probabilities(np.full(1, 7.0)) == pytest.approx([3 / 4])


def test_calibration_recovers_the_line_that_made_the_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 200_000)
    labels = (rng.random(logits.size) < 1 / (1 + np.exp(-(0.5 * logits - 3)))).astype(float)
    platt = fit_platt(logits, labels)
    # The standard error of both is about 0.01 at this size.
    assert (platt.slope, platt.intercept) == pytest.approx((0.5, -3.0), abs=0.05)


@pytest.mark.parametrize("fit", [fit_platt, fit_temperature])
def test_separated_classes_do_not_give_certainty(fit):
    logits = np.array([-5.0, -4.0, -3.0, 3.0])
    labels = np.array([0.0, 0.0, 0.0, 1.0])
    probabilities = fit(logits, labels).probabilities(logits)
    # The likelihood alone would rise forever, to 0 and 1.
    assert 0.6 < probabilities[3] < 0.97
    assert 0.01 < probabilities[:3].mean() < 0.2


def test_the_probabilities_of_eval_add_up_to_its_faults():
    rng = np.random.default_rng(4)
    labels = np.repeat([0.0, 1.0], [200, 5])
    logits = rng.normal(size=labels.size) + 2 * labels
    assert fit_platt(logits, labels).probabilities(logits).sum() == pytest.approx(5)


@pytest.mark.parametrize(("slope", "shift"), [(0.4, 0.0), (1.0, 3.0), (1e4, -1e5), (-1e-3, 0.0)])
def test_the_calibrated_probabilities_do_not_depend_on_the_slope_of_the_network(slope, shift):
    rng = np.random.default_rng(5)
    labels = np.repeat([0.0, 1.0], [480, 17])
    logits = rng.normal(size=labels.size) + 4.5 * labels
    changed = slope * logits + shift
    assert fit_platt(changed, labels).probabilities(changed) == pytest.approx(
        fit_platt(logits, labels).probabilities(logits), rel=1e-4
    )


def test_no_array_outlives_the_fit():
    rng = np.random.default_rng(4)
    logits = rng.normal(size=100_000)
    labels = (rng.random(logits.size) < 0.3).astype(float)
    fit_platt(logits[:100], labels[:100])  # imports take memory
    gc.disable()  # which would free what reference cycles keep
    tracemalloc.start()
    try:
        fit_platt(logits, labels)
        assert tracemalloc.get_traced_memory()[0] < logits.nbytes / 2
    finally:
        tracemalloc.stop()
        gc.enable()


def test_zero_logits_have_no_temperature():
    assert fit_temperature(np.zeros(3), np.array([0.0, 1.0, 0.0])) == NO_CALIBRATION


def test_huge_logits_do_not_overflow():
    platt = fit_platt(np.array([-1e4, 1e4, -1e4]), np.array([0.0, 1.0, 0.0]))
    low, high = platt.probabilities(np.array([-1e4, 1e4]))
    assert 0 <= low < 0.5 < high <= 1


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_calibration_needs_both_classes(label):
    with pytest.raises(ValueError, match="needs both classes"):
        fit_platt(np.zeros(3), np.full(3, label))


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

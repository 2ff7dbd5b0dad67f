"""E-detectors: values worked out, their state, which channels and since when, and the budget."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from measuring.monitoring.alarms import DriftDetector, chunks_between_alarms, log_e_values


def test_the_calibrated_e_value_integrates_to_one():
    # With u = -ln p, the mean of e over uniform p is the integral of e(u) exp(-u).
    area, _ = integrate.quad(lambda u: math.exp(log_e_values(math.exp(-u)) - u), 0, 600, limit=500)
    # Beyond u = 600 the integrand is about 1 / u^2, which leaves 1 / 600.
    assert area + 1 / 600 == pytest.approx(1, abs=1e-4)


def test_the_series_near_one_meets_the_formula():
    p = math.exp(-0.001)
    assert log_e_values(p * (1 + 1e-9)) == pytest.approx(float(log_e_values(p * (1 - 1e-9))))


def test_two_chunks_worked_out():
    # p = 1: e = 1/2 and p = 0.001: e = 20.79, so the channels have M = 0.5 and 20.79, the mean
    # e-value 10.64 and so its detector. Evidence: ((0.5 + 20.79) / 2 + 10.64) / 2 = 10.64.
    detector = DriftDetector(["a", "b"], 100)
    assert not detector.update({"a": 1.0, "b": 0.001})
    assert math.exp(detector.log_evidence) == pytest.approx(10.64, abs=0.01)
    # Again: 1.5 / 2 = 0.75, 21.79 * 20.79 = 452.9 and 11.64 * 10.64 = 123.9; the evidence is
    # ((0.75 + 452.9) / 2 + 123.9) / 2 = 175.4.
    assert detector.update({"a": 1.0, "b": 0.001})
    assert math.exp(detector.log_evidence) == pytest.approx(175.4, abs=0.3)


def test_an_alarm_names_the_channel_and_its_first_chunk():
    detector = DriftDetector(["a", "b", "c"], 1_000)
    for _ in range(10):
        detector.update({"a": 0.6, "b": 0.7, "c": 0.5})
    while not detector.update({"a": 0.6, "b": 0.001, "c": 0.5}):
        pass
    driver = detector.drivers()[0]
    assert (driver.channel, driver.since, detector.since) == ("b", 10, 10)
    assert driver.share > 0.95
    assert sum(d.share for d in detector.drivers()) == pytest.approx(1)


def test_a_channel_without_a_value_is_no_evidence():
    detector = DriftDetector(["a"], 100)
    detector.update({})
    # M = (0 + 1) * 1, for the channel and for the mean.
    assert math.exp(detector.log_evidence) == pytest.approx(1)


def test_a_reset_forgets_the_evidence_but_not_the_chunks():
    detector = DriftDetector(["a"], 10)
    assert detector.update({"a": 1e-6})
    detector.reset()
    assert not detector.is_alarm
    assert detector.drivers() == []
    assert detector.update({"a": 1e-6})
    assert detector.since == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 30))
def test_json_changes_no_bit(p_values, cut):
    whole, parts = (DriftDetector(["a", "b"], 20) for _ in range(2))
    for number, p in enumerate(p_values):
        if number == cut:
            state = json.loads(json.dumps(parts.to_state(), allow_nan=False))
            parts = DriftDetector(["a", "b"], 20).with_state(state)
        assert whole.update({"a": p, "b": 1 - p}) == parts.update({"a": p, "b": 1 - p})
    assert parts.to_state() == whole.to_state()


def test_the_state_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="Start a new detector"):
        DriftDetector(["a"], 20).with_state(DriftDetector(["b"], 20).to_state())


@pytest.mark.parametrize("p_values", [{"x": 0.5}, {"a": 1.5}, {"a": math.nan}])
def test_wrong_p_values_are_named(p_values):
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        DriftDetector(["a"], 20).update(p_values)


@pytest.mark.parametrize(("channels", "threshold"), [([], 20), (["a", "a"], 20), (["a"], 1)])
def test_a_detector_needs_distinct_channels_and_a_threshold_above_one(channels, threshold):
    with pytest.raises(ValueError, match="must be"):
        DriftDetector(channels, threshold)


def test_two_false_alarms_a_year_are_182_days_apart():
    assert chunks_between_alarms(chunks_per_year=365, false_alarms_per_year=2) == 182.5
    with pytest.raises(ValueError, match="shorter chunks"):
        chunks_between_alarms(chunks_per_year=1, false_alarms_per_year=2)


@pytest.mark.simulation
def test_uniform_p_values_alarm_no_more_often_than_the_threshold_says():
    rng = np.random.default_rng(0)
    detector, alarms, num_chunks = DriftDetector(list("abcd"), 20), 0, 8_000
    for p in rng.random((num_chunks, 4)):
        if detector.update(dict(zip("abcd", p, strict=True))):
            alarms += 1
            detector.reset()
    # At most 8,000 / 20 = 400 are expected; that some come shows that it tests.
    assert 20 <= alarms <= 400

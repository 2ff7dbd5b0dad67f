"""What a chunk can show: inverses, and the power in simulated chunks."""

import math

import numpy as np
import pytest
from scipy import stats

from measuring.monitoring.alarms import DriftDetector
from measuring.monitoring.power import (
    detectable_factor,
    detectable_shift,
    needed_p_value,
    positives_for_factor,
    rows_for_shift,
)
from measuring.monitoring.two_sample import NumberReference, compare_numbers


@pytest.mark.parametrize("num_chunks", [1, 3])
def test_the_needed_p_value_raises_the_alarm_after_as_many_chunks(num_chunks):
    p = needed_p_value(threshold=180, num_channels=20, num_chunks=num_chunks)
    names = [str(number) for number in range(20)]

    def alarms(p_value):
        detector = DriftDetector(names, 180)
        # The other channels have p-values without evidence.
        values = {**dict.fromkeys(names, 1.0), "0": p_value}
        return [detector.update(values) for _ in range(num_chunks)]

    assert alarms(p * 0.999)[-1]
    assert not any(alarms(p * 4))


def test_more_rows_show_smaller_shifts_and_the_inverse_agrees():
    p = needed_p_value(threshold=182.5, num_channels=20)
    rows = rows_for_shift(0.3, p)
    assert detectable_shift(rows, p, reference_rows=10 * rows) == pytest.approx(0.3, rel=0.005)
    assert detectable_shift(4 * rows, p) < 0.3 < detectable_shift(rows / 4, p)
    assert detectable_shift(1, p) == math.inf


def test_the_factor_of_a_rate_worked_out():
    # 5 expected: P(Poisson(5) >= 14) = 0.0007 and >= 13 = 0.002, so p 0.0025 needs 14 (a tail of
    # 0.00125). P(Poisson(m) >= 14) = 0.8 at m = 17.0.
    assert stats.poisson.cdf(13, 17.0) == pytest.approx(0.2, abs=0.001)
    assert detectable_factor(5, 0.0025) == pytest.approx(17.0 / 5, rel=0.002)
    assert detectable_factor(0, 0.01) == math.inf


def test_the_proposed_positives_show_the_factor():
    expected = positives_for_factor(2, 0.001)
    assert detectable_factor(expected, 0.001) <= 2
    assert detectable_factor(expected * 0.8, 0.001) > 2


@pytest.mark.parametrize("factor", [1.0, 1.000001])
def test_a_factor_that_no_chunk_shows_is_refused(factor):
    with pytest.raises(ValueError, match="factor"):
        positives_for_factor(factor, 0.001)


@pytest.mark.simulation
def test_a_shift_is_shown_as_often_as_the_power_says():
    rng, p = np.random.default_rng(0), 0.001
    reference = NumberReference.of(rng.normal(size=200_000))
    shift = detectable_shift(300, p, reference_rows=200_000)
    hits = sum(
        compare_numbers(reference, rng.normal(shift, size=300)).p_value <= p for _ in range(300)
    )
    assert hits / 300 == pytest.approx(0.8, abs=0.08)

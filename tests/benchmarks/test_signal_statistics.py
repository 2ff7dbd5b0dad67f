import numpy as np
import pytest

from benchmarks.signal_statistics import fit_decay, summarise, summarise_channel

RATE_HZ = np.array([500.0])


def decay(tau_s: float, rate_hz: float = 500.0, num_samples: int = 256):
    """900 V, from the sample 0 on."""
    return 900.0 * np.exp(-np.arange(num_samples) / rate_hz / tau_s)[None, :]


def test_statistics_of_a_channel_leave_gaps_out():
    statistics = summarise_channel(np.array([[1.0, 2.0, np.nan, 6.0]]))

    # Mean (1 + 2 + 6) / 3 = 3; variance (4 + 1 + 9) / 3; the median of three is the middle one.
    assert statistics["mean"] == [3.0]
    assert statistics["std"] == pytest.approx([np.sqrt(14 / 3)])
    assert (statistics["min"], statistics["max"], statistics["q50"]) == ([1.0], [6.0], [2.0])
    # A quarter of the way over three values lies halfway between the first two.
    assert statistics["q25"] == [1.5]


@pytest.mark.parametrize("rate_hz", [400.0, 500.0, 1000.0])
def test_the_decay_is_fitted_in_seconds_at_any_rate(rate_hz):
    voltage = decay(0.075, rate_hz)

    assert fit_decay(voltage, np.array([rate_hz])) == pytest.approx([0.075])


def test_the_decay_is_fitted_across_a_gap_and_after_the_trigger():
    charged = np.full((1, 12), 900.0)
    voltage = np.concatenate([charged, decay(0.05)[:, :244]], axis=1)
    voltage[0, 20:40] = np.nan

    assert fit_decay(voltage, RATE_HZ) == pytest.approx([0.05])


def test_nothing_that_decays_has_no_time_constant():
    rising = np.array([[0.0, 1.0, 2.0, 3.0]])

    assert np.isnan(fit_decay(rising, RATE_HZ)).all()


def test_a_discharge_has_energy_resistance_and_missing_share():
    voltage = np.array([[0.0, 100.0, 50.0, np.nan]])
    current = np.array([[0.0, 10.0, 5.0, np.nan]])
    statistics = summarise(voltage, current, RATE_HZ)

    # (100 V * 10 A + 50 V * 5 A) * 2 ms = 2.5 J; 100 V / 10 A; one sample of four.
    assert statistics["energy_j"] == pytest.approx([2.5])
    assert statistics["peak_resistance_ohm"] == pytest.approx([10.0])
    assert statistics["missing_share"] == [0.25]
    assert statistics["voltage_max"] == [100.0]
    assert statistics["current_max"] == [10.0]

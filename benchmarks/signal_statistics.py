"""Summary statistics of discharges: what a model without convolutions gets to see."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# The decay is fitted where the voltage lies between these parts of its maximum: above noise and
# offset, and after the trigger.
FIT_FROM, FIT_TO = 0.9, 0.1


def summarise_channel(samples: Floats) -> dict[str, Floats]:
    """Returns mean, standard deviation, extremes and quantiles of each recording.

    Args:
        samples: [n, samples]; NaN where the recording has a gap.

    Returns:
        Arrays [n] by the name of the statistic.
    """
    statistics = {
        "mean": np.nanmean(samples, axis=1),
        "std": np.nanstd(samples, axis=1),
        "min": np.nanmin(samples, axis=1),
        "max": np.nanmax(samples, axis=1),
    }
    quantiles = np.nanquantile(samples, QUANTILES, axis=1)
    named = {f"q{100 * q:.0f}": row for q, row in zip(QUANTILES, quantiles, strict=True)}
    return statistics | named


def fit_decay(voltage: Floats, rate_hz: Floats) -> Floats:
    """Returns the time constant in s of an exponential decay, by least squares on the logarithm.

    Only samples after the maximum and between 90 % and 10 % of it count.

    Args:
        voltage: Voltage in V, [n, samples]; NaN in gaps.
        rate_hz: Sampling rate of each recording, [n].

    Returns:
        Time constants, [n]; NaN where fewer than two samples can be fitted or nothing decays.
    """
    num, num_samples = voltage.shape
    peak = np.nanmax(voltage, axis=1, keepdims=True)
    index = np.arange(num_samples)
    after = index > np.nanargmax(voltage, axis=1)[:, None]
    used = after & (voltage < FIT_FROM * peak) & (voltage > FIT_TO * peak)
    time_s = np.where(used, index / rate_hz[:, None], np.nan)
    logarithm = np.log(voltage, where=used, out=np.full((num, num_samples), np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a recording without usable samples
        time_s -= np.nanmean(time_s, axis=1, keepdims=True)
        slope = np.nansum(time_s * logarithm, axis=1) / np.nansum(time_s**2, axis=1)
        return np.where(slope < 0, -1.0 / slope, np.nan)


def summarise_discharge(voltage: Floats, current: Floats, rate_hz: Floats) -> dict[str, Floats]:
    """Returns what an engineer reads off a whole discharge.

    Args:
        voltage: Voltage in V, [n, samples]; NaN in gaps.
        current: Current in A, [n, samples]; NaN in gaps.
        rate_hz: Sampling rate of each recording, [n].

    Returns:
        Time constant in s, energy in J, resistance at the maximum of the current in ohm and the
        share of missing samples, [n] each.

    References:
        CERN's Signal Monitoring project reads the decay time and the initial resistance, voltage
        and current off a quench-heater discharge, https://sigmon.web.cern.ch/node/31.
    """
    peak = np.nanargmax(current, axis=1)[:, None]
    voltage_at_peak = np.take_along_axis(voltage, peak, axis=1)[:, 0]
    current_at_peak = np.take_along_axis(current, peak, axis=1)[:, 0]
    return {
        "decay_s": fit_decay(voltage, rate_hz),
        "energy_j": np.nansum(voltage * current, axis=1) / rate_hz,
        "peak_resistance_ohm": voltage_at_peak / current_at_peak,
        "missing_share": np.isnan(voltage).mean(axis=1),
    }


def summarise(voltage: Floats, current: Floats, rate_hz: Floats) -> dict[str, Floats]:
    """Returns all statistics of all recordings, [n] each, by name."""
    named = {
        f"{channel}_{name}": values
        for channel, samples in (("voltage", voltage), ("current", current))
        for name, values in summarise_channel(samples).items()
    }
    return named | summarise_discharge(voltage, current, rate_hz)

"""The discharge of a capacitor bank into quench-heater strips, as a recorder sees it."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

NUM_SAMPLES = 256
SAMPLING_RATE_HZ = 500.0
# Steps of the integration between two samples. Each step is exact for constant resistance, so
# that two are enough to place events between samples.
STEPS_PER_SAMPLE = 2
# Steel barely changes below this temperature, then rises about linearly.
RESIDUAL_TEMPERATURE_K = 20.0
STEEL_SLOPE_PER_K = 0.42 / 273.0
# Relative rise of the strips' resistance per joule that the discharge has put into them.
HEATING_PER_J = 2.0e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Circuits:
    """The circuit behind each recording, faults included; float64 arrays of shape [n].

    Times are seconds after the trigger; a time of infinity means never.

    Attributes:
        initial_voltage_v: Voltage of the charged bank.
        strip_ohm: Resistance of the heater strips before they heat up.
        bank_f: Capacitance of the bank.
        internal_ohm: Resistance between the capacitors and the voltage tap.
        trigger_s: When the switch closes, after the first sample.
        rate_hz: True sampling rate.
        short_s: When part of a strip is shorted.
        short_duration_s: How long it stays shorted.
        short_fraction: Part of the strip's resistance that is shorted, in [0, 1).
        leak_siemens: Conductance of a steady leak to ground.
        arc_s: Starts of arcs to ground, [n, arcs].
        arc_duration_s: Duration of each arc, [n, arcs].
        arc_siemens: Conductance of an arc.
        stop_s: When the switch opens too early.
        contact_s: When a contact begins to oscillate.
        contact_duration_s: How long it oscillates.
        contact_ohm: Greatest resistance of the oscillating contact.
        contact_hz: Frequency of the oscillation.
    """

    initial_voltage_v: Floats
    strip_ohm: Floats
    bank_f: Floats
    internal_ohm: Floats
    trigger_s: Floats
    rate_hz: Floats
    short_s: Floats
    short_duration_s: Floats
    short_fraction: Floats
    leak_siemens: Floats
    arc_s: Floats
    arc_duration_s: Floats
    arc_siemens: Floats
    stop_s: Floats
    contact_s: Floats
    contact_duration_s: Floats
    contact_ohm: Floats
    contact_hz: Floats


def scale_resistance(temperature_k: Floats) -> Floats:
    """Resistance of the strips relative to that at 1.9 K; same shape as `temperature_k`."""
    excess_k = np.maximum(temperature_k - RESIDUAL_TEMPERATURE_K, 0.0)
    return np.asarray(1.0 + STEEL_SLOPE_PER_K * excess_k)


def discharge(circuits: Circuits) -> tuple[Floats, Floats]:
    """Integrates the discharge of every circuit.

    Returns:
        Voltage at the tap in V and current through the strips in A, float64 [n, 256], without
        noise and without the recorder's errors.
    """
    num = len(circuits.strip_ohm)
    voltage = np.empty((NUM_SAMPLES, num))
    current = np.empty((NUM_SAMPLES, num))
    bank_v = circuits.initial_voltage_v.copy()
    energy_j = np.zeros(num)
    step_s = 1.0 / (circuits.rate_hz * STEPS_PER_SAMPLE)
    for step in range(NUM_SAMPLES * STEPS_PER_SAMPLE):
        time_s = step * step_s - circuits.trigger_s
        closed = (time_s >= 0.0) & (time_s < circuits.stop_s)
        strip_ohm = _strip_resistance(circuits, time_s, energy_j)
        load_ohm = 1.0 / (1.0 / strip_ohm + _leakage(circuits, time_s))
        loop_ohm = circuits.internal_ohm + load_ohm
        tap_v = np.where(closed, bank_v * load_ohm / loop_ohm, bank_v)
        strip_a = np.where(closed, tap_v / strip_ohm, 0.0)
        if step % STEPS_PER_SAMPLE == 0:
            voltage[step // STEPS_PER_SAMPLE] = tap_v
            current[step // STEPS_PER_SAMPLE] = strip_a
        energy_j += strip_a**2 * strip_ohm * step_s
        decay = np.exp(-step_s / (loop_ohm * circuits.bank_f))
        bank_v = np.where(closed, bank_v * decay, bank_v)
    return np.ascontiguousarray(voltage.T), np.ascontiguousarray(current.T)


def _strip_resistance(circuits: Circuits, time_s: Floats, energy_j: Floats) -> Floats:
    """Strips, warmed by the pulse, less what is shorted, plus the contact in series."""
    since_s = time_s - circuits.short_s
    bridged = (since_s >= 0.0) & (since_s < circuits.short_duration_s)
    shorted = np.where(bridged, circuits.short_fraction, 0.0)
    since_s = time_s - circuits.contact_s
    loose = (since_s >= 0.0) & (since_s < circuits.contact_duration_s)
    swing = 0.5 - 0.5 * np.cos(2.0 * np.pi * circuits.contact_hz * np.where(loose, since_s, 0.0))
    warm_ohm = circuits.strip_ohm * (1.0 + HEATING_PER_J * energy_j)
    return np.asarray(warm_ohm * (1.0 - shorted) + circuits.contact_ohm * swing)


def _leakage(circuits: Circuits, time_s: Floats) -> Floats:
    since_s = time_s[:, None] - circuits.arc_s
    burning = (since_s >= 0.0) & (since_s < circuits.arc_duration_s)
    return circuits.leak_siemens + circuits.arc_siemens * burning.any(axis=1)

import numpy as np
import pytest

from datasets.faults import NUM_ARCS
from datasets.physics import Circuits, discharge, scale_resistance


def make_circuits(**changes: float):
    """One healthy circuit of 10 ohm and 7 mF, sampled from the trigger on."""
    values = {
        "initial_voltage_v": 900.0,
        "strip_ohm": 10.0,
        "bank_f": 0.007,
        "internal_ohm": 0.0,
        "trigger_s": 0.0,
        "rate_hz": 500.0,
        "short_s": np.inf,
        "short_duration_s": np.inf,
        "short_fraction": 0.0,
        "leak_siemens": 0.0,
        "arc_siemens": 0.0,
        "stop_s": np.inf,
        "contact_s": np.inf,
        "contact_duration_s": 0.0,
        "contact_ohm": 0.0,
        "contact_hz": 0.0,
    } | changes
    arcs_s = np.full((1, NUM_ARCS), np.inf)
    arcs_s[0, 0] = values.pop("first_arc_s", np.inf)
    arrays = {name: np.array([value], dtype=np.float64) for name, value in values.items()}
    return Circuits(**arrays, arc_s=arcs_s, arc_duration_s=np.full((1, NUM_ARCS), 0.004))


def test_a_healthy_bank_discharges_with_the_time_constant_of_resistance_and_capacitance():
    voltage, current = discharge(make_circuits())

    # 900 V at the trigger over 10 ohm: 90 A. After one time constant, 10 ohm * 7 mF = 70 ms or 35
    # samples, 900 V / e = 331 V would be left; the strips warm up by less than 6 % meanwhile.
    assert voltage[0, 0] == 900.0
    assert current[0, 0] == pytest.approx(90.0)
    assert 331.0 < voltage[0, 35] < 331.0 * 1.06


def test_strips_warm_by_the_energy_that_the_bank_gives_them():
    voltage, current = discharge(make_circuits())

    # The whole energy is 0.5 * 7 mF * (900 V)^2 = 2835 J, at 2e-5 / J: 5.67 % more resistance.
    assert voltage[0, -1] / current[0, -1] == pytest.approx(10.567, abs=0.02)


def test_before_the_trigger_the_bank_is_charged_and_no_current_flows():
    voltage, current = discharge(make_circuits(trigger_s=0.02))

    # 20 ms at 500 Hz are ten samples.
    assert (voltage[0, :10] == 900.0).all()
    assert (current[0, :10] == 0.0).all()
    assert current[0, 10] > 80.0


def test_internal_resistance_takes_its_share_of_the_voltage():
    voltage, _ = discharge(make_circuits(internal_ohm=1.0))

    # 10 of 11 ohm lie behind the tap.
    assert voltage[0, 0] == pytest.approx(900.0 * 10 / 11)


def test_resistance_rises_only_above_the_residual_temperature():
    # At 293 K: 1 + 0.42 / 273 * (293 - 20) = 1.42.
    assert scale_resistance(np.array([1.9, 20.0, 293.0])) == pytest.approx([1.0, 1.0, 1.42])


def test_a_shorted_strip_raises_the_current_from_its_moment_on():
    _, healthy = discharge(make_circuits())
    _, faulty = discharge(make_circuits(short_s=0.05, short_fraction=0.2))

    # Sample 25 is 50 ms: before it nothing differs, at it the current is 1 / 0.8 as great.
    assert (faulty[0, :25] == healthy[0, :25]).all()
    assert faulty[0, 25] == pytest.approx(healthy[0, 25] / 0.8)
    assert faulty[0, -1] < healthy[0, -1]


def test_a_passing_short_ends_with_its_duration():
    short = make_circuits(short_s=0.05, short_duration_s=0.02, short_fraction=0.2)
    voltage, current = discharge(short)
    resistance = voltage[0] / current[0]

    # From 50 ms to 70 ms, samples 25 to 34, a fifth of the 10 ohm is missing; warming adds 6 %.
    assert resistance[[24, 35]].min() > 10.0
    assert resistance[25:35].max() < 8.0 * 1.06


def test_a_lost_capacitor_shortens_the_decay_at_the_same_first_current():
    _, healthy = discharge(make_circuits())
    _, faulty = discharge(make_circuits(bank_f=0.005))

    assert faulty[0, 0] == healthy[0, 0]
    assert faulty[0, 50] < 0.8 * healthy[0, 50]


def test_a_leak_empties_the_bank_past_the_strips():
    voltage, current = discharge(make_circuits(leak_siemens=0.02))
    healthy_voltage, _ = discharge(make_circuits())

    assert current[0, 0] == pytest.approx(90.0)
    assert voltage[0, 35] < 0.9 * healthy_voltage[0, 35]


def test_an_arc_pulls_voltage_and_current_down_for_its_duration():
    healthy, _ = discharge(make_circuits(internal_ohm=1.0))
    arcing, current = discharge(make_circuits(internal_ohm=1.0, first_arc_s=0.02, arc_siemens=1.0))

    # 4 ms from 20 ms on are samples 10 and 11.
    assert (arcing[0, :10] == healthy[0, :10]).all()
    assert arcing[0, 10] < 0.6 * healthy[0, 10]
    assert current[0, 12] > 1.5 * current[0, 11]


def test_an_early_stop_ends_the_current_and_leaves_the_voltage():
    voltage, current = discharge(make_circuits(stop_s=0.1))

    assert current[0, 49] > 15.0
    assert (current[0, 50:] == 0.0).all()
    assert (voltage[0, 51:] == voltage[0, 50]).all()
    assert voltage[0, 50] > 200.0


def test_a_loose_contact_ripples_the_current_only_while_it_is_loose():
    loose = make_circuits(
        contact_s=0.02, contact_duration_s=0.04, contact_ohm=5.0, contact_hz=125.0
    )
    _, healthy = discharge(make_circuits())
    _, current = discharge(loose)
    ratio = current[0] / healthy[0]

    # 125 Hz at 500 Hz is a period of four samples: closed at sample 10, most open at sample 12.
    assert (ratio[:10] == 1.0).all()
    assert ratio[12] < 0.72
    assert ratio[14] > 0.98
    assert np.diff(ratio[31:]) == pytest.approx(0.0, abs=1e-3)


def test_half_the_sampling_rate_skips_every_second_sample():
    fast, _ = discharge(make_circuits())
    slow, _ = discharge(make_circuits(rate_hz=250.0))

    # Warming is integrated in steps of half a sample each, which differ by 1 % at most.
    assert slow[0, :100] == pytest.approx(fast[0, :200:2], rel=1e-2)

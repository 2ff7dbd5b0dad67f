"""Physical faults and their effects on the circuit, from barely visible to obvious."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datasets.physics import Circuits, Floats

NO_FAULT = "none"
NUM_ARCS = 3
# Share of each kind among the faulty, before and after a change of the fault mix.
FAULT_MIX = {
    "strip_resistance": 0.20,
    "capacitor_loss": 0.10,
    "insulation": 0.30,
    "early_stop": 0.10,
    "oscillating_contact": 0.30,
}
CHANGED_FAULT_MIX = {
    "strip_resistance": 0.10,
    "capacitor_loss": 0.10,
    "insulation": 0.45,
    "early_stop": 0.05,
    "oscillating_contact": 0.30,
}


def draw_kinds(rng: np.random.Generator, num: int, *, changed_mix: bool) -> NDArray[np.str_]:
    """Draws `num` kinds of faults; every kind appears once `num` reaches their number."""
    mix = CHANGED_FAULT_MIX if changed_mix else FAULT_MIX
    kinds = np.array(list(mix))
    sure = rng.permutation(kinds)[:num]
    rest = rng.choice(kinds, size=num - len(sure), p=list(mix.values()))
    return np.concatenate([sure, rest])


def apply_faults(
    rng: np.random.Generator, circuits: Circuits, kinds: NDArray[np.str_], strength: Floats
) -> Circuits:
    """Applies the fault of each recording to its circuit.

    Args:
        rng: Source of times and durations.
        circuits: Healthy circuits.
        kinds: Kind of fault of each circuit, [n]; `none` leaves it unchanged.
        strength: Strength of the fault, in [0, 1], [n].
    """
    for kind, change in _CHANGES.items():
        rows = np.flatnonzero(kinds == kind)
        for name, values in change(rng, circuits, rows, strength[rows]).items():
            changed = getattr(circuits, name).copy()
            changed[rows] = values
            circuits = dataclasses.replace(circuits, **{name: changed})
    return circuits


def _short_strip(
    rng: np.random.Generator, _: Circuits, rows: NDArray[np.intp], strength: Floats
) -> dict[str, Floats]:
    """Part of a strip is bridged, half of the time only for a while: the current jumps up."""
    passing = rng.random(len(rows)) < 0.5
    return {
        "short_duration_s": np.where(passing, rng.uniform(0.02, 0.06, len(rows)), np.inf),
        "short_s": rng.uniform(0.01, 0.1, len(rows)),
        "short_fraction": 0.05 + 0.25 * strength,
    }


def _lose_capacitor(
    _: np.random.Generator, circuits: Circuits, rows: NDArray[np.intp], strength: Floats
) -> dict[str, Floats]:
    """The bank has aged, or lost a branch: the decay is faster at the same current."""
    return {"bank_f": circuits.bank_f[rows] * (1.0 - 0.03 - 0.28 * strength**1.5)}


def _break_insulation(
    rng: np.random.Generator, _: Circuits, rows: NDArray[np.intp], strength: Floats
) -> dict[str, Floats]:
    """Current flows past the strips: a steady leak in a fifth of them, brief arcs in the others."""
    steady = rng.random(len(rows)) < 1 / 5
    starts_s = rng.uniform(0.005, 0.12, (len(rows), NUM_ARCS))
    num_arcs = rng.integers(1, NUM_ARCS + 1, len(rows))
    unused = steady[:, None] | (np.arange(NUM_ARCS) >= num_arcs[:, None])
    return {
        "leak_siemens": np.where(steady, 0.002 + 0.025 * strength**1.5, 0.0),
        "arc_siemens": np.where(steady, 0.0, 0.15 + 0.5 * strength),
        "arc_s": np.where(unused, np.inf, starts_s),
        "arc_duration_s": rng.uniform(0.002, 0.004, (len(rows), NUM_ARCS)),
    }


def _stop_early(
    rng: np.random.Generator, _: Circuits, rows: NDArray[np.intp], strength: Floats
) -> dict[str, Floats]:
    """The switch opens before the bank is empty: no current, and the voltage stays."""
    return {"stop_s": rng.uniform(0.9, 1.1, len(rows)) * (0.36 - 0.26 * strength)}


def _loosen_contact(
    rng: np.random.Generator, _: Circuits, rows: NDArray[np.intp], strength: Floats
) -> dict[str, Floats]:
    """A contact in series opens and closes for a while: the current ripples."""
    return {
        "contact_s": rng.uniform(0.005, 0.09, len(rows)),
        "contact_duration_s": rng.uniform(0.03, 0.09, len(rows)),
        "contact_ohm": 1.5 + 5.0 * strength,
        "contact_hz": rng.uniform(40.0, 150.0, len(rows)),
    }


_Change = Callable[[np.random.Generator, Circuits, NDArray[np.intp], Floats], dict[str, Floats]]
_CHANGES: dict[str, _Change] = {
    "strip_resistance": _short_strip,
    "capacitor_loss": _lose_capacitor,
    "insulation": _break_insulation,
    "early_stop": _stop_early,
    "oscillating_contact": _loosen_contact,
}

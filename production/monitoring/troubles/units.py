"""Numbers in another unit, and numbers far outside of the training data."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from measuring.monitoring.two_sample import LEAST_REFERENCE
from models.features import Feature, HeavyTailed, Signal
from pipeline.unit_names import unit_text
from production.monitoring.troubles.case import BROKEN_SHARE, Case, Floats, Ints, percent
from production.monitoring.troubles.trouble import Trouble, TroubleKind

# Factor and offset to the first unit of each dimension.
_DIMENSIONS: tuple[dict[str, tuple[float, float]], ...] = (
    {"K": (1, 0), "°C": (1, 273.15), "°F": (5 / 9, 459.67 * 5 / 9)},
    {"Pa": (1, 0), "kPa": (1e3, 0), "MPa": (1e6, 0), "bar": (1e5, 0), "mbar": (100, 0),
     "psi": (6894.757, 0)},
    {"m": (1, 0), "mm": (1e-3, 0), "cm": (0.01, 0), "km": (1e3, 0), "µm": (1e-6, 0),
     "in": (0.0254, 0), "mi": (1609.344, 0)},
    {"m/s": (1, 0), "km/h": (1 / 3.6, 0), "mm/s": (1e-3, 0)},
    {"s": (1, 0), "ms": (1e-3, 0), "min": (60, 0), "h": (3600, 0), "d": (86_400, 0)},
    {"kg": (1, 0), "g": (1e-3, 0), "mg": (1e-6, 0), "t": (1e3, 0)},
    {"l": (1, 0), "ml": (1e-3, 0)},
    {"V": (1, 0), "mV": (1e-3, 0), "kV": (1e3, 0)},
    {"A": (1, 0), "mA": (1e-3, 0), "kA": (1e3, 0)},
    {"W": (1, 0), "kW": (1e3, 0), "MW": (1e6, 0)},
    {"J": (1, 0), "kJ": (1e3, 0), "Wh": (3600, 0), "kWh": (3.6e6, 0)},
    {"N": (1, 0), "kN": (1e3, 0)},
    {"Hz": (1, 0), "kHz": (1e3, 0), "MHz": (1e6, 0), "rpm": (1 / 60, 0)},
    {"rad": (1, 0), "°": (math.pi / 180, 0)},
    {"": (1, 0), "%": (0.01, 0), "ppm": (1e-6, 0)},
)  # fmt: skip
_FACTORS = (1e3, 1e-3, 1e6, 1e-6, 100.0, 0.01)
# Distances between distribution functions: of other numbers, and of the same ones.
_FAR, _NEAR = 0.6, 0.3
_FEWEST_ROWS = 20
_MAX_KEYS = 100
# More rows than this show nothing more.
_MAX_ROWS = 10_000
# Beyond the training's range, in widths of the range.
_MARGIN, _GROSS, _GROSS_LOG, _ABSURD = 0.1, 1.0, 0.5, 5.0
_INSIDE = 0.9


class Conversion(NamedTuple):
    """How a value in another unit becomes one in the training's: times `factor`, plus `offset`."""

    words: str
    factor: float
    offset: float


def conversions(unit: str, then: Floats) -> list[Conversion]:
    """Returns the conversions that may have been left out, those of the unit first.

    Args:
        unit: The training's unit; empty if it is unknown.
        then: The training's values, sorted, at least one.
    """
    own: list[Conversion] = []
    for dimension in _DIMENSIONS:
        if unit not in dimension or not _is_possible(unit, dimension, then):
            continue
        scale, zero = dimension[unit]
        own += [
            Conversion(f"{other or 'a share of 1'} instead of {unit or 'a share of 1'}", s / scale,
                       (z - zero) / scale)
            for other, (s, z) in dimension.items()
            if other != unit
        ]  # fmt: skip
    factors = [Conversion(_factor_words(1 / f), f, 0.0) for f in _FACTORS]
    return [*own, *(f for f in factors if all(not _alike(f, one) for one in own))]


def _is_possible(unit: str, dimension: Mapping[str, tuple[float, float]], then: Floats) -> bool:
    """Whether the training's values can be in the unit.

    Numbers without a unit are shares only within [0, 1], and no temperature is below 0 K.
    """
    if not unit:
        return bool(then[0] >= 0 and then[-1] <= 1)
    scale, zero = dimension[unit]
    return "K" not in dimension or bool(then[0] * scale + zero >= 0)


def _alike(one: Conversion, other: Conversion) -> bool:
    return other.offset == 0 and abs(one.factor / other.factor - 1) < 0.05


def _factor_words(factor: float) -> str:
    return f"a factor of {factor:,.0f}" if factor >= 1 else f"a factor of 1 / {1 / factor:,.0f}"


def find_wrong_units(case: Case) -> Iterator[Trouble]:
    """Yields features in another unit, or with values far outside of the training data."""
    for channel, name, unit in _measured(case):
        then = case.training_values(channel)
        now = case.columns.numbers[channel]
        if len(then) < LEAST_REFERENCE:
            continue
        yield from _wrong_unit(case, name, unit, now, then)


def _measured(case: Case) -> Iterator[tuple[str, str, str]]:
    """Channel, feature and unit of each feature that is a measurement."""
    for name, feature in case.reference.features.items():
        channel = f"{name}: median" if isinstance(feature, Signal) else name
        if channel in case.columns.numbers and channel in case.reference.columns.numbers:
            yield channel, name, _unit_of(name, feature)


def _unit_of(name: str, feature: Feature) -> str:
    unit = getattr(feature, "unit", "")
    return unit_text(unit) or unit or unit_text(name.rpartition("_")[2] if "_" in name else "")


def _wrong_unit(case: Case, name: str, unit: str, now: Floats, then: Floats) -> Iterator[Trouble]:
    tried = conversions(unit, then)
    for rows, where in _parts(case, now):
        values = now[rows[:: max(1, len(rows) // _MAX_ROWS)]]
        before = _distance(values, then)
        if before < _FAR:
            continue
        fits = [(_distance(values * c.factor + c.offset, then), c) for c in tried]
        after, conversion = min(fits, key=lambda fit: fit[0])
        if after <= min(_NEAR, before / 3):
            share = len(rows) / case.num_rows
            yield _unit_trouble(name, where, share, values, then, conversion)
            return
    yield from _far_outside(case, name, tried, now, then)


def _parts(case: Case, now: Floats) -> Iterator[tuple[Ints, str]]:
    """All rows with a value, then those of each key."""
    present = np.flatnonzero(np.isfinite(now))
    if len(present) >= _FEWEST_ROWS:
        yield present, ""
    if case.keys is None or case.keys.max() >= _MAX_KEYS:
        return
    by_key = case.by_key[np.isfinite(now[case.by_key])]
    starts = np.flatnonzero(np.diff(case.keys[by_key], prepend=-1))
    for rows in np.split(by_key, starts[1:]):
        if _FEWEST_ROWS <= len(rows) < len(present):
            yield rows, case.key_words(int(rows[0]))


def _distance(values: Floats, then: Floats) -> float:
    """Kolmogorov-Smirnov distance from the training's values, which are sorted."""
    ordered = np.sort(values)
    places = np.arange(len(ordered) + 1) / len(ordered)
    above = places[1:] - np.searchsorted(then, ordered, side="left") / len(then)
    below = np.searchsorted(then, ordered, side="right") / len(then) - places[:-1]
    return float(max(above.max(), below.max()))


def _far_outside(
    case: Case, name: str, tried: list[Conversion], now: Floats, then: Floats
) -> Iterator[Trouble]:
    is_heavy = isinstance(case.reference.features[name], HeavyTailed)
    scale = _logarithm if is_heavy else np.asarray
    low, high = scale(then[[0, -1]])
    width = float(high - low)
    if not width > 0:
        return
    scaled = scale(now)
    beyond = np.maximum(low - scaled, scaled - high) / width
    outside = np.isfinite(now) & (beyond > _MARGIN)
    if not case.exceeds(outside, 0, len(then)):
        return
    values, share = now[outside], float(outside.mean())
    if np.median(beyond[outside]) >= (_GROSS_LOG if is_heavy else _GROSS):
        for one in tried:
            if _fits(values * one.factor + one.offset, then):
                yield _unit_trouble(name, "", share, values, then, one)
                return
    absurd = outside & (beyond >= _ABSURD)
    if case.exceeds(absurd, 0, len(then)):
        yield _range_trouble(name, now[absurd], float(absurd.mean()), then)


def _logarithm(values: Floats) -> Floats:
    """The scale of heavy-tailed features in the model."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), np.float64)


def _fits(values: Floats, then: Floats) -> bool:
    """Whether some rows are like the training data: nearly all within it, the middle in its middle.

    The largest values of a long tail, divided by 100, are within it too, but at its low end.
    """
    low, first, third, high = np.quantile(then, [0.01, 0.25, 0.75, 0.99])
    is_within = ((values >= low) & (values <= high)).mean() >= _INSIDE
    return bool(is_within and first <= np.median(values) <= third)


def _unit_trouble(
    name: str, where: str, share: float, values: Floats, then: Floats, conversion: Conversion
) -> Trouble:
    return Trouble(
        kind=TroubleKind.WRONG_UNIT,
        feature=name,
        share=share,
        words=f"`{name}` has values from {values.min():.4g} to {values.max():.4g} in "
        f"{percent(share)} of the rows{where}, the training data from {then[0]:.4g} to "
        f"{then[-1]:.4g}. They fit {conversion.words}. Correct the unit where the value is sent.",
        is_broken=share >= BROKEN_SHARE,
    )


def _range_trouble(name: str, values: Floats, share: float, then: Floats) -> Trouble:
    only = f" always {values[0]:.6g}," if len(np.unique(values)) == 1 else ""
    hint = " A constant may stand for a missing value." if only else ""
    return Trouble(
        kind=TroubleKind.OUT_OF_RANGE,
        feature=name,
        share=share,
        words=f"`{name}` is far outside of the training data in {percent(share)} of the rows,"
        f"{only} from {values.min():.4g} to {values.max():.4g}; the training data are from "
        f"{then[0]:.4g} to {then[-1]:.4g}.{hint} Check the sensor and its unit.",
        is_broken=share >= BROKEN_SHARE,
    )

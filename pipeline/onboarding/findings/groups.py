"""Detection of group columns: names of what rows belong to, as opposed to measured quantities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from measuring.association import likeness, means_by_code, order_p_value
from pipeline.counting import count
from pipeline.onboarding.findings.identifiers import UNIQUE_SHARE
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import ID_WORDS, quoted, words_of

# What rows belong to. Numbers that run with time, such as those of batches, are names all the same.
_OWNERS = {
    "machine", "magnet", "unit", "well", "patient", "device", "asset", "equipment", "vehicle",
    "car", "truck", "customer", "user", "client", "subject", "person", "site", "station", "plant",
    "turbine", "recording", "session", "batch", "lot", "run", "experiment", "circuit", "building",
    "robot", "wafer", "account", "household", "aircraft", "flight", "trial", "specimen", "host",
    "speaker", "stretch",
}  # fmt: skip
# Things that also give their names to readings (a battery of 80, cycle 15): whole numbers of such
# a name must not be in an order that other columns follow.
_THINGS = {
    "engine", "motor", "group", "line", "drive", "disk", "battery", "bearing", "cell", "part",
    "component", "train", "cycle", "pump", "valve", "sample", "node", "server",
}  # fmt: skip
_NAMES_OF_QUANTITIES = {
    "index",
    "number",
    "no",
    "nr",
    "nbr",
    "pid",
    "key",
    "row",
}  # a Reynolds number
_MEASURED_WORDS = {
    "per", "rate", "ratio", "speed", "temp", "temperature", "pressure", "rpm", "flow", "level",
    "load", "power", "torque", "voltage", "current", "humidity", "vibration", "weight", "mass",
    "height", "width", "length", "duration", "distance", "fuel", "percent", "pct", "energy", "heat",
    "force", "stress", "frequency", "hz", "volume", "density", "thickness", "depth", "position",
    "angle", "age", "price", "cost", "amount", "score", "count", "counts", "num", "total", "avg",
    "average", "mean", "median", "min", "max", "sum", "std", "days", "hours", "minutes", "seconds",
}  # fmt: skip
_MIN_GROUPS = 5
_MIN_GROUPS_BY_LIKENESS = 20
_MIN_STEADY_GROUPS = 20
_MIN_ROWS_A_GROUP = 3.0
_MAX_LIKENESS_COLUMNS = 40
_ALIKE = 0.9
_MIN_DENSITY = 0.5  # of the whole numbers between the smallest and the largest
_PANEL_SHARE = 0.95  # of the values that must be equally frequent
_ORDER_LEVEL = 0.01  # of all tests for an order together

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A column whose equal values mark rows that belong together, or may do so.

    Attributes:
        name: Name of the column.
        num_groups: Number of its distinct values in the sample.
        reason: Why it is a group column.
        doubt: Why it may be a measured quantity instead; empty if it is not.
    """

    name: str
    num_groups: int
    reason: str
    doubt: str = ""


def find_groups(
    columns: Mapping[str, Column],
    candidates: Sequence[str],
    numeric: Sequence[str],
    *,
    min_groups: int = _MIN_GROUPS,
) -> list[Group]:
    """Returns the group columns among `candidates`, the preferred split column first.

    That is the coarsest column with enough groups for stable metrics: with fewer, the test split
    consists of one or two groups. Doubtful ones come last.

    Args:
        columns: All columns.
        candidates: Possible group columns: texts and whole numbers.
        numeric: Measurements, which should be similar within a group.
        min_groups: Fewest values of a group column.
    """
    groups = []
    for name in candidates:
        others = {
            other: columns[other].sample
            for other in numeric[: _MAX_LIKENESS_COLUMNS + 1]
            if other != name
        }
        group = _judge(columns[name], others, min_groups)
        if group is not None:
            groups.append(group)
    return sorted(
        groups, key=lambda g: (bool(g.doubt), g.num_groups < _MIN_STEADY_GROUPS, g.num_groups)
    )


def named_group(column: Column) -> Group:
    """Returns a column that the person names as group.

    Raises:
        InputError: It has no single values.
    """
    if column.kind in ("list", "other", "empty"):
        raise InputError(
            f"--group {column.name}: {quoted(column.name)} has no single values to group by. Name "
            "another column."
        )
    sizes = count(column.num_distinct, "value")
    return Group(
        name=column.name,
        num_groups=column.num_distinct,
        reason=f"you decided with --group; {sizes}",
    )


def lies_within(inner: Column, outer: Column) -> bool:
    """Tells whether each value of `inner` occurs with only one value of `outer`."""
    valid = (inner.codes >= 0) & (outer.codes >= 0)
    pairs = np.unique(np.stack([inner.codes[valid], outer.codes[valid]]), axis=1)
    return bool(pairs.shape[1] == len(np.unique(inner.codes[valid])))


def _judge(column: Column, others: Mapping[str, Floats], min_groups: int) -> Group | None:
    if not _may_group(column, min_groups):
        return None
    groups, rows = column.num_distinct, column.num_sampled
    sizes = f"{count(groups, 'value')}, {rows / groups:.1f} rows each on average"
    naming = _naming(words_of(column.name), groups)
    if naming is not None:
        reason = f"its name and {sizes}"
    else:
        icc = _icc_of_groups(column, others)
        if icc is None:
            return None
        reason = f"{sizes}; rows with the same value are similar (intraclass correlation {icc:.2f})"
    is_sure = column.kind == "text" or naming == "surely" or (naming and _is_panel(column))
    doubt = "" if is_sure else arithmetic(column, others)
    return Group(name=column.name, num_groups=groups, reason=reason, doubt=doubt)


def _may_group(column: Column, min_groups: int) -> bool:
    """Whether a column has enough repeated names, and not the name of a measurement."""
    groups, rows, words = column.num_distinct, column.num_sampled, words_of(column.name)
    if groups < min_groups or rows < 2 * _MIN_GROUPS or groups > rows * UNIQUE_SHARE:
        return False
    if not words or column.missing_share > 0.05:
        return False
    if column.kind == "text":
        return True
    return column.is_whole and not _is_named_as_measurement(column, words)


def _is_panel(column: Column) -> bool:
    """Whether nearly all values are equally frequent: a number of each person or thing of a panel.

    Quantities are not, however their values are spread.
    """
    sizes = np.bincount(column.codes[column.codes >= 0])
    usual = int(np.bincount(sizes).argmax())
    share = float((sizes == usual).mean())
    return len(sizes) >= _MIN_STEADY_GROUPS and int(usual) >= 2 and share >= _PANEL_SHARE


def _naming(words: Sequence[str], num_groups: int) -> str | None:
    """Returns whether a name is that of what rows belong to: `surely`, `perhaps` or None."""
    last, things = words[-1], _OWNERS | _THINGS
    identified = last in ID_WORDS and num_groups >= 2 * _MIN_GROUPS
    compound = len(words) > 1 and set(words[-2:]) <= things
    if not (identified or last in things or compound):
        return None
    is_number_of_thing = last in ID_WORDS and bool(things & set(words[:-1]))
    if last in _OWNERS or is_number_of_thing or (identified and last not in _NAMES_OF_QUANTITIES):
        return "surely"
    return "perhaps"


def _is_named_as_measurement(column: Column, words: Sequence[str]) -> bool:
    """Tells `rpm_motor`, `heat_index` and `fuel_per_flight` from `motor` and `machine_index`."""
    things = _OWNERS | _THINGS
    is_index = words[-1] == "index" and len(words) > 1 and not things.intersection(words)
    is_count = len(words) > 1 and words[0] == "n"
    return bool(_MEASURED_WORDS.intersection(words)) or is_index or is_count or bool(column.unit)


def _icc_of_groups(column: Column, others: Mapping[str, Floats]) -> float | None:
    """Returns how similar rows of one value are, or None where they are no groups."""
    groups, rows = column.num_distinct, column.num_sampled
    if groups < _MIN_GROUPS_BY_LIKENESS or rows / groups < _MIN_ROWS_A_GROUP or not others:
        return None
    iccs = [likeness(column.codes, values) for values in others.values()]
    if sum(icc >= _ALIKE for icc in iccs) < 0.5 * len(iccs):
        return None
    return float(np.median(iccs))


def arithmetic(column: Column, others: Mapping[str, Floats]) -> str:
    """Returns why whole numbers measure something, or an empty text if they may only name.

    Names have no arithmetic: they number things one after another, about as often each, and their
    order says nothing about other columns. The order of numbers that measure does.

    Args:
        column: A column of whole numbers.
        others: float64 [sampled rows] by name, the other columns of numbers; NaN where missing.
    """
    numbers = column.sample
    values, sizes = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    span = float(values[-1] - values[0]) + 1
    if len(values) < _MIN_DENSITY * span:
        return f"its {len(values):,} values are far apart, from {values[0]:g} to {values[-1]:g}"
    level = _ORDER_LEVEL / (1 + len(others))
    if order_p_value(sizes.astype(np.float64)) < level:
        return "neighbouring values are about as frequent as each other, as those of a quantity"
    for name, other in others.items():
        if order_p_value(means_by_code(numbers, other)) < level:
            return f"{quoted(name)} changes steadily with its value"
    return ""

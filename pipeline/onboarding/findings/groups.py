"""Detection of group columns: names of what rows belong to, as opposed to measured quantities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from measuring.association import agreement, likeness, means_by_code, order_p_value
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
# What a number after the name identifies; alone, `family` is the size of one.
_NUMBERED = {
    "mother", "family", "student", "employee", "animal", "participant", "respondent", "donor",
    "case",
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
_MIN_ROWS_A_GROUP = 3.0  # with fewer, rows must be alike in several columns
_MIN_REPEATED = 40  # rows with the value of an earlier one
_MIN_REPEATED_SHARE = 0.3  # of the values; fewer are chance repetitions of texts
_MIN_ALIKE_COLUMNS = 2
_MAX_LIKENESS_COLUMNS = 40
_ALIKE = 0.9  # intraclass correlation of numbers
# Of few rows each: what never changes for a person, such as the sex, is proof beside what does.
_EXACT, _MIN_EXACT_COLUMNS, _MIN_EXACT_SHARE = 0.999, 5, 0.33
_AGREE = 0.95  # corrected for chance
_MAX_CATEGORIES = 20
_MAX_NEIGHBOURS = 0.5  # agreement of neighbouring values
_MIN_DENSITY = 0.5  # of the whole numbers between the smallest and the largest
_PANEL_SHARE = 0.95  # of the values that must be equally frequent
_ORDER_LEVEL = 0.01  # of all tests for an order together

_PLACE = "as for a place, most other columns differ between rows of one value"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A column whose equal values mark rows that belong together, or may do so.

    Attributes:
        name: Name of the column.
        num_groups: Number of its distinct values in the sample.
        reason: Why it is a group column.
        doubt: Why it may be a measured quantity or a mere category; empty if it is a group.
    """

    name: str
    num_groups: int
    reason: str
    doubt: str = ""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How rows of one value are alike.

    Attributes:
        words: In words, with the median over the columns.
        is_most: In half of all columns, not only of the measurements.
    """

    words: str
    is_most: bool


def find_groups(
    columns: Mapping[str, Column],
    candidates: Sequence[str],
    compared: Sequence[str],
    *,
    min_groups: int = _MIN_GROUPS,
) -> list[Group]:
    """Returns the group columns among `candidates`, the preferred split column first.

    That is the coarsest column with enough groups for stable metrics: with fewer, the test split
    consists of one or two groups. Doubtful ones come last.

    Args:
        columns: All columns.
        candidates: Possible group columns: texts and whole numbers.
        compared: Measurements and categories, which should be alike within a group.
        min_groups: Fewest values of a group column.
    """
    groups = []
    for name in candidates:
        others = [columns[other] for other in compared if other != name]
        others = others[:_MAX_LIKENESS_COLUMNS]
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


def names_things(column: Column) -> bool:
    """Tells whether a column has the name of what rows belong to, such as `machine`."""
    words = words_of(column.name)
    return bool(words) and words[-1] in _OWNERS and not _is_named_as_measurement(column, words)


def lies_within(inner: Column, outer: Column) -> bool:
    """Tells whether each value of `inner` occurs with only one value of `outer`."""
    valid = (inner.codes >= 0) & (outer.codes >= 0)
    pairs = np.unique(np.stack([inner.codes[valid], outer.codes[valid]]), axis=1)
    return bool(pairs.shape[1] == len(np.unique(inner.codes[valid])))


def _judge(column: Column, others: Sequence[Column], min_groups: int) -> Group | None:
    if not _may_group(column, min_groups):
        return None
    groups, rows = column.num_distinct, column.num_sampled
    sizes = f"{count(groups, 'value')}, {rows / groups:.1f} rows each on average"
    naming = _naming(words_of(column.name), groups)
    if naming is not None:
        reason = f"its name and {sizes}"
    else:
        alike = find_likeness(column.codes, others)
        if alike is None:
            return None
        reason = f"{sizes}; {alike.words}"
        if column.kind == "text" and not alike.is_most:
            return Group(name=column.name, num_groups=groups, reason=reason, doubt=_PLACE)
    is_sure = column.kind == "text" or naming == "surely" or (naming and _is_panel(column))
    doubt = "" if is_sure or _is_name(column, others) else _doubt(column, others)
    return Group(name=column.name, num_groups=groups, reason=reason, doubt=doubt)


def _doubt(column: Column, others: Sequence[Column]) -> str:
    numbers = {one.name: one.sample for one in others if one.is_number and one.num_distinct > 2}
    reason = arithmetic(column, numbers)
    return f"it may measure something: {reason}" if reason else ""


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
    things = _OWNERS | _THINGS
    if words[-1].endswith("id") and words[-1].removesuffix("id") in things | _NUMBERED:  # `caseid`
        words = [*words[:-1], words[-1].removesuffix("id"), "id"]
    last = words[-1]
    identified = last in ID_WORDS and num_groups >= 2 * _MIN_GROUPS
    compound = len(words) > 1 and set(words[-2:]) <= things
    if not (identified or last in things or compound):
        return None
    numbered = (things | _NUMBERED) & set(words[:-1])
    is_number_of_thing = last in ID_WORDS and bool(numbered)
    if last in _OWNERS or is_number_of_thing or (identified and last not in _NAMES_OF_QUANTITIES):
        return "surely"
    return "perhaps"


def _is_named_as_measurement(column: Column, words: Sequence[str]) -> bool:
    """Tells `rpm_motor`, `heat_index` and `fuel_per_flight` from `motor` and `machine_index`."""
    things = _OWNERS | _THINGS
    is_index = words[-1] == "index" and len(words) > 1 and not things.intersection(words)
    is_count = len(words) > 1 and words[0] == "n"
    return bool(_MEASURED_WORDS.intersection(words)) or is_index or is_count or bool(column.unit)


def find_likeness(codes: Ints, others: Sequence[Column]) -> Likeness | None:
    """Returns how rows of one value are alike, or None where they are no groups.

    They must be alike in half of the measurements, and for a text to be a group in half of all
    columns: a place is no group because its coordinates are the same in all of its rows.

    Args:
        codes: int64 [sampled rows], the value of each row; negative for none.
        others: Measurements and categories.
    """
    sizes = np.bincount(codes[codes >= 0])
    sizes = sizes[sizes > 0]
    num_repeated = sizes.sum() - len(sizes)
    if len(sizes) < _MIN_GROUPS_BY_LIKENESS or num_repeated < _MIN_REPEATED:
        return None
    if num_repeated < _MIN_REPEATED_SHARE * len(sizes):
        return None
    all_others = [_likeness_of(codes, other) for other in others]
    measured = [
        one
        for one, other in zip(all_others, others, strict=True)
        if other.is_number and other.num_distinct > 2
    ]
    are_few = sizes.mean() < _MIN_ROWS_A_GROUP
    is_most = _are_alike(all_others, _MIN_ALIKE_COLUMNS if are_few else 1)
    num_exact = sum(strength >= _EXACT for strength, _ in all_others)
    if are_few and num_exact >= max(_MIN_EXACT_COLUMNS, _MIN_EXACT_SHARE * len(all_others)):
        is_most = True
    # A kind of question or part also has one value of each category of its own in many rows.
    if not (is_most if are_few else _are_alike(measured, 1)):
        return None
    median = float(np.median([strength for strength, _ in (all_others if is_most else measured)]))
    words = f"rows with the same value are similar (intraclass correlation {median:.2f})"
    return Likeness(words=words, is_most=is_most)


def _are_alike(likenesses: Sequence[tuple[float, bool]], least: int) -> bool:
    num_alike = sum(is_alike for _, is_alike in likenesses)
    return num_alike >= max(least, 0.5 * len(likenesses))


def _likeness_of(codes: Ints, other: Column) -> tuple[float, bool]:
    """Returns how alike the rows of one value are in another column, and whether that is much."""
    agreed = agreement(codes, other.codes)
    if not other.is_number or agreed >= _AGREE:
        return agreed, agreed >= _AGREE
    correlation = likeness(codes, other.sample)
    return correlation, correlation >= _ALIKE


def _is_name(column: Column, others: Sequence[Column]) -> bool:
    """Whether whole numbers of few rows each name something: categories jump with them.

    Mothers numbered by village: all children of one have the mother's school and work, and those
    of the next number another one's. What a quantity determines changes seldom with it.
    """
    numbers = column.sample
    values, first, codes = np.unique(numbers, return_index=True, return_inverse=True)
    if not np.isfinite(values).all() or len(numbers) >= _MIN_ROWS_A_GROUP * len(values):
        return False
    pairs = np.repeat(np.arange((len(values) + 1) // 2), 2)[: len(values)]
    jumping = 0
    for other in others:
        is_category = 2 <= other.num_distinct <= _MAX_CATEGORIES
        if is_category and agreement(codes, other.codes) >= _AGREE:
            jumping += agreement(pairs, other.codes[first]) <= _MAX_NEIGHBOURS
    return jumping >= _MIN_ALIKE_COLUMNS


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

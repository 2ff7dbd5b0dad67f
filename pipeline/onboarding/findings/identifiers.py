"""Detection of identifier columns and of group columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.counting import count
from pipeline.onboarding.findings.times import direction_of
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import percent, words_of

_ID_WORDS = {"id", "ids", "uid", "udi", "uuid", "guid", "index", "idx", "serial", "no", "nr", "key"}
_ID_WORDS |= {"number", "row", "rowid", "rownum", "unnamed", "identifier"}
_THINGS = {
    "machine", "magnet", "unit", "well", "patient", "device", "engine", "asset", "equipment",
    "vehicle", "car", "truck", "customer", "user", "client", "subject", "person", "site",
    "station", "plant", "turbine", "motor", "recording", "session", "batch", "lot", "run",
    "experiment", "circuit", "group", "building", "line", "robot", "drive", "disk", "battery",
    "bearing", "cell", "wafer", "part", "account", "household", "component", "aircraft", "flight",
    "train", "cycle", "trial", "pump", "valve", "specimen", "sample", "node", "host", "server",
}  # fmt: skip
_UNIQUE_SHARE = 0.95
_MIN_GROUPS = 5
_MIN_GROUPS_BY_LIKENESS = 20
_MIN_STEADY_GROUPS = 20
_MIN_ROWS_A_GROUP = 3.0
_MAX_LIKENESS_COLUMNS = 40
_ALIKE = 0.9
_MEASURED_WORDS = {
    "per", "rate", "ratio", "speed", "temp", "temperature", "pressure", "rpm", "flow", "level",
    "load", "power", "torque", "voltage", "current", "humidity", "vibration", "weight", "mass",
    "height", "width", "length", "duration", "distance", "fuel", "percent", "pct",
}  # fmt: skip
# Below this, neighbouring codes have neighbouring means: the code measures something.
_MIN_NEUMANN_RATIO = 0.8


def identifier_reason(column: Column, num_distinct_rows_share: float) -> str | None:
    """Returns why a column is an identifier, or None if it is a measurement.

    Args:
        column: The column.
        num_distinct_rows_share: Share of rows that do not repeat an earlier one, in (0, 1].
    """
    if column.kind not in ("int", "float", "text") or column.num_sampled < 10:
        return None
    unique = column.num_distinct / column.num_sampled / num_distinct_rows_share
    if column.kind == "text":
        if unique < _UNIQUE_SHARE:
            return None
        return f"an identifier: {percent(min(1, unique))} of its texts are unique"
    direction = direction_of(column.sample)
    if direction and (column.kind == "int" or _evenly_spaced(column.sample)):
        return f"a row number or counter: strictly {direction} from row to row"
    return _integer_identifier(column, unique) if column.kind == "int" else None


def _evenly_spaced(numbers: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(numbers)
    return bool(np.ptp(steps) <= 1e-3 * abs(float(np.mean(steps))))


def _integer_identifier(column: Column, unique: float) -> str | None:
    if unique < _UNIQUE_SHARE:
        return None
    present = column.sample[~np.isnan(column.sample)]
    dense = len(present) > 0.8 * (np.ptp(present) + 1)
    if _ID_WORDS & set(words_of(column.name)):
        return f"an identifier: {percent(min(1, unique))} of its values are unique"
    if dense and unique >= 0.999:
        return "an identifier: each whole number of its range occurs once"
    return None


@dataclass(frozen=True, kw_only=True)
class Group:
    """A column whose equal values mark rows that belong together.

    Attributes:
        name: Name of the column.
        num_groups: Number of its distinct values in the sample.
        reason: Why it is a group column.
    """

    name: str
    num_groups: int
    reason: str


def find_groups(
    columns: Mapping[str, Column], candidates: Sequence[str], numeric: Sequence[str]
) -> list[Group]:
    """Returns the group columns among `candidates`, the preferred split column first.

    That is the coarsest column with enough groups for stable metrics: with fewer, the test split
    consists of one or two groups.

    Args:
        columns: All columns.
        candidates: Possible group columns: texts and whole numbers.
        numeric: Measurements, which should be similar within a group.
    """
    groups = []
    measured = [columns[name].sample for name in numeric[:_MAX_LIKENESS_COLUMNS]]
    for name in candidates:
        group = _judge(columns[name], measured)
        if group is not None:
            groups.append(group)
    return sorted(groups, key=lambda g: (g.num_groups < _MIN_STEADY_GROUPS, g.num_groups))


def _judge(column: Column, measured: Sequence[npt.NDArray[np.float64]]) -> Group | None:
    groups, rows = column.num_distinct, column.num_sampled
    if column.kind not in ("int", "text") or groups < _MIN_GROUPS or rows < 2 * _MIN_GROUPS:
        return None
    words = words_of(column.name)
    if not words or groups > rows * _UNIQUE_SHARE or column.missing_share > 0.05:
        return None
    if column.kind == "int" and _is_named_as_measurement(column, words):
        return None
    sizes = f"{count(groups, 'value')}, {rows / groups:.1f} rows each on average"
    identified = words[-1] in _ID_WORDS and groups >= 2 * _MIN_GROUPS
    if identified or words[-1] in _THINGS or (len(words) > 1 and set(words[-2:]) <= _THINGS):
        return Group(name=column.name, num_groups=groups, reason=f"its name and {sizes}")
    icc = _icc_of_groups(column, measured)
    if icc is None:
        return None
    return Group(
        name=column.name,
        num_groups=groups,
        reason=f"{sizes}; rows with the same value are similar (intraclass correlation {icc:.2f})",
    )


def _icc_of_groups(column: Column, measured: Sequence[npt.NDArray[np.float64]]) -> float | None:
    """Returns how alike rows of one value are, or None where they are no groups."""
    groups, rows = column.num_distinct, column.num_sampled
    if groups < _MIN_GROUPS_BY_LIKENESS or rows / groups < _MIN_ROWS_A_GROUP or not measured:
        return None
    iccs = [likeness(column.codes, values) for values in measured]
    alike = [values for values, icc in zip(measured, iccs, strict=True) if icc >= _ALIKE]
    if len(alike) < 0.5 * len(measured):
        return None
    if column.kind == "int":
        ratios = [neumann_ratio(column.sample, values) for values in alike]
        if np.median([ratio for ratio in ratios if ratio is not None]) < _MIN_NEUMANN_RATIO:
            return None
    return float(np.median(iccs))


def _is_named_as_measurement(column: Column, words: Sequence[str]) -> bool:
    """Tells `rpm_motor`, `heat_index` and `fuel_per_flight` from `motor` and `machine_index`."""
    is_index = words[-1] == "index" and len(words) > 1 and not _THINGS.intersection(words)
    return bool(_MEASURED_WORDS.intersection(words)) or is_index or bool(column.unit)


def neumann_ratio(codes: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> float | None:
    """Returns von Neumann's ratio of the means of `values` in the order of the codes.

    Without relation between neighbouring codes it is about 2; where the code is a measurement that
    goes with `values`, it is near 0. None if all means are equal.

    Args:
        codes: float64 [rows], NaN where missing.
        values: float64 [rows], NaN where missing.

    References:
        von Neumann, Distribution of the ratio of the mean square successive difference to the
        variance, Annals of Mathematical Statistics 12(4), 1941.
    """
    valid = np.isfinite(codes) & np.isfinite(values)
    distinct, places = np.unique(codes[valid], return_inverse=True)
    if len(distinct) < 2:
        return None
    means = np.bincount(places, values[valid]) / np.bincount(places)
    spread = float(((means - means.mean()) ** 2).sum())
    return float((np.diff(means) ** 2).sum()) / spread if spread > 0 else None


def likeness(codes: npt.NDArray[np.int64], numbers: npt.NDArray[np.float64]) -> float:
    """Returns the intraclass correlation ICC(1) of numbers in groups, at most 1.

    Args:
        codes: int64 [rows], each row's group; negative for none.
        numbers: float64 [rows], NaN where missing.

    References:
        Shrout and Fleiss, Intraclass correlations, Psychological Bulletin 86(2), 1979.
    """
    valid = (codes >= 0) & np.isfinite(numbers)
    _, groups, sizes = np.unique(codes[valid], return_inverse=True, return_counts=True)
    values, num_groups, num_rows = numbers[valid], len(sizes), int(valid.sum())
    if num_groups < 2 or num_rows <= num_groups:
        return 0.0
    means = np.bincount(groups, values) / sizes
    within = float(((values - means[groups]) ** 2).sum()) / (num_rows - num_groups)
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (num_groups - 1)
    typical = (num_rows - float((sizes.astype(float) ** 2).sum()) / num_rows) / (num_groups - 1)
    total = between + (typical - 1) * within
    return (between - within) / total if total > 0 else 0.0


def lies_within(inner: Column, outer: Column) -> bool:
    """Tells whether each value of `inner` occurs with only one value of `outer`."""
    valid = (inner.codes >= 0) & (outer.codes >= 0)
    pairs = np.unique(np.stack([inner.codes[valid], outer.codes[valid]]), axis=1)
    return bool(pairs.shape[1] == len(np.unique(inner.codes[valid])))

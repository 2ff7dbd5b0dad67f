"""Statistical decisions of `init`: leaks, and columns of groups."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.statistics.tables import Table, share_cell
from measuring.association import likeness, roc_auc
from pipeline.onboarding.findings.groups import find_groups
from pipeline.onboarding.findings.leaks import find_leak
from pipeline.onboarding.profile.table import Column, ColumnKind
from pipeline.onboarding.profile.tally import ColumnTally

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_NUM_ROWS = 2_000


def make_column(values: NDArray[np.generic], kind: ColumnKind = "float", name: str = "x") -> Column:
    """Returns a column without missing values, as `init` profiles it."""
    tally = ColumnTally(num_present=len(values))
    sample = values.astype(np.float64)
    return Column(name=name, kind=kind, num_rows=len(values), tally=tally, sample=sample)


# Draws values and labels for a number of faults.
Draw = Callable[[np.random.Generator, int], tuple[Column, Bools]]


def honest(area: float, *, prevalence: float = 0.035) -> Draw:
    """A measurement with this true ROC-AUC: normal, with the classes sqrt(2) z(area) apart."""
    distance = float(np.sqrt(2) * norm.ppf(area))

    def draw(rng: np.random.Generator, num_faults: int) -> tuple[Column, Bools]:
        positive = np.arange(round(num_faults / prevalence)) < num_faults
        return make_column(rng.normal(size=len(positive)) + distance * positive), positive

    return draw


def copy_of_label(errors: float) -> Draw:
    """The label with a share of errors."""

    def draw(rng: np.random.Generator, num_faults: int) -> tuple[Column, Bools]:
        positive = np.arange(round(num_faults / 0.035)) < num_faults
        return make_column(positive ^ (rng.random(len(positive)) < errors), "int"), positive

    return draw


def flag(recall: float, false: float) -> Draw:
    """A flag on a share of the faults and on a share of the healthy rows."""

    def draw(rng: np.random.Generator, num_faults: int) -> tuple[Column, Bools]:
        positive = np.arange(round(num_faults / 0.035)) < num_faults
        rate = np.where(positive, recall, false)
        return make_column(rng.random(len(positive)) < rate, "int"), positive

    return draw


def leak_before(column: Column, positive: Bools) -> bool:
    """The area above 0.995, or a value of which at least 99 % of the rows are faults."""
    area = roc_auc(column.sample, positive)
    flagged = column.sample == 1
    is_flag = flagged.sum() >= 10 and positive[flagged].mean() >= 0.99
    return max(area, 1 - area) > 0.995 or bool(column.kind == "int" and is_flag)


def leak_now(column: Column, positive: Bools) -> bool:
    """Whether the pipeline leaves the column out: there is other evidence than a separation."""
    leak = find_leak(column, positive, "label")
    return leak is not None and bool(leak.evidence)


def found_now(column: Column, positive: Bools) -> bool:
    """Whether the pipeline leaves the column out or asks about it."""
    return find_leak(column, positive, "label") is not None


def left_out(
    draw: Draw, judge: Callable[[Column, Bools], bool], num_faults: int, num_sets: int
) -> Bools:
    """Returns whether the column is left out in each simulated data set."""
    rng = np.random.default_rng(num_faults)
    return np.array([judge(*draw(rng, num_faults)) for _ in range(num_sets)])


LEAKS: Sequence[tuple[str, Draw]] = (
    ("honest, true ROC-AUC 0.983", honest(0.983)),
    ("honest, true ROC-AUC 0.990", honest(0.990)),
    ("copy of the label, 1 % errors", copy_of_label(0.01)),
    ("flag on 60 % of the faults, 0.1 % false", flag(0.6, 0.001)),
)


def _leak_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, draw in LEAKS:
        for when, judge in _JUDGES:
            cells = [share_cell(left_out(draw, judge, n, num_sets)) for n in (11, 20, 50, 200)]
            yield [name, when, *cells]


_JUDGES = (("before", leak_before), ("now", leak_now), ("now, or asked about", found_now))

# Draws a column of whole numbers and the sensors beside it.
DrawGroups = Callable[[np.random.Generator], tuple[NDArray[np.int64], list[Floats]]]


def true_groups(num_groups: int) -> DrawGroups:
    """Groups whose rows are alike (intraclass correlation 0.95), numbered at random."""

    def draw(rng: np.random.Generator) -> tuple[NDArray[np.int64], list[Floats]]:
        codes = rng.integers(0, num_groups, _NUM_ROWS)
        sensors = [
            rng.normal(size=num_groups)[codes] + 0.229 * rng.normal(size=_NUM_ROWS)
            for _ in range(3)
        ]
        return codes, sensors

    return draw


def temperature(rng: np.random.Generator) -> tuple[NDArray[np.int64], list[Floats]]:
    """A temperature in whole degrees, beside sensors that correlate with it by 0.97."""
    exact = rng.normal(size=_NUM_ROWS)
    sensors = [0.97 * exact + np.sqrt(1 - 0.97**2) * rng.normal(size=_NUM_ROWS) for _ in range(3)]
    return np.round(40 + 8 * exact).astype(np.int64), sensors


def set_points(rng: np.random.Generator) -> tuple[NDArray[np.int64], list[Floats]]:
    """Set points of a speed, beside sensors that follow from it, with noise of 0.1 sd."""
    speed = rng.integers(10, 60, _NUM_ROWS)
    laws = (speed**2, np.sqrt(speed), -np.log(speed))
    return speed, [law / law.std() + 0.1 * rng.normal(size=_NUM_ROWS) for law in laws]


def independent(rng: np.random.Generator) -> tuple[NDArray[np.int64], list[Floats]]:
    """Whole numbers that have nothing to do with the sensors."""
    return rng.integers(0, 40, _NUM_ROWS), [rng.normal(size=_NUM_ROWS) for _ in range(3)]


def group_before(codes: NDArray[np.int64], sensors: Sequence[Floats]) -> bool:
    """Rows of one value are alike in at least half of the sensors."""
    alike = [likeness(codes, values) >= 0.9 for values in sensors]
    return len(np.unique(codes)) >= 20 and bool(np.mean(alike) >= 0.5)


def group_now(codes: NDArray[np.int64], sensors: Sequence[Floats]) -> bool:
    """The pipeline's judgement of a column whose name says nothing."""
    columns = {f"s{place}": make_column(values) for place, values in enumerate(sensors)}
    candidate = {"qq": make_column(codes, "int", "qq")}
    groups = find_groups(columns | candidate, ["qq"], list(columns))
    return any(not group.doubt for group in groups)


GROUPS: Sequence[tuple[str, DrawGroups]] = (
    ("true groups, 20", true_groups(20)),
    ("true groups, 60", true_groups(60)),
    ("temperature in whole degrees, sensors at r = 0.97", temperature),
    ("set points of a speed", set_points),
    ("independent whole numbers", independent),
)
NAMES = (
    "rpm_motor", "pressure_pump", "heat_index", "body_mass_index", "fuel_per_flight",
    "oil_temp_engine", "motor", "machine_index", "pump_id", "engine",
)  # fmt: skip


def taken_for_groups(draw: DrawGroups, judge: Callable[..., bool], num_sets: int) -> Bools:
    """Returns whether the whole numbers are taken for groups in each simulated table."""
    rng = np.random.default_rng(0)
    return np.array([judge(*draw(rng)) for _ in range(num_sets)])


def _group_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, draw in GROUPS:
        for when, judge in (("before", group_before), ("now", group_now)):
            yield [name, when, share_cell(taken_for_groups(draw, judge, num_sets))]


def by_name(name: str) -> bool:
    """Returns whether 40 independent whole numbers of this name are taken for groups."""
    codes = np.random.default_rng(0).integers(0, 40, _NUM_ROWS)
    groups = find_groups({name: make_column(codes, "int", name)}, [name], [])
    return any(not group.doubt for group in groups)


def tables(num_sets: int) -> Iterator[Table]:
    """Yields which columns are left out as leaks, and which are taken for groups."""
    yield Table(
        title="Columns left out as leaks, prevalence 3.5 %.",
        head=("column", "method", "11 faults", "20 faults", "50 faults", "200 faults"),
        rows=_leak_rows(num_sets),
    )
    yield Table(
        title="Whole numbers taken for groups, 2,000 rows.",
        head=("column", "method", "taken for groups"),
        rows=_group_rows(max(num_sets // 5, 20)),
    )
    yield Table(
        title="Independent whole numbers by their name.",
        head=("name", "taken for groups"),
        rows=([f"`{name}`", "yes" if by_name(name) else "no"] for name in NAMES),
    )

import numpy as np
import pytest

from pipeline.onboarding.findings.identifiers import find_groups, likeness, neumann_ratio
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally

RNG = np.random.default_rng(5)


def _column(name: str, values: np.ndarray, kind: str = "int") -> Column:
    sample = values.astype(object) if kind == "text" else values.astype(float)
    tally = ColumnTally(num_present=len(values))
    return Column(name=name, kind=kind, num_rows=len(values), tally=tally, sample=sample)


def _groups(candidate: Column, *sensors: np.ndarray) -> list[str]:
    columns = {f"s{n}": _column(f"s{n}", values, "float") for n, values in enumerate(sensors)}
    columns[candidate.name] = candidate
    return [group.name for group in find_groups(columns, [candidate.name], list(columns))]


@pytest.mark.parametrize(
    "name", ["rpm_motor", "heat_index", "fuel_per_flight", "oil_temp_engine", "pressure_pump"]
)
def test_a_whole_number_named_as_a_measurement_is_no_group(name):
    assert _groups(_column(name, RNG.integers(0, 40, 2_000))) == []


@pytest.mark.parametrize("name", ["motor", "machine_index", "pump_id", "engine"])
def test_a_whole_number_named_as_a_thing_is_a_group(name):
    assert _groups(_column(name, RNG.integers(0, 40, 2_000))) == [name]


def test_a_measurement_in_whole_numbers_beside_sensors_that_follow_it_is_no_group():
    degrees = RNG.integers(20, 80, 2_000)
    sensors = [degrees * slope + RNG.normal(0, 1, 2_000) for slope in (1.0, -2.0, 3.0)]
    assert likeness(degrees, sensors[2]) > 0.9
    assert _groups(_column("qq", degrees), *sensors) == []


def test_whole_numbers_whose_rows_are_alike_without_order_are_a_group():
    codes = RNG.integers(0, 60, 2_000)
    sensors = [RNG.normal(0, 5, 60)[codes] + RNG.normal(0, 0.5, 2_000) for _ in range(3)]
    assert _groups(_column("qq", codes), *sensors) == ["qq"]


def test_the_ratio_of_neumann_in_a_worked_example():
    # Means 1, 3, 2 in the order of the codes: (2^2 + 1^2) / (1 + 1 + 0) = 2.5.
    codes = np.array([7.0, 7.0, 9.0, 8.0])
    assert neumann_ratio(codes, np.array([0.0, 2.0, 2.0, 3.0])) == pytest.approx(2.5)
    assert neumann_ratio(codes, np.ones(4)) is None


def test_likeness_is_one_for_equal_rows_in_a_group():
    assert likeness(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 5.0, 5.0])) == pytest.approx(1)


def test_likeness_of_a_worked_example():
    # Groups (1, 3) and (5, 7): between = 2 * (2 - 4)^2 * 2 / 1 = 16, within = 4 / 2 = 2,
    # two rows each: (16 - 2) / (16 + 2) = 7 / 9.
    groups, values = np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 5.0, 7.0])
    assert likeness(groups, values) == pytest.approx(7 / 9)


def test_likeness_ignores_rows_without_group_or_value():
    groups = np.array([0, 0, 1, 1, -1, 1])
    values = np.array([1.0, 3.0, 5.0, 7.0, 99.0, np.nan])
    assert likeness(groups, values) == pytest.approx(7 / 9)

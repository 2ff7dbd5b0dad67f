import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measuring.association import likeness
from pipeline.onboarding.findings.groups import Group, find_groups
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally

RNG = np.random.default_rng(5)


def _column(name: str, values: np.ndarray, kind: str = "int") -> Column:
    sample = values.astype(object) if kind == "text" else values.astype(float)
    tally = ColumnTally(num_present=len(values))
    return Column(name=name, kind=kind, num_rows=len(values), tally=tally, sample=sample)


def _find(candidate: Column, *sensors: np.ndarray) -> list[Group]:
    columns = {f"s{n}": _column(f"s{n}", values, "float") for n, values in enumerate(sensors)}
    columns[candidate.name] = candidate
    return find_groups(columns, [candidate.name], list(columns))


def _groups(candidate: Column, *sensors: np.ndarray) -> list[str]:
    return [group.name for group in _find(candidate, *sensors) if not group.doubt]


def _doubts(candidate: Column, *sensors: np.ndarray) -> list[str]:
    return [group.doubt for group in _find(candidate, *sensors)]


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


def _codes_with_likeness(codes: np.ndarray, *, num_sensors: int = 3) -> list[np.ndarray]:
    """Sensors whose level depends on the code, in no order, with noise of a tenth."""
    _, places = np.unique(codes, return_inverse=True)
    levels = RNG.normal(0, 5, (num_sensors, places.max() + 1))
    return [level[places] + RNG.normal(0, 0.5, len(codes)) for level in levels]


def test_texts_whose_rows_are_alike_are_a_group():
    codes = RNG.integers(0, 60, 2_000)
    texts = np.array([f"q{code}" for code in codes])
    assert _groups(_column("qq", texts, "text"), *_codes_with_likeness(codes)) == ["qq"]


def test_values_far_apart_measure_although_their_rows_are_alike():
    # 30 levels of an energy in J, as from a counter with a step of 100.
    joules = RNG.choice(np.arange(1, 31) ** 2 * 100, 2_000)
    sensors = _codes_with_likeness(joules)
    assert _groups(_column("qq", joules), *sensors) == []
    assert _doubts(_column("qq", joules), *sensors) == [
        "it may measure something: its 30 values are far apart, from 100 to 90000"
    ]


def test_frequencies_with_a_shape_are_those_of_a_quantity():
    # Counts: small ones are frequent, and their frequency falls with the count.
    counts = np.minimum(RNG.geometric(0.08, 4_000), 40)
    assert _groups(_column("qq", counts), *_codes_with_likeness(counts)) == []


@pytest.mark.parametrize("name", ["motor", "battery", "cycle", "reynolds_number"])
def test_a_thing_that_gives_its_name_to_a_reading_is_no_group_if_sensors_follow_it(name):
    reading = RNG.integers(0, 100, 2_000)
    sensor = 3.0 * reading + RNG.normal(0, 60, 2_000)
    assert _groups(_column(name, reading), sensor) == []
    doubt = "it may measure something: `s0` changes steadily with its value"
    assert _doubts(_column(name, reading), sensor) == [doubt]


@pytest.mark.parametrize("name", ["batch", "lot_no", "run", "machine_id", "batch_number"])
def test_numbers_of_batches_that_grow_with_time_are_a_group(name):
    batches = np.arange(2_000) // 25
    drifting = batches * 0.2 + RNG.normal(0, 1, 2_000)
    assert _groups(_column(name, batches), drifting) == [name]


def test_ids_as_floats_are_a_group_by_their_name():
    machines = RNG.integers(1, 41, 2_000).astype(float)
    assert _groups(_column("machine_id", machines, "float")) == ["machine_id"]
    assert _groups(_column("machine_id", machines + 0.5, "float")) == []


@pytest.mark.parametrize("name", ["num_engine", "n_pump", "machine_age", "mean_cell"])
def test_a_count_or_statistic_of_things_is_no_group(name):
    assert _groups(_column(name, RNG.integers(0, 40, 2_000))) == []


def _joules(rng: np.random.Generator, num_rows: int) -> np.ndarray:
    energy = np.exp(rng.normal(6, 2, num_rows))
    return np.where(rng.random(num_rows) < 0.5, 0, np.round(energy, -2))


_QUANTITIES = {
    "energy in J, half of it zero": _joules,
    "heavy tail": lambda rng, n: np.round(np.exp(rng.normal(3, 1.5, n))),
    "frequency in Hz": lambda rng, n: np.round(rng.normal(50, 8, n)),
    "count": lambda rng, n: rng.poisson(12, n).astype(float),
    "rounded temperature": lambda rng, n: np.round(rng.normal(293, 6, n)),
    "set points": lambda rng, n: rng.choice(np.arange(100, 2_600, 100), n).astype(float),
    "dense set points": lambda rng, n: rng.integers(20, 60, n).astype(float),
    "rounded to five": lambda rng, n: 5 * np.round(rng.normal(40, 7, n)),
    "angle": lambda rng, n: rng.integers(0, 360, n).astype(float),
}
_LAWS = {
    "rising": lambda x: x,
    "falling": lambda x: -np.sqrt(x - x.min() + 1),
    "root": lambda x: np.log1p(x - x.min()),
    "bump": lambda x: (x - np.median(x)) ** 2,
    "wave": lambda x: np.sin(2 * np.pi * (x - x.min()) / (np.ptp(x) + 1)),
}


@settings(deadline=None, max_examples=30)
@given(
    quantity=st.sampled_from(sorted(_QUANTITIES)),
    laws=st.lists(st.sampled_from(sorted(_LAWS)), min_size=1, max_size=4),
    name=st.sampled_from(["qq", "x", "reading", "maxi", "code"]),
    noise=st.sampled_from([0.0, 0.05, 0.2]),
    num_rows=st.sampled_from([600, 2_500]),
    seed=st.integers(0, 10**6),
)
def test_a_measured_quantity_is_never_a_group_by_likeness(
    quantity, laws, name, noise, num_rows, seed
):
    rng = np.random.default_rng(seed)
    numbers = _QUANTITIES[quantity](rng, num_rows)
    follow = [_LAWS[law](numbers) for law in laws]
    sensors = [one + noise * one.std() * rng.normal(size=num_rows) for one in follow]
    assert _groups(_column(name, numbers), *sensors) == []


@settings(deadline=None, max_examples=30)
@given(
    num_groups=st.integers(20, 120),
    kind=st.sampled_from(["text", "int"]),
    seed=st.integers(0, 10**6),
)
def test_names_of_groups_are_found_by_likeness_whatever_their_name(num_groups, kind, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, num_groups, 2_000)
    sensors = [rng.normal(0, 5, num_groups)[codes] + rng.normal(0, 0.5, 2_000) for _ in range(3)]
    column = _column("qq", codes if kind == "int" else np.char.mod("q%d", codes), kind)
    groups = _find(column, *sensors)
    assert [group.name for group in groups] == ["qq"]
    # Four tests for an order at a level of one in a hundred together: a few doubts are right.
    assert kind == "int" or groups[0].doubt == ""


def test_a_number_with_as_many_rows_for_each_value_is_a_group_however_far_apart():
    persons = RNG.choice(12_000, 200, replace=False)
    assert _groups(_column("nr", np.repeat(persons, 8))) == ["nr"]
    # Sizes that vary, as those of a quantity: a question, no group.
    varied = _column("nr", np.repeat(persons, RNG.integers(2, 14, 200)))
    assert _groups(varied) == []
    assert "far apart" in _doubts(varied)[0]


def _mothers(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Children of 600 mothers, one to three each, in 60 villages; numbered by village."""
    mother = np.repeat(np.arange(600), rng.integers(1, 4, 600))
    return {
        "mother": mother,
        "school": rng.choice(["none", "some", "all"], 600)[mother],
        "work": rng.choice(["yes", "no"], 600)[mother],
        "height": rng.normal(160, 8, 600).round(1)[mother],
        "village_size": rng.integers(100, 900, 60)[mother // 10],
        "weight": rng.normal(3.2, 0.4, len(mother)).round(2),
        "birth": rng.integers(1, 4, len(mother)),
    }


@pytest.mark.parametrize("kind", ["text", "int"])
def test_persons_of_two_rows_each_are_groups_whatever_their_name(kind):
    table = _mothers(np.random.default_rng(1))
    mother = table.pop("mother")
    names = np.char.mod("F%d", mother * 7919 % 10_007) if kind == "text" else mother
    columns = {
        name: _column(name, values, "text" if values.dtype.kind == "U" else "float")
        for name, values in table.items()
    }
    columns["moms"] = _column("moms", names, kind)
    groups = find_groups(columns, ["moms"], list(columns))
    assert [(group.name, group.doubt) for group in groups] == [("moms", "")]
    # A category has few rows of a value in common with the others.
    assert not find_groups(columns, ["school"], list(columns))


def test_an_item_is_no_group_because_categories_belong_to_it():
    item = RNG.integers(0, 24, 2_000)
    columns = {
        "anger": _column("anger", RNG.normal(size=2_000), "float"),
        "mode": _column("mode", np.array(["do", "want"])[item % 2], "text"),
        "type": _column("type", np.array(["curse", "scold", "shout"])[item % 3], "text"),
        "item": _column("item", np.char.mod("i%d", item), "text"),
    }
    assert find_groups(columns, ["item"], list(columns)) == []


def test_a_place_is_no_group_because_of_its_coordinates():
    place = RNG.integers(0, 60, 2_000)
    columns = {
        "lat": _column("lat", RNG.normal(45, 1, 60)[place], "float"),
        "long": _column("long", RNG.normal(9, 1, 60)[place], "float"),
        "speed": _column("speed", RNG.normal(size=2_000), "float"),
        "kind": _column("kind", RNG.choice(["a", "b", "c"], 2_000), "text"),
        "sex": _column("sex", RNG.choice(["m", "f"], 2_000), "text"),
        "town": _column("town", np.char.mod("t%d", place), "text"),
    }
    [group] = find_groups(columns, ["town"], list(columns))
    assert group.doubt.startswith("as for a place")


@pytest.mark.parametrize("name", ["patient_nbr", "PatientNbr", "patientid", "CASEID"])
def test_the_number_of_a_person_is_a_group_by_any_abbreviation(name):
    numbers = np.sort(RNG.choice(10_000_000, 400, replace=False))
    assert _groups(_column(name, RNG.choice(numbers, 2_000))) == [name]


def _persons(num_fixed: int) -> tuple[Column, list[np.ndarray]]:
    """300 persons of one to three visits: flags that never change, and 10 measurements that do."""
    rng = np.random.default_rng(8)
    numbers = np.repeat(rng.choice(10**6, 300, replace=False), rng.integers(1, 4, 300))
    _, places = np.unique(numbers, return_inverse=True)
    fixed = [(rng.random(300) < 0.5).astype(float)[places] for _ in range(num_fixed)]
    changing = [rng.normal(size=len(numbers)) for _ in range(10)]
    return _column("randid", numbers), fixed + changing


def test_persons_of_few_visits_are_a_group_by_what_never_changes():
    candidate, sensors = _persons(num_fixed=5)
    assert _groups(candidate, *sensors) == ["randid"]


def test_few_columns_that_never_change_are_no_proof():
    candidate, sensors = _persons(num_fixed=4)
    assert _find(candidate, *sensors) == []

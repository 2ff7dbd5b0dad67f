"""Troubles of a chunk's data are found, and healthy chunks have none."""

import numpy as np
import pyarrow as pa
import pytest

from models.features import Signal
from pipeline.config import Config
from production.monitoring.troubles.finding import find_troubles
from production.monitoring.troubles.trouble import TroubleKind
from tests.production.monitoring.pumps import (
    FEATURES,
    Pumps,
    chunk_of,
    numbers,
    reference_of,
    replaced,
)

PUMPS = Pumps()
CONFIG = Config(name="pump", label={"column": "failed"}, data={"path": "x.csv"}, features=FEATURES)


@pytest.fixture(scope="module")
def reference():
    return reference_of(PUMPS.rows(3_000, 1))


@pytest.fixture
def rows():
    return PUMPS.rows(300, 2)


def find(records, reference, **values):
    return find_troubles(chunk_of(records, **values), reference, CONFIG)


def only(records, reference, **values):
    [trouble] = find(records, reference, **values)
    return trouble


def test_a_healthy_chunk_has_no_trouble(rows, reference):
    assert find(rows, reference) == []


def test_a_drift_is_no_trouble(rows, reference):
    moved = replaced(rows, pressure=pa.array(numbers(rows, "pressure") + 0.5))
    assert find(moved, reference) == []


def test_missing_values_far_above_those_of_training(rows, reference):
    values = numbers(rows, "temperature")
    values[:60] = np.nan
    trouble = only(replaced(rows, temperature=pa.array(values, from_pandas=True)), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.MISSING, "temperature")
    assert 0.2 <= trouble.share < 0.24
    assert trouble.is_broken
    assert "in 20" in trouble.words or "in 21" in trouble.words or "in 22" in trouble.words


@pytest.mark.parametrize(("num_nan", "is_broken"), [(2, False), (3, True)])
def test_answers_without_a_value_are_counted(rows, reference, num_nan, is_broken):
    values = rows["probability"].to_numpy().copy()
    values[:num_nan] = np.nan
    trouble = only(replaced(rows, probability=pa.array(values)), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.NO_VALUE, None)
    # Of 300 rows; 1 % is broken.
    assert (trouble.share, trouble.is_broken) == (num_nan / 300, is_broken)
    assert f"({num_nan}) have no probability" in trouble.words


def test_half_as_many_missing_values_again_are_drift(reference):
    assert find(Pumps(missing=0.03).rows(300, 5), reference) == []


def test_a_column_that_is_not_recorded(rows, reference):
    trouble = only(rows.drop_columns(["pressure"]), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.UNREADABLE, "pressure")


def test_a_column_that_the_config_redacts_is_no_trouble(rows, reference):
    config = Config(
        name="pump",
        label={"column": "failed"},
        data={"path": "x.csv"},
        features=FEATURES,
        collection={"redact": {"pressure": "drop"}},
    )
    chunk = chunk_of(rows.drop_columns(["pressure"]))
    assert find_troubles(chunk, reference, config) == []


def test_categories_in_another_spelling_are_broken_data(rows, reference):
    makers = [
        "ALPHA" if m == "Alpha" and n < 90 else m for n, m in enumerate(rows["maker"].to_pylist())
    ]
    trouble = only(replaced(rows, maker=pa.array(makers)), reference)
    assert trouble.kind is TroubleKind.UNSEEN_CATEGORIES
    assert trouble.is_broken
    assert "`ALPHA` looks like `Alpha`" in trouble.words


def test_some_new_categories_are_told_and_the_chunk_is_not_broken(rows, reference):
    rng = np.random.default_rng(3)
    makers = np.where(rng.random(300) < 0.3, "Delta", rows["maker"].to_numpy())
    trouble = only(replaced(rows, maker=pa.array(makers)), reference)
    assert (trouble.kind, trouble.is_broken) == (TroubleKind.UNSEEN_CATEGORIES, False)


# The upper limit of 136 of 300 rows is 0.522, that of 128 is 0.496 (Clopper-Pearson, 98 %).
@pytest.mark.parametrize(("num_new", "is_broken"), [(128, False), (136, True), (160, True)])
def test_a_chunk_is_broken_if_half_of_the_rows_may_have_new_categories(
    rows, reference, num_new, is_broken
):
    makers = ["Delta"] * num_new + rows["maker"].to_pylist()[num_new:]
    trouble = only(replaced(rows, maker=pa.array(makers)), reference)
    assert (trouble.kind, trouble.is_broken) == (TroubleKind.UNSEEN_CATEGORIES, is_broken)


def test_swapped_categories_are_named(reference):
    rows = PUMPS.rows(300, 2)
    valves = rows["valve"].cast(pa.string())
    trouble = only(replaced(rows, maker=valves), reference)
    assert trouble.kind is TroubleKind.SWAPPED
    assert "`valve` has them in the training data" in trouble.words


@pytest.mark.parametrize(
    ("name", "convert", "words"),
    [
        ("temperature", lambda x: x + 273.15, "K instead of °C"),
        ("temperature", lambda x: x * 1.8 + 32, "°F instead of °C"),
        ("pressure", lambda x: x * 100, "kPa instead of bar"),
        ("pressure", lambda x: x * 14.5038, "psi instead of bar"),
        ("pressure", lambda x: x / 10, "MPa instead of bar"),
        ("pressure", lambda x: x * 3, None),
        ("load", lambda x: x / 1000, "kW instead of W"),
        ("level", lambda x: x * 1000, "a factor of 1,000"),
        # Pressures are from 2 to 6: without a unit, these are no shares.
        ("level", lambda x: x * 100, "a factor of 100"),
    ],
)
def test_a_wrong_unit_is_named(rows, reference, name, convert, words):
    broken = replaced(rows, **{name: pa.array(convert(numbers(rows, name)), from_pandas=True)})
    troubles = find(broken, reference)
    if words is None:  # no unit is a third of a bar
        assert troubles == []
        return
    [trouble] = troubles
    assert (trouble.kind, trouble.feature) == (TroubleKind.WRONG_UNIT, name)
    assert f"They fit {words}" in trouble.words
    assert trouble.is_broken


def test_a_wrong_unit_of_one_machine_is_found(reference):
    rows = Pumps(num_keys=6).rows(600, 2)
    values = numbers(rows, "temperature")
    is_wrong = np.arange(600) % 6 == 4
    values[is_wrong] = values[is_wrong] * 1.8 + 32
    trouble = only(replaced(rows, temperature=pa.array(values, from_pandas=True)), reference)
    assert trouble.kind is TroubleKind.WRONG_UNIT
    assert "of the key `pump-4`" in trouble.words
    assert trouble.share == pytest.approx(1 / 6, abs=0.01)


def test_a_wrong_unit_in_some_rows_is_found(rows, reference):
    values = numbers(rows, "pressure")
    values[::10] *= 1000
    trouble = only(replaced(rows, pressure=pa.array(values)), reference)
    assert (trouble.kind, trouble.share) == (TroubleKind.WRONG_UNIT, pytest.approx(0.1))
    assert "mbar instead of bar" in trouble.words


def test_a_wrong_unit_in_some_rows_of_a_long_tail_is_found(rows, reference):
    values = numbers(rows, "load")
    values[::10] *= 1e6
    trouble = only(replaced(rows, load=pa.array(values)), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.WRONG_UNIT, "load")
    assert "a factor of 1,000,000" in trouble.words


def test_a_longer_tail_is_drift(rows, reference):
    values = numbers(rows, "load")
    values[::10] *= 30
    assert find(replaced(rows, load=pa.array(values)), reference) == []


def test_a_placeholder_is_out_of_range(rows, reference):
    values = numbers(rows, "pressure")
    values[::10] = -999
    trouble = only(replaced(rows, pressure=pa.array(values)), reference)
    assert trouble.kind is TroubleKind.OUT_OF_RANGE
    assert "always -999" in trouble.words


def test_infinite_values_are_unreadable(rows, reference):
    values = numbers(rows, "load")
    values[::10] = np.inf
    trouble = only(replaced(rows, load=pa.array(values)), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.UNREADABLE, "load")


@pytest.mark.parametrize("decimals", [6, 1])
def test_a_stuck_sensor_is_found(decimals):
    pumps = Pumps(decimals=decimals)
    reference = reference_of(pumps.rows(3_000, 1))
    rows = pumps.rows(300, 2)
    values = numbers(rows, "load")
    values[100:200] = 147.3
    trouble = only(replaced(rows, load=pa.array(values)), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.STUCK, "load")
    assert trouble.share == pytest.approx(1 / 3)
    assert "is stuck at 147.3, in up to 100 successive rows" in trouble.words


def test_a_sensor_that_is_stuck_from_the_first_row_on_is_found(rows, reference):
    trouble = only(replaced(rows, load=pa.array(np.full(300, 147.3))), reference)
    assert (trouble.kind, trouble.share) == (TroubleKind.STUCK, 1.0)


def test_a_stuck_sensor_of_one_machine_is_found(reference):
    rows = Pumps(num_keys=6).rows(600, 2)
    values = numbers(rows, "load")
    values[4::6] = values[4]
    trouble = only(replaced(rows, load=pa.array(values)), reference)
    assert trouble.kind is TroubleKind.STUCK
    assert "of the key `pump-4`" in trouble.words


def test_a_resting_value_of_the_training_data_is_not_stuck(rows):
    training = PUMPS.rows(3_000, 1)
    load = numbers(training, "load")
    load[1_000:1_500] = 0.0
    reference = reference_of(replaced(training, load=pa.array(load)))
    values = numbers(rows, "load")
    values[100:250] = 0.0
    assert find(replaced(rows, load=pa.array(values)), reference) == []


def shifted(rows, seconds, some=slice(None)):
    micros = rows["measured"].cast(pa.int64()).to_numpy().copy()
    micros[some] += int(seconds * 1e6)
    return replaced(rows, measured=pa.array(micros).cast(rows["measured"].type))


@pytest.mark.parametrize(
    ("seconds", "some", "words"),
    [
        (3_600, slice(None), "1 h after the request: the time zone is wrong"),
        (900, slice(0, 60), "after the request: the clock is ahead"),
        (-7_200, slice(0, 60), "2 h older than in the other rows: the clock was set back"),
        (-1.7e9, slice(0, 60), "before the year 2000: the clock was reset"),
    ],
)
def test_a_clock_shift_is_found(rows, reference, seconds, some, words):
    trouble = only(shifted(rows, seconds, some), reference)
    assert (trouble.kind, trouble.feature) == (TroubleKind.CLOCK, "measured")
    assert words in trouble.words


def test_measurements_that_are_sent_later_are_no_clock_shift(rows, reference):
    assert find(shifted(rows, -86_400 * 3.3), reference) == []


def test_duplicated_requests_are_found(rows, reference):
    places = np.arange(300)
    places[200:260] = places[:60]
    twice = rows.take(pa.array(places))
    twice = replaced(twice, request_id=rows["request_id"], time=rows["time"])
    trouble = only(twice, reference)
    assert (trouble.kind, trouble.share) == (TroubleKind.DUPLICATES, pytest.approx(0.2))


def test_equal_rows_as_in_the_training_data_are_no_duplicates(rows):
    training = PUMPS.rows(3_000, 1)
    places = np.arange(3_000)
    places[2_000:2_500] = places[:500]
    reference = reference_of(training.take(pa.array(places)))
    places = np.arange(300)
    places[200:260] = places[:60]
    assert find(rows.take(pa.array(places)), reference) == []


def test_exchanged_columns_are_found(rows, reference):
    twisted = replaced(rows, temperature=rows["load"], load=rows["temperature"])
    troubles = find(twisted, reference)
    assert [one.kind for one in troubles] == [TroubleKind.SWAPPED] * 2
    assert [one.feature for one in troubles] == ["temperature", "load"]
    assert "`temperature` and `load` are exchanged" in troubles[0].words


def test_exchanged_columns_of_one_distribution_are_found_by_their_correlations():
    def twins(num_rows, seed):
        rows = PUMPS.rows(num_rows, seed)
        rng = np.random.default_rng(seed)
        states = rng.standard_normal((num_rows, 2))
        return replaced(
            rows,
            temperature=pa.array(states[:, 0]),
            pressure=pa.array(states[:, 1]),
            load=pa.array(states[:, 1] + 0.3 * rng.standard_normal(num_rows)),
        )

    reference = reference_of(twins(3_000, 1))
    rows = twins(300, 2)
    assert find(rows, reference) == []
    twisted = replaced(rows, temperature=rows["pressure"], pressure=rows["temperature"])
    assert [(one.kind, one.feature) for one in find(twisted, reference)] == [
        (TroubleKind.SWAPPED, "temperature"),
        (TroubleKind.SWAPPED, "pressure"),
    ]


def test_a_column_with_few_values_takes_no_part_in_a_search_for_exchanges():
    training = PUMPS.rows(10_000, 1)
    values = np.full(10_000, np.nan)
    values[1:201:2] = numbers(training, "load")[1:201:2]  # not in every second row, the sample
    sparse = replaced(training, load=pa.array(values, from_pandas=True))
    assert find(PUMPS.rows(300, 2), reference_of(sparse)) == []


def test_repeated_ids_and_late_rows_do_not_make_a_chunk_broken(rows, reference):
    troubles = find(rows, reference, num_repeated=3, num_late=2)
    assert [one.kind for one in troubles] == [TroubleKind.REPEATED_IDS, TroubleKind.LATE_ROWS]
    assert not any(one.is_broken for one in troubles)


@pytest.mark.parametrize(("num_rows", "num_repeated"), [(300, 301), (0, 5)])
def test_a_chunk_of_repeated_ids_for_the_most_part_is_broken(
    rows, reference, num_rows, num_repeated
):
    trouble = only(rows.slice(0, num_rows), reference, num_repeated=num_repeated)
    assert (trouble.kind, trouble.is_broken) == (TroubleKind.REPEATED_IDS, True)


def test_a_chunk_without_an_answer_has_no_trouble(rows, reference):
    assert find(rows.slice(0, 0), reference, num_failed=7) == []


def signals(num_rows, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((num_rows, 32)) + np.sin(np.arange(32))


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda x: np.where(np.arange(32) > 8, x[:, :1], x), TroubleKind.STUCK, "does not change"),
        (lambda x: np.clip(x, -0.3, 0.3), TroubleKind.STUCK, "is cut at its extremes"),
        (
            lambda x: np.where(np.arange(32) == 4, np.nan, x),
            TroubleKind.MISSING,
            "has gaps in 100 %",
        ),
        (lambda x: x + 273.15, TroubleKind.WRONG_UNIT, "K instead of °C"),
    ],
)
def test_troubles_of_signals_are_found(spoil, kind, words):
    features = {**FEATURES, "trace": Signal(num_samples=32, unit="°C")}

    def with_trace(rows, samples):
        flat = pa.FixedSizeListArray.from_arrays(pa.array(samples.reshape(-1)), 32)
        return rows.append_column("trace", flat.cast(pa.list_(pa.float64())))

    training = with_trace(PUMPS.rows(1_000, 1), signals(1_000, 1))
    reference = reference_of(training, features)
    healthy = with_trace(PUMPS.rows(200, 2), signals(200, 2))
    assert find(healthy, reference) == []
    troubles = find(with_trace(PUMPS.rows(200, 2), spoil(signals(200, 2))), reference)
    [trouble] = [one for one in troubles if words in one.words]
    assert (trouble.kind, trouble.feature) == (kind, "trace")


def test_gaps_of_padded_signals_are_found_beside_their_padding():
    features = {**FEATURES, "trace": Signal(num_samples=32, lengths="pad")}

    def padded(rows, seed):
        samples = signals(rows.num_rows, seed)
        samples[::2, 20:] = np.nan
        return rows, samples

    def with_trace(rows, samples):
        return rows.append_column("trace", pa.array(list(samples), pa.list_(pa.float64())))

    reference = reference_of(with_trace(*padded(PUMPS.rows(1_000, 1), 1)), features)
    rows, samples = padded(PUMPS.rows(200, 2), 2)
    assert find(with_trace(rows, samples), reference) == []
    samples[:, 4] = np.nan
    troubles = find(with_trace(rows, samples), reference)
    assert [one.words.partition(" of the")[0] for one in troubles] == ["`trace` has gaps in 100 %"]


def test_exchanged_signals_are_found():
    features = {**FEATURES, "volts": Signal(num_samples=32), "amperes": Signal(num_samples=32)}

    def with_signals(rows, seed):
        levels = np.random.default_rng(seed + 100).normal([300, 40], [20, 3], (rows.num_rows, 2))
        for place, name in enumerate(("volts", "amperes")):
            samples = signals(rows.num_rows, seed + place) + levels[:, place, None]
            flat = pa.FixedSizeListArray.from_arrays(pa.array(samples.reshape(-1)), 32)
            rows = rows.append_column(name, flat.cast(pa.list_(pa.float64())))
        return rows

    reference = reference_of(with_signals(PUMPS.rows(1_000, 1), 1), features)
    rows = with_signals(PUMPS.rows(200, 2), 2)
    assert find(rows, reference) == []
    troubles = find(replaced(rows, volts=rows["amperes"], amperes=rows["volts"]), reference)
    exchanged = [one.feature for one in troubles if one.kind is TroubleKind.SWAPPED]
    assert exchanged == ["volts", "amperes"]


@pytest.mark.parametrize(
    "pumps",
    [
        Pumps(),
        Pumps(persistence=0.95),
        Pumps(persistence=0.95, num_keys=7),
        Pumps(decimals=0),
        Pumps(persistence=0.98, decimals=1),
    ],
)
def test_healthy_chunks_raise_no_trouble(pumps):
    reference = reference_of(pumps.rows(3_000, 1))
    for seed in range(20):
        assert find(pumps.rows(300, 100 + seed), reference) == []

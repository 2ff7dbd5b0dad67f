from dataclasses import replace

import numpy as np
import pytest

from production.simulation import injections as inject
from production.simulation.traffic import Plant, draw_days
from tests.production.simulation.days import same_rows


@pytest.fixture(scope="module")
def day():
    return draw_days(Plant(prevalence=0.2), num_days=1, num_rows=60, seed=1)[0]


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def failed(day):
    return np.array([key.startswith(("MB.S12", "MB.S23")) for key in day.keys])


def test_one_recorder_fails_and_the_others_go_on(day, rng):
    changed = inject.one_recorder("current", inject.biased(6.0))(rng, day)
    rise = changed.numbers("current") - day.numbers("current")
    assert 0 < failed(day).sum() < 60
    np.testing.assert_allclose(rise[failed(day)][~np.isnan(rise[failed(day)])], 6.0, atol=1e-3)
    assert np.nansum(np.abs(rise[~failed(day)])) == 0


def test_a_stuck_sensor_repeats_its_first_sample(day, rng):
    changed = inject.one_recorder("current", inject.stuck)(rng, day).numbers("current")
    assert (np.ptp(changed[failed(day)], axis=1) == 0).all()


def test_a_sensor_that_dropped_out_sends_no_sample(day, rng):
    changed = inject.one_recorder("current", inject.dropped_out)(rng, day).numbers("current")
    assert np.isnan(changed[failed(day)]).all()


def test_another_unit_is_a_factor_and_an_offset(day, rng):
    changed = inject.all_clients("temperature_k", inject.scaled(1, -273.15))(rng, day)
    difference = changed.numbers("temperature_k") - day.numbers("temperature_k")
    np.testing.assert_allclose(difference, -273.15, atol=0.01)


def test_swapped_columns_have_each_others_values(day, rng):
    changed = inject.swapped("voltage", "current")(rng, day)
    np.testing.assert_array_equal(changed.numbers("voltage"), day.numbers("current"))
    np.testing.assert_array_equal(changed.numbers("current"), day.numbers("voltage"))


def test_a_late_clock_shifts_both_signals(day, rng):
    changed = inject.delayed_signals(15)(rng, day)
    for signal in ("voltage", "current"):
        np.testing.assert_array_equal(changed.numbers(signal)[:, 15:], day.numbers(signal)[:, :-15])


def test_duplicates_take_the_place_of_other_requests(day, rng):
    changed = inject.duplicated(0.4)(rng, day)
    voltages = changed.numbers("voltage")[:, :50]
    assert changed.rows.num_rows == 60
    # About 0.4 * 60 = 24 of the rows are copies.
    assert 60 - len(np.unique(np.nan_to_num(voltages), axis=0)) == pytest.approx(24, abs=10)
    assert (changed.truth == changed.labels).all()


def test_unseen_faults_change_the_truth_and_no_feature(day, rng):
    changed = inject.unseen_faults(0.5)(rng, day)
    assert changed.truth.sum() > day.truth.sum() == 12
    assert (changed.labels == changed.truth).all()
    assert same_rows(changed.features, day.features)


def test_wrong_labels_leave_the_truth_alone(day, rng):
    flipped, poisoned = inject.flipped_labels(0.5)(rng, day), inject.poisoned_labels(rng, day)
    for changed in (flipped, poisoned):
        assert (changed.truth == day.truth).all()
        assert same_rows(changed.rows, day.rows)
    assert 15 <= (flipped.labels != day.truth).sum() <= 45
    # As many positive labels as before, none of them on a fault.
    assert poisoned.labels.sum() == 12
    assert (poisoned.labels & day.truth).sum() == 0


def test_without_labels_none_is_reported(day, rng):
    assert (inject.no_labels(rng, day).labels == -1).all()


def test_a_day_without_rows_of_the_recorder_is_unchanged(day, rng):
    others = replace(day, keys=np.full(60, "MB.S81.01"))
    changed = inject.one_recorder("current", inject.stuck)(rng, others)
    np.testing.assert_array_equal(changed.numbers("current"), day.numbers("current"))

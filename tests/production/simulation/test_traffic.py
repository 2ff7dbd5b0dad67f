import numpy as np
import pytest

from production.simulation.traffic import FEATURES, LABEL, Plant, draw_days, draw_history
from tests.production.simulation.days import same_rows


def test_days_have_the_asked_for_rows_and_all_faults_of_the_plant():
    days = draw_days(Plant(prevalence=0.1), num_days=3, num_rows=40, seed=1)
    assert [day.number for day in days] == [0, 1, 2]
    assert [day.rows.num_rows for day in days] == [40, 40, 40]
    # A tenth of 120 recordings, wherever they fall.
    assert sum(int(day.truth.sum()) for day in days) == 12
    assert days[0].features.column_names == list(FEATURES)
    assert all((day.labels == day.truth).all() for day in days)


def test_days_are_the_same_for_the_same_seed_and_others_for_another_first_day():
    first, again = (draw_days(Plant(), num_days=1, num_rows=20, seed=3)[0] for _ in range(2))
    [later] = draw_days(Plant(), num_days=1, num_rows=20, seed=3, first=5)
    assert same_rows(first.rows, again.rows)
    assert not same_rows(first.rows, later.rows)
    assert later.number == 5


def test_the_training_data_have_the_columns_of_requests_and_the_label():
    history = draw_history(Plant(), num_rows=50, seed=1)
    assert history.column_names == [*FEATURES, LABEL]
    assert history.num_rows == 50


def test_a_warmer_plant_is_warmer_and_has_the_same_magnets():
    usual, warmer = (
        draw_days(Plant(warmer_k=kelvin), num_days=1, num_rows=30, seed=2)[0]
        for kelvin in (0.0, 25.0)
    )
    rise = warmer.numbers("temperature_k") - usual.numbers("temperature_k")
    np.testing.assert_allclose(rise, 25.0, atol=0.01)
    assert (usual.keys == warmer.keys).all()


def test_seasons_change_the_order_of_a_day_and_nothing_else():
    [usual] = draw_days(Plant(), num_days=1, num_rows=50, seed=4)
    [season] = draw_days(Plant(has_seasons=True), num_days=1, num_rows=50, seed=4)
    temperatures = season.numbers("temperature_k")
    assert sorted(temperatures) == sorted(usual.numbers("temperature_k"))
    # It rises until noon and falls from then on.
    assert (np.diff(temperatures[:25]) >= 0).all()
    assert (np.diff(temperatures[25:]) <= 0).all()


def test_an_impossible_prevalence_is_refused():
    with pytest.raises(ValueError, match="num_healthy must be >= 0"):
        draw_days(Plant(prevalence=2.0), num_days=1, num_rows=10, seed=1)

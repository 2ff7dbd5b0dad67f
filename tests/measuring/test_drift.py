"""Distances against their null: false alarms where nothing changed, alarms where it did."""

import numpy as np
import pytest

from measuring.drift import (
    category_distance,
    number_distance,
    share_distance,
    thousands_text,
)

RNG = np.random.default_rng(3)
FLOOR = 0.1


def test_the_distance_of_numbers_is_the_largest_gap_of_their_distributions():
    # Up to 2 the first has 2 of 4 values and the second none.
    distance = number_distance([1, 2, 3, 4], 4, [3, 4, 5, 6], 4, floor=FLOOR)
    assert distance.value == pytest.approx(0.5)
    # 2 exp(-2 * 0.25 * 4 * 4 / 8) = 2 exp(-1) = 0.736
    assert distance.p_value == pytest.approx(0.7358, abs=1e-4)


def test_quantiles_give_the_distance_of_the_samples():
    a, b = RNG.normal(size=20_000), RNG.normal(0.5, size=20_000)
    exact = number_distance(a, 20_000, b, 20_000, floor=FLOOR).value
    grid = np.linspace(0, 1, 257)
    rough = number_distance(
        np.quantile(a, grid, method="inverted_cdf"),
        20_000,
        np.quantile(b, grid, method="inverted_cdf"),
        20_000,
        floor=FLOOR,
    ).value
    assert rough == pytest.approx(exact, abs=2 / 257)


@pytest.mark.parametrize("size", [200, 2_000, 20_000])
def test_numbers_without_drift_raise_at_most_one_alarm_in_a_thousand(size):
    # At 200 rows chance decides, else the floor. 2,000 repetitions at a rate of 0.1 %: 2 expected,
    # more than 8 with probability 2e-4.
    repetitions = {200: 2_000, 2_000: 500, 20_000: 50}[size]
    alarms = sum(
        number_distance(
            RNG.lognormal(size=size), size, RNG.lognormal(size=size), size, floor=FLOOR
        ).is_alarm()
        for _ in range(repetitions)
    )
    assert alarms <= (8 if size == 200 else 0)


@pytest.mark.simulation
@pytest.mark.parametrize("size", [200, 2_000, 20_000])
@pytest.mark.parametrize("num_values", [2, 8, 50])
def test_categories_without_drift_raise_at_most_one_alarm_in_a_thousand(size, num_values):
    names = [str(n) for n in range(num_values)]
    draws = RNG.multinomial(size, np.full(num_values, 1 / num_values), size=(150, 2))
    alarms = 0
    for now, then in draws:
        distance = category_distance(
            dict(zip(names, now.tolist(), strict=True)),
            dict(zip(names, then.tolist(), strict=True)),
            floor=FLOOR,
        )
        alarms += distance.is_alarm()
    assert alarms <= 2  # 0.15 expected at most


def test_a_shift_of_half_a_standard_deviation_is_seen_at_2000_rows():
    # The largest gap is 2 Phi(0.25) - 1 = 0.197.
    distance = number_distance(
        RNG.normal(size=2_000), 2_000, RNG.normal(0.5, size=2_000), 2_000, floor=FLOOR
    )
    assert distance.value == pytest.approx(0.197, abs=0.05)
    assert distance.is_alarm(num_tests=3)


def test_one_of_eight_values_that_vanishes_is_seen_at_2000_rows():
    names = [str(n) for n in range(8)]
    then = dict(zip(names, RNG.multinomial(2_000, np.full(8, 1 / 8)).tolist(), strict=True))
    now = dict(zip(names[1:], RNG.multinomial(2_000, np.full(7, 1 / 7)).tolist(), strict=True))
    distance = category_distance(now, then, floor=FLOOR)
    assert distance.where == "0"
    assert distance.value == pytest.approx(0.125, abs=0.02)
    assert distance.is_alarm(num_tests=3)


def test_half_of_fifty_values_that_vanish_are_seen_at_2000_rows():
    then = {str(n): 40 for n in range(50)}
    now = {str(n): 80 for n in range(25)}
    distance = category_distance(now, then, floor=FLOOR)
    # 2 % and 0 %: half of 2 % is the least that matters, below the floor.
    assert (distance.value, distance.floor) == pytest.approx((0.02, 0.01))
    assert distance.is_alarm(num_tests=3)


def test_a_jump_of_the_faults_is_seen_at_2000_rows():
    # 3.5 % to 20 %.
    assert share_distance(400, 2_000, 70, 2_000, floor=FLOOR, relative=True).is_alarm()
    # 3.5 % to 4.5 %: less than half of the larger share.
    assert not share_distance(900, 20_000, 700, 20_000, floor=FLOOR, relative=True).is_alarm()


def test_a_difference_that_is_significant_but_small_is_no_alarm():
    # 50 % against 53 % of 20,000: p = 2e-9, but below the floor.
    distance = share_distance(10_600, 20_000, 10_000, 20_000, floor=FLOOR, relative=True)
    assert distance.p_value < 1e-6
    assert not distance.is_alarm()


def test_rare_values_are_compared_together():
    then = {"a": 9_900, **{f"r{n}": 5 for n in range(20)}}
    now = {"a": 9_900, **{f"s{n}": 5 for n in range(20)}}
    # One in a hundred rows has a rare value in both; which one does not matter.
    distance = category_distance(now, then, floor=FLOOR)
    assert distance.value == 0


def test_an_empty_sample_has_no_distance():
    assert category_distance({}, {"a": 3}, floor=FLOOR) is None


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        (72_470, 75.1, "; about 1,000 times: check the decimal mark and the unit"),
        (-0.08, -75, "; about one part in 1,000: check the decimal mark and the unit"),
        (4.1e6, 4.0, "; about 1,000,000 times: check the decimal mark and the unit"),
        (130, 75, ""),
        (30_000, 75, ""),  # 400 times
        (-72_470, 75, ""),
        (0, 75, ""),
    ],
)
def test_a_factor_of_a_thousand_between_typical_values_is_named(now, then, expected):
    assert thousands_text(now, then) == expected

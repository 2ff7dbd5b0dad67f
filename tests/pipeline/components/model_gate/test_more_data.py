"""How many more faults it takes, checked by computing the interval that they would give."""

import math

import pytest

from measuring.intervals import proportion_interval
from pipeline.components.model_gate.more_data import (
    fewest_for_area,
    fewest_for_share,
    growth_of_mean,
    growth_of_share,
)


def test_with_so_many_more_at_the_same_share_the_interval_clears_the_bar():
    interval = proportion_interval(32, 34, 0.95)
    growth = growth_of_share(32 / 34, interval, 0.9, 0.95)
    enough, short = (proportion_interval(32 * g, 34 * g, 0.95)[0] for g in (growth, growth * 0.98))
    assert enough == pytest.approx(0.9, abs=1e-4)
    assert short < 0.9


def test_below_the_bar_it_is_the_upper_limit_that_must_fall():
    interval = proportion_interval(8, 10, 0.95)
    growth = growth_of_share(0.8, interval, 0.9, 0.95)
    assert proportion_interval(8 * growth, 10 * growth, 0.95)[1] == pytest.approx(0.9, abs=1e-4)


def test_trials_in_groups_count_for_what_their_interval_says():
    # 100 trials worth 20: the growth is that of 20.
    interval = proportion_interval(0.9 * 20, 20, 0.95)
    assert growth_of_share(0.9, interval, 0.8, 0.95) == pytest.approx(
        growth_of_share(0.9, proportion_interval(18, 20, 0.95), 0.8, 0.95)
    )


def test_the_error_of_a_mean_falls_with_the_root():
    # The lower limit is 0.2 below and must be 0.1 below: four times the examples.
    assert growth_of_mean(0.7, (0.5, 0.85), 0.6) == pytest.approx(4)
    assert growth_of_mean(0.7, (0.5, 0.85), 0.8) == pytest.approx(2.25)


def test_at_the_bar_itself_no_number_is_enough():
    assert growth_of_mean(0.7, (0.5, 0.85), 0.7) == math.inf
    assert growth_of_share(0.5, (0.2, 0.8), 0.5, 0.95) == math.inf


def test_the_fewest_are_just_enough():
    # ln(0.025) / ln(0.9) = 35.01: 36, and 35 leave 0.8999.
    assert fewest_for_share(0.9, 0.95) == 36
    assert proportion_interval(36, 36, 0.95)[0] >= 0.9 > proportion_interval(35, 35, 0.95)[0]
    # Wilson's limit of 1 is n / (n + 1.96^2): 0.9 from 34.6 on.
    assert fewest_for_area(0.9, 0.95) == 35

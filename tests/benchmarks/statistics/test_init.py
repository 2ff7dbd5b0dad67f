"""What `init` decides by statistics keeps what the study says of it."""

import pytest

from benchmarks.statistics import init

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("area", [0.983, 0.99])
@pytest.mark.parametrize("num_faults", [11, 20])
def test_an_honest_column_is_kept(area, num_faults):
    draw = init.honest(area)
    # At a rate of 1 %, more than 4 of 100 have a probability of 0.4 %.
    assert init.left_out(draw, init.leak_now, num_faults, 100).sum() <= 4


def test_the_point_estimate_threw_honest_columns_away():
    assert init.left_out(init.honest(0.99), init.leak_before, 11, 100).mean() > 0.2


@pytest.mark.parametrize("draw", [init.flag(0.6, 0.001), init.copy_of_label(0.01)])
def test_a_flag_and_a_copy_of_the_label_with_a_few_errors_are_found(draw):
    assert init.left_out(draw, init.found_now, 50, 50).mean() > 0.9
    assert init.left_out(draw, init.leak_before, 50, 50).mean() < 0.5


@pytest.mark.parametrize("draw", [init.temperature, init.set_points, init.independent])
def test_measured_whole_numbers_are_no_groups(draw):
    assert init.taken_for_groups(draw, init.group_now, 20).sum() == 0


@pytest.mark.parametrize("draw", [init.temperature, init.set_points])
def test_likeness_alone_took_measured_whole_numbers_for_groups(draw):
    assert init.taken_for_groups(draw, init.group_before, 10).mean() > 0.8


@pytest.mark.parametrize("num_groups", [20, 60])
def test_true_groups_are_found(num_groups):
    assert init.taken_for_groups(init.true_groups(num_groups), init.group_now, 20).mean() >= 0.9

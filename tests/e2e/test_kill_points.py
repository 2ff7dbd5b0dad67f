"""A selection of the points that `benchmarks.kill_points` tries, for every change."""

import pytest

from benchmarks.kill_points import CUT, EDIT, FULL, KILL, Bench

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("points"))


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("ArrowExampleGen", CUT),
        ("Trainer", EDIT),
        ("Evaluator", FULL),
        ("Pusher", KILL),
        ("Pusher", CUT),
    ],
)
def test_a_disturbed_run_is_followed_by_the_same_weights(bench, step, kind):
    result = bench.try_point(step, kind)
    assert (result.code, result.outcome) == (0, "same weights")
    assert result.disturbed_code != 0

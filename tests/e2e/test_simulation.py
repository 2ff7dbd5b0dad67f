"""The flight simulator in its short form: a few scenarios on real processes, with a small model."""

import json

import pytest

from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

# The training of the first scenario takes most of it.
_TIMEOUT_S = 550


@pytest.fixture(scope="module")
def faultline(tmp_path_factory):
    """The command line; the first scenario trains the model for all."""
    return Faultline(PROJECT, tmp_path_factory.mktemp("simulation") / "work")


# One for each kind of guard: data, rollout, gateway.
@pytest.mark.parametrize(
    ("scenario", "guard"),
    [("stuck_sensor", "troubles"), ("broken_candidate", "rollout"), ("killed_envoy", "gateway")],
)
def test_the_guard_catches_the_fault_in_time_and_the_right_action_follows(
    faultline, scenario, guard
):
    process = faultline.start("simulate", scenario, "--short", "--json")
    try:
        out, err = process.communicate(timeout=_TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 0, out + err
    [outcome] = json.loads(out)["scenarios"]
    assert guard in outcome["caught_by"]
    assert outcome["chunks_until_caught"] <= 3
    assert outcome["is_handled"]
    assert outcome["num_false_alarms"] == 0
    assert scenario in (faultline.output / "simulations" / "scorecard.svg").read_text()

"""The flight simulator in its short form: a few scenarios on real processes, with a small model."""

import json

import pytest

from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

# One for each kind of guard: data, rollout, gateway.
_SCENARIOS = ("stuck_sensor", "broken_candidate", "killed_envoy")


@pytest.fixture(scope="module")
def scorecard(tmp_path_factory):
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("simulation") / "work")
    done = faultline("simulate", *_SCENARIOS, "--short", "--json")
    assert done.code == 0, done.out + done.err
    drawn = (faultline.output / "simulations" / "scorecard.svg").read_text()
    assert all(name in drawn for name in _SCENARIOS)
    return {one["scenario"]: one for one in json.loads(done.out)["scenarios"]}


@pytest.mark.parametrize(
    ("scenario", "guard"),
    [("stuck_sensor", "troubles"), ("broken_candidate", "rollout"), ("killed_envoy", "gateway")],
)
def test_the_guard_catches_the_fault_in_time_and_the_right_action_follows(
    scorecard, scenario, guard
):
    outcome = scorecard[scenario]
    assert guard in outcome["caught_by"]
    assert outcome["chunks_until_caught"] <= 3
    assert outcome["is_handled"]
    assert outcome["num_false_alarms"] == 0


def test_a_broken_candidate_costs_no_answer(scorecard):
    assert scorecard["broken_candidate"]["num_failures"] == 0

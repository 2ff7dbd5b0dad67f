"""Rollouts over real processes on the loopback, from start to promotion and to rollback."""

import json
import signal

import pytest
from click.testing import CliRunner

from commands.command_line import main
from production.rollout.actions import open_journal
from production.rollout.state import Phase
from tests.e2e.rollout_world import ALARMED, KEYS, SHADOW, World

pytestmark = pytest.mark.e2e


def both(world):
    """The version that answers each key, the same over both wires."""
    over_grpc, over_rest = world.answers("grpc"), world.answers("rest")
    assert over_grpc == over_rest
    return over_grpc


@pytest.fixture(scope="module")
def world(project, tmp_path_factory):
    """A gateway that people steer; a test begins with the version that the one before left."""
    world = World(project, tmp_path_factory.mktemp("rollout") / "work")
    process = world.start()
    yield world
    assert world.end(process, signal.SIGTERM) == 0


def test_a_shadow_is_seen_by_nobody_and_then_promoted(world):
    world.push(2)
    assert "Applied by the gateway in" in world.rollout("start", "--strategy", "shadow").output
    assert set(both(world)) == {1}
    world.rollout("rollback")
    assert set(both(world)) == {1}
    world.rollout("start", "wells/2", "--strategy", "shadow")
    world.rollout("advance")
    assert set(both(world)) == {2}
    assert world.said("Rollout r2 to wells/2 promoted: wells/2 is served. Ada: a test")


def test_a_canary_keeps_its_keys_from_step_to_step_and_gives_them_back(world):
    world.push(3)
    world.rollout("start", "wells/3")
    first = both(world)
    world.rollout("advance")
    second = both(world)
    assert set(first) == set(second) == {2, 3}
    assert first.count(3) < second.count(3) < len(KEYS)
    # A key that the candidate answers stays with it.
    assert all(later == 3 for early, later in zip(first, second, strict=True) if early == 3)
    values = json.loads(world.rollout("rollback", "--json").stdout)
    assert values["applied_s"] < 5
    assert set(both(world)) == {2}
    world.rollout("start", "wells/3")
    for _ in range(2):
        world.rollout("advance")
    assert set(both(world)) == {3}


def test_blue_green_switches_all_at_once_and_back(world):
    world.push(4)
    world.rollout("start", "--strategy", "blue_green")
    assert set(both(world)) == {3}
    switched = json.loads(world.rollout("advance", "--json").stdout)
    assert (switched["state"]["rollout"]["phase"], switched["applied_s"] < 5) == ("switched", True)
    assert set(both(world)) == {4}
    world.rollout("rollback")
    assert set(both(world)) == {3}
    world.rollout("start", "wells/4", "--strategy", "blue_green")
    world.rollout("advance")
    world.rollout("advance")
    assert world.state().rollout.phase is Phase.PROMOTED
    assert set(both(world)) == {4}


def test_a_candidate_that_does_not_load_costs_nothing(world):
    world.push(5)
    model = world.folder.serving("wells") / "5" / "saved_model.pb"
    model.write_bytes(b"this is no protocol buffer")
    arguments = ["rollout", "start", "wells/5", "--why", "x", "--config", str(world.config)]
    done = CliRunner().invoke(main, [*arguments, "--output", str(world.folder.root)])
    assert done.exit_code == 1
    assert "The gateway could not follow: wells/5 does not load" in done.output
    assert world.state().rollout.phase is Phase.ROLLED_BACK
    assert set(both(world)) == {4}


def test_faultline_rollback_moves_the_traffic_and_then_the_folders(world):
    arguments = ["rollback", "wells/3", "--why", "x", "--output", str(world.folder.root)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "Applied by the gateway in" in done.output
    assert set(both(world)) == {3}
    assert not (world.folder.serving("wells") / "4").exists()


def test_evidence_rolls_back_by_itself_and_a_killed_gateway_is_found_again(
    project, tmp_path_factory
):
    world = World(project, tmp_path_factory.mktemp("automatic") / "work", level=3)
    world.config.write_text(
        world.config.read_text().replace("rollout:", "rollout:\n  start: on_push")
    )
    process = world.start()
    # Whatever is pushed starts a rollout. This model decides as the other one as long as x > 0.
    world.push(ALARMED)
    world.wait(lambda: world.state().active)
    world.wait(lambda: ALARMED in world.answers("rest"))
    before = both(world)
    world.end(process, signal.SIGKILL)
    process = world.start()
    try:
        assert both(world) == before  # the same step, the same keys
        for _ in range(5):
            world.answers("rest", x=-1.0)
        # By now the evidence suffices, if the servers have written their last records.
        assert world.wait(lambda: not world.state().active) < 5
        entry = open_journal(world.folder, "wells").read()[-1]
        assert (entry.note.event, entry.note.by) == ("roll_back", "faultline")
        assert "more alarms" in entry.note.why
        assert set(both(world)) == {1}
        # An inconclusive model is shadowed, and waits for a person.
        world.push(SHADOW, base="wells_shadow", verdict="INCONCLUSIVE")
        world.wait(lambda: world.state().active)
        assert world.state().active.strategy == "shadow"
        assert set(both(world)) == {1}
    finally:
        assert world.end(process, signal.SIGTERM) == 0

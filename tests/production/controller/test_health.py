"""What the ends of the gateway's processes lead to, with a gateway that has no processes."""

from dataclasses import replace

import pytest

from common.output_folder import OutputFolder
from pipeline.production_options.automation import AutomationOptions
from pipeline.production_options.rollout import RolloutOptions
from production.automation.automation import Automation
from production.controller import controller as loop
from production.gateway.traffic import Pin
from production.rollback import Decision
from production.rollout.actions import act, open_journal, start
from production.rollout.candidates import Candidate
from production.rollout.progress import read_health
from production.rollout.state import Phase
from production.rollout.strategies import make_plan
from tests.production.controller.fakes import make_rig
from tests.production.rollout.pushes import place

ADA = Decision(by="Ada", why="trained on May")
KILLED = "with signal 9 (SIGKILL), and is started again. Its log: "


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Each step looks at the evidence."""
    monkeypatch.setattr(loop, "_EVIDENCE_S", 0.0)


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path)
    for version in (100, 200):
        place(folder, version)
    candidate = Candidate(pin=Pin(base="wells", version=200), verdict="BLESSED")
    start(folder, "wells", make_plan(candidate, RolloutOptions(), "canary"), ADA)
    return folder


def _rig(folder, level):
    rig = make_rig(folder, decide=Automation(AutomationOptions(level=level), folder))
    rig.controller.step()
    return rig


def _end_candidate(rig, times=1):
    for _ in range(times):
        rig.gateway.end_candidate()
        rig.controller.step()


def _entries(folder):
    return open_journal(folder, "wells").read()


def _rollout(folder):
    return _entries(folder)[-1].state.rollout


def _health(rig):
    return read_health(rig.place, _rollout(rig.folder))


def test_an_end_and_the_next_answer_are_said_once(folder):
    rig = _rig(folder, level=0)
    rig.said.clear()
    _end_candidate(rig)
    rig.controller.step()
    rig.gateway.answer_again()
    rig.controller.step()
    rig.controller.step()
    assert rig.said == [
        f"The candidate's server ended {KILLED}candidate.log",
        "The candidate's server answers again.",
    ]


def test_ends_between_two_looks_are_one_line(folder):
    rig = _rig(folder, level=0)
    rig.said.clear()
    members = rig.gateway.members
    envoy = replace(members.envoy, num_ends=2, last_end="exit code 1")
    rig.gateway.members = replace(members, envoy=envoy)
    rig.controller.step()
    assert rig.said == [
        "Envoy ended 2 times, the last time with exit code 1, and is started again. Its log: "
        "envoy.log",
        "Envoy answers again.",
    ]
    assert _health(rig) is None


@pytest.mark.parametrize("level", [0, 1])
def test_below_level_2_the_ends_are_only_counted(folder, level):
    rig = _rig(folder, level)
    _end_candidate(rig, times=4)
    assert _rollout(folder).phase is Phase.RUNNING
    assert (_health(rig).num_ends, _health(rig).is_answering) == (4, False)
    rig.gateway.answer_again()
    rig.controller.step()
    assert _health(rig).is_answering


@pytest.mark.parametrize(
    ("level", "event", "phase"),
    [(2, "hold", Phase.HELD), (3, "roll_back", Phase.ROLLED_BACK)],
)
def test_three_ends_stop_the_rollout(folder, level, event, phase):
    rig = _rig(folder, level)
    _end_candidate(rig, times=2)
    assert _rollout(folder).phase is Phase.RUNNING
    _end_candidate(rig)
    assert _rollout(folder).phase is phase
    note = _entries(folder)[-1].note
    assert (note.event, note.by) == (event, "faultline")
    assert note.why == (
        "the candidate's server ended by itself 3 times, the last time with signal 9 (SIGKILL)"
    )
    assert (note.evidence["num_ends"], note.evidence["last_end"]) == (3, "signal 9 (SIGKILL)")


def test_the_count_survives_a_restart_of_the_gateway(folder):
    _end_candidate(_rig(folder, level=3), times=2)
    rig = _rig(folder, level=3)
    assert _rollout(folder).phase is Phase.RUNNING
    _end_candidate(rig)
    assert _rollout(folder).phase is Phase.ROLLED_BACK


def test_a_person_who_lets_the_rollout_go_on_accepts_the_ends_so_far(folder):
    _end_candidate(_rig(folder, level=2), times=3)
    act(folder, "wells", "approve", ADA)
    rig = _rig(folder, level=2)
    _end_candidate(rig, times=2)
    assert _rollout(folder).phase is Phase.RUNNING
    _end_candidate(rig)
    assert _rollout(folder).phase is Phase.HELD
    assert _health(rig).num_ends == 6


def test_ends_before_the_rollout_and_of_the_stable_server_do_not_count(folder):
    act(folder, "wells", "abort", ADA)
    rig = _rig(folder, level=3)
    _end_candidate(rig, times=3)
    candidate = Candidate(pin=Pin(base="wells", version=200), verdict="BLESSED")
    start(folder, "wells", make_plan(candidate, RolloutOptions(), "canary"), ADA)
    stable = replace(rig.gateway.members.stable, num_ends=5, last_end="exit code 1")
    rig.gateway.answer_again()
    rig.gateway.members = replace(rig.gateway.members, stable=stable)
    rig.controller.step()
    rig.controller.step()
    assert _rollout(folder).phase is Phase.RUNNING
    assert _health(rig) is None


def test_a_count_that_cannot_be_read_is_named_and_ends_nothing(folder):
    rig = make_rig(folder)
    (rig.place / "candidate.json").write_text("no JSON")
    rig.controller.step()
    _end_candidate(rig)
    assert len([line for line in rig.said if "candidate.json cannot be read" in line]) == 1
    assert rig.gateway.shares == [(100, 5)]

"""The controller's loop with a gateway that has no processes."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from measuring.sequential.evidence import Margins
from pipeline.components.pusher.version_folder import withdraw_version
from pipeline.production_options.automation import AutomationOptions
from pipeline.production_options.rollout import RolloutOptions, ShadowStep
from production.automation.automation import Automation
from production.automation.deciding import Proposal
from production.controller import controller as loop
from production.gateway.traffic import Pin, Traffic
from production.rollback import Decision
from production.rollout.actions import act, begin, open_journal, start
from production.rollout.candidates import Candidate
from production.rollout.journal import Journal
from production.rollout.markers import (
    controlling,
    is_controlled,
    read_applied,
    wait_until_applied,
)
from production.rollout.metadata import EXECUTION_TYPE
from production.rollout.progress import key_of, read_progress
from production.rollout.state import Phase
from production.rollout.strategies import make_plan
from tests.production.collection.recorded import Stream, record
from tests.production.controller.fakes import FakeGateway, make_rig, running, steps_until
from tests.production.rollout.pushes import new_store, place, push
from tests.production.rollout.pushes import record as record_push

ADA = Decision(by="Ada", why="trained on May")
QUICK = RolloutOptions(shadow=ShadowStep(min_requests=0, min_time_s=0), bake_s=0)


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path)
    for version in (100, 200):
        place(folder, version)
    return folder


def _start(folder, strategy="canary", version=200, options=QUICK):
    candidate = Candidate(pin=Pin(base="wells", version=version), verdict="BLESSED")
    return start(folder, "wells", make_plan(candidate, options, strategy), ADA)


def _automation(folder, level):
    return Automation(AutomationOptions(level=level), folder)


def test_a_journal_that_could_not_be_read_is_read_again(folder, monkeypatch):
    _start(folder)
    rig = make_rig(folder)
    monkeypatch.setattr(loop, "_RETRY_S", 0.0)
    read = Journal.read

    def failing(_):
        raise InputError("Too many open files")

    monkeypatch.setattr(Journal, "read", failing)
    rig.controller.step()
    assert rig.gateway.shares == []
    monkeypatch.setattr(Journal, "read", read)
    rig.controller.step()
    assert rig.gateway.shares


def test_a_journal_begun_anew_is_not_applied_yet(folder):
    _start(folder)
    rig = make_rig(folder)
    rig.controller.step()
    place = folder.rollouts("wells")
    assert read_applied(place).sequence == 2
    (place / "journal.jsonl").rename(place / "journal.old")
    begin(folder, "wells")
    assert read_applied(place) is None


def _state(folder):
    return open_journal(folder, "wells").state()


def test_the_traffic_follows_each_entry_of_the_journal(folder):
    _start(folder)
    rig = make_rig(folder)
    rig.controller.step()
    for _ in range(3):
        act(folder, "wells", "advance", ADA)
        rig.controller.step()
    assert rig.gateway.shares == [(100, 5), (100, 25), (100, 50), (200, 0)]
    assert rig.gateway.traffics[-1] == Traffic(stable=Pin(base="wells", version=200), salt="r1")
    assert read_applied(rig.place).sequence == 5
    assert rig.said[-1].startswith("Rollout r1 to wells/200 promoted: wells/200 is served. Ada:")


def test_an_entry_without_other_traffic_is_applied_at_once(folder):
    _start(folder)
    rig = make_rig(folder)
    rig.controller.step()
    act(folder, "wells", "hold", ADA)
    rig.controller.step()
    assert len(rig.gateway.traffics) == 1
    assert read_applied(rig.place).sequence == 3


def test_a_command_waits_until_the_gateway_has_applied_its_entry(folder):
    begin(folder, "wells", excluded=Pin(base="wells", version=200))
    rig = make_rig(folder)
    with running(rig):
        entry = _start(folder)
        applied = wait_until_applied(rig.place, entry.sequence, timeout_s=20)
    assert (applied.sequence, applied.problem) == (entry.sequence, "")
    assert rig.gateway.shares[-1] == (100, 5)
    assert not is_controlled(rig.place)
    assert wait_until_applied(rig.place, entry.sequence + 1, timeout_s=20) is None


def test_a_second_controller_is_refused(folder):
    with (
        controlling(folder.rollouts("wells")),
        pytest.raises(InputError, match="Another `faultline serve --gateway` serves wells"),
        controlling(folder.rollouts("wells")),
    ):
        pytest.fail("two processes control the same model")


def test_a_candidate_that_does_not_load_is_rolled_back(folder, monkeypatch):
    monkeypatch.setattr(loop, "_RETRY_S", 0.0)
    begin(folder, "wells", excluded=Pin(base="wells", version=200))
    gateway = FakeGateway(broken={Pin(base="wells", version=200)})
    rig = make_rig(folder, gateway)
    rig.controller.step()
    entry = _start(folder)
    steps_until(rig, lambda: _state(folder).active is None)
    rig.controller.step()
    last = open_journal(folder, "wells").read()[-1]
    assert (last.state.rollout.phase, last.note.by) == (Phase.ROLLED_BACK, "faultline")
    assert "wells/200 does not load: no such op" in last.note.why
    assert gateway.num_failures == 2  # once may be chance
    applied = read_applied(rig.place)
    assert (applied.sequence, applied.problem_of) == (last.sequence, entry.sequence)
    assert gateway.shares == [(100, 0), (100, 0)]


def test_a_promoted_version_that_does_not_load_gives_way_to_the_old_one(folder, monkeypatch):
    monkeypatch.setattr(loop, "_RETRY_S", 0.0)
    _start(folder, "shadow")
    rig = make_rig(folder)
    rig.controller.step()
    rig.gateway.broken.add(Pin(base="wells", version=200))
    act(folder, "wells", "advance", ADA)
    steps_until(rig, lambda: _state(folder).stable.version == 100)
    assert _state(folder).rollout.phase is Phase.ROLLED_BACK


def test_without_a_rollout_the_gateway_goes_on_trying(folder, monkeypatch):
    monkeypatch.setattr(loop, "_RETRY_S", 0.0)
    begin(folder, "wells")
    stable = Pin(base="wells", version=200)
    rig = make_rig(folder, FakeGateway(broken={stable}))
    for _ in range(4):
        rig.controller.step()
    assert len(open_journal(folder, "wells").read()) == 1
    rig.gateway.broken.clear()
    steps_until(rig, lambda: rig.gateway.traffics != [])
    assert len([line for line in rig.said if "tries again" in line]) == 1


def test_a_damaged_journal_changes_nothing_and_is_named(folder):
    _start(folder)
    rig = make_rig(folder)
    rig.controller.step()
    path = open_journal(folder, "wells").path
    path.write_bytes(path.read_bytes().replace(b"highest", b"lowest"))
    rig.controller.step()
    rig.controller.step()
    assert rig.gateway.shares == [(100, 5)]
    assert len([line for line in rig.said if "The journal was changed" in line]) == 1


def test_a_switched_rollout_is_final_after_its_time(folder):
    now = [datetime.now(UTC)]
    _start(folder, "blue_green", options=RolloutOptions(bake_s=3600))
    rig = make_rig(folder, now=lambda: now[0], decide=_automation(folder, level=0))
    rig.controller.step()
    act(folder, "wells", "advance", ADA)
    steps_until(rig, lambda: rig.gateway.shares[-1] == (100, 100))
    now[0] += timedelta(minutes=59)
    time.sleep(loop._EVIDENCE_S)
    rig.controller.step()
    assert _state(folder).rollout.phase is Phase.SWITCHED
    now[0] += timedelta(minutes=2)
    steps_until(rig, lambda: _state(folder).rollout.phase is Phase.PROMOTED)
    assert open_journal(folder, "wells").read()[-1].note.why == "wells/100 was kept warm for 1.0 h"
    assert rig.gateway.shares[-1] == (200, 0)


def test_a_held_switch_is_not_final(folder):
    _start(folder, "blue_green")
    act(folder, "wells", "advance", ADA)
    act(folder, "wells", "hold", ADA)
    rig = make_rig(folder, decide=_automation(folder, level=3))
    rig.controller.step()
    time.sleep(loop._EVIDENCE_S)
    rig.controller.step()
    assert _state(folder).rollout.phase is Phase.HELD


def test_a_candidate_that_leaves_service_ends_its_rollout(folder):
    _start(folder)
    rig = make_rig(folder)
    rig.controller.step()
    withdraw_version(folder.serving("wells"), 200)
    steps_until(rig, lambda: rig.gateway.shares[-1] == (100, 0))
    assert _state(folder).rollout.phase is Phase.ABORTED


def _answer(number, arm, decision, at):
    return record(f"q{number}", arm, decision=decision, key=f"pump {number % 9}") | {"time": at}


def test_the_evidence_decides_and_is_in_the_journal(folder):
    entry = _start(folder)
    rig = make_rig(folder, decide=_automation(folder, level=3), margins=Margins())
    rig.controller.step()
    stream = Stream(folder.collected("wells"))
    other = Stream(folder.collected("wells"), "candidate-1")
    at = entry.time + timedelta(seconds=1)
    stream.write(*(_answer(number, "stable", 0, at) for number in range(200)))
    other.write(*(_answer(number, "candidate", 1, at) for number in range(200)))
    steps_until(rig, lambda: rig.gateway.shares[-1] == (100, 0))
    note = open_journal(folder, "wells").read()[-1].note
    assert (note.event, note.by) == ("roll_back", "faultline")
    assert "too many differing decisions" in note.why
    assert note.evidence["num_pairs"] == 200
    assert "differing" in note.evidence["reasons"]


def test_a_killed_controller_goes_on_with_its_evidence(folder):
    entry = _start(folder)
    rig = make_rig(folder)
    rig.controller.step()
    stream = Stream(folder.collected("wells"))
    other = Stream(folder.collected("wells"), "candidate-1")
    at = entry.time + timedelta(seconds=1)

    def write(numbers):
        stream.write(*(_answer(number, "stable", 0, at) for number in numbers))
        other.write(*(_answer(number, "candidate", 0, at) for number in numbers))

    def num_pairs():
        progress = read_progress(rig.place, _state(folder).rollout)
        return progress.num_pairs if progress else 0

    write(range(30))
    steps_until(rig, lambda: num_pairs() == 30)
    write(range(30, 50))
    rig = make_rig(folder)  # the first one is gone without a word
    steps_until(rig, lambda: num_pairs() == 50)
    assert rig.gateway.shares == [(100, 5)]


def test_a_decision_on_a_state_that_a_person_changed_is_not_taken(folder):
    _start(folder)
    rig = make_rig(folder)

    def decide(facts, verdict):
        if facts.rollout.phase is Phase.RUNNING:
            act(folder, "wells", "hold", Decision(by="Bob", why="wait"))
            return Proposal(action="advance", why="enough")
        return None

    rig = make_rig(folder, decide=decide)
    steps_until(rig, lambda: _state(folder).rollout.phase is Phase.HELD)
    rig.controller.step()
    assert _state(folder).rollout.step == 0


def test_evidence_that_cannot_be_read_leaves_the_decision_to_people(folder):
    _start(folder)
    rig = make_rig(folder, decide=_automation(folder, level=3))
    progress = rig.place / "progress.json"
    values = {"rollout": key_of(_state(folder).rollout), "evidence": "no JSON", "follower": ""}
    progress.write_text(json.dumps(values))
    rig.controller.step()
    assert len([line for line in rig.said if "Only people decide" in line]) == 1
    act(folder, "wells", "advance", ADA)
    rig.controller.step()
    assert rig.gateway.shares == [(100, 5), (100, 25)]


class TestPushes:
    """Versions that start a rollout by themselves."""

    @pytest.fixture
    def folder(self, tmp_path):
        folder = OutputFolder(tmp_path)
        push(new_store(folder), folder, 100)
        begin(folder, "wells")
        return folder

    def _rig(self, folder, options):
        return make_rig(folder, options=options, open_store=lambda: new_store(folder))

    def test_a_blessed_push_starts_a_rollout_where_the_config_says_so(self, folder):
        rig = self._rig(folder, RolloutOptions(start="on_push", strategy="blue_green"))
        push(new_store(folder), folder, 200)
        steps_until(rig, lambda: _state(folder).active is not None)
        rollout = _state(folder).active
        assert (rollout.candidate.version, rollout.strategy) == (200, "blue_green")
        note = open_journal(folder, "wells").read()[-1].note
        assert (note.by, note.why) == ("faultline", "wells/200 was pushed")

    def test_otherwise_it_waits_for_a_person(self, folder, monkeypatch):
        monkeypatch.setattr(loop, "_SERVICE_S", 0.0)
        rig = self._rig(folder, RolloutOptions())
        push(new_store(folder), folder, 200)
        for _ in range(20):
            rig.controller.step()
            time.sleep(0.005)
        assert _state(folder).active is None

    def test_an_inconclusive_push_starts_a_shadow_rollout(self, folder):
        rig = self._rig(folder, RolloutOptions())
        push(new_store(folder), folder, 300, base="wells_shadow", verdict="INCONCLUSIVE")
        steps_until(rig, lambda: _state(folder).active is not None)
        rollout = _state(folder).active
        assert (rollout.strategy, rollout.approved) == ("shadow", False)
        assert rollout.candidate == Pin(base="wells_shadow", version=300)

    def test_an_older_inconclusive_model_is_left_alone(self, folder, monkeypatch):
        monkeypatch.setattr(loop, "_SERVICE_S", 0.0)
        rig = self._rig(folder, RolloutOptions())
        push(new_store(folder), folder, 50, base="wells_shadow", verdict="INCONCLUSIVE")
        for _ in range(20):
            rig.controller.step()
            time.sleep(0.005)
        assert _state(folder).active is None

    def test_a_version_is_tried_once(self, folder, monkeypatch):
        for name in ("_SERVICE_S", "_RETRY_S"):
            monkeypatch.setattr(loop, name, 0.0)
        rig = self._rig(folder, RolloutOptions(start="on_push"))
        push(new_store(folder), folder, 200)
        steps_until(rig, lambda: _state(folder).active is not None)
        act(folder, "wells", "roll_back", ADA)
        for _ in range(20):
            rig.controller.step()
            time.sleep(0.005)
        assert _state(folder).num_rollouts == 1

    def test_a_push_that_is_not_recorded_yet_waits_for_its_record(self, folder, monkeypatch):
        for name in ("_SERVICE_S", "_RETRY_S"):
            monkeypatch.setattr(loop, name, 0.0)
        rig = self._rig(folder, RolloutOptions(start="on_push"))
        place(folder, 200)
        for _ in range(20):
            rig.controller.step()
            time.sleep(0.01)
        assert _state(folder).active is None
        record_push(new_store(folder), folder, 200)
        steps_until(rig, lambda: _state(folder).active is not None)

    def test_the_transitions_are_recorded_in_the_background(self, folder):
        store = new_store(folder)
        rig = self._rig(folder, RolloutOptions())
        steps_until(rig, lambda: len(store.get_executions_by_type(EXECUTION_TYPE)) == 1)

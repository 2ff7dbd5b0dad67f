"""Actions on the journal: starts, refusals, and the versions in service that it follows."""

import pytest
from rich.console import Console

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import withdraw_version
from pipeline.production_options.rollout import RolloutOptions
from production import rollback
from production.gateway.traffic import Pin
from production.rollback import Decision
from production.rollout.actions import (
    Basis,
    OutdatedError,
    act,
    begin,
    follow_change,
    newest_candidate,
    open_journal,
    settle,
    start,
)
from production.rollout.candidates import Candidate
from production.rollout.rendering import history_table
from production.rollout.state import Phase
from production.rollout.strategies import make_plan
from tests.production.rollout.pushes import new_store, place, push

ADA = Decision(by="Ada", why="trained on May")


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path)


def _plan(version=2, base="wells", verdict="BLESSED", strategy="canary"):
    candidate = Candidate(pin=Pin(base=base, version=version), verdict=verdict)
    return make_plan(candidate, RolloutOptions(), strategy)


def _start(folder, version=2):
    return start(folder, "wells", _plan(version), ADA)


def _pin(version):
    return Pin(base="wells", version=version)


def test_the_first_rollout_records_what_was_served_before(folder):
    place(folder, 1)
    place(folder, 2)
    entry = _start(folder)
    first, second = open_journal(folder, "wells").read()
    assert (first.note.event, first.state.stable) == ("begin", _pin(1))
    assert second == entry
    assert (entry.note.by, entry.note.why, entry.state.rollout.id) == (
        "Ada",
        "trained on May",
        "r1",
    )


def test_an_older_version_may_take_over_from_a_newer_one(folder):
    for version in (1, 2):
        place(folder, version)
    assert start(folder, "wells", _plan(1), ADA).state.stable == _pin(2)


def test_a_gateway_that_starts_first_records_the_highest_version(folder):
    for version in (1, 2):
        place(folder, version)
    assert begin(folder, "wells").stable == _pin(2)
    place(folder, 3)
    assert begin(folder, "wells").stable == _pin(2)  # what is pushed later changes nothing
    assert len(open_journal(folder, "wells").read()) == 1


def test_the_only_version_has_nothing_to_take_over_from(folder):
    place(folder, 2)
    with pytest.raises(InputError, match="wells has no other version in service"):
        _start(folder)
    assert open_journal(folder, "wells").read() == ()


def test_a_second_rollout_is_refused_and_the_first_goes_on(folder):
    for version in (1, 2, 3):
        place(folder, version)
    start(folder, "wells", _plan(3), ADA)
    with pytest.raises(InputError, match="a model has one rollout at a time"):
        _start(folder, 2)
    assert open_journal(folder, "wells").state().active.candidate == _pin(3)


def test_a_shadow_model_with_the_number_of_the_served_one_is_refused(folder):
    place(folder, 1)
    place(folder, 1, base="wells_shadow")
    with pytest.raises(InputError, match="wells_shadow/1 has the number of the served wells/1"):
        start(folder, "wells", _plan(1, base="wells_shadow", verdict="INCONCLUSIVE"), ADA)


@pytest.mark.parametrize("decision", [Decision(by=" ", why="x"), Decision(by="Ada", why="")])
def test_who_and_why_must_be_said(folder, decision):
    for version in (1, 2):
        place(folder, version)
    with pytest.raises(InputError, match="the record says who decided, and why"):
        start(folder, "wells", _plan(), decision)


def test_an_action_without_any_rollout_says_how_to_start_one(folder):
    place(folder, 1)
    with pytest.raises(InputError, match="faultline rollout start wells/VERSION"):
        act(folder, "wells", "advance", ADA)


def test_a_decision_on_an_old_state_is_not_taken(folder):
    for version in (1, 2):
        place(folder, version)
    judged = _start(folder).sequence
    act(folder, "wells", "hold", Decision(by="Bob", why="wait for the shift"))
    with pytest.raises(OutdatedError):
        act(folder, "wells", "advance", ADA, Basis(sequence=judged))
    assert open_journal(folder, "wells").state().rollout.phase is Phase.HELD


def test_a_reason_with_brackets_is_in_the_history_as_it_was_given(folder):
    place(folder, 1)
    place(folder, 2)
    decision = Decision(by="Ada", why="see [/nightly] and [red]")
    start(folder, "wells", _plan(), decision)
    console = Console(width=400)
    with console.capture() as capture:
        console.print(history_table(open_journal(folder, "wells").read()))
    assert "see [/nightly] and [red]" in capture.get()


def test_the_evidence_is_in_the_entry(folder):
    for version in (1, 2):
        place(folder, version)
    _start(folder)
    entry = act(folder, "wells", "advance", ADA, Basis(evidence={"num_pairs": 812}))
    assert open_journal(folder, "wells").read()[-1].note.evidence == {"num_pairs": 812}
    assert entry.before == "wells/1; wells/2 running at 5 %"


def test_a_promotion_is_not_rolled_back_to_a_version_that_left_service(folder):
    for version in (1, 2):
        place(folder, version)
    _start(folder)
    for _ in range(3):
        act(folder, "wells", "advance", ADA)
    withdraw_version(folder.serving("wells"), 1)
    with pytest.raises(InputError, match="wells/1 was withdrawn"):
        act(folder, "wells", "roll_back", ADA)
    assert open_journal(folder, "wells").state().stable == _pin(2)


def test_a_candidate_that_left_service_ends_its_rollout(folder):
    for version in (1, 2):
        place(folder, version)
    _start(folder)
    assert settle(folder, "wells") is None
    withdraw_version(folder.serving("wells"), 2)
    entry = settle(folder, "wells")
    assert (entry.state.rollout.phase, entry.note.by) == (Phase.ABORTED, "faultline")
    assert entry.note.why == "wells/2 is no longer in service"
    assert settle(folder, "wells") is None


def test_a_served_version_that_left_service_is_replaced_by_the_next_lower_one(folder):
    for version in (1, 2, 3):
        place(folder, version)
    act_on = start(folder, "wells", _plan(3), ADA)
    assert act_on.state.stable == _pin(2)
    withdraw_version(folder.serving("wells"), 2)
    state = settle(folder, "wells").state
    # Not wells/3, which has not proved itself.
    assert (state.stable, state.rollout.phase) == (_pin(1), Phase.ABORTED)


def test_the_newest_version_is_the_candidate_unless_it_is_served(folder):
    for version in (1, 2):
        place(folder, version)
    assert newest_candidate(folder, "wells") == _pin(2)
    begin(folder, "wells")
    with pytest.raises(InputError, match="wells/2, the newest version in service, is the one"):
        newest_candidate(folder, "wells")


class TestRollbackAndWithdraw:
    """`faultline rollback` and `withdraw` move the traffic before they move files."""

    @pytest.fixture
    def store(self, folder):
        store = new_store(folder)
        for version in (1, 2, 3):
            push(store, folder, version)
        return store

    def _prepare(self, folder, seen, *, is_rollback):
        base = folder.serving("wells")

        def prepare(change):
            entry = follow_change(folder, change, ADA, is_rollback=is_rollback)
            versions = sorted(int(path.name) for path in base.glob("[0-9]*"))
            seen.append((entry and entry.state.stable.version, versions))

        return prepare

    def test_a_withdrawn_candidate_ends_its_rollout_first(self, folder, store):
        start(folder, "wells", _plan(3), ADA)
        seen = []
        prepare = self._prepare(folder, seen, is_rollback=False)
        rollback.withdraw(store, folder, "wells/3", ADA, prepare=prepare)
        assert seen == [(2, [1, 2, 3])]
        assert open_journal(folder, "wells").state().rollout.phase is Phase.ABORTED
        assert settle(folder, "wells") is None

    def test_a_rollback_serves_the_older_version_first(self, folder, store):
        begin(folder, "wells")
        seen = []
        prepare = self._prepare(folder, seen, is_rollback=True)
        rollback.roll_back(store, folder, "wells/1", ADA, prepare=prepare)
        assert seen == [(1, [1, 2, 3])]
        assert not (folder.serving("wells") / "3").exists()

    def test_a_version_is_put_back_before_it_is_served(self, folder, store):
        rollback.roll_back(store, folder, "wells/1", ADA)
        begin(folder, "wells")
        seen = []
        prepare = self._prepare(folder, seen, is_rollback=True)
        change = rollback.roll_back(store, folder, "wells/3", ADA, prepare=prepare)
        assert (seen, change.restored) == ([(3, [1, 3])], 3)
        assert open_journal(folder, "wells").state().stable == _pin(3)

    def test_a_withdrawn_shadow_candidate_ends_its_rollout_too(self, folder, store):
        for version in (7, 8):
            push(store, folder, version, base="wells_shadow", verdict="INCONCLUSIVE")
        start(folder, "wells", _plan(8, base="wells_shadow", verdict="INCONCLUSIVE"), ADA)
        seen = []
        prepare = self._prepare(folder, seen, is_rollback=False)
        rollback.withdraw(store, folder, "wells_shadow/8", ADA, prepare=prepare)
        assert seen == [(3, [1, 2, 3])]
        assert open_journal(folder, "wells").state().rollout.phase is Phase.ABORTED

    def test_what_no_gateway_serves_changes_nothing(self, folder, store):
        begin(folder, "wells")
        seen = []
        prepare = self._prepare(folder, seen, is_rollback=False)
        rollback.withdraw(store, folder, "wells/1", ADA, prepare=prepare)
        assert seen == [(None, [1, 2, 3])]

    def test_a_withdrawn_served_version_gives_way_to_a_lower_one(self, folder, store):
        start(folder, "wells", _plan(3), ADA)
        seen = []
        prepare = self._prepare(folder, seen, is_rollback=False)
        rollback.withdraw(store, folder, "wells/2", ADA, prepare=prepare)
        assert seen == [(1, [1, 2, 3])]

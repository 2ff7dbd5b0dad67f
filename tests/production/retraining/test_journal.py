"""The journal of retrainings: transitions, their order, and what is read back."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import InputError
from production.retraining import actions, state
from production.retraining.journal import (
    Journal,
    Note,
    current_of,
    retrainings_of,
    trained_since,
)
from production.retraining.state import NewData, Phase, Result, Trigger
from production.rollback import Decision

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
ADA = Decision(by="Ada", why="two new sensors")
BY_ADA = Trigger(name="person", by="Ada", why="two new sensors", evidence={"rows": 7})
DATA = NewData(
    span="2", path="spans/2/x.csv", num_rows=9, num_positive=3, left_out={"quarantined": 1}
)
PUSHED = Result(outcome="pushed", words="version 6 was pushed", run_id="r", version=6, cpu_s=30.0)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(tmp_path, clock):
    return Journal(tmp_path / "wells", now=clock)


def _step(journal, event, transition):
    return actions.change(journal, transition, Note(event=event, by="faultline", why="x"))


def _go_through(journal):
    actions.begin(journal, BY_ADA, champion=5, is_approved=True)
    _step(journal, "span", lambda one, _: state.write_span(one, "2"))
    _step(journal, "data", lambda one, _: state.take_data(one, DATA))
    _step(journal, "train", lambda one, _: state.train(one))
    _step(journal, "end", lambda one, now: state.end(one, PUSHED, now))


def test_a_retraining_is_read_back_as_it_was_written(journal, clock):
    _go_through(journal)
    entries = journal.read()
    assert [entry.event for entry in entries] == ["start", "span", "data", "train", "end"]
    [one] = retrainings_of(entries)
    assert (one.id, one.champion, one.attempt) == ("t1", 5, 1)
    assert (one.trigger, one.data, one.result) == (BY_ADA, DATA, PUSHED)
    assert (one.phase, one.began, one.ended) == (Phase.ENDED, NOON, NOON)
    assert current_of(entries) is None


def test_each_line_names_who_and_why_and_holds_the_digest_of_the_line_before(journal):
    _go_through(journal)
    path = journal.folder / "journal.jsonl"
    first = json.loads(path.read_text().splitlines()[0])
    assert (first["event"], first["by"], first["why"]) == ("start", "Ada", "two new sensors")
    path.write_text(path.read_text().replace("two new sensors", "no reason", 1))
    with pytest.raises(InputError, match="line 2: it does not follow from the line before"):
        journal.read()


def test_only_one_goes_on_at_a_time(journal):
    actions.begin(journal, BY_ADA, champion=5, is_approved=False)
    with pytest.raises(InputError, match="Retraining t1 waits for approval"):
        actions.begin(journal, BY_ADA, champion=5, is_approved=True)
    assert len(journal.read()) == 1


def test_a_proposal_is_approved_by_a_person(journal):
    actions.begin(journal, BY_ADA, champion=5, is_approved=False)
    assert not current_of(journal.read()).is_moving
    entry = actions.approve(journal, ADA)
    assert (entry.event, entry.by, entry.retraining.phase) == ("approve", "Ada", Phase.APPROVED)
    with pytest.raises(InputError, match="Cannot approve retraining t1: it is approved"):
        actions.approve(journal, ADA)


def test_a_proposal_is_declined_by_a_person_and_the_next_one_has_another_id(journal):
    actions.begin(journal, BY_ADA, champion=5, is_approved=False)
    entry = actions.decline(journal, ADA)
    assert entry.retraining.result.outcome == "declined"
    assert actions.begin(journal, BY_ADA, champion=5, is_approved=True).retraining.id == "t2"


def test_a_training_is_not_declined(journal):
    actions.begin(journal, BY_ADA, champion=5, is_approved=True)
    _step(journal, "span", lambda one, _: state.write_span(one, None))
    with pytest.raises(InputError, match="Cannot decline retraining t1: it writes its span"):
        actions.decline(journal, ADA)


def test_an_action_without_a_retraining_says_how_to_begin_one(journal):
    with pytest.raises(
        InputError, match=r"No retraining is in progress. Begin one: faultline retrain"
    ):
        actions.approve(journal, ADA)


def test_a_decision_without_a_reason_is_refused(journal):
    with pytest.raises(InputError, match="--why is empty"):
        actions.decline(journal, Decision(by="Ada", why=" "))


def test_trainings_count_from_their_last_run(journal, clock):
    _go_through(journal)
    clock.now = NOON + timedelta(days=3)
    actions.begin(journal, BY_ADA, champion=5, is_approved=False)  # trains nothing
    entries = journal.read()
    assert [one.id for one in trained_since(entries, NOON)] == ["t1"]
    assert trained_since(entries, NOON + timedelta(seconds=1)) == []


def test_only_one_process_works_on_a_model(tmp_path):
    with actions.working(tmp_path):
        assert actions.is_worked_on(tmp_path)
        with (
            pytest.raises(InputError, match="Another `faultline loop` or `faultline retrain`"),
            actions.working(tmp_path),
        ):
            pass
    assert not actions.is_worked_on(tmp_path)

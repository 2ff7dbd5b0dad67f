"""ML Metadata follows the journal."""

from io import StringIO

import pytest
from rich.console import Console

from common.output_folder import OutputFolder
from pipeline.lineage import lineage_of, list_runs, render_runs, short_lineage
from pipeline.production_options.rollout import RolloutOptions
from production.gateway.traffic import Pin
from production.rollback import Decision
from production.rollout.actions import act, open_journal, start
from production.rollout.candidates import Candidate
from production.rollout.metadata import CONTEXT_TYPE, EXECUTION_TYPE, record_journal
from production.rollout.strategies import make_plan
from tests.production.rollout.pushes import new_store, push

ADA = Decision(by="Ada", why="trained on May")


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path)


@pytest.fixture
def store(folder):
    return new_store(folder)


@pytest.fixture
def pushed(store, folder):
    """The ids of the PushedModel artifacts of versions 1 and 2."""
    return {version: push(store, folder, version) for version in (1, 2)}


def _start(folder):
    candidate = Candidate(pin=Pin(base="wells", version=2), verdict="BLESSED")
    start(folder, "wells", make_plan(candidate, RolloutOptions(), "shadow"), ADA)


def _entries(folder):
    return open_journal(folder, "wells").read()


def test_each_transition_is_an_execution_in_the_context_of_its_rollout(store, folder, pushed):
    _start(folder)
    act(folder, "wells", "advance", Decision(by="Bob", why="no alarm changed"))
    assert record_journal(store, folder, _entries(folder)) == 3
    executions = store.get_executions_by_type(EXECUTION_TYPE)
    texts = [execution.custom_properties["event"].string_value for execution in executions]
    assert texts == ["begin", "start", "advance"]
    last = executions[-1].custom_properties
    assert (last["by"].string_value, last["why"].string_value) == ("Bob", "no alarm changed")
    assert last["to"].string_value == "wells/2"
    [context] = store.get_contexts_by_type(CONTEXT_TYPE)
    assert context.name.startswith("wells.r1@")
    assert len(store.get_executions_by_context(context.id)) == 2


def test_the_candidates_push_is_an_input_and_says_what_became_of_it(store, folder, pushed):
    _start(folder)
    act(folder, "wells", "roll_back", Decision(by="Bob", why="too many alarms"))
    record_journal(store, folder, _entries(folder))
    last = store.get_executions_by_type(EXECUTION_TYPE)[-1]
    events = store.get_events_by_execution_ids([last.id])
    inputs = {event.path.steps[0].key: event.artifact_id for event in events}
    assert inputs == {"candidate": pushed[2], "stable": pushed[1]}
    [candidate] = store.get_artifacts_by_id([pushed[2]])
    note = candidate.custom_properties["rollout"].string_value
    assert note.startswith("r1 rolled back, by Bob at ")
    assert note.endswith(": too many alarms")


def test_what_is_recorded_is_not_recorded_again(store, folder, pushed):
    _start(folder)
    assert record_journal(store, folder, _entries(folder)) == 2
    assert record_journal(store, folder, _entries(folder)) == 0
    act(folder, "wells", "hold", ADA)
    assert record_journal(store, folder, _entries(folder)) == 1
    assert len(store.get_executions_by_type(EXECUTION_TYPE)) == 3


def test_a_journal_that_was_begun_anew_is_another_one(store, folder, pushed):
    _start(folder)
    record_journal(store, folder, _entries(folder))
    open_journal(folder, "wells").path.rename(folder.root / "old.jsonl")
    _start(folder)
    assert record_journal(store, folder, _entries(folder)) == 2


def test_rollouts_are_no_runs_and_runs_and_lineage_say_what_became_of_a_version(
    store, folder, pushed
):
    before = [row.run_id for row in list_runs(store)]
    _start(folder)
    record_journal(store, folder, _entries(folder))
    newest, oldest = list_runs(store)
    assert [newest.run_id, oldest.run_id] == before
    assert newest.rollout.startswith("r1 running at 0 %, by Ada at ")
    assert oldest.rollout == ""
    assert short_lineage(lineage_of(store, "wells/2"))["rollout"] == newest.rollout
    text = StringIO()
    Console(file=text, width=200).print(render_runs([newest, oldest]))
    assert f"wells/2: rollout {newest.rollout}" in text.getvalue()

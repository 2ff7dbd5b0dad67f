"""A retraining from its trigger to its end, step by step, with runs that train nothing."""

import csv
import json

import pytest
from filelock import FileLock

from common.errors import InputError
from common.output_folder import open_output
from pipeline.components.pusher.version_folder import served_versions
from pipeline.lineage import lineage_of, render_tree
from pipeline.production_options.rollout import RolloutOptions
from production.gateway.traffic import Pin
from production.retraining import actions
from production.retraining.state import Phase, Result
from production.rollback import Decision
from production.rollout.actions import act, start
from production.rollout.candidates import Candidate
from production.rollout.strategies import make_plan
from tests.production.retraining.worlds import CHALLENGER, CHAMPION, World
from tests.production.rollout.pushes import push

ADA = Decision(by="Ada", why="a test")
REJECTED = Result(outcome="rejected", words="PR-AUC 0.2 is no better than the prevalence")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def _labels(num_rows, num_positive):
    return [1] * num_positive + [0] * (num_rows - num_positive)


def test_new_labels_become_a_span_a_run_and_a_version_with_nobody_touching_it(world):
    world.ask(*_labels(10, 3), None)
    retrainer = world.retrainer()
    retrainer.step()
    one = world.carry_out(retrainer)
    assert (one.trigger.name, one.trigger.by, one.result.version) == ("labels", "faultline", 200)
    assert (one.data.span, one.data.num_rows, one.data.num_positive) == ("2", 10, 3)
    with (world.root / "spans" / "2" / "collected.csv").open() as file:
        assert [row["faulty"] for row in csv.DictReader(file)] == [*"111", *"0000000"]
    [order] = world.runs.orders
    assert (order.config_path, order.champion) == (world.config_path, CHAMPION)
    assert [line.split(":")[0] for line in world.lines] == [
        "Retraining t1 begun by faultline",
        "Retraining t1 writes its span",
        "Retraining t1 is ready to train",
        "Retraining t1 trains.",
        "Retraining t1 pushed",
    ]


def test_too_few_labels_begin_nothing(world):
    world.ask(*_labels(10, 2))
    retrainer = world.retrainer()
    retrainer.step()
    assert world.journal().read() == ()
    world.ask(1)  # the third positive
    retrainer.step()
    assert world.latest().phase is Phase.APPROVED


def test_below_the_level_it_is_proposed_once_and_waits_for_a_person(tmp_path):
    world = World(tmp_path, level=2)
    world.ask(*_labels(10, 3))
    retrainer = world.retrainer()
    for _ in range(3):
        retrainer.step()
    assert world.latest().phase is Phase.PROPOSED
    assert len(world.lines) == 1
    actions.approve(world.journal(), ADA)
    assert world.carry_out(retrainer).result.outcome == "pushed"


def test_a_declined_proposal_is_not_made_again_during_the_cool_down(tmp_path):
    world = World(tmp_path, level=2)
    world.ask(*_labels(10, 3))
    retrainer = world.retrainer()
    retrainer.step()
    actions.decline(world.journal(), ADA)
    retrainer.step()
    assert world.latest().id == "t1"
    assert "retraining.cool_down_days is 1" in world.lines[-1]
    world.pass_days(1)
    retrainer.step()
    assert world.latest().id == "t2"


def test_a_persons_retraining_without_new_labels_trains_on_the_spans_that_there_are(world):
    world.begin()
    one = world.carry_out()
    assert (one.data.span, len(world.runs.orders)) == (None, 1)
    assert not (world.root / "spans" / "2").exists()


def test_data_that_are_refused_end_it_with_the_reason(world):
    world.ask(*_labels(10, 3))
    world.config_path.write_text(
        world.config_path.read_text().replace("features:\n", "features:\n  y: {kind: numeric}\n")
    )
    world.begin()
    one = world.carry_out()
    assert (one.result.outcome, world.runs.orders) == ("stopped", [])
    assert "`y`" in one.result.words


def test_a_rejected_model_ends_it_and_the_served_one_is_unchanged(world):
    world.ask(*_labels(10, 3))
    world.runs.result = REJECTED
    world.begin()
    one = world.carry_out()
    assert (one.result.outcome, one.result.version) == ("rejected", None)
    assert served_versions(world.folder.serving("wells")) == [CHAMPION]


def test_a_run_that_a_signal_ended_begins_again(world):
    world.begin()
    world.runs.num_signals = 2
    one = world.carry_out()
    assert (one.attempt, one.result.outcome, len(world.runs.orders)) == (3, "pushed", 3)


def test_a_run_that_is_always_ended_is_given_up_after_three_attempts(world):
    world.begin()
    world.runs.num_signals = 99
    one = world.carry_out()
    assert (one.result.outcome, len(world.runs.orders)) == ("failed", 3)


def test_it_waits_for_a_run_that_a_person_started(world):
    world.begin()
    retrainer = world.retrainer()
    open_output(world.folder.root)
    with FileLock(world.folder.root / ".lock"):
        for _ in range(5):
            retrainer.carry_on()
        assert (world.latest().phase, world.runs.orders) == (Phase.READY, [])
        assert world.lines[-1] == "Retraining t1 waits for another run to end."
    assert world.carry_out(retrainer).result.outcome == "pushed"


def test_it_waits_for_a_run_that_locked_the_folder_first(world):
    world.begin()
    refusal = "Another run is writing to output."
    world.runs.result = Result(outcome="stopped", words=refusal)
    other = FileLock(world.folder.root / ".lock")
    world.runs.on_start = other.acquire
    retrainer = world.retrainer()
    for _ in range(5):
        retrainer.carry_on()
    assert (world.latest().phase, len(world.runs.orders)) == (Phase.TRAINING, 1)
    other.release()
    world.runs.result, world.runs.on_start = REJECTED, lambda: None
    one = world.carry_out(retrainer)
    assert (one.attempt, one.result.outcome) == (2, "rejected")


def test_a_result_is_kept_until_the_journal_has_it(world):
    world.begin()
    world.runs.result = None
    retrainer = world.retrainer()
    for _ in range(5):
        retrainer.carry_on()
    world.runs.result = REJECTED
    lock = world.folder.retraining("wells") / "lock"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(InputError, match="cannot be opened"):
        retrainer.carry_on()
    lock.rmdir()
    one = world.carry_out(retrainer)
    assert (one.attempt, one.result.outcome, len(world.runs.orders)) == (1, "rejected", 1)


def test_a_stopped_worker_stops_its_run_and_the_next_one_goes_on(world):
    world.ask(*_labels(10, 3))
    world.begin()
    world.runs.result = None
    first = world.retrainer()
    for _ in range(6):
        first.carry_on()
    first.stop()
    assert (world.latest().phase, world.runs.num_stopped) == (Phase.TRAINING, 1)
    world.runs.result = REJECTED
    one = world.carry_out(world.retrainer())
    assert (one.attempt, one.data.num_rows, one.result.outcome) == (2, 10, "rejected")


def _rollout(world, version):
    candidate = Candidate(pin=Pin(base="wells", version=version), verdict="BLESSED")
    start(world.folder, "wells", make_plan(candidate, RolloutOptions(), "canary"), ADA)


def test_a_rollout_in_progress_keeps_a_retraining_from_beginning(world):
    push(world.store, world.folder, CHALLENGER)
    _rollout(world, CHALLENGER)
    world.ask(*_labels(10, 3))
    world.retrainer().step()
    assert world.journal().read() == ()
    assert "the rollout of wells/200 is running" in world.lines[-1]


def test_a_pushed_version_without_a_rollout_keeps_a_retraining_from_beginning(world):
    push(world.store, world.folder, 50)
    _rollout(world, 50)
    act(world.folder, "wells", "abort", ADA)
    push(world.store, world.folder, CHALLENGER)
    world.ask(*_labels(10, 3))
    world.retrainer().step()
    assert "wells/200 was pushed and has had no rollout yet" in world.lines[-1]


def test_a_version_that_was_rolled_back_is_withdrawn_before_the_next_training(world):
    push(world.store, world.folder, CHALLENGER)
    _rollout(world, CHALLENGER)
    act(world.folder, "wells", "roll_back", ADA)
    world.begin()
    world.carry_out()
    assert served_versions(world.folder.serving("wells")) == [CHAMPION]
    assert any(line.startswith("Withdrawn: wells/200.") for line in world.lines)


def test_it_waits_for_a_metadata_server_that_is_down(world):
    push(world.store, world.folder, CHALLENGER)
    _rollout(world, CHALLENGER)
    act(world.folder, "wells", "roll_back", ADA)
    world.begin()
    world.is_store_up = False
    retrainer = world.retrainer()
    for _ in range(5):
        retrainer.carry_on()
    assert (world.latest().phase, world.runs.orders) == (Phase.READY, [])
    assert world.lines[-1] == "Retraining t1 waits: The metadata server cannot be reached."
    world.is_store_up = True
    assert world.carry_out(retrainer).result.outcome == "pushed"
    assert served_versions(world.folder.serving("wells")) == [CHAMPION]


def test_a_result_is_recorded_in_lineage_once_the_metadata_server_is_up_again(world):
    world.runs.on_start = lambda: push(world.store, world.folder, CHALLENGER)
    world.begin()
    world.is_store_up = False
    retrainer = world.retrainer()
    world.carry_out(retrainer)
    assert world.lines[-1].startswith("ML Metadata follows later")
    world.is_store_up = True
    retrainer.step()
    node = lineage_of(world.store, f"wells/{CHALLENGER}")
    [run] = [child for child in node.children if child.kind == "run"]
    assert "retraining" in [child.kind for child in run.children]


def test_lineage_names_trigger_evidence_and_data(world):
    world.runs.on_start = lambda: push(world.store, world.folder, CHALLENGER)
    world.ask(*_labels(10, 3))
    retrainer = world.retrainer()
    retrainer.step()
    world.carry_out(retrainer)
    node = lineage_of(world.store, f"wells/{CHALLENGER}")
    [run] = [child for child in node.children if child.kind == "run"]
    [retraining] = [child for child in run.children if child.kind == "retraining"]
    assert retraining.name == "t1"
    assert retraining.facts["trigger"] == "labels"
    assert retraining.facts["evidence"] == {"new_labels": {"rows": 10, "positives": 3}}
    assert retraining.facts["data"] == {"span": "2", "rows": 10, "positive": 3, "left out": {}}
    assert retraining.facts["champion"] == CHAMPION
    assert render_tree(node) is not None
    json.dumps(node.to_json())


def test_a_run_without_a_retraining_has_no_such_node(world):
    node = lineage_of(world.store, f"wells/{CHAMPION}")
    [run] = [child for child in node.children if child.kind == "run"]
    assert [child.kind for child in run.children] == ["code", "configuration", "environment"]


def test_a_damaged_journal_stops_a_step(world):
    world.begin()
    path = world.folder.retraining("wells") / "journal.jsonl"
    path.write_text(path.read_text().replace("Ada", "Bob") * 2)
    with pytest.raises(InputError, match="The journal was changed"):
        world.retrainer().step()

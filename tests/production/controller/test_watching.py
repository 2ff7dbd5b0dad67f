"""What a watch over a rollout counts, keeps and leaves out."""

import errno
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from common.output_folder import OutputFolder
from measuring.sequential import Margins
from pipeline.production_options.rollout import RolloutOptions
from production.collection.labels import add_labels, make_labels
from production.controller import watching
from production.controller.watching import Watch
from production.gateway.traffic import Pin
from production.rollout.progress import read_progress
from production.rollout.state import Plan, State, start
from production.rollout.strategies import plan_stages
from tests.production.collection.recorded import NOON, Stream, record

NOW = NOON + timedelta(minutes=10)


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path)
    folder.rollouts("wells").mkdir(parents=True)
    return folder


@pytest.fixture
def streams(folder):
    collected = folder.collected("wells")
    return {arm: Stream(collected, f"{arm}-1") for arm in ("stable", "candidate")}


@pytest.fixture
def rollout():
    plan = Plan(
        candidate=Pin(base="wells", version=200),
        strategy="canary",
        stages=plan_stages(RolloutOptions(), "canary"),
    )
    stable = Pin(base="wells", version=100)
    return start(State(model="wells", stable=stable), plan, NOON).rollout


def _write(streams, numbers, **of_candidate):
    streams["stable"].write(*(record(f"q{number}", seconds=1) for number in numbers))
    candidate = [record(f"q{n}", "candidate", seconds=1, **of_candidate) for n in numbers]
    streams["candidate"].write(*candidate)


def _labels(folder, ids, label="1"):
    add_labels(folder.collected("wells"), make_labels(ids, [label] * len(ids)), source="a test")


def _is_one(labels):
    return np.asarray(pc.equal(labels, "1"))


def test_pairs_are_counted_in_all_and_of_the_step(folder, streams, rollout):
    watch = Watch(folder, rollout, Margins())
    _write(streams, range(10))
    facts, _ = watch.look(rollout, NOW)
    assert (facts.num_pairs, facts.num_pairs_of_step, facts.time_of_step_s) == (10, 10, 600)
    moved = replace(rollout, step=1, step_started=NOW)
    assert watch.look(moved, NOW)[0].num_pairs_of_step == 0
    _write(streams, range(10, 14))
    facts, _ = watch.look(moved, NOW + timedelta(seconds=5))
    assert (facts.num_pairs, facts.num_pairs_of_step, facts.time_of_step_s) == (14, 4, 5)


def test_a_later_watch_goes_on_with_the_same_evidence(folder, streams, rollout):
    watch = Watch(folder, rollout, Margins())
    _write(streams, range(30), decision=1)
    _, verdict = watch.look(rollout, NOW)
    progress = read_progress(folder.rollouts("wells"), rollout)
    assert (progress.num_pairs, progress.verdict["num_pairs"]) == (30, 30)
    facts, again = Watch(folder, rollout, Margins()).look(rollout, NOW)
    assert facts.num_pairs == 30
    assert again == verdict


def test_edited_margins_do_not_change_a_rollout_in_progress(folder, streams, rollout):
    strict = Margins(min_pairs=5_000)
    Watch(folder, rollout, strict).look(rollout, NOW)
    _, verdict = Watch(folder, rollout, Margins(min_pairs=1)).look(rollout, NOW)
    assert "min_pairs" in verdict.reasons


def test_a_full_disk_does_not_keep_the_evidence_from_deciding(
    folder, streams, rollout, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    watch = Watch(folder, rollout, Margins())
    _write(streams, range(30), decision=1)
    monkeypatch.setattr(watching, "write_progress", full)
    _, verdict = watch.look(rollout, NOW)
    assert verdict.num_pairs == 30
    assert "No space left" in watch.problem
    monkeypatch.undo()
    watch.look(rollout, NOW)
    assert watch.problem == ""
    assert read_progress(folder.rollouts("wells"), rollout).num_pairs == 30


def test_another_rollout_starts_without_evidence(folder, streams, rollout):
    Watch(folder, rollout, Margins()).look(rollout, NOW)
    _write(streams, range(10))
    other = replace(rollout, id="r2", started=NOW)
    assert Watch(folder, other, Margins()).look(other, NOW)[0].num_pairs == 0


def test_pairs_without_a_decision_are_counted_but_are_no_evidence(folder, streams, rollout):
    watch = Watch(folder, rollout, Margins())
    _write(streams, range(10), decision=None)
    facts, verdict = watch.look(rollout, NOW)
    assert (facts.num_pairs, verdict.num_pairs) == (10, 0)


def test_errors_of_the_candidate_count_and_cancelled_copies_do_not(folder, streams, rollout):
    fields = {"probability": None, "decision": None}
    watch = Watch(folder, rollout, Margins())
    _write(streams, range(60), status="CANCELLED", **fields)
    before = watch.look(rollout, NOW)[1].e_values["errors"]
    assert before == pytest.approx(1)
    _write(streams, range(60, 120), status="INTERNAL", **fields)
    assert watch.look(rollout, NOW)[1].e_values["errors"] > 1_000


def test_labels_are_taken_as_they_arrive(folder, streams, rollout):
    watch = Watch(folder, rollout, Margins(), _is_one)
    _write(streams, range(4), decision=1)
    assert watch.look(rollout, NOW)[1].num_waiting == 4
    _labels(folder, ["q0", "q1"])
    _, verdict = watch.look(rollout, NOW)
    assert (verdict.num_labelled, verdict.num_waiting) == (2, 2)
    _labels(folder, ["q2"], "0")
    assert watch.look(rollout, NOW)[1].num_labelled == 3


def test_without_a_rule_for_labels_they_are_left_alone(folder, streams, rollout):
    watch = Watch(folder, rollout, Margins())
    _write(streams, range(4), decision=1)
    _labels(folder, ["q0"])
    assert watch.look(rollout, NOW)[1].num_labelled == 0

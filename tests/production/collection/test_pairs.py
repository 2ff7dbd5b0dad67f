"""Answers of both arms to one row become one pair, once."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from production.collection.pairs import Bounds, PairFollower
from serving.recording.options import in_sample
from tests.production.collection.recorded import NOON, Stream, batch_of, record, write_closed


def _follower(folder, **options):
    return PairFollower(folder, stable=100, candidate=200, since=NOON, **options)


def _both(folder):
    return Stream(folder, "stable-1"), Stream(folder, "candidate-1")


def test_answers_are_joined_by_request_and_row(tmp_path):
    stable, candidate = _both(tmp_path)
    stable.write(
        record("a", probability=0.1, key="pump 7"),
        record("a", row=1, probability=0.2, answered=False),
        record("b", probability=0.3),
    )
    candidate.write(
        record("a", "candidate", row=1, probability=0.9, decision=1, answered=True, latency_ms=4.0),
        record("a", "candidate", probability=0.8),
    )
    pairs = _follower(tmp_path).read().pairs
    order = np.argsort(pairs.row)
    assert pairs.request_id[order].tolist() == ["a", "a"]
    assert pairs.row[order].tolist() == [0, 1]
    assert pairs.key[order].tolist() == ["pump 7", None]
    assert pairs.stable_probability[order] == pytest.approx([0.1, 0.2])
    assert pairs.candidate_probability[order] == pytest.approx([0.8, 0.9])
    assert pairs.stable_decision[order].tolist() == [0, 0]
    assert pairs.candidate_decision[order].tolist() == [0, 1]
    assert pairs.stable_latency_ms[order].tolist() == [1.5, 1.5]
    assert pairs.candidate_latency_ms[order].tolist() == [1.5, 4.0]
    assert pairs.answered_by[order].tolist() == ["stable", "candidate"]


def test_a_partner_that_comes_later_completes_the_pair_once(tmp_path):
    stable, candidate = _both(tmp_path)
    follower = _follower(tmp_path)
    stable.write(record("a"))
    assert len(follower.read().pairs) == 0
    candidate.write(record("a", "candidate"))
    assert follower.read().pairs.request_id.tolist() == ["a"]
    assert len(follower.read().pairs) == 0


def test_other_versions_and_earlier_records_do_not_count(tmp_path):
    stable, candidate = _both(tmp_path)
    stable.write(record("a"), record("b"), record("c", seconds=-1))
    candidate.write(
        record("a", "candidate", version=100),  # before the candidate was pinned
        record("b", "candidate"),
        record("c", "candidate", seconds=-1),
    )
    reading = _follower(tmp_path).read()
    assert reading.pairs.request_id.tolist() == ["b"]
    assert reading.counts["stable"].num_answers == 2
    assert reading.counts["candidate"].num_answers == 1


def test_errors_are_counted_by_arm_and_make_no_pair(tmp_path):
    stable, candidate = _both(tmp_path)
    failed = {"status": "UNAVAILABLE", "probability": None, "decision": None}
    stable.write(record("a"), record("b"))
    candidate.write(
        record("a", "candidate", **failed),
        record("b", "candidate", **failed | {"answered": True}),
    )
    reading = _follower(tmp_path).read()
    assert len(reading.pairs) == 0
    assert reading.counts["stable"].num_errors == 0
    assert reading.counts["candidate"].errors == {"UNAVAILABLE": 2}
    assert reading.counts["candidate"].num_client_errors == 1


def test_a_row_whose_partner_is_late_is_unpaired(tmp_path):
    stable, candidate = _both(tmp_path)
    follower = _follower(tmp_path, bounds=Bounds(window=timedelta(seconds=10)))
    stable.write(record("a"), record("b", seconds=10))
    assert follower.read().counts["stable"].num_unpaired == 0
    stable.write(record("c", seconds=11))  # a is older than 10 s now, b is not
    assert follower.read().counts["stable"].num_unpaired == 1
    candidate.write(record("a", "candidate"), record("b", "candidate", seconds=10))
    assert follower.read().pairs.request_id.tolist() == ["b"]


def test_the_oldest_rows_leave_when_too_many_wait(tmp_path):
    stable, candidate = _both(tmp_path)
    follower = _follower(tmp_path, bounds=Bounds(max_rows=2))
    stable.write(*(record(name) for name in "abcd"))
    assert follower.read().counts["stable"].num_unpaired == 2
    candidate.write(*(record(name, "candidate") for name in "abcd"))
    assert follower.read().pairs.request_id.tolist() == ["c", "d"]


def test_a_row_recorded_twice_before_it_is_paired_is_left_out(tmp_path):
    stable, candidate = _both(tmp_path)
    follower = _follower(tmp_path)
    stable.write(record("a", probability=0.1), record("a", probability=0.7), record("b"))
    assert follower.read().num_repeated == 1
    candidate.write(record("a", "candidate"), record("b", "candidate"))
    assert follower.read().pairs.request_id.tolist() == ["b"]


def test_a_row_recorded_again_after_it_was_paired_makes_no_second_pair(tmp_path):
    stable, candidate = _both(tmp_path)
    follower = _follower(tmp_path)
    stable.write(record("a"))
    candidate.write(record("a", "candidate"))
    assert len(follower.read().pairs) == 1
    stable.write(record("a"))
    candidate.write(record("a", "candidate"))
    reading = follower.read()
    assert len(reading.pairs) == 0
    assert reading.num_repeated == 2


def test_a_restored_follower_repeats_no_pair_and_finds_waiting_partners(tmp_path):
    stable, candidate = _both(tmp_path)
    first = _follower(tmp_path)
    stable.write(record("done"), record("waiting"))
    candidate.write(record("done", "candidate"))
    assert first.read().pairs.request_id.tolist() == ["done"]
    candidate.write(record("waiting", "candidate"))
    stable.close()
    second = _follower(tmp_path)
    second.restore(first.to_json())
    reading = second.read()
    assert reading.pairs.request_id.tolist() == ["waiting"]
    assert reading.counts["stable"].num_answers == 0
    assert reading.counts["candidate"].num_answers == 1


@given(
    answers=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["stable", "candidate"])), unique=True
    ),
    pauses=st.sets(st.integers(0, 12)),
    restarts=st.sets(st.integers(0, 12)),
    closings=st.sets(st.integers(0, 12)),
)
@settings(max_examples=40)
def test_each_pair_comes_once_however_often_one_reads_restarts_or_closes(
    tmp_path_factory, answers, pauses, restarts, closings
):
    folder = tmp_path_factory.mktemp("collected")
    follower, pairs = _follower(folder), []
    streams = {arm: Stream(folder, f"{arm}-0") for arm in ("stable", "candidate")}
    for step, (number, arm) in enumerate(answers):
        streams[arm].write(record(f"r{number}", arm))
        if step in pauses:
            pairs += follower.read().pairs.request_id.tolist()
        if step in closings:
            streams[arm].close()
            streams[arm] = Stream(folder, f"{arm}-{step + 1}")
        if step in restarts:
            state = follower.to_json()
            follower = _follower(folder)
            follower.restore(state)
    pairs += follower.read().pairs.request_id.tolist()
    by_arm = [{n for n, arm in answers if arm == wanted} for wanted in ("stable", "candidate")]
    assert sorted(pairs) == sorted(f"r{number}" for number in by_arm[0] & by_arm[1])


def test_records_in_closed_files_are_paired_with_those_of_streams(tmp_path):
    write_closed(tmp_path, [batch_of([record("a")])])
    Stream(tmp_path, "candidate-1").write(record("a", "candidate"))
    assert _follower(tmp_path).read().pairs.request_id.tolist() == ["a"]


def test_requests_outside_of_the_sample_do_not_count(tmp_path):
    names = [f"r{number}" for number in range(20)]
    stable, candidate = _both(tmp_path)
    # Outside of the sample an arm records positive decisions alone, so that the two agree.
    stable.write(*(record(name, decision=1) for name in names))
    candidate.write(*(record(name, "candidate", decision=1) for name in names))
    reading = _follower(tmp_path, share=0.5).read()
    drawn = [name for name in names if in_sample(name, 0.5)]
    assert 0 < len(drawn) < 20
    assert reading.pairs.request_id.tolist() == drawn
    assert reading.counts["stable"].num_answers == len(drawn)

"""The status of a rollout in words and as JSON."""

from datetime import UTC, datetime

import pytest

from pipeline.production_options.rollout import RolloutOptions
from production.gateway.traffic import Pin
from production.rollout.progress import Health
from production.rollout.rendering import Status, status_lines
from production.rollout.state import Plan, State, start
from production.rollout.strategies import plan_stages

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def _status(*, is_served=True, **health):
    plan = Plan(
        candidate=Pin(base="wells", version=200),
        strategy="canary",
        stages=plan_stages(RolloutOptions(), "canary"),
    )
    state = start(State(model="wells", stable=Pin(base="wells", version=100)), plan, NOON)
    candidate = Health(rollout="r1", **health) if health else None
    return Status(state=state, progress=None, is_served=is_served, now=NOON, health=candidate)


@pytest.mark.parametrize(
    ("is_answering", "is_served", "words"),
    [
        (False, True, "Candidate not answering, restarted 2 times in this rollout"),
        (True, True, "Candidate answering, restarted 2 times in this rollout"),
        (True, False, "Candidate restarted 2 times in this rollout"),
    ],
)
def test_the_status_says_how_often_the_candidate_was_restarted(is_answering, is_served, words):
    end = "signal 9 (SIGKILL)"
    status = _status(is_served=is_served, is_answering=is_answering, num_ends=2, last_end=end)
    assert f"{words} (its last end: signal 9 (SIGKILL))" in status_lines(status)
    assert status.to_json()["candidate_server"] == {
        "is_answering": is_answering and is_served,
        "num_restarts": 2,
        "last_end": end,
    }


def test_a_candidate_that_always_answered_has_no_line():
    assert not any(line.startswith("Candidate") for line in status_lines(_status()))
    assert "candidate_server" not in _status().to_json()

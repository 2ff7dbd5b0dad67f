"""Rollouts and verdicts without processes, for tests of the automation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from measuring.sequential import Verdict
from production.gateway.traffic import Pin
from production.rollout.progress import Facts
from production.rollout.state import Phase, Rollout, Stage

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
STAGES = (
    Stage(percent=5, mirrored_percent=100, min_requests=100, min_time_s=60),
    Stage(percent=50, mirrored_percent=100, min_requests=100, min_time_s=60),
)
CANARY = Rollout(
    id="r1",
    model="pump",
    stable=Pin(base="pump", version=100),
    candidate=Pin(base="pump", version=200),
    strategy="canary",
    stages=STAGES,
    started=NOON,
    step_started=NOON,
)
LAST_STEP = replace(CANARY, step=1)
BLUE_GREEN = replace(
    CANARY,
    strategy="blue_green",
    stages=(
        Stage(percent=0, mirrored_percent=100, min_requests=100, min_time_s=60),
        Stage(percent=100, mirrored_percent=100, min_time_s=3_600),
    ),
)
SWITCHED = replace(BLUE_GREEN, step=1, phase=Phase.SWITCHED)


def verdict(kind: Any = "undecided", *, num_pairs: int = 500, reasons: Any = ()) -> Verdict:
    return Verdict(
        kind=kind,
        reasons=reasons,
        e_values={},
        against=50.0 if kind == "roll_back" else 1.0,
        num_pairs=num_pairs,
        num_keys=10,
        effective_keys=10.0,
        num_labelled=0,
        num_waiting=0,
        pairs_needed=0,
        keys_needed=0,
    )


def facts(
    rollout: Rollout, *, num_pairs: int = 500, after_s: float = 7_200, num_ends: int = 0
) -> Facts:
    """Facts at a time after noon; all pairs are of the current step."""
    return Facts(
        rollout=rollout,
        num_pairs=num_pairs,
        num_pairs_of_step=num_pairs,
        time_of_step_s=after_s,
        now=NOON + timedelta(seconds=after_s),
        num_ends=num_ends,
        last_end="exit code 1" if num_ends else "",
    )

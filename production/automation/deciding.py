"""The decision of each automation level about the next step of a rollout: a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass

from measuring.sequential import Verdict
from pipeline.production_options.automation import Limits
from production.rollout.actions import Action
from production.rollout.progress import Facts
from production.rollout.rendering import duration
from production.rollout.state import Phase, Rollout, label

# The level from which on a rollout moves, if only by asking, and the one that asks only beyond
# the limits.
_MOVES, _ALONE = 2, 3
# A candidate whose server ends so often by itself does not go on without a person.
MAX_ENDS = 3

_WORDS = {
    "more_alarms": "more alarms",
    "fewer_alarms": "fewer alarms",
    "differing": "too many differing decisions",
    "loss_risen": "a larger loss",
    "errors": "more errors of the server",
    "slow": "slower answers",
}


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An action that the automation takes.

    Attributes:
        action: The action.
        why: The reason, with its figures.
    """

    action: Action
    why: str


def decide(level: int, limits: Limits, facts: Facts, verdict: Verdict) -> Proposal | None:
    """Returns what the automation does now, or None.

    Levels 0 and 1 leave rollouts to people. From level 2 on, evidence against the candidate rolls
    it back. A candidate whose server ends by itself again and again is held at level 2, and rolled
    back at level 3. A step that is done asks at level 2; at level 3 it advances by itself within
    the limits: to `limits.max_percent` of the keys, and to all of them only if the evidence is for
    the candidate. A blue/green switch that somebody decided is final after its time at every level.

    Args:
        level: The automation level, 0 to 3.
        limits: The limits of the automation.
        facts: Where the rollout is.
        verdict: What the evidence says.
    """
    if verdict.kind == "roll_back":
        return _roll_back(verdict) if level >= _MOVES else None
    if facts.num_ends >= MAX_ENDS and level >= _MOVES:
        return _stop(level, facts)
    if not facts.rollout.is_moving or not facts.is_step_done:
        return None
    if facts.rollout.phase is Phase.SWITCHED:
        return _make_final(facts.rollout)
    return _next_step(level, limits, facts, verdict) if level >= _MOVES else None


def _roll_back(verdict: Verdict) -> Proposal:
    return Proposal(
        action="roll_back",
        why=f"{evidence_words(verdict.reasons)}, compared with the served model, after "
        f"{verdict.num_pairs:,} requests (evidence {verdict.against:,.0f} to 1)",
    )


def _stop(level: int, facts: Facts) -> Proposal | None:
    why = (
        f"the candidate's server ended by itself {facts.num_ends} times, the last time with "
        f"{facts.last_end}"
    )
    if level >= _ALONE:
        return Proposal(action="roll_back", why=why)
    is_held = facts.rollout.phase is Phase.HELD
    return None if is_held else Proposal(action="hold", why=why)


def _make_final(rollout: Rollout) -> Proposal | None:
    warm = duration(rollout.stage.min_time_s)
    why = f"{label(rollout.stable)} was kept warm for {warm}"
    return Proposal(action="advance", why=why) if rollout.approved else None


def _next_step(level: int, limits: Limits, facts: Facts, verdict: Verdict) -> Proposal | None:
    rollout = facts.rollout
    percent = 100 if rollout.is_last_step else rollout.stages[rollout.step + 1].percent
    done = f"{facts.num_pairs_of_step:,} requests in {duration(facts.time_of_step_s)}"
    if percent == 100 and verdict.kind == "undecided":
        if verdict.num_pairs < limits.max_pairs:
            return None
        return _ask(done, "automation.limits.max_pairs is reached, and the evidence is undecided")
    if rollout.is_last_step and not rollout.approved:
        return _ask(done, "the gate could not judge the model, so a person approves it")
    if percent > limits.max_percent:
        return _ask(done, f"automation.limits.max_percent is {limits.max_percent}")
    if level < _ALONE:
        return _ask(done, f"the next step is {rollout.next_words}")
    judgement = "the evidence is for the candidate" if percent == 100 else "no evidence against it"
    return Proposal(action="advance", why=f"{done}; {judgement}")


def _ask(done: str, reason: str) -> Proposal:
    return Proposal(action="ask", why=f"{done}; {reason}")


def evidence_words(names: Sequence[str]) -> str:
    """Returns tests against a candidate in words."""
    return ", ".join(_WORDS.get(name, name) for name in names)

"""State of a rollout and its transitions: pure values and functions."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from common.errors import InputError
from pipeline.production_options.rollout import StrategyName
from production.gateway.traffic import Pin


class Phase(StrEnum):
    """Where a rollout is."""

    RUNNING = "running"
    HELD = "held"
    WAITING = "waiting"
    SWITCHED = "switched"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"

    @property
    def words(self) -> str:
        """The phase for people."""
        return self.value.replace("_", " ")


_ACTIVE = frozenset({Phase.RUNNING, Phase.HELD, Phase.WAITING, Phase.SWITCHED})
_MOVING = frozenset({Phase.RUNNING, Phase.SWITCHED})


class TransitionRefusedError(InputError):
    """A transition that the state does not allow; the message says which ones it does."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a rollout.

    Attributes:
        percent: Share of the keys that the candidate answers, in [0, 100].
        mirrored_percent: Share of the requests that are copied to the other arm, in [0, 100].
        min_requests: Fewest pairs of answers in this step before the next one.
        min_time_s: Shortest duration of this step in seconds.
    """

    percent: int
    mirrored_percent: int
    min_requests: int = 0
    min_time_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One rollout.

    Attributes:
        id: Its id, such as `r17`, unique for the model.
        model: Name of the served model.
        stable: The version that was served when it started.
        candidate: The version that is to take over.
        strategy: How it takes over.
        stages: Its steps; the percentages never fall.
        step: Index of the current step.
        phase: Where it is; `waiting` waits for a person, `switched` is a blue/green rollout whose
            old model is still warm.
        approved: Whether it may be promoted; False for an inconclusive model until a person
            approves it.
        started: When it started.
        step_started: When the current step started.
        ended: When it was promoted, rolled back or aborted; None before.
    """

    id: str
    model: str
    stable: Pin
    candidate: Pin
    strategy: StrategyName
    stages: tuple[Stage, ...]
    step: int = 0
    phase: Phase = Phase.RUNNING
    approved: bool = True
    started: datetime
    step_started: datetime
    ended: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether it goes on."""
        return self.phase in _ACTIVE

    @property
    def is_moving(self) -> bool:
        """Whether it may take its next step without a person."""
        return self.phase in _MOVING

    @property
    def stage(self) -> Stage:
        """The current step."""
        return self.stages[self.step]

    @property
    def is_last_step(self) -> bool:
        """Whether promotion comes next."""
        return self.step == len(self.stages) - 1

    @property
    def next_words(self) -> str:
        """What the next step is."""
        if self.is_last_step:
            return "promotion"
        return f"{self.stages[self.step + 1].percent} % of the keys"


@dataclass(frozen=True, kw_only=True)
class State:
    """What is served of one model, and its latest rollout.

    Attributes:
        model: Name of the served model.
        stable: The version that is served.
        rollout: The latest rollout, active or ended; None before the first.
        num_rollouts: How many rollouts there have been.
    """

    model: str
    stable: Pin
    rollout: Rollout | None = None
    num_rollouts: int = 0

    @property
    def active(self) -> Rollout | None:
        """The rollout in progress, or None."""
        return self.rollout if self.rollout and self.rollout.is_active else None

    def to_json(self) -> dict[str, Any]:
        """Returns the state as a JSON object."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "State":
        """Returns the state that `to_json` wrote.

        Raises:
            pydantic.ValidationError: The values are not such a state.
        """
        return _ADAPTER.validate_python(values)


_ADAPTER = TypeAdapter(State)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a rollout is to do.

    Attributes:
        candidate: The version that is to take over.
        strategy: How it takes over.
        stages: Its steps.
        approved: Whether it may be promoted without a person's approval.
    """

    candidate: Pin
    strategy: StrategyName
    stages: tuple[Stage, ...]
    approved: bool = True


def check_idle(state: State) -> None:
    """Checks that no rollout is in progress.

    Raises:
        TransitionRefusedError: One is.
    """
    if state.active:
        raise TransitionRefusedError(
            f"Rollout {state.active.id} of {state.model} to {label(state.active.candidate)} is "
            f"{state.active.phase}; a model has one rollout at a time. Wait for its end, or end "
            f'it: faultline rollout abort {state.model} --why "..."'
        )


def start(state: State, plan: Plan, now: datetime) -> State:
    """Starts a rollout.

    Raises:
        TransitionRefusedError: One is in progress, or the candidate is the served version.
    """
    check_idle(state)
    if plan.candidate == state.stable:
        raise TransitionRefusedError(f"{label(plan.candidate)} is the version that is served.")
    number = state.num_rollouts + 1
    rollout = Rollout(
        id=f"r{number}",
        model=state.model,
        stable=state.stable,
        candidate=plan.candidate,
        strategy=plan.strategy,
        stages=plan.stages,
        approved=plan.approved,
        started=now,
        step_started=now,
    )
    return replace(state, rollout=rollout, num_rollouts=number)


def advance(state: State, now: datetime) -> State:
    """Takes the next step, which after the last one is promotion.

    Raises:
        TransitionRefusedError: No rollout is in progress, or the model needs approval first.
    """
    rollout = _active(state)
    if not rollout.is_last_step:
        step = rollout.step + 1
        moved = replace(rollout, step=step, step_started=now)
        return replace(state, rollout=replace(moved, phase=_moving_phase(moved)))
    if not rollout.approved:
        raise TransitionRefusedError(
            f"The gate could not judge {label(rollout.candidate)}: its verdict is INCONCLUSIVE. A "
            "person has to approve it before it is promoted: faultline rollout approve "
            f'{state.model} --why "..."'
        )
    promoted = replace(rollout, phase=Phase.PROMOTED, ended=now)
    return replace(state, stable=rollout.candidate, rollout=promoted)


def hold(state: State) -> State:
    """Keeps the current step until a person lets the rollout go on.

    Raises:
        TransitionRefusedError: No rollout is in progress, or it is held.
    """
    rollout = _active(state)
    if rollout.phase is Phase.HELD:
        raise TransitionRefusedError(
            f"Rollout {rollout.id} of {state.model} is held already. Let it go on: faultline "
            f'rollout approve {state.model} --why "..."'
        )
    return replace(state, rollout=replace(rollout, phase=Phase.HELD))


def ask(state: State) -> State:
    """Waits for a person to approve the next step.

    Raises:
        TransitionRefusedError: No rollout is in progress, or it is held or waits already.
    """
    rollout = _active(state)
    if not rollout.is_moving:
        raise TransitionRefusedError(f"Rollout {rollout.id} of {state.model} is {rollout.phase}.")
    return replace(state, rollout=replace(rollout, phase=Phase.WAITING))


def approve(state: State, now: datetime) -> State:
    """Lets a rollout go on: ends a hold, approves an inconclusive model, or takes the next step.

    It does one of these, in this order: who ends a hold has not approved an inconclusive model. The
    next step is taken only where the rollout waits for it.

    Raises:
        TransitionRefusedError: No rollout is in progress, or there is nothing to approve.
    """
    rollout = _active(state)
    if rollout.is_moving and rollout.approved:
        raise TransitionRefusedError(
            f"Rollout {rollout.id} of {state.model} is {rollout.phase} and waits for nobody. Take "
            f'its next step: faultline rollout advance {state.model} --why "..."'
        )
    if rollout.phase is Phase.HELD:
        return replace(state, rollout=replace(rollout, phase=_moving_phase(rollout)))
    approved = replace(rollout, approved=True)
    if rollout.phase is Phase.WAITING:
        return advance(replace(state, rollout=approved), now)
    return replace(state, rollout=approved)


def abort(state: State, now: datetime) -> State:
    """Ends the rollout without a judgement; the served version is unchanged.

    Raises:
        TransitionRefusedError: No rollout is in progress.
    """
    return _ended(state, _active(state), Phase.ABORTED, now)


def roll_back(state: State, now: datetime) -> State:
    """Returns to the version that was served before the rollout, even after its promotion.

    Raises:
        TransitionRefusedError: The last rollout was neither in progress nor promoted.
    """
    rollout = state.rollout
    if rollout and rollout.phase is Phase.PROMOTED:
        returned = replace(state, stable=rollout.stable)
        return _ended(returned, rollout, Phase.ROLLED_BACK, now)
    return _ended(state, _active(state), Phase.ROLLED_BACK, now)


def repin(state: State, stable: Pin, now: datetime) -> State:
    """Changes the served version without a rollout; one in progress is aborted.

    Raises:
        TransitionRefusedError: That version is served, and no rollout is in progress.
    """
    if stable == state.stable and not state.active:
        raise TransitionRefusedError(f"{label(stable)} is the version that is served.")
    moved = replace(state, stable=stable)
    if state.active:
        return _ended(moved, state.active, Phase.ABORTED, now)
    if state.rollout and state.rollout.phase is Phase.PROMOTED:
        return _ended(moved, state.rollout, Phase.ROLLED_BACK, now)
    return moved


def label(pin: Pin) -> str:
    """Returns the reference of a version, NAME/VERSION."""
    return f"{pin.base}/{pin.version}"


def _active(state: State) -> Rollout:
    if state.active:
        return state.active
    last = state.rollout
    ended = f" The last one, {last.id}, is {last.phase.words}." if last else ""
    raise TransitionRefusedError(
        f"No rollout of {state.model} is in progress.{ended} Start one: faultline rollout start "
        f"{state.model}/VERSION"
    )


def _moving_phase(rollout: Rollout) -> Phase:
    is_switched = rollout.strategy == "blue_green" and rollout.step > 0
    return Phase.SWITCHED if is_switched else Phase.RUNNING


def _ended(state: State, rollout: Rollout, phase: Phase, now: datetime) -> State:
    return replace(state, rollout=replace(rollout, phase=phase, ended=now))

"""Actions of people and the controller on rollouts; each is one entry of the journal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import SHADOW_SUFFIX
from production.gateway.traffic import Pin
from production.rollback import Change, Decision, check_decision
from production.rollout import state as transitions
from production.rollout.candidates import check_servable
from production.rollout.journal import Entry, Journal, Note
from production.rollout.markers import forget_applied
from production.rollout.state import Plan, State, label

Action = Literal["advance", "hold", "ask", "approve", "abort", "roll_back"]

# Who acts where no person does.
CONTROLLER = "faultline"

# What each action does to a state.
TRANSITIONS: Mapping[Action, Callable[[State, datetime], State]] = {
    "advance": transitions.advance,
    "hold": lambda state, _: transitions.hold(state),
    "ask": lambda state, _: transitions.ask(state),
    "approve": transitions.approve,
    "abort": transitions.abort,
    "roll_back": transitions.roll_back,
}


class OutdatedError(InputError):
    """The journal has moved on since the state that a decision rests on."""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a decision rests on.

    Attributes:
        sequence: Number of the entry whose state was judged; None to decide on any state.
        evidence: The figures, as JSON values.
    """

    sequence: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def open_journal(folder: OutputFolder, model: str) -> Journal:
    """Returns the journal of a model."""
    return Journal(folder.rollouts(model))


def begin(folder: OutputFolder, model: str, *, excluded: Pin | None = None) -> State:
    """Returns the current state; records the served version first where there is no journal.

    Args:
        folder: The output folder.
        model: Name of the served model.
        excluded: A version that does not count as the served one: it is to take over.

    Raises:
        InputError: No version is in service, or the journal is damaged.
    """
    journal = open_journal(folder, model)
    state = journal.state()
    if state is not None:
        return state
    versions = [
        version
        for version in served_versions(folder.serving(model))
        if Pin(base=model, version=version) != excluded
    ]
    if not versions:
        raise InputError(
            f"{model} has no other version in service, which requests could go to until "
            f"{label(excluded)} has proved itself. `faultline serve` serves it as it is."
            if excluded
            else f"{model} has no version in service. Run `faultline run` first."
        )
    stable = Pin(base=model, version=versions[-1])

    def first(entries: Sequence[Entry], _: datetime) -> State:
        return entries[-1].state if entries else State(model=model, stable=stable)

    forget_applied(journal.folder)
    why = "the highest version in service when the first rollout or gateway started"
    return journal.append(first, Note(event="begin", by=CONTROLLER, why=why)).state


def check_idle(folder: OutputFolder, model: str) -> None:
    """Checks that no rollout of a model is in progress.

    Raises:
        InputError: One is, or the journal is damaged.
    """
    state = open_journal(folder, model).state()
    if state is not None:
        transitions.check_idle(state)


def newest_candidate(folder: OutputFolder, model: str) -> Pin:
    """Returns the newest version in service, where it is not the served one.

    Raises:
        InputError: It is the served one, or the only one.
    """
    versions = served_versions(folder.serving(model))
    newest = Pin(base=model, version=versions[-1])
    state = open_journal(folder, model).state()
    if len(versions) == 1 or (state and state.stable == newest):
        raise InputError(
            f"{label(newest)}, the newest version in service, is the one that is served. Push "
            "another one by `faultline run`, or name an older version."
        )
    return newest


def start(folder: OutputFolder, model: str, plan: Plan, decision: Decision) -> Entry:
    """Starts a rollout of a version that `judge` accepted.

    Raises:
        InputError: A rollout of this model is in progress, the version is the served one or has
            its number, or nobody is named.
    """
    check_decision(decision)
    state = begin(folder, model, excluded=plan.candidate)
    if plan.candidate.version == state.stable.version and plan.candidate != state.stable:
        raise InputError(
            f"{label(plan.candidate)} has the number of the served {label(state.stable)}; a "
            "server cannot tell them apart. Push the model again: faultline run"
        )

    def started(entries: Sequence[Entry], now: datetime) -> State:
        return transitions.start(entries[-1].state, plan, now)

    return open_journal(folder, model).append(started, _note("start", decision))


def act(
    folder: OutputFolder,
    model: str,
    action: Action,
    decision: Decision,
    basis: Basis = Basis(),
) -> Entry:
    """Takes one action on the rollout of a model.

    Args:
        folder: The output folder.
        model: Name of the served model.
        action: What to do.
        decision: Who decides, and why.
        basis: What the decision rests on.

    Raises:
        InputError: The state does not allow it, the version to return to is not in service, or
            nobody is named.
        OutdatedError: The journal has moved on since the state of `basis`.
    """
    check_decision(decision)
    journal = open_journal(folder, model)
    if journal.state() is None:
        raise InputError(
            f"{model} has had no rollout yet. Start one: faultline rollout start {model}/VERSION"
        )

    def changed(entries: Sequence[Entry], now: datetime) -> State:
        if basis.sequence not in {None, entries[-1].sequence}:
            raise OutdatedError(
                f"The rollout of {model} has moved on: entry {entries[-1].sequence}."
            )
        before = entries[-1].state
        after = TRANSITIONS[action](before, now)
        if after.stable != before.stable:
            check_in_service(folder, after.stable)
        return after

    note = replace(_note(action, decision), evidence=dict(basis.evidence))
    return journal.append(changed, note)


def check_in_service(folder: OutputFolder, pin: Pin) -> None:
    """Checks that a version is where a server finds it; reads no files.

    Raises:
        InputError: It is not.
    """
    if not is_in_service(folder, pin):
        check_servable(folder, pin)


def is_in_service(folder: OutputFolder, pin: Pin) -> bool:
    """Whether a version is where a server finds it."""
    return (folder.serving(pin.base) / str(pin.version) / "saved_model.pb").is_file()


def settle(folder: OutputFolder, model: str) -> Entry | None:
    """Lets the journal follow versions that left service; returns the entry, or None.

    Raises:
        InputError: No version of the model is in service any more.
    """
    state = open_journal(folder, model).state()
    if state is None:
        return None
    if not is_in_service(folder, state.stable):
        stable = next_stable(folder, state)
        why = f"{label(state.stable)} is no longer in service"
        return _repin(folder, model, stable, Decision(by=CONTROLLER, why=why))
    if state.active and not is_in_service(folder, state.active.candidate):
        why = f"{label(state.active.candidate)} is no longer in service"
        return act(folder, model, "abort", Decision(by=CONTROLLER, why=why))
    return None


def follow_change(
    folder: OutputFolder, change: Change, decision: Decision, *, is_rollback: bool
) -> Entry | None:
    """Lets the journal follow `faultline rollback` or `withdraw`, before files are moved.

    Args:
        folder: The output folder.
        change: What is about to change.
        decision: Who decides, and why.
        is_rollback: Whether a version was asked for that is to be served.

    Returns:
        The entry; None if the gateway serves the same as before, or there is no journal.
    """
    model = change.name.removesuffix(SHADOW_SUFFIX)
    state = open_journal(folder, model).state()
    if state is None:
        return None
    after = Pin(base=change.name, version=change.after)
    withdrawn = {Pin(base=change.name, version=version) for version in change.withdrawn}
    if is_rollback and change.name == model and state.stable != after:
        return _repin(folder, model, after, decision)
    if state.stable in withdrawn:
        target = next_stable(folder, state, without=withdrawn)
        return _repin(folder, model, target, decision)
    if state.active and state.active.candidate in withdrawn:
        return act(folder, model, "abort", decision)
    return None


def next_stable(
    folder: OutputFolder, state: State, *, without: frozenset[Pin] | set[Pin] = frozenset()
) -> Pin:
    """Returns the version to serve in place of the served one: the next lower one, if any.

    Args:
        folder: The output folder.
        state: The current state.
        without: Versions that are about to leave service.

    Raises:
        InputError: There is none.
    """
    pins = [
        pin
        for version in served_versions(folder.serving(state.model))
        if (pin := Pin(base=state.model, version=version)) not in without and pin != state.stable
    ]
    if not pins:
        raise InputError(f"{state.model} has no other version to serve. Push one: faultline run")
    return max(pins, key=lambda pin: (pin.version < state.stable.version, pin.version))


def _repin(folder: OutputFolder, model: str, stable: Pin, decision: Decision) -> Entry:
    def changed(entries: Sequence[Entry], now: datetime) -> State:
        return transitions.repin(entries[-1].state, stable, now)

    return open_journal(folder, model).append(changed, _note("repin", decision))


def _note(event: str, decision: Decision) -> Note:
    return Note(event=event, by=decision.by.strip(), why=decision.why.strip())

"""`faultline rollout`: people start, watch and steer rollouts."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from commands.queries import deciding_person, open_runs, print_answer
from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder, open_output
from pipeline.config_loading import load_config
from pipeline.production_options.rollout import RolloutOptions, StrategyName

if TYPE_CHECKING:
    from production.rollback import Decision
    from production.rollout.actions import Action
    from production.rollout.journal import Entry

# A candidate loads from a disk that may be slow; a change of percent takes a fraction of a second.
_APPLY_TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asks for.

    Attributes:
        reference: `NAME` or `NAME/VERSION`; None for the only model.
        why: The reason.
        by: Who decides; None for the name of the login.
        config_path: The YAML of the use case, or None.
        output: The output folder.
        as_json: JSON on standard output instead of text.
    """

    reference: str | None
    why: str
    by: str | None
    config_path: Path | None
    output: Path
    as_json: bool


def start_rollout(order: Order, strategy: StrategyName | None) -> int:
    """Starts the rollout of a pushed version; returns the exit code.

    Args:
        order: The version, and who decides why.
        strategy: The strategy; None for the config's.

    Raises:
        InputError: The version must not take over, or a rollout is in progress.
        StepFailedError: The gateway could not load the version.
    """
    from measuring.sequential import expected_requests
    from pipeline.components.pusher.signing import check_trusted
    from production.automation.automation import margins_of
    from production.automation.rendering import expectation_words
    from production.rollout.actions import check_idle, newest_candidate, start
    from production.rollout.candidates import judge, parse_reference, recorded_config
    from production.rollout.gateway_config import gateway_config
    from production.rollout.state import label
    from production.rollout.strategies import make_plan

    store, folder = open_runs(order.config_path, order.output), open_output(order.output)
    model, pin = parse_reference(folder, order.reference)
    check_idle(folder, model)
    candidate = judge(store, folder, pin or newest_candidate(folder, model))
    of_gateway = gateway_config(folder, model)
    trusting = load_config(order.config_path) if order.config_path else of_gateway
    if trusting is not None:
        check_trusted(folder.serving(candidate.pin.base), candidate.pin.version, trusting)
    config = (
        load_config(order.config_path)
        if order.config_path
        else of_gateway or recorded_config(store, candidate.pin)
    )
    options = config.rollout if config else RolloutOptions()
    plan = make_plan(candidate, options, strategy or options.strategy)
    if strategy not in {None, plan.strategy}:
        raise InputError(
            f"The verdict on {label(candidate.pin)} is INCONCLUSIVE, so that clients see none of "
            "its answers before a person approves it: leave out --strategy, or say shadow."
        )
    # The gateway judges by its own limits, whatever the steps are.
    expected = expected_requests(margins_of(of_gateway or config), differing=0.01)
    entry = start(folder, model, plan, _decision(order))
    return _finish(
        order,
        folder,
        entry,
        values={"expected": asdict(expected)},
        words=expectation_words(expected),
    )


def take_action(order: Order, action: "Action") -> int:
    """Takes an action on a rollout; returns the exit code.

    Args:
        order: The model, and who decides why.
        action: What to do.

    Raises:
        InputError: The state of the rollout does not allow it.
        StepFailedError: The gateway could not follow.
    """
    from production.rollout.actions import act, settle
    from production.rollout.candidates import resolve_model

    folder = open_output(order.output)
    model = resolve_model(folder, order.reference)
    settle(folder, model)
    entry = act(folder, model, action, _decision(order))
    return _finish(order, folder, entry, words=_left_in_service(folder, entry))


def print_status(model: str | None, output: Path, *, as_json: bool) -> int:
    """Prints what is served of a model, or of all, and how far its rollout is; returns 0."""
    from production.rollout.actions import open_journal
    from production.rollout.candidates import model_names, resolve_model
    from production.rollout.markers import is_controlled
    from production.rollout.progress import read_health, read_progress
    from production.rollout.rendering import Status, status_lines

    folder = OutputFolder(output.absolute())
    names = [resolve_model(folder, model)] if model else model_names(folder)
    statuses = []
    for name in names:
        state = open_journal(folder, name).state()
        if state is None:
            continue
        place = folder.rollouts(name)
        progress = read_progress(place, state.rollout) if state.rollout else None
        health = read_health(place, state.active) if state.active else None
        statuses.append(
            Status(
                state=state,
                progress=progress,
                is_served=is_controlled(place),
                now=datetime.now(UTC),
                health=health,
            )
        )
    values = [status.to_json() for status in statuses]
    text = "\n\n".join("\n".join(status_lines(status)) for status in statuses)
    none = "No rollout yet. Start one: faultline rollout start NAME/VERSION"
    print_answer(values, lambda: escape(text or none), as_json=as_json)
    return 0


def print_history(model: str | None, output: Path, *, as_json: bool) -> int:
    """Prints all transitions of a model, the newest first; returns 0."""
    from production.rollout.actions import open_journal
    from production.rollout.candidates import resolve_model
    from production.rollout.rendering import history_table

    folder = OutputFolder(output.absolute())
    entries = open_journal(folder, resolve_model(folder, model)).read()
    values = [entry.to_json() | {"digest": entry.digest} for entry in reversed(entries)]
    print_answer(values, lambda: history_table(entries), as_json=as_json)
    return 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether a running gateway follows an entry.

    Attributes:
        is_served: Whether a gateway runs.
        seconds: How long it took to apply the entry; None if it did not.
        problem: Why it could not; empty without a problem.
    """

    is_served: bool
    seconds: float | None
    problem: str = ""

    @property
    def words(self) -> str:
        """The outcome for people."""
        if not self.is_served:
            return "No gateway runs: it applies at the next `faultline serve --gateway`."
        if self.seconds is None:
            return (
                f"The gateway has not applied it within {_APPLY_TIMEOUT_S:.0f} s, or has ended. It "
                "applies as soon as it can: faultline rollout status"
            )
        return f"Applied by the gateway in {self.seconds:.2f} s."


def follow(folder: OutputFolder, entry: "Entry") -> Outcome:
    """Waits until a running gateway has applied an entry."""
    from production.rollout.markers import is_controlled, wait_until_applied

    place = folder.rollouts(entry.state.model)
    if not is_controlled(place):
        return Outcome(is_served=False, seconds=None)
    began_s = time.monotonic()
    applied = wait_until_applied(place, entry.sequence, timeout_s=_APPLY_TIMEOUT_S)
    if applied is None:
        return Outcome(is_served=True, seconds=None)
    problem = applied.problem if applied.problem_of == entry.sequence else ""
    return Outcome(is_served=True, seconds=time.monotonic() - began_s, problem=problem)


def record(order_config: Path | None, output: Path, model: str) -> str:
    """Lets ML Metadata follow the journal; returns why it could not, or nothing.

    A rollout never waits for a database: what is not recorded now is recorded by the next command
    or by the gateway.
    """
    from ml_metadata.errors import StatusError

    from production.rollout.actions import open_journal
    from production.rollout.metadata import record_journal

    folder = OutputFolder(output.absolute())
    try:
        store = open_runs(order_config, output)
        record_journal(store, folder, open_journal(folder, model).read())
    except (InputError, StatusError) as error:
        return f"ML Metadata follows with the next command: {error}"
    return ""


def _left_in_service(folder: OutputFolder, entry: "Entry") -> str:
    """Says that servers without the gateway still serve a candidate that did not take over."""
    from production.rollout.actions import is_in_service
    from production.rollout.state import label

    state, rollout = entry.state, entry.state.rollout
    if rollout is None or rollout.is_active or rollout.candidate == state.stable:
        return ""
    candidate = rollout.candidate
    if candidate.base != state.model or not is_in_service(folder, candidate):
        return ""
    return (
        f"{label(candidate)} is still in service for `faultline serve` without --gateway. Take it "
        f'out: faultline withdraw {label(candidate)} --why "..."'
    )


def _finish(
    order: Order,
    folder: OutputFolder,
    entry: "Entry",
    *,
    values: Mapping[str, Any] | None = None,
    words: str = "",
) -> int:
    """Waits for the gateway, records, and prints; `values` and `words` are printed as well."""
    from production.rollout.rendering import entry_words

    outcome = follow(folder, entry)
    delay = record(order.config_path, order.output, entry.state.model)
    if outcome.problem:
        raise StepFailedError(f"The gateway could not follow: {outcome.problem}")
    answer = {
        **entry.to_json(),
        "gateway": outcome.is_served,
        "applied_s": outcome.seconds,
        "recorded": not delay,
        **(values or {}),
    }
    lines = filter(None, [entry_words(entry), outcome.words, words, delay])
    print_answer(answer, lambda: escape("\n".join(lines)), as_json=order.as_json)
    return 0


def _decision(order: Order) -> "Decision":
    from production.rollback import Decision

    return Decision(by=deciding_person(order.by), why=order.why)

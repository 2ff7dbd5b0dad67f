"""Actions of people and the automation on retrainings; each is one entry of the journal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from common.errors import InputError
from common.output_folder import OutputFolder, hold, is_held
from production.retraining import state as transitions
from production.retraining.journal import Entry, Journal, Note, current_of, retrainings_of
from production.retraining.state import Result, Retraining, Trigger
from production.rollback import Decision, check_decision

_WORKER_LOCK = "worker.lock"

Transition = Callable[[Retraining, datetime], Retraining]


def open_journal(folder: OutputFolder, model: str) -> Journal:
    """Returns the journal of a model's retrainings."""
    return Journal(folder.retraining(model))


def begin(journal: Journal, trigger: Trigger, *, champion: int, is_approved: bool) -> Entry:
    """Begins a retraining.

    Args:
        journal: The journal of the model.
        trigger: Why.
        champion: The version that is served.
        is_approved: Whether it continues without a person's approval.

    Raises:
        InputError: Another one is in progress, or nobody is named.
    """
    check_decision(Decision(by=trigger.by, why=trigger.why))

    def begun(entries: Sequence[Entry], now: datetime) -> Retraining:
        current = current_of(entries)
        if current is not None:
            raise InputError(
                f"Retraining {current.id} {current.phase.words}. See `faultline retrain status`."
            )
        number = len(retrainings_of(entries)) + 1
        return transitions.begin(
            number, trigger, champion=champion, now=now, is_approved=is_approved
        )

    event = "start" if is_approved else "propose"
    return journal.append(begun, Note(event=event, by=trigger.by, why=trigger.why))


def approve(journal: Journal, decision: Decision) -> Entry:
    """Approves a proposed retraining.

    Raises:
        InputError: None waits for a person, or nobody is named.
    """
    check_decision(decision)
    note = Note(event="approve", by=decision.by, why=decision.why)
    return change(journal, lambda retraining, _: transitions.approve(retraining), note)


def decline(journal: Journal, decision: Decision) -> Entry:
    """Ends a retraining that has not begun to train.

    Raises:
        InputError: There is none, or nobody is named.
    """
    check_decision(decision)
    result = Result(outcome="declined", words=f"declined by {decision.by}: {decision.why}")
    note = Note(event="decline", by=decision.by, why=decision.why)
    return change(journal, lambda one, now: transitions.decline(one, result, now), note)


def change(journal: Journal, transition: Transition, note: Note) -> Entry:
    """Appends a transition of the retraining in progress.

    Raises:
        InputError: There is none, or it is in another phase.
    """

    def changed(entries: Sequence[Entry], now: datetime) -> Retraining:
        current = current_of(entries)
        if current is None:
            raise InputError(
                'No retraining is in progress. Begin one: faultline retrain --why "..."; '
                "`faultline retrain status` says what the automation waits for."
            )
        return transition(current, now)

    return journal.append(changed, note)


@contextmanager
def working(folder: Path) -> Iterator[None]:
    """Makes this process the only one that carries out the retrainings of a model.

    Args:
        folder: The folder `retraining/NAME`.

    Raises:
        InputError: Another process carries them out.
    """
    refusal = (
        f"Another `faultline loop` or `faultline retrain` works on {folder.name} in this "
        "output folder. Stop it first."
    )
    with hold(folder / _WORKER_LOCK, refusal):
        yield


def is_worked_on(folder: Path) -> bool:
    """Whether a process carries out the retrainings of a model; needs no right to write."""
    return is_held(folder / _WORKER_LOCK)

"""`faultline alarms` and `faultline explain-alarm`: what the monitor raised."""

import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from commands.queries import Place, deciding_person, print_answer
from common.errors import InputError
from common.guards.terminal import escape
from common.output_folder import captured_output, log_of_reader

if TYPE_CHECKING:
    from production.monitoring.alarms.book import AlarmBook
    from production.monitoring.alarms.deliverer import Attempt


def print_alarms(place: Place, *, with_closed: bool) -> int:
    """Prints the alarms of a model, the newest first; returns 0.

    Args:
        place: The model.
        with_closed: Whether closed alarms are printed too.

    Raises:
        InputError: The monitor has not looked at the model yet, or the alarms cannot be read.
    """
    from production.monitoring.alarms.rendering import alarm_table

    states = [state for state in reversed(_book(place).states()) if with_closed or state.is_open]
    values = [state.to_json() for state in states]
    print_answer(values, lambda: alarm_table(states), as_json=place.as_json)
    return 0


def acknowledge(place: Place, id_: str, *, by: str | None, why: str) -> int:
    """Notes that a person takes an alarm on; returns 0.

    Raises:
        InputError: There is no such alarm, or it is acknowledged or closed already.
    """
    state = _book(place).acknowledge(id_, deciding_person(by), why)
    text = (
        f"{id_} is acknowledged by {state.acknowledged_by}. It is neither sent again nor escalated."
    )
    print_answer(state.to_json(), lambda: escape(text), as_json=place.as_json)
    return 0


def close(place: Place, id_: str, *, by: str | None, why: str) -> int:
    """Closes an alarm; returns 0.

    Raises:
        InputError: There is no such alarm, or it is closed already.
    """
    state = _book(place).close(id_, deciding_person(by), why)
    text = f"{id_} is closed. The same trouble opens a new alarm."
    print_answer(state.to_json(), lambda: escape(text), as_json=place.as_json)
    return 0


def send_test(place: Place) -> int:
    """Sends a test alarm to all receivers; returns 0, or 1 if one did not get it.

    Raises:
        InputError: The config names no receiver, or a secret is missing.
    """
    from production.monitoring.alarms.alarm import Alarm, Kind, Severity
    from production.monitoring.alarms.book import AlarmBook
    from production.monitoring.alarms.deliverer import Deliverer
    from production.monitoring.alarms.messages import Message

    config, now = place.config(), datetime.now(UTC)
    model = place.model or config.name
    book = AlarmBook(place.folder.monitoring(model))
    deliverer = Deliverer(book, config.monitoring, environ=os.environ, folder=config.folder)
    alarm = Alarm(
        id="test",
        kind=Kind.DRIFT,
        model=model,
        version=0,
        chunk=0,
        raised=now,
        since=now,
        what="This is a test of the delivery of alarms. Nothing happened.",
        to_do="Nothing.",
        severity=Severity.INFO,
    )
    attempts = deliverer.test(Message(alarm=alarm, reason="test"))
    if not attempts:
        raise InputError(
            f"The config of {model} names no receiver. Set monitoring.deliver to a webhook, an "
            "email or a command."
        )
    values = [asdict(attempt) for attempt in attempts]
    print_answer(values, lambda: _attempt_lines(attempts), as_json=place.as_json)
    return 1 if any(attempt.problem for attempt in attempts) else 0


def print_explanation(place: Place, id_: str) -> int:
    """Prints an alarm with what is known about it; returns 0.

    Raises:
        InputError: There is no such alarm, or the training data of its version are gone.
    """
    from production.monitoring.alarms.explaining import explain_alarm
    from production.monitoring.alarms.rendering import explanation_tables
    from production.monitoring.reference.loading import load_reference
    from production.monitoring.report import read_reports

    config, book = place.config(), _book(place)
    state = book.find(id_)
    model, folder = state.alarm.model, place.folder
    with captured_output(log_of_reader(folder.reports / "explain-alarm.log")):
        reference = load_reference(config, folder, model, state.alarm.version)
    explanation = explain_alarm(
        state, read_reports(book.folder), folder.collected(model), reference, config
    )
    print_answer(
        explanation.to_json(),
        lambda: explanation_tables(explanation),
        as_json=place.as_json,
    )
    return 0


def _book(place: Place) -> "AlarmBook":
    """Returns the alarms of a model; where nobody has looked, "no alarms" would be no answer."""
    from production.monitoring.alarms.book import AlarmBook

    model = place.name()
    folder = place.folder.monitoring(model)
    if not folder.is_dir():
        root = folder.parent
        names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        monitored = f"Monitored are {', '.join(names)}. " if names else ""
        raise InputError(
            f"The monitor has not looked at a model called {model} yet: there is no {folder}. "
            f"{monitored}Run faultline monitor first, or name the model with --model and its "
            "folder with --output."
        )
    return AlarmBook(folder)


def _attempt_lines(attempts: "list[Attempt]") -> RenderableType:
    lines = [
        f"{one.receiver}: {f'failed, {one.problem}' if one.problem else 'delivered'}"
        for one in attempts
    ]
    return Group(*(escape(line) for line in lines))

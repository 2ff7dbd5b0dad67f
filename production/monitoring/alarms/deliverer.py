"""Delivers alarms: at least once to each receiver, with pauses that grow after failures.

Which messages are due follows from the journal of alarms alone. A kill between a delivery and its
line in the journal makes a second delivery with the same key. Nothing waits here: a message that
failed is tried again at a later call. A time of the journal that is in the future, since the clock
was set back, counts as long past.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from common.errors import InputError
from pipeline.production_options.monitoring import MonitoringOptions
from production.monitoring.alarms.alarm import Severity
from production.monitoring.alarms.book import (
    DELIVERED,
    ESCALATED,
    FAILED,
    OPENED,
    REPEATED,
    AlarmBook,
    AlarmState,
    Line,
)
from production.monitoring.alarms.messages import Message
from production.monitoring.alarms.receivers import DeliveryError, Receiver, make_receivers

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
# How long after the end of an alarm its message is still tried.
_LAST_TRY = timedelta(days=7)
# So that the receiver's own report of its time-out comes first: it says more.
_GRACE_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A delivery that was tried.

    Attributes:
        key: Key of the message.
        receiver: Name of the receiver.
        problem: Why it failed; empty if it was delivered.
    """

    key: str
    receiver: str
    problem: str = ""


@dataclass(kw_only=True)
class _Record:
    """What the journal says of one alarm and one receiver.

    Attributes:
        delivered: Occasions that were delivered.
        time: Time of the last delivery.
        severity: Severity of the alarm at that time.
        failures: Number of failures by occasion.
        failed: Time of the last failure by occasion.
    """

    delivered: set[str] = field(default_factory=set)
    time: datetime | None = None
    severity: Severity = Severity.INFO
    failures: dict[str, int] = field(default_factory=dict)
    failed: dict[str, datetime] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        occasion = line.values["occasion"]
        if line.event == DELIVERED:
            self.delivered.add(occasion)
            self.time, self.severity = line.time, Severity(line.values["severity"])
        else:
            self.failures[occasion] = self.failures.get(occasion, 0) + 1
            self.failed[occasion] = line.time

    def may_try(self, occasion: str, now: datetime) -> bool:
        """Whether the pause after the last failure is over."""
        if occasion not in self.failed:
            return True
        doublings = min(self.failures[occasion] - 1, 20)
        pause = min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)
        return _is_over(self.failed[occasion], pause, now)


class Deliverer:
    """Delivers the alarms of one book.

    Args:
        book: The alarms.
        options: The config's section `monitoring`.
        environ: Environment variables, which may hold the URL of the webhook.
        folder: The config's folder, where relative paths start and commands run.

    Raises:
        InputError: A variable or a file with a secret is missing.
    """

    def __init__(
        self,
        book: AlarmBook,
        options: MonitoringOptions,
        *,
        environ: Mapping[str, str],
        folder: Path,
    ) -> None:
        deliver = options.deliver
        self._book, self._options = book, options
        self._receivers: Sequence[Receiver] = make_receivers(deliver, environ, folder)
        self._superiors = (
            self._receivers
            if deliver.escalate_to is None
            else make_receivers(deliver.escalate_to, environ, folder)
        )
        self._thread: threading.Thread | None = None
        self._error: InputError | None = None

    def tick(self) -> list[Attempt]:
        """Tries what is due now; returns the attempts, none while another process delivers.

        All receivers get their messages at the same time. One that does not answer, or not in
        time, costs one time-out.

        Raises:
            InputError: The journal cannot be read or written.
        """
        if not self._book.path.exists():
            return []
        lock = FileLock(self._book.folder / "deliveries.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return []
        except OSError as error:
            raise InputError(
                f"Cannot write to {self._book.folder}: {error.strerror or error}. It must be a "
                "folder that this account may write to."
            ) from error
        try:
            return self._deliver()
        finally:
            lock.release()

    def _deliver(self) -> list[Attempt]:
        lines, states = self._book.read()
        if self._escalate(states):
            lines, states = self._book.read()
        queues: dict[str, list[tuple[Receiver, Message]]] = {}
        for receiver, message in self._due(_records(lines), states):
            queues.setdefault(receiver.id, []).append((receiver, message))
        attempts = []
        while queues:
            first = [queue.pop(0) for queue in queues.values()]
            sent = self._send_all(first)
            attempts += sent
            for (receiver, message), attempt in zip(first, sent, strict=True):
                self._note(receiver, message, attempt)
                # One time-out a call is enough.
                if attempt.problem or not queues[receiver.id]:
                    del queues[receiver.id]
        return attempts

    def begin(self) -> None:
        """Does what `tick` does in a thread, unless the thread before still runs.

        Raises:
            InputError: The thread before could not read or write the journal.
        """
        if self._thread is None or not self._thread.is_alive():
            self._raise_error()
            self._thread = threading.Thread(target=self._run, name="deliverer", daemon=True)
            self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Waits for the thread that `begin` started.

        Raises:
            InputError: It could not read or write the journal.
        """
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._raise_error()

    def _run(self) -> None:
        try:
            self.tick()
        except InputError as error:
            self._error = error

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def test(self, message: Message) -> list[Attempt]:
        """Sends a message to all receivers, those of escalations included; nothing is recorded."""
        receivers = {receiver.id: receiver for receiver in [*self._receivers, *self._superiors]}
        return self._send_all([(receiver, message) for receiver in receivers.values()])

    def _escalate(self, states: Sequence[AlarmState]) -> bool:
        """Notes the escalations that are due; returns whether there are some."""
        hours = self._options.escalate_after_hours
        if hours is None or not self._superiors:
            return False
        now = self._book.now()
        due = [
            state.alarm
            for state in states
            if state.is_open and state.acknowledged is None and state.escalated is None
            if _is_over(state.alarm.raised, timedelta(hours=hours), now)
        ]
        for alarm in due:
            self._book.note(ESCALATED, alarm.id, {"after_hours": hours})
        return bool(due)

    def _due(
        self, records: Mapping[tuple[str, str], _Record], states: Sequence[AlarmState]
    ) -> Iterator[tuple[Receiver, Message]]:
        now = self._book.now()
        for state in states:
            id_ = state.alarm.id
            for receiver in self._receivers:
                record = records.get((id_, receiver.id), _Record())
                message = self._news(state, record, now)
                if message and record.may_try(message.occasion, now):
                    yield receiver, message
            if state.escalated is None:
                continue
            for receiver in self._superiors:
                record = records.get((id_, receiver.id), _Record())
                message = Message(alarm=state.alarm, reason=ESCALATED)
                is_wanted = _is_wanted(state, record, message, now)
                if is_wanted and record.may_try(message.occasion, now):
                    yield receiver, message

    def _news(self, state: AlarmState, record: _Record, now: datetime) -> Message | None:
        """What a receiver does not know yet of an alarm."""
        opened = Message(alarm=state.alarm, reason=OPENED)
        if opened.occasion not in record.delivered:
            return opened if _is_wanted(state, record, opened, now) else None
        if record.time is None or not state.is_open or state.acknowledged is not None:
            return None
        hours = self._options.repeat_hours
        is_worse = state.alarm.severity.rank > record.severity.rank
        is_over = hours is not None and _is_over(record.time, timedelta(hours=hours), now)
        was_seen = state.last_seen > record.time or record.time > now
        if is_worse or (is_over and was_seen):
            number = sum(occasion.startswith(REPEATED) for occasion in record.delivered) + 1
            return Message(alarm=state.alarm, reason=REPEATED, number=number)
        return None

    def _note(self, receiver: Receiver, message: Message, attempt: Attempt) -> None:
        values = {
            "key": message.key,
            "occasion": message.occasion,
            "receiver": receiver.name,
            "receiver_id": receiver.id,
            "severity": message.alarm.severity,
        }
        if attempt.problem:
            self._book.note(FAILED, message.alarm.id, {**values, "problem": attempt.problem})
        else:
            self._book.note(DELIVERED, message.alarm.id, values)

    def _send_all(self, messages: Sequence[tuple[Receiver, Message]]) -> list[Attempt]:
        """Sends one message to each receiver, all at once, and waits until the time-out."""
        timeout_s = self._options.deliver.timeout_s
        end_s = time.monotonic() + timeout_s + _GRACE_S
        sendings = [_begin_sending(*one, timeout_s=timeout_s) for one in messages]
        attempts = []
        for (receiver, message), sending in zip(messages, sendings, strict=True):
            problem = ""
            try:
                sending.result(max(0.0, end_s - time.monotonic()))
            except TimeoutError:
                problem = f"no whole answer within {timeout_s:g} s"
            except DeliveryError as error:
                problem = str(error)
            except Exception as error:  # noqa: BLE001 - the others' deliveries must be noted
                # Its text may hold a secret.
                problem = f"{type(error).__name__}, which no receiver should raise: report it"
            attempts.append(Attempt(key=message.key, receiver=receiver.name, problem=problem))
        return attempts


def _begin_sending(receiver: Receiver, message: Message, *, timeout_s: float) -> Future[None]:
    """Sends a message in a thread, which nobody has to wait for.

    The time-outs of HTTP and SMTP bound the wait for some bytes, not for the whole answer.
    """
    sending: Future[None] = Future()

    def run() -> None:
        try:
            receiver.send(message, timeout_s=timeout_s)
        except Exception as error:  # noqa: BLE001 - it is raised where the result is taken
            sending.set_exception(error)
        else:
            sending.set_result(None)

    threading.Thread(target=run, name=f"delivery to {receiver.name}", daemon=True).start()
    return sending


def _is_over(begin: datetime, duration: timedelta, now: datetime) -> bool:
    """Whether a duration is over; one that begins in the future is, else it could last for ever."""
    return not begin <= now < begin + duration


def _records(lines: Sequence[Line]) -> dict[tuple[str, str], _Record]:
    records: dict[tuple[str, str], _Record] = {}
    for line in lines:
        if line.event in {DELIVERED, FAILED}:
            # Lines of earlier releases have the name only: open alarms are sent once more.
            receiver = line.values.get("receiver_id", line.values["receiver"])
            records.setdefault((line.id, receiver), _Record()).add(line)
    return records


def _is_wanted(state: AlarmState, record: _Record, message: Message, now: datetime) -> bool:
    """Whether a message is still news: an alarm that ended before the first try is none.

    One whose first try failed is, for a week: nobody has been notified of it.
    """
    if message.occasion in record.delivered or state.acknowledged is not None:
        return False
    if state.closed is None:
        return True
    return message.occasion in record.failures and now < state.closed + _LAST_TRY

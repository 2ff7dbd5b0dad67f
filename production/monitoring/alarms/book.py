"""The book of a model's alarms: a journal of what was raised, repeated, acknowledged and closed.

The journal `alarms.jsonl` is append-only JSON lines; the state of an alarm follows from its lines.
The monitor, the deliverer and people's commands write to it, one at a time under a lock.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import InputError
from production.monitoring.alarms.alarm import Alarm, Finding
from production.monitoring.json_lines import append_line, locked, read_lines

ALARMS = "alarms.jsonl"
OPENED, REPEATED, ACKNOWLEDGED, CLOSED = "opened", "repeated", "acknowledged", "closed"
DELIVERED, FAILED, ESCALATED = "delivered", "failed", "escalated"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the journal.

    Attributes:
        event: `opened`, `repeated`, `acknowledged`, `closed`, `escalated`, `delivered`, `failed`.
        id: Id of the alarm.
        time: When it was written.
        values: What else it holds: the alarm of an opened one; `chunk`, `severity` and `what` of a
            repeated one; `by` and `why`; `key` and `receiver` of a delivery.
    """

    event: str
    id: str
    time: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class AlarmState:
    """An alarm and what became of it.

    Attributes:
        alarm: The alarm, with the features of all its chunks. Its words, loss, severity and
            `chunk` are those of the worst chunk, the first one of the highest severity.
        first_chunk: Number of the chunk that raised it.
        last_chunk: Number of the last chunk that showed it.
        num_repeats: Number of later chunks that showed it again.
        last_seen: When it was raised or repeated last.
        acknowledged: When a person took it on; None if nobody did.
        acknowledged_by: Who; empty if nobody did.
        closed_by: Who closed it, `monitor` or a person; empty while it is open.
        why: Reason of the acknowledgement, or of the closing.
        closed: When it ended; None while it is open.
        escalated: When it was escalated; None if it was not.
    """

    alarm: Alarm
    first_chunk: int
    last_chunk: int
    num_repeats: int = 0
    last_seen: datetime
    acknowledged: datetime | None = None
    acknowledged_by: str = ""
    closed_by: str = ""
    why: str = ""
    closed: datetime | None = None
    escalated: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the trouble is there as far as is known."""
        return self.closed is None

    @property
    def status(self) -> str:
        """`open`, `acknowledged` or `closed`."""
        if not self.is_open:
            return CLOSED
        return "open" if self.acknowledged is None else ACKNOWLEDGED

    def to_json(self) -> dict[str, Any]:
        """Returns the alarm and its state as JSON values."""
        times = {
            name: None if (time := getattr(self, name)) is None else time.isoformat()
            for name in ("last_seen", "acknowledged", "closed", "escalated")
        }
        return {
            **self.alarm.to_json(),
            "status": self.status,
            "first_chunk": self.first_chunk,
            "last_chunk": self.last_chunk,
            "num_repeats": self.num_repeats,
            "acknowledged_by": self.acknowledged_by,
            "closed_by": self.closed_by,
            "why": self.why,
            **times,
        }


class AlarmBook:
    """The alarms of one model.

    Args:
        folder: The folder `monitoring/NAME`; made by the first alarm.
        now: Returns the time.
    """

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder
        self.path = folder / ALARMS
        self.now = now

    def raise_alarm(self, finding: Finding) -> Alarm:
        """Opens an alarm, or repeats the open one that is about the same trouble.

        A second call for the same chunk, as after a kill, changes nothing.

        Args:
            finding: What the chunk shows.

        Returns:
            The alarm, on the disk.

        Raises:
            InputError: The journal cannot be read or written.
        """
        with self._locked():
            states = self.states()
            for state in states:
                if state.is_open and state.alarm.is_same_as(finding):
                    return self._repeat(state, finding)
            if same := _raised_by_chunk(states, finding):
                return same.alarm
            alarm = Alarm.of(finding, id=f"a{len(states) + 1}", raised=self.now())
            self._append(OPENED, alarm.id, alarm.to_json())
            return alarm

    def _repeat(self, state: AlarmState, finding: Finding) -> Alarm:
        if state.last_chunk >= finding.chunk:
            return state.alarm
        values = Alarm.of(finding, id=state.alarm.id, raised=state.alarm.raised).to_json()
        kept = ("chunk", "features", "what", "loss", "to_do", "severity")
        self._append(REPEATED, state.alarm.id, {name: values[name] for name in kept})
        return self.find(state.alarm.id).alarm

    def acknowledge(self, id: str, by: str, why: str) -> AlarmState:  # noqa: A002
        """Notes that a person takes an alarm on: it is neither repeated to them nor escalated.

        Raises:
            InputError: There is no such alarm, or it is acknowledged or closed already.
        """
        return self._decide(ACKNOWLEDGED, id, by, why)

    def close(self, id: str, by: str, why: str) -> AlarmState:  # noqa: A002
        """Closes an alarm; the same trouble then opens a new one.

        The monitor closes an alarm whose cause is gone or whose version is out of service.

        Raises:
            InputError: There is no such alarm, or it is closed already.
        """
        return self._decide(CLOSED, id, by, why)

    def _decide(self, event: str, id: str, by: str, why: str) -> AlarmState:  # noqa: A002
        if not why.strip():
            raise InputError(f"Alarm {id} is {event} for a reason. Give it with --why.")
        with self._locked():
            state = self.find(id)
            if state.status in {event, CLOSED}:
                by_whom = state.closed_by or state.acknowledged_by
                raise InputError(f"Alarm {id} is {state.status} already by {by_whom}: {state.why}")
            self._append(event, id, {"by": by, "why": why})
            return self.find(id)

    def note(self, event: str, id: str, values: Mapping[str, Any]) -> None:  # noqa: A002
        """Appends what a deliverer did: `delivered`, `failed` or `escalated`."""
        with self._locked():
            self._append(event, id, values)

    def open_alarms(self) -> list[Alarm]:
        """Returns the alarms that are not closed, acknowledged ones included, oldest first."""
        return [state.alarm for state in self.states() if state.is_open]

    def find(self, id: str) -> AlarmState:  # noqa: A002
        """Returns an alarm.

        Raises:
            InputError: There is none of this id; the message lists those there are.
        """
        states = self.states()
        for state in states:
            if state.alarm.id == id:
                return state
        listed = ", ".join(state.alarm.id for state in states[-8:]) or "none"
        raise InputError(f"There is no alarm {id} in {self.path}. Alarms: {listed}.")

    def states(self) -> list[AlarmState]:
        """Returns all alarms and what became of them, oldest first.

        Raises:
            InputError: The journal was damaged, or cannot be read.
        """
        return self.read()[1]

    def read(self) -> tuple[list[Line], list[AlarmState]]:
        """Returns the journal, oldest line first, and the alarms that follow from it.

        Raises:
            InputError: The journal was damaged, or cannot be read.
        """
        values = read_lines(self.path)
        try:
            lines = [_line(one) for one in values]
            return lines, _fold(lines)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path} has a line that does not belong in a journal of alarms: {error!r}. "
                "Restore it from a backup, or move it aside."
            ) from error

    def _append(self, event: str, id: str, values: Mapping[str, Any]) -> None:  # noqa: A002
        time = self.now().isoformat()
        append_line(self.path, {"event": event, "id": id, "time": time, "values": dict(values)})

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self.folder / "alarms.lock")


def _fold(lines: Sequence[Line]) -> list[AlarmState]:
    """Returns the alarms of a journal, oldest first."""
    states: dict[str, AlarmState] = {}
    for line in lines:
        if line.event == OPENED:
            alarm = Alarm.from_json(line.values)
            states[line.id] = AlarmState(
                alarm=alarm,
                first_chunk=alarm.chunk,
                last_chunk=alarm.chunk,
                last_seen=line.time,
            )
        else:
            states[line.id] = _after(states[line.id], line)
    return list(states.values())


def _after(state: AlarmState, line: Line) -> AlarmState:
    values = line.values
    if line.event == REPEATED:
        new = Alarm.from_json({**state.alarm.to_json(), **values})
        features = tuple(dict.fromkeys([*new.features, *state.alarm.features]))
        worst = max(state.alarm, new, key=lambda alarm: alarm.severity.rank)  # the first of equals
        return replace(
            state,
            alarm=replace(worst, features=features),
            last_chunk=values["chunk"],
            num_repeats=state.num_repeats + 1,
            last_seen=line.time,
        )
    if line.event == ACKNOWLEDGED:
        by, why = values["by"], values["why"]
        return replace(state, acknowledged=line.time, acknowledged_by=by, why=why)
    if line.event == CLOSED:
        return replace(state, closed=line.time, closed_by=values["by"], why=values["why"])
    if line.event == ESCALATED:
        return replace(state, escalated=line.time)
    return state


def _raised_by_chunk(states: Sequence[AlarmState], finding: Finding) -> AlarmState | None:
    """A closed alarm that this very chunk raised before a kill."""
    for state in states:
        if state.last_chunk == finding.chunk and state.alarm.is_same_as(finding):
            return state
    return None


def _line(values: Mapping[str, Any]) -> Line:
    time = datetime.fromisoformat(values["time"])
    return Line(event=values["event"], id=values["id"], time=time, values=values["values"])

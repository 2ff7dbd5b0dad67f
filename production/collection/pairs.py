"""Pairs of answers: what the stable and the candidate model said of the same row.

The gateway copies requests to the other arm under the same request id, and each server records its
own answer. `PairFollower` joins the two by request id and row:

    follower = PairFollower(
        folder.collected("signals"), stable=1795765575, candidate=1795771200, since=started
    )
    while True:
        reading = follower.read()          # what is new since the last call
        evidence.update(reading.pairs, ...)
        save(evidence.to_json(), follower.to_json())    # both in one file, by one rename
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from production.collection.records import ARMS, CANDIDATE, OK, STABLE, RecordTail
from serving.recording.options import in_sample

_COLUMNS = (
    *("request_id", "row", "time", "version", "arm", "answered", "key"),
    *("probability", "decision", "latency_ms", "status"),
)
_Key = tuple[str, int]
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Rows that both arms answered; arrays of equal length.

    Attributes:
        request_id: object (text), the id of the request.
        row: int32, the row in the request, from 0.
        key: object (text or None), the sticky key.
        stable_probability: float32.
        stable_decision: int64.
        candidate_probability: float32.
        candidate_decision: int64.
        stable_latency_ms: float32.
        candidate_latency_ms: float32.
        answered_by: object (text), the arm whose answer the client got; empty if it got none.
    """

    request_id: NDArray[np.object_]
    row: NDArray[np.int32]
    key: NDArray[np.object_]
    stable_probability: NDArray[np.float32]
    stable_decision: NDArray[np.int64]
    candidate_probability: NDArray[np.float32]
    candidate_decision: NDArray[np.int64]
    stable_latency_ms: NDArray[np.float32]
    candidate_latency_ms: NDArray[np.float32]
    answered_by: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.request_id)


@dataclass(kw_only=True)
class ArmCounts:
    """Records of one arm, paired or not.

    Attributes:
        num_answers: Rows answered with status OK.
        errors: Requests that ended with an error, by status.
        num_client_errors: Those of them that a client saw; the others are mirrored copies.
        num_unpaired: Rows whose partner did not come within the window.
    """

    num_answers: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    num_client_errors: int = 0
    num_unpaired: int = 0

    @property
    def num_errors(self) -> int:
        """Requests that ended with an error."""
        return self.errors.total()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What came since the last call.

    Attributes:
        pairs: New pairs.
        counts: New records of each arm.
        num_repeated: Records of a row that its arm had recorded before, such as a retry. If that
            happens before the row is paired, it is left out: two requests may share an id.
    """

    pairs: Pairs
    counts: dict[str, ArmCounts]
    num_repeated: int


class _Record(NamedTuple):
    """One arm's answer to one row; `time` is in microseconds since 1970."""

    request_id: str
    row: int
    time: int
    version: int
    arm: str
    answered: bool
    key: str | None
    probability: float | None
    decision: int | None
    latency_ms: float | None
    status: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How long rows wait for their partner.

    Attributes:
        window: Time, by the clock of the records.
        max_rows: Number of rows that may wait; the oldest leave first.
    """

    window: timedelta = timedelta(minutes=5)
    max_rows: int = 200_000


@dataclass(kw_only=True)
class _Row:
    """A row that is waiting for its partner, or that is done with."""

    time: int
    answer: _Record | None
    arms: set[str]


class PairFollower:
    """Follows the records of a model and yields each pair of answers once.

    A follower that starts from the state of another reads the records of the last `window` again
    to find their partners; pairs that the other has yielded are not repeated.
    """

    def __init__(
        self,
        collected: Path,
        *,
        stable: int,
        candidate: int,
        since: datetime,
        share: float = 1.0,
        bounds: Bounds | None = None,
    ) -> None:
        """Starts with the records from a point in time on.

        Args:
            collected: The folder `collected/NAME`.
            stable: Version that the stable arm is pinned to; its other records do not count.
            candidate: Version that the candidate arm is pinned to.
            since: Time of the earliest record that counts, such as the start of the rollout.
            share: `collection.share`. Requests outside of the sample are recorded only by an arm
                whose decision is positive, so that their pairs are those that agree; they do not
                count.
            bounds: How long rows wait for their partner.
        """
        self._collected, self._since = collected, since
        self._versions = {STABLE: stable, CANDIDATE: candidate}
        self._share, self._bounds = share, bounds or Bounds()
        self._newest = _microseconds(since)
        self._rows: dict[_Key, _Row] = {}
        self._tail = RecordTail(collected, columns=_COLUMNS, since=since)
        # Records up to these positions were read before; they are only read to find partners.
        self._read_before: dict[str, int] = {}

    def read(self) -> Reading:
        """Returns what came since the last call."""
        counts = {arm: ArmCounts() for arm in ARMS}
        pairs: list[tuple[_Record, _Record]] = []
        num_repeated = 0
        for record in self._pinned_records():
            self._newest = max(self._newest, record.time)
            if record.is_new:
                _count(record, counts[record.arm])
            if record.status != OK:
                continue
            row = self._rows.setdefault(
                (record.request_id, record.row), _Row(time=record.time, answer=None, arms=set())
            )
            if record.arm in row.arms:
                num_repeated += record.is_new
                row.answer = None  # nobody knows to which of them the partner belongs
            elif not row.arms:
                row.answer = record
            elif row.answer is not None:
                if record.is_new or row.answer.is_new:
                    pairs.append((row.answer, record))
                row.answer = None
            row.arms.add(record.arm)
        read = self._tail.positions
        self._read_before = {
            stem: before for stem, before in self._read_before.items() if before > read.get(stem, 0)
        }
        self._drop_late(counts)
        return Reading(pairs=_as_arrays(pairs), counts=counts, num_repeated=num_repeated)

    def _pinned_records(self) -> Iterator[_Record]:
        """Yields the records of the pinned versions."""
        since = _microseconds(self._since)
        for file, batch in self._tail.read():
            first = self._tail.positions[file.stem] - batch.num_rows
            num_before = self._read_before.get(file.stem, 0)
            columns = (
                column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
                for column in batch.columns
            )
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            for place, values in enumerate(rows, first):
                record = _Record._make((*values, place >= num_before))
                is_pinned = self._versions.get(record.arm) == record.version
                is_drawn = in_sample(record.request_id, self._share)
                if is_pinned and is_drawn and record.time >= since:
                    yield record

    def _drop_late(self, counts: Mapping[str, ArmCounts]) -> None:
        """Gives up rows whose partner is late, and forgets those that are done with."""
        horizon = self._newest - self._bounds.window // _MICROSECOND
        excess = len(self._rows) - self._bounds.max_rows
        late: list[_Key] = []
        for place, (key, row) in enumerate(self._rows.items()):
            if place >= excess and row.time >= horizon:
                break
            late.append(key)
        for key in late:
            answer = self._rows.pop(key).answer
            if answer is not None:
                counts[answer.arm].num_unpaired += 1

    def to_json(self) -> str:
        """Returns the state, to be kept with what was made of the pairs so far."""
        # What is still to be read again counts as read.
        positions = dict(self._read_before)
        for stem, position in self._tail.positions.items():
            positions[stem] = max(position, positions.get(stem, 0))
        return json.dumps({"positions": positions, "newest": self._newest})

    def restore(self, text: str) -> None:
        """Goes on from the state of another follower of the same rollout.

        Args:
            text: What its `to_json` returned.
        """
        state = json.loads(text)
        self._read_before = state["positions"]
        self._newest = state["newest"]
        newest = datetime.fromtimestamp(0, UTC) + self._newest * _MICROSECOND
        self._since = max(self._since, newest - self._bounds.window)
        self._tail = RecordTail(self._collected, columns=_COLUMNS, since=self._since)


def _microseconds(time: datetime) -> int:
    return (time - datetime.fromtimestamp(0, UTC)) // _MICROSECOND


def _count(record: _Record, counts: ArmCounts) -> None:
    if record.status == OK:
        counts.num_answers += 1
    else:
        counts.errors[record.status] += 1
        counts.num_client_errors += record.answered


def _as_arrays(pairs: list[tuple[_Record, _Record]]) -> Pairs:
    ordered = [pair if pair[0].arm == STABLE else pair[::-1] for pair in pairs]
    stable, candidate = [one for one, _ in ordered], [other for _, other in ordered]
    return Pairs(
        request_id=_objects([one.request_id for one in stable]),
        row=np.array([one.row for one in stable], np.int32),
        key=_objects([one.key or other.key for one, other in ordered]),
        stable_probability=_floats([one.probability for one in stable]),
        stable_decision=_decisions(stable),
        candidate_probability=_floats([one.probability for one in candidate]),
        candidate_decision=_decisions(candidate),
        stable_latency_ms=_floats([one.latency_ms for one in stable]),
        candidate_latency_ms=_floats([one.latency_ms for one in candidate]),
        answered_by=_objects(
            [
                STABLE if one.answered else CANDIDATE if other.answered else ""
                for one, other in ordered
            ]
        ),
    )


def _floats(values: list[float | None]) -> NDArray[np.float32]:
    return np.array(values, np.float32)  # None becomes not-a-number


def _decisions(records: list[_Record]) -> NDArray[np.int64]:
    return np.array([-1 if one.decision is None else one.decision for one in records], np.int64)


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array

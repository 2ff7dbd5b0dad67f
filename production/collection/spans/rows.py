"""Choice of the recorded rows of a new span: those with a label, each once."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from production.collection.labels import row_keys
from production.collection.quarantine import Quarantined, is_quarantined
from production.collection.records import OK, STABLE, RecordFile, drawn, read_file, record_files
from serving.recording.columns import RECORD_SCHEMA
from serving.recording.options import in_sample

RowKey = tuple[str, int]
_COLUMNS = (
    *("request_id", "row", "time", "version", "arm", "answered"),
    *("probability", "decision", "status"),
)

# Reasons for which a labelled row is left out.
NOT_RECORDED = "not among the recorded requests"
IN_EARLIER_SPAN = "in an earlier span"
SAME_ID = "of requests that share an id"
WITHOUT_ROW = "without a row number, of requests with several rows"
IN_QUARANTINE = "in quarantine: their data are broken"
NOT_DRAWN = "recorded beyond `collection.share`, for a positive decision alone"


class Place(NamedTuple):
    """Where a record is: file and number in the file, from 0."""

    stem: str
    number: int


class _Candidate(NamedTuple):
    """A record of a row; the greatest is taken."""

    answered: bool
    is_stable: bool
    place: Place
    time: datetime
    decision: int | None
    version: int | None


@dataclass(kw_only=True)
class Choice:
    """Rows for a span.

    Attributes:
        places: Where the record of each row is, in the order of time.
        left_out: Number of labels that are left out, by reason.
        num_answers: Recorded answers to clients, of requests in the sample, by whether the decision
            was positive.
        num_labelled: Those of them with a label.
    """

    places: dict[RowKey, Place] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    num_answers: dict[bool, int] = field(default_factory=dict)
    num_labelled: dict[bool, int] = field(default_factory=dict)


class _Scan:
    """Goes through all records and notes those of labelled requests."""

    def __init__(self, labelled: pa.Array, share: float) -> None:
        self._labelled, self._share = labelled, share
        self.best: dict[RowKey, _Candidate] = {}
        self.shared_ids: set[str] = set()
        self.num_rows: dict[str, int] = {}
        self.num_answers: Counter[bool] = Counter()
        # Of rows that clients got an answer to, and of those that they got several to.
        self._first: dict[RowKey, Place] = {}
        self.repeats: dict[RowKey, list[Place]] = {}
        self._answers: dict[tuple[RowKey, str, int], float | None] = {}

    def add(self, file: RecordFile, batch: pa.RecordBatch, first: int) -> None:
        """Adds a batch that begins with record `first` of its file."""
        numbers = pa.array(np.arange(first, first + batch.num_rows))
        batch = batch.append_column("number", numbers)
        batch = batch.filter(pc.equal(batch["status"], OK))
        self._count(batch)
        for record in batch.filter(pc.is_in(batch["request_id"], self._labelled)).to_pylist():
            key = (record["request_id"], record["row"])
            self.num_rows[key[0]] = max(self.num_rows.get(key[0], 0), key[1] + 1)
            own = (key, record["arm"], record["version"])
            # One model gives one answer to one row: another answer is to another request.
            if self._answers.setdefault(own, record["probability"]) != record["probability"]:
                self.shared_ids.add(key[0])
            place = Place(file.stem, record["number"])
            if record["answered"] and (earlier := self._first.setdefault(key, place)) != place:
                self.repeats.setdefault(key, [earlier]).append(place)
            candidate = _Candidate(
                bool(record["answered"]),
                record["arm"] == STABLE,
                place,
                record["time"],
                record["decision"],
                record["version"],
            )
            self.best[key] = max(self.best.get(key, candidate), candidate, key=lambda one: one[:2])

    def _count(self, batch: pa.RecordBatch) -> None:
        answered = batch.filter(batch["answered"])
        positive = pc.equal(drawn(answered, self._share)["decision"], 1)
        num_positive = pc.sum(positive).as_py() or 0
        self.num_answers[True] += num_positive
        self.num_answers[False] += len(positive) - num_positive


def choose_rows(
    collected: Path,
    labels: pa.Table,
    *,
    written: Collection[RowKey],
    share: float,
    quarantine: Sequence[Quarantined] = (),
) -> Choice:
    """Returns the labelled rows that no earlier span has.

    A row that both arms answered is taken once. With a share below 1, requests outside of the
    sample are left out: they are recorded for their positive decision alone, and would raise the
    prevalence.

    Args:
        collected: The folder `collected/NAME`.
        labels: The latest label of each row.
        written: Rows of earlier spans.
        share: Share of the requests that is recorded, in (0, 1].
        quarantine: Chunks whose rows are left out.
    """
    scan, files = _Scan(labels["request_id"].combine_chunks(), share), record_files(collected)
    for file in files:
        first = 0
        for batch in read_file(file, columns=_COLUMNS):
            scan.add(file, batch, first)
            first += batch.num_rows
    scan.shared_ids |= _ids_of_several_requests(files, scan.repeats)
    choice = Choice(num_answers=dict(scan.num_answers), num_labelled={True: 0, False: 0})
    chosen: list[tuple[datetime, RowKey, Place]] = []
    rows_known = labels["is_row_known"].to_pylist()
    for key, is_row_known in zip(row_keys(labels), rows_known, strict=True):
        best = scan.best.get(key)
        if best is not None and best.answered and in_sample(key[0], share):
            choice.num_labelled[best.decision == 1] += 1
        reason = _left_out(scan, key, written, share, quarantine)
        if not is_row_known and scan.num_rows.get(key[0], 1) > 1:
            choice.left_out[WITHOUT_ROW] += 1
        elif reason is not None or best is None:
            choice.left_out[reason or NOT_RECORDED] += 1
        else:
            chosen.append((best.time, key, best.place))
    choice.places = {key: place for _, key, place in sorted(chosen)}
    return choice


def _ids_of_several_requests(
    files: Sequence[RecordFile], repeats: Mapping[RowKey, Sequence[Place]]
) -> set[str]:
    """The ids whose answers are to rows of different features, such as ids that are used again.

    A request that a client sent again has the same features. Two requests may well have the same
    probability, as trees give few different ones.
    """
    asked: dict[str, dict[int, RowKey]] = {}
    for key, places in repeats.items():
        for place in places:
            asked.setdefault(place.stem, {})[place.number] = key
    features: dict[RowKey, dict[str, str]] = {}
    shared = set()
    for file in files:
        for key, values in _rows_at(file, asked.get(file.stem, {})):
            before = features.setdefault(key, values)
            if any(before[name] != values[name] for name in before.keys() & values.keys()):
                shared.add(key[0])
    return shared


def _rows_at(
    file: RecordFile, asked: Mapping[int, RowKey]
) -> Iterator[tuple[RowKey, dict[str, str]]]:
    """Yields the key and the features of records, as texts, so that NaN equals NaN."""
    first = 0
    for batch in read_file(file) if asked else ():
        numbers = [number for number in sorted(asked) if first <= number < first + batch.num_rows]
        names = [name for name in batch.schema.names if name not in RECORD_SCHEMA.names]
        rows = batch.select(names).take(pa.array([n - first for n in numbers], pa.int64()))
        for number, row in zip(numbers, rows.to_pylist(), strict=True):
            yield asked[number], {name: _text(value) for name, value in row.items()}
        first += batch.num_rows


def _text(value: object) -> str:
    """The value as a text; a number has one, whether it was recorded as an integer or a float."""
    if isinstance(value, list):
        return str([_text(one) for one in value])
    return repr(float(value) if isinstance(value, int) else value)


def _left_out(
    scan: _Scan,
    key: RowKey,
    written: Collection[RowKey],
    share: float,
    quarantine: Sequence[Quarantined],
) -> str | None:
    """Why a labelled row is left out; None if it is taken."""
    best = scan.best.get(key)
    if best is None:
        return NOT_RECORDED
    if key[0] in scan.shared_ids:
        return SAME_ID
    if key in written:
        return IN_EARLIER_SPAN
    if not in_sample(key[0], share):
        return NOT_DRAWN
    return IN_QUARANTINE if is_quarantined(quarantine, best.time, best.version) else None

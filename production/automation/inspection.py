"""The queue of predictions that a person decides, and the decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.production_options.automation import AutomationOptions
from pipeline.reading.columns import Column
from pipeline.reading.files.pieces import RawBatch
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.typing_rows import label_texts, type_batch
from production.collection.labels import (
    KEYS,
    SET_VALUES,
    Added,
    add_labels,
    are_positive,
    latest_labels,
    make_labels,
    recorded_rows,
    with_label_values,
)
from production.collection.records import OK, Selection, read_records
from production.rollback import Decision, check_decision
from serving.recording.columns import RECORD_SCHEMA

Reason = Literal["alarm", "uncertain", "differing"]

# Which predictions a person decides at each level. Evidence on a candidate waits for the labels of
# requests on which the two models differ.
REASONS: Mapping[int, tuple[Reason, ...]] = {
    0: ("alarm",),
    1: ("differing",),
    2: ("differing", "uncertain"),
    3: ("differing",),
}
_COLUMNS = (
    *("request_id", "row", "time", "version", "answered", "key"),
    *("probability", "decision", "threshold", "status"),
)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A prediction that waits for a person.

    Attributes:
        request_id: Id of the request.
        row: Row of the request.
        time: When it was answered.
        key: What it is about, such as a sensor; None without.
        version: Version of the model whose answer the client got.
        probability: Probability of a fault; None if the client did not ask for it.
        decision: 1 for an alarm.
        threshold: Threshold of the decision; None if unknown.
        reason: Why it is here: an `alarm`, `uncertain`, or both models decided `differing`ly.
    """

    request_id: str
    row: int
    time: datetime
    key: str | None
    version: int
    probability: float | None
    decision: int
    threshold: float | None
    reason: Reason

    def to_json(self) -> dict[str, Any]:
        """Returns the item as a JSON object."""
        return vars(self) | {"time": self.time.isoformat()}


def waiting_items(collected: Path, options: AutomationOptions, *, since: datetime) -> list[Item]:
    """Returns the predictions that wait for a person, the oldest first.

    The queue is no file: it is what was recorded and has no label yet, as the level says.

    Args:
        collected: The folder `collected/NAME`.
        options: The config's `automation`.
        since: Time of the earliest request.
    """
    records = read_answers(collected, since=since)
    if not records.num_rows:
        return []
    answered = records.filter(records["answered"]).drop_columns(["answered", "status"])
    masks = {
        "alarm": np.asarray(answered["decision"]) == 1,
        "uncertain": are_uncertain(answered, options.uncertain),
        "differing": _differ(records, answered),
    }
    reasons = np.full(answered.num_rows, "", dtype=object)
    for reason in reversed(REASONS[options.number]):
        reasons[masks[reason]] = reason
    waiting = answered.append_column("reason", pa.array(reasons, pa.string()))
    waiting = waiting.filter(pc.not_equal(waiting["reason"], ""))
    labels = latest_labels(collected).select(KEYS)
    waiting = waiting.join(labels, list(KEYS), join_type="left anti")
    order = [(name, "ascending") for name in ("time", *KEYS)]
    return [Item(**values) for values in waiting.sort_by(order).to_pylist()]


def read_answers(
    collected: Path, *, since: datetime | None = None, request_ids: pa.Array | None = None
) -> pa.Table:
    """Returns the predictions that were made without an error, of both arms.

    Args:
        collected: The folder `collected/NAME`.
        since: Time of the earliest request; None for all.
        request_ids: Ids of the requests; None for all.
    """
    tables = [pa.schema([RECORD_SCHEMA.field(name) for name in _COLUMNS]).empty_table()]
    for batch in read_records(collected, Selection(since=since), columns=_COLUMNS):
        is_answer = pc.and_(pc.equal(batch["status"], OK), pc.is_valid(batch["decision"]))
        if request_ids is not None:
            is_answer = pc.and_(is_answer, pc.is_in(batch["request_id"], request_ids))
        tables.append(pa.Table.from_batches([batch]).filter(is_answer))
    return pa.concat_tables(tables, promote_options="permissive")


def are_uncertain(answers: pa.Table, width: float) -> NDArray[np.bool_]:
    """Tells which predictions have log-odds nearer than `width` to those of their threshold."""
    probability, threshold = (
        np.asarray(answers[name].cast(pa.float64()).fill_null(np.nan))
        for name in ("probability", "threshold")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.log(probability / (1 - probability)) - np.log(threshold / (1 - threshold))
    # Without a threshold the distance is not a number, and the prediction not uncertain.
    uncertain: NDArray[np.bool_] = np.abs(distances) < width
    return uncertain


def _differ(records: pa.Table, answered: pa.Table) -> NDArray[np.bool_]:
    """Tells which of the answered rows another answer to the same row disagrees with."""
    spread = records.group_by(list(KEYS)).aggregate([("decision", "min"), ("decision", "max")])
    differing = spread.filter(pc.less(spread["decision_min"], spread["decision_max"]))
    keys = set(zip(*(differing[name].to_pylist() for name in KEYS), strict=True))
    rows = zip(*(answered[name].to_pylist() for name in KEYS), strict=True)
    return np.fromiter((row in keys for row in rows), dtype=np.bool_, count=answered.num_rows)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A person's decision on one prediction.

    Attributes:
        request_id: Id of the request.
        row: Row of the request; None if it has one row only.
        label: The label, in the config's words.
        by: Who decides.
        why: The reason.
    """

    request_id: str
    row: int | None
    label: str
    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What became of a decision.

    Attributes:
        is_positive: Whether it means a fault.
        change: `new`, `corrected`, or `unchanged` if the row had this label already.
    """

    is_positive: bool
    change: Literal["new", "corrected", "unchanged"]


def inspect(collected: Path, inspection: Inspection, spec: IngestSpec) -> Decided:
    """Keeps a person's decision as the label of the request; again, it changes nothing.

    Args:
        collected: The folder `collected/NAME`.
        inspection: The decision.
        spec: The ingestion settings of the use case, which tell what is a label.

    Raises:
        InputError: The request or row was not recorded, the value is no label, or nobody is named.
    """
    check_decision(Decision(by=inspection.by, why=inspection.why))
    text = _label_text(inspection.label, spec)
    row = _find_row(collected, inspection)
    source = f"decided by {inspection.by.strip()}: {inspection.why.strip()}"
    added = add_labels(
        collected, make_labels([inspection.request_id], [text], [row]), source=source
    )
    [is_positive] = are_positive(pa.array([text]), spec).tolist()
    return Decided(is_positive=is_positive, change=_change(added))


def _change(added: Added) -> Literal["new", "corrected", "unchanged"]:
    if added.num_new:
        return "new"
    return "corrected" if added.num_corrected else "unchanged"


def _find_row(collected: Path, inspection: Inspection) -> int:
    request_id = inspection.request_id
    rows = recorded_rows(collected, pa.array([request_id])).get(request_id, set())
    if not rows:
        raise InputError(
            f"No request with the id {request_id} is recorded in {collected}. List those that "
            "wait: faultline automation queue"
        )
    row = inspection.row
    if row is None and len(rows) > 1:
        raise InputError(
            f"Request {request_id} has {len(rows)} rows. Say which one with --row, from 0."
        )
    chosen = min(rows) if row is None else row
    if chosen not in rows:
        listed = ", ".join(map(str, sorted(rows)[:10]))
        raise InputError(f"Request {request_id} has no row {chosen}. Recorded: {listed}.")
    return chosen


def _label_text(label: str, spec: IngestSpec) -> str:
    """Returns a label as it is kept.

    Raises:
        InputError: It is none.
    """
    array = pa.array([label], pa.string())
    batch = pa.RecordBatch.from_arrays([array], names=[spec.label])
    raw = RawBatch(batch=batch, rows=np.array([1]))
    columns = (Column(name=spec.label, type="label"),)
    typed = type_batch(raw, columns, with_label_values(spec), path="--label")
    if typed.unlabelled.num_rows:
        raise InputError(f"--label {label!r}: no label. Give one, such as --label 1.")
    if typed.bad_rows:
        hint = "" if spec.label_values else f" {SET_VALUES}"
        raise InputError(f"--label {label!r}: {typed.bad_rows[0].reason}.{hint}")
    texts, _, _ = label_texts(array, spec.label_marks)
    text: str = texts[0].as_py()
    return text

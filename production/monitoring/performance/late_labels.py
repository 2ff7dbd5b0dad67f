"""Labels of earlier chunks, once they have arrived."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.production_options.collection import recorded_share
from pipeline.reading.ingest_spec import make_ingest_spec
from production.collection.labels import KEYS, are_positive, latest_labels
from production.collection.records import OK, Selection, drawn, read_records
from production.monitoring.chunks.building import first_places
from production.monitoring.performance.measuring import Labels, find_labels
from production.monitoring.report import ChunkReport
from serving.recording.columns import RECORD_SCHEMA

_COLUMNS = (*KEYS, "time", "key", "version", "probability", "decision", "answered", "status")
_PLACE = (*KEYS, "time", "version")
_MARK_TIME = "%Y%m%dT%H%M%S%f"


class LateLabels:
    """The labels of one model, as they are now."""

    def __init__(self, config: Config, collected: Path) -> None:
        """Reads nothing yet.

        Args:
            config: The use case.
            collected: The folder `collected/NAME`.
        """
        self._config, self._collected = config, collected
        self._known: dict[str, tuple[pa.Table, NDArray[np.bool_]]] = {}
        self._share = recorded_share(config.collection)

    @cached_property
    def mark(self) -> str:
        """The latest delivery of labels, a text that rises with each; empty without any."""
        return max((path.name for path in self._collected.glob("labels/*.parquet")), default="")

    def read_rows(
        self, since: datetime, until: datetime, version: int, *, before: datetime | None = None
    ) -> pa.Table:
        """Returns the answered rows of a chunk in order of time, without features.

        Args:
            since: Time of its beginning.
            until: Time of its end.
            version: Version that answered.
            before: Beginning of the version's chunk before, whose rows do not count again under
                the same request id; None without one.
        """
        selection = Selection(since=before or since, until=until, versions=[version])
        batches = [
            drawn(
                batch.filter(pc.and_(batch["answered"], pc.equal(batch["status"], OK))), self._share
            )
            for batch in read_records(self._collected, selection, columns=_COLUMNS)
        ]
        schema = pa.schema([RECORD_SCHEMA.field(name) for name in _COLUMNS])
        rows = pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)
        rows = rows.sort_by([(name, "ascending") for name in ("time", *KEYS)])
        once = rows.take(pa.array(first_places(rows)))
        return once.filter(pc.greater_equal(once["time"], pa.scalar(since, once["time"].type)))

    def of(self, rows: pa.Table, *, mark: str | None = None) -> Labels:
        """Returns the labels of rows, without those that do not say which row they are of.

        Such a label came without a row number, before a request that turned out to have several
        rows.

        Args:
            rows: Rows as of `read_rows`.
            mark: The last delivery that counts; by default `mark` of this object.

        Raises:
            InputError: A label means nothing by the config.
        """
        labels, positive = self._at(self.mark if mark is None else mark)
        is_clear = _say_their_row(labels, rows)
        return find_labels(rows, labels.filter(pa.array(is_clear)), positive[is_clear])

    def count_since(self, spans: Sequence[ChunkReport], marks: Mapping[int, str]) -> dict[int, int]:
        """Returns how many rows of earlier chunks have a label that is newer than a delivery.

        Args:
            spans: The chunks, at least one.
            marks: Number of each chunk to the delivery.
        """
        oldest = _time_of(min(marks[one.number] for one in spans))
        labels, _ = self._at(self.mark)
        labels = labels.filter(pc.greater(labels["time"], pa.scalar(oldest)))
        labels = labels.select([*KEYS, "time"]).rename_columns([*KEYS, "labelled"])
        if not labels.num_rows:
            return {one.number: 0 for one in spans}
        selection = Selection(
            since=min(one.since for one in spans), until=max(one.until for one in spans)
        )
        ids = labels["request_id"].combine_chunks()
        schema = pa.schema([RECORD_SCHEMA.field(name) for name in _PLACE])
        batches = [
            batch.filter(pc.is_in(batch["request_id"], ids)).cast(schema)
            for batch in read_records(self._collected, selection, columns=_PLACE)
        ]
        rows = pa.Table.from_batches(batches, schema).join(
            labels, keys=list(KEYS), join_type="inner"
        )
        return {one.number: _count(rows, one, _time_of(marks[one.number])) for one in spans}

    def _at(self, mark: str) -> tuple[pa.Table, NDArray[np.bool_]]:
        """Labels as they were after a delivery, and which of them are faults."""
        if mark not in self._known:
            labels = latest_labels(self._collected, until=_time_of(mark))
            labels = labels.filter(pc.is_valid(labels["label"]))
            self._known[mark] = labels, self._are_faults(labels)
        return self._known[mark]

    def _are_faults(self, labels: pa.Table) -> NDArray[np.bool_]:
        if not labels.num_rows:
            return np.zeros(0, bool)
        words = labels["label"].combine_chunks().dictionary_encode()
        meanings = are_positive(words.dictionary, make_ingest_spec(self._config))
        return np.asarray(meanings[words.indices.to_numpy()], bool)


def _time_of(mark: str) -> datetime:
    """Time of a delivery, which its file's name begins with."""
    return datetime.strptime(mark.partition("-")[0], _MARK_TIME).replace(tzinfo=UTC)


def _count(rows: pa.Table, span: ChunkReport, labelled: datetime) -> int:
    within = Selection(since=span.since, until=span.until, versions=[span.version])
    is_newer = pc.greater(rows["labelled"], pa.scalar(labelled))
    batches = rows.filter(is_newer).combine_chunks().to_batches()
    return sum(within.filter(batch).num_rows for batch in batches)


def _say_their_row(labels: pa.Table, rows: pa.Table) -> NDArray[np.bool_]:
    """Whether each label has a row number, or its request a single row, bool `[labels]`."""
    several = pc.unique(rows["request_id"].filter(pc.greater(rows["row"], 0)))
    is_of_several = pc.is_in(labels["request_id"], several)
    return np.asarray(pc.or_(labels["is_row_known"], pc.invert(is_of_several)), bool)

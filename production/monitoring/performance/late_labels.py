"""Labels of earlier chunks, once they have arrived."""

from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.reading.ingest_spec import make_ingest_spec
from production.collection.labels import KEYS, are_positive, latest_labels
from production.collection.records import OK, Selection, read_records
from production.monitoring.performance.measuring import Labels, find_labels
from serving.recording.columns import RECORD_SCHEMA
from serving.recording.options import in_sample

_COLUMNS = (*KEYS, "time", "key", "version", "probability", "decision", "answered", "status")


class LateLabels:
    """The labels of one model, as they are now."""

    def __init__(self, config: Config, collected: Path) -> None:
        """Reads nothing yet.

        Args:
            config: The use case.
            collected: The folder `collected/NAME`.
        """
        self._config, self._collected = config, collected
        self._share = 1.0 if config.collection is None else config.collection.share

    @property
    def mark(self) -> str:
        """Another text after each delivery of labels; empty without any."""
        return max((path.name for path in self._collected.glob("labels/*.parquet")), default="")

    def read_rows(self, since: datetime, until: datetime, version: int) -> pa.Table:
        """Returns the answered rows of a chunk in order of time, without features.

        Args:
            since: Time of its beginning.
            until: Time of its end.
            version: Version that answered.
        """
        selection = Selection(since=since, until=until, versions=[version])
        batches = [
            self._chosen(batch)
            for batch in read_records(self._collected, selection, columns=_COLUMNS)
        ]
        schema = pa.schema([RECORD_SCHEMA.field(name) for name in _COLUMNS])
        rows = pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)
        rows = rows.sort_by([(name, "ascending") for name in ("time", *KEYS)])
        return _each_once(rows)

    def _chosen(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = batch.filter(pc.and_(batch["answered"], pc.equal(batch["status"], OK)))
        if self._share >= 1:
            return batch
        drawn = [in_sample(one, self._share) for one in batch["request_id"].to_pylist()]
        return batch.filter(pa.array(drawn, pa.bool_()))

    def of(self, rows: pa.Table) -> Labels:
        """Returns the labels of rows.

        Args:
            rows: Rows as of `read_rows`.

        Raises:
            InputError: A label means nothing by the config.
        """
        labels, positive = self._latest
        return find_labels(rows, labels, positive)

    @cached_property
    def _latest(self) -> tuple[pa.Table, NDArray[np.bool_]]:
        labels = latest_labels(self._collected)
        labels = labels.filter(pc.is_valid(labels["label"]))
        if not labels.num_rows:
            return labels, np.zeros(0, bool)
        words = labels["label"].combine_chunks().dictionary_encode()
        meanings = are_positive(words.dictionary, make_ingest_spec(self._config))
        return labels, meanings[words.indices.to_numpy()]


def _each_once(rows: pa.Table) -> pa.Table:
    """The first of the rows with the same request id and row."""
    if not rows.num_rows:
        return rows
    numbered = rows.append_column("place", pa.array(np.arange(rows.num_rows)))
    first = numbered.group_by(list(KEYS)).aggregate([("place", "min")])
    if first.num_rows == rows.num_rows:
        return rows
    return rows.take(pa.array(np.sort(first["place_min"].to_numpy())))

"""Writer of the assembled table: Parquet with one row for each recording or window."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.reading.recordings.recording import Recording
from pipeline.recording_options import RATE, RECORDING

_TARGET_BYTES = 64 << 20
_MAX_ROWS = 16_384
_SAMPLES = pa.list_(pa.float32())


class TableWriter:
    """Context manager that writes recordings or tables of windows to one Parquet file.

    Args:
        file: The file.
        schema: The columns.
    """

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._schema = schema
        texts = [f.name for f in schema if pa.types.is_string(f.type)]
        # Samples and files hardly repeat: a dictionary of them only costs time.
        self._writer = pq.ParquetWriter(file, schema, use_dictionary=texts)
        self._recordings: list[tuple[Recording, str | None]] = []
        self._tables: list[pa.Table] = []
        self._num_bytes = 0
        self.num_rows = 0

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add_recording(self, recording: Recording, label_column: str | None) -> None:
        """Writes one row, with the label if its column is given."""
        self._recordings.append((recording, label_column))
        self._add(1, sum(map(_size, recording.channels.values())) + len(recording.content or b""))

    def add_windows(self, windows: pa.Table) -> None:
        """Writes the rows of a recording's windows."""
        self._tables.append(_conformed(windows, self._schema))
        self._add(windows.num_rows, windows.nbytes)

    def _add(self, num_rows: int, num_bytes: int) -> None:
        self.num_rows += num_rows
        self._num_bytes += num_bytes
        if self._num_bytes >= _TARGET_BYTES or len(self._recordings) >= _MAX_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._recordings:
            self._tables.append(_rows(self._recordings, self._schema))
        if self._tables:
            table = pa.concat_tables(self._tables)
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._recordings, self._tables, self._num_bytes = [], [], 0


def _size(samples: np.ndarray[Any, Any]) -> int:
    return int(samples.nbytes)


def table_schema(
    *,
    channels: tuple[str, ...],
    bytes_column: str,
    context: Mapping[str, pa.DataType],
    has_rate: bool,
    added: Mapping[str, pa.DataType],
    label_column: str | None,
) -> pa.Schema:
    """Returns the columns of the assembled table.

    Args:
        channels: Columns of samples.
        bytes_column: Column of a sound or picture; empty for tables.
        context: Types of the context columns.
        has_rate: Whether recordings may have a sampling rate.
        added: Types of the columns that cutting into windows adds.
        label_column: The label column; None for predictions.

    Raises:
        InputError: Two columns would have one name.
    """
    fields = [pa.field(RECORDING, pa.string())]
    fields += [pa.field(name, _SAMPLES) for name in channels]
    fields += [pa.field(bytes_column, pa.binary())] if bytes_column else []
    fields += [pa.field(RATE, pa.float64())] if has_rate else []
    fields += [pa.field(name, kind) for name, kind in (*added.items(), *context.items())]
    fields += [pa.field(label_column, pa.string())] if label_column is not None else []
    names = [field.name for field in fields]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"Two columns of the assembled recordings are named `{repeated[0]}`: the channels, the "
            "context from the table of labels, the label, and the columns that the assembly adds "
            f"({', '.join(names[:3])}, …) need different names. Rename one."
        )
    return pa.schema(fields)


def _conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Returns a table with the columns of a schema; one that it lacks is missing."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _rows(recordings: list[tuple[Recording, str | None]], schema: pa.Schema) -> pa.Table:
    owners = [recording for recording, _ in recordings]
    columns = [_column(field, owners, recordings) for field in schema]
    return pa.table(columns, schema=schema)


def _column(
    field: pa.Field, owners: list[Recording], labelled: list[tuple[Recording, str | None]]
) -> pa.Array:
    if field.type == _SAMPLES:
        return _lists([owner.channels[field.name] for owner in owners])
    if pa.types.is_binary(field.type):
        return pa.array([owner.content for owner in owners], field.type)
    values: list[Any]
    if field.name == RECORDING:
        values = [owner.name for owner in owners]
    elif field.name == RATE:
        values = [owner.rate_hz for owner in owners]
    else:
        values = [
            owner.label if field.name == label else owner.context.get(field.name)
            for owner, label in labelled
        ]
    return pa.array(values, field.type)


def _lists(samples: list[Any]) -> pa.Array:
    offsets = np.zeros(len(samples) + 1, np.int32)
    np.cumsum([len(one) for one in samples], out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(samples)))

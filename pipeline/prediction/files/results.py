"""Prediction tables with row keys, and the files they are written to."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common.errors import InputError

VERSION = "model_version"
SUFFIXES = (".csv", ".parquet", ".jsonl")


def result_table(
    keys: pa.RecordBatch, outputs: Mapping[str, NDArray[Any]], version: int | None
) -> pa.Table:
    """Returns keys, outputs and the model's version as one table.

    Args:
        keys: Keys of the rows.
        outputs: Arrays `[rows]`, `[rows, 1]` or `[rows, n]`; the last kind becomes lists.
        version: The version that answered; None if the protocol does not report it.

    Raises:
        InputError: The id column and an output have the same name.
    """
    columns = {name: keys.column(name) for name in keys.schema.names}
    for name, array in sorted(outputs.items()):
        if name in columns:
            raise InputError(
                f"--id names the column `{name}`, but the model has an output of the same "
                "name. Rename the column, or omit --id."
            )
        columns[name] = output_column(array)
    columns[VERSION] = pa.array([version] * keys.num_rows, pa.int64())
    return pa.table(columns)


def output_column(array: NDArray[Any]) -> pa.Array:
    """Returns an output as an Arrow column; bytes become text."""
    flat = array.reshape(-1)
    values = (
        pa.array([text.decode(errors="backslashreplace") for text in flat], pa.string())
        if array.dtype == np.dtype(object)
        else pa.array(flat)
    )
    width = int(np.prod(array.shape[1:]))
    if width == 1:
        return values
    offsets = np.arange(len(array) + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), values)


class _Sink(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class _CsvSink:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        texts = [(field.name, _csv_type(field.type)) for field in schema]
        self._schema = pa.schema(texts)
        self._writer = arrow_csv.CSVWriter(str(path), self._schema)

    def write_table(self, table: pa.Table) -> None:
        columns = [_csv_column(column.combine_chunks()) for column in table.columns]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_nested(kind) or pa.types.is_null(kind) else kind


def _csv_column(column: pa.Array) -> pa.Array:
    if not pa.types.is_nested(column.type):
        return column.cast(_csv_type(column.type))
    return pa.array([json.dumps(value) for value in column.to_pylist()], pa.string())


class _JsonLinesSink:
    def __init__(self, path: Path, _schema: pa.Schema) -> None:
        self._stream: IO[str] = path.open("w", encoding="utf-8")

    def write_table(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            self._stream.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._stream.close()


def _parquet_sink(path: Path, schema: pa.Schema) -> _Sink:
    sink: _Sink = pq.ParquetWriter(path, schema)
    return sink


_SINKS: dict[str, Any] = {".csv": _CsvSink, ".parquet": _parquet_sink, ".jsonl": _JsonLinesSink}


class ResultFile:
    """Context manager that writes a result file completely or not at all.

    Args:
        path: The file; its suffix determines the format. An existing file is replaced.

    Raises:
        InputError: The suffix is unknown, or the folder does not exist.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in SUFFIXES:
            raise InputError(
                f"--output-file {path}: expected a name ending in {', '.join(SUFFIXES)}."
            )
        if path.is_dir() or not path.absolute().parent.is_dir():
            what = "is a folder" if path.is_dir() else "is in a folder that does not exist"
            raise InputError(f"--output-file {path} {what}. Name a file in an existing folder.")
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        self._schema: pa.Schema | None = None
        self._sink: _Sink | None = None

    def __enter__(self) -> "ResultFile":
        return self

    def write(self, table: pa.Table) -> None:
        """Appends rows; every table must have the columns of the first.

        Raises:
            InputError: The file cannot be written, or the type of the ids has changed.
        """
        try:
            if self._sink is None:
                self._schema = table.schema
                self._sink = _SINKS[self._path.suffix](self._temporary, table.schema)
            self._sink.write_table(table.cast(self._schema))
        except pa.ArrowInvalid as error:
            raise InputError(f"These rows do not match the earlier ones: {error}.") from error
        except OSError as error:
            raise InputError(f"Cannot write {self._path}: {error.strerror or error}.") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Moves the file into place, or removes it after an error."""
        try:
            if self._sink is not None:
                self._sink.close()
            if error is None and self._sink is not None:
                self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)

"""JSON-lines reader: one object per row."""

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.reading.files.pieces import RawBatch

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_BATCH_BYTES = 16 << 20


def is_json_lines(path: str) -> bool:
    """Tells whether a file name has a JSON-lines suffix."""
    return path.lower().endswith(SUFFIXES)


def read_json_lines(path: str, *, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    """Reads a file in bounded batches; blank lines are skipped.

    Args:
        path: The file.
        columns: Columns to read; by default all.

    Raises:
        InputError: A line is not a JSON object; the message names the line.
    """
    rows: list[dict[str, Any]] = []
    done = num_bytes = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                rows.append(_parse(path, number, line))
                num_bytes += len(line)
                if num_bytes >= _BATCH_BYTES:
                    yield _batch(rows, done, columns)
                    done, num_bytes, rows = done + len(rows), 0, []
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read after row {done + len(rows)}: {error}.") from error
    if rows:
        yield _batch(rows, done, columns)


def _open(path: str) -> IO[bytes] | gzip.GzipFile:
    if path.lower().endswith(".gz"):
        return gzip.open(path, "rb")
    return Path(path).open("rb")


def _parse(path: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}: not valid JSON: {error}.") from None
    if not isinstance(row, dict):
        raise InputError(
            f"{path}, line {number}: expected an object of column to value, found "
            f"{type(row).__name__}."
        )
    return row


def _batch(rows: list[dict[str, Any]], done: int, columns: Sequence[str] | None) -> RawBatch:
    names = columns if columns is not None else dict.fromkeys(name for row in rows for name in row)
    arrays = {name: _column([row.get(name) for row in rows]) for name in names}
    return RawBatch(
        batch=pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays)),
        rows=np.arange(done + 1, done + 1 + len(rows)),
    )


def _column(values: list[Any]) -> pa.Array:
    """Returns one column; values of mixed kinds become texts, as in CSV."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        texts = [None if value is None else _text(value) for value in values]
        return pa.array(texts, pa.binary())


def _text(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="surrogatepass")

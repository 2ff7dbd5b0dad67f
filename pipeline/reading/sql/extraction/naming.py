"""Names of rows of a database in messages: their table and key in place of the run's own file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.reading.files.pieces import BadRow
from pipeline.reading.sql.extraction.record import Record, read_record


def name_bad_rows(bad_rows: Sequence[BadRow]) -> list[BadRow]:
    """Returns bad rows with their table or query and their key, if a database was read.

    Args:
        bad_rows: Rows of one file, which `extract.extract_rows` or anybody else has written.
    """
    file = Path(bad_rows[0].path) if bad_rows else None
    record = None if file is None else _record_of(file)
    if file is None or record is None:
        return list(bad_rows)
    keys = _keys(file, [bad.row - 1 for bad in bad_rows], record.order_by)
    name = _name(record, file)
    return [replace(bad, path=name, key=key) for bad, key in zip(bad_rows, keys, strict=True)]


@contextmanager
def database_words(files: Sequence[str]) -> Iterator[None]:
    """Names the table or query in errors that would name the files that it was read into.

    Raises:
        InputError: As within, in these words.
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        for file in files:
            record = _record_of(Path(file)) if file in text else None
            text = text if record is None else text.replace(file, _name(record, Path(file)))
        if text == str(error):
            raise
        raise InputError(text) from error


def _record_of(file: Path) -> Record | None:
    record = None if "://" in str(file) else read_record(file.parent)
    return record if record is not None and file.name in record.files else None


def _name(record: Record, file: Path) -> str:
    rows = f"`{record.table}`" if record.table else "the query"
    kind, _, span = file.stem.partition("-")
    return f"{rows} of {record.url}" + (f", span {span}" if kind in {"day", "span"} else "")


def _keys(file: Path, places: Sequence[int], order_by: Sequence[str]) -> list[str]:
    """Returns the keys of rows in words, reading only the row groups that have them."""
    wanted = np.asarray(places)
    found: dict[int, str] = {}
    first = 0
    with pq.ParquetFile(file) as stored:
        for group in range(stored.num_row_groups):
            end = first + stored.metadata.row_group(group).num_rows
            here = wanted[(wanted >= first) & (wanted < end)]
            if len(here):
                table = stored.read_row_group(group, columns=list(order_by))
                rows = table.take(pa.array(here - first)).to_pylist()
                found |= dict(zip(here.tolist(), map(_key, rows), strict=True))
            first = end
    return [found[place] for place in places]


def _key(row: dict[str, object]) -> str:
    return ", ".join(f"{name} = {value!r}"[:80] for name, value in row.items())

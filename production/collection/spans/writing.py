"""Writes the file of a new span as the config says files are written, and reads it back."""

import csv
import gzip
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common.errors import InputError, StepFailedError
from pipeline.column_format import ColumnFormat
from pipeline.config import Config
from pipeline.reading import times
from pipeline.reading.columns import Column, wide_parts
from pipeline.reading.files import sources
from pipeline.reading.files.csv_header import read_header
from pipeline.reading.files.pieces import Format, Piece
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.typing_rows import type_batch

_DAY_S = 86_400


def write_rows(
    rows: pa.RecordBatch, path: Path, config: Config, spec: IngestSpec, *, like: str
) -> None:
    """Writes rows as Parquet or CSV, by the suffix or `data.format`.

    Args:
        rows: The rows.
        path: The file.
        config: The use case.
        spec: Its ingestion settings.
        like: A file of an earlier span, whose delimiter a CSV file gets.
    """
    if path.suffix == ".parquet" or config.data.format == "parquet":
        pq.write_table(pa.Table.from_batches([rows]), path)
        return
    content = _csv_text(rows, spec, read_header(like, spec.layout).delimiter)
    try:
        encoded = content.encode(spec.layout.encoding)
    except UnicodeEncodeError as error:
        raise InputError(
            f"`{error.object[error.start]}` cannot be written in {spec.layout.encoding}, the "
            "data.encoding of the config. Convert the spans to UTF-8 or to Parquet."
        ) from None
    is_packed = path.suffix == ".gz"
    path.write_bytes(gzip.compress(encoded) if is_packed else encoded)


def _csv_text(rows: pa.RecordBatch, spec: IngestSpec, delimiter: str) -> str:
    names = spec.layout.header or rows.schema.names
    text = io.StringIO(newline="")
    text.write("\n" * spec.layout.skip_rows)
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if spec.layout.header is None:
        writer.writerow(names)
    if spec.layout.units_row:
        units = dict(spec.layout.units)
        writer.writerow([units.get(name, "") for name in names])
    signals = _signals_of_parts(rows.schema.names, spec)
    columns = [
        _texts(rows[name], spec.columns.get(signals.get(name, name)), spec.decimal)
        if name in rows.schema.names
        else [""] * rows.num_rows
        for name in names
    ]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _signals_of_parts(names: list[str], spec: IngestSpec) -> dict[str, str]:
    return {
        part: signal
        for signal, wide in spec.wide_signals.items()
        for part in wide_parts(signal, wide.first, wide.last, names)
    }


def _texts(column: pa.Array, form: ColumnFormat | None, decimal: str) -> list[str]:
    """Returns a column's values as the contract reads them; a missing value is empty."""
    mark = decimal if form is None or form.decimal is None else form.decimal
    if pa.types.is_timestamp(column.type):
        moments = column.cast(pa.timestamp("us", tz="UTC"), safe=False).to_pylist()
        return ["" if one is None else _time_text(one, form, mark) for one in moments]
    if pa.types.is_floating(column.type):
        # NumPy writes the shortest number that is read as the same float32 or float64.
        numbers = column.to_numpy(zero_copy_only=False)
        return ["" if np.isnan(one) else str(one).replace(".", mark) for one in numbers]
    return ["" if one is None else str(one) for one in column.to_pylist()]


def _time_text(moment: datetime, form: ColumnFormat | None, mark: str) -> str:
    seconds = int(moment.timestamp())
    if form is not None and form.unit == "excel":
        return repr(times.EXCEL_1970 + seconds / _DAY_S).replace(".", mark)
    if form is not None and form.unit is not None:
        return str(seconds * times.PER_SECOND[form.unit])
    if form is None or form.format in (None, times.ISO):
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return moment.astimezone(ZoneInfo(form.zone)).strftime(str(form.format))


def check_read_back(
    path: Path,
    file_format: Format,
    columns: Sequence[Column],
    typed: pa.RecordBatch,
    spec: IngestSpec,
) -> None:
    """Checks that training reads from a file what was served.

    Args:
        path: The file.
        file_format: Its format.
        columns: The columns of the examples.
        typed: The rows as training is to read them.
        spec: The ingestion settings.

    Raises:
        StepFailedError: It would read other values.
    """
    piece = Piece(index=0, path=str(path), format=file_format, layout=spec.layout)
    batches = [
        type_batch(raw, columns, spec, path=str(path)).batch for raw in sources.read_piece(piece)
    ]
    back = pa.Table.from_batches(batches, schema=typed.schema)
    for name in typed.schema.names:
        if not _are_equal(typed[name], back[name].combine_chunks()):
            raise StepFailedError(
                f"The values of `{name}` in the new span would be read as others than those that "
                "were served. Nothing was written."
            )


def _are_equal(one: pa.Array, other: pa.Array) -> bool:
    if len(one) != len(other):
        return False
    if pa.types.is_large_list(one.type):
        lengths = (pc.list_value_length(one), pc.list_value_length(other))
        return bool(lengths[0].equals(lengths[1])) and _are_equal(one.flatten(), other.flatten())
    if pa.types.is_floating(one.type):
        return np.array_equal(
            one.to_numpy(zero_copy_only=False), other.to_numpy(zero_copy_only=False), equal_nan=True
        )
    return bool(one.equals(other))

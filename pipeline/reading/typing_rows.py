"""Conversion of raw batches to the column types; rows with an invalid value are set aside."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.reading import values
from pipeline.reading.columns import ARROW_TYPES, Column, Type
from pipeline.reading.files.csv_source import MAX_TEXT
from pipeline.reading.files.pieces import BadRow, RawBatch
from pipeline.reading.ingest_spec import IngestSpec, canonical_label

MAX_LABELS = 20


class Fault(NamedTuple):
    """Rows of a batch that are invalid for one reason."""

    column: str
    mask: values.Mask
    reason: str


@dataclass(kw_only=True)
class TypedBatch:
    """Rows in which every value has its column's type.

    Attributes:
        batch: The valid rows; a missing value is an Arrow null.
        rows: int64 [rows], their numbers in the file.
        bad_rows: The other rows, each with its first invalid column.
        labels: The most frequent label texts among the valid rows and their counts.
    """

    batch: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    bad_rows: list[BadRow]
    labels: dict[str, int]


def type_batch(
    raw: RawBatch, columns: Sequence[Column], spec: IngestSpec, *, path: str
) -> TypedBatch:
    """Converts every value to its column's type and sets aside rows in which one does not fit.

    Args:
        raw: Rows as stored in the file.
        columns: The columns of the examples; if the file lacks one, all its values are missing.
        spec: The ingestion settings.
        path: The file, for the bad rows.
    """
    bad = np.zeros(raw.batch.num_rows, bool)
    bad_rows: list[BadRow] = []
    typed: list[pa.Array] = []
    for column in columns:
        array, faults = _convert(raw.batch, column, spec)
        typed.append(array)
        for fault in faults:
            bad_rows += _report(raw, fault, fault.mask & ~bad, path)
            bad |= fault.mask
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
    good = pa.RecordBatch.from_arrays(typed, schema=schema)
    if bad.any():
        good = good.filter(pa.array(~bad))
    labels = _count_labels(raw.batch, spec.label, ~bad)
    return TypedBatch(batch=good, rows=raw.rows[~bad], bad_rows=bad_rows, labels=labels)


def _convert(
    batch: pa.RecordBatch, column: Column, spec: IngestSpec
) -> tuple[pa.Array, list[Fault]]:
    if column.parts:
        return _convert_wide(batch, column)
    raw = _raw_column(batch, column.name)
    faults = list(_missing_faults(raw, column.name, spec))
    if column.type == "empty" or pa.types.is_null(raw.type):
        return pa.nulls(len(raw), ARROW_TYPES[column.type]), faults
    array, mask, expected = _converter(column, spec)(raw)
    if mask.any():
        faults.append(Fault(column.name, mask, f"expected {expected}"))
    return array, faults


def _convert_wide(batch: pa.RecordBatch, column: Column) -> tuple[pa.Array, list[Fault]]:
    parts, faults = [], []
    for name in column.parts:
        part, mask = values.to_float(_raw_column(batch, name).cast(_plain(batch, name)))
        parts.append(part)
        if mask.any():
            faults.append(Fault(name, mask, "expected a number"))
    return values.stack(parts), faults


def _plain(batch: pa.RecordBatch, name: str) -> pa.DataType:
    kind = _raw_column(batch, name).type
    return pa.float64() if pa.types.is_null(kind) else kind


def _raw_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Returns the column with dictionaries decoded and single values taken out of their lists."""
    place = batch.schema.get_field_index(name)
    if place < 0:
        return pa.nulls(batch.num_rows)
    column = batch.column(place)
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column


def unwrap(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Unpacks the lists of a decoded tf.Example if none holds more than one value."""
    return pa.RecordBatch.from_arrays(
        [_unwrap_column(column) for column in batch.columns], names=batch.schema.names
    )


def _unwrap_column(column: pa.Array) -> pa.Array:
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return column
    lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    if lengths.size and lengths.max() > 1:
        return column
    places = np.where(lengths > 0, np.cumsum(lengths) - 1, 0)
    return column.flatten().take(pa.array(places, mask=lengths == 0))


def _missing_faults(raw: pa.Array, name: str, spec: IngestSpec) -> Iterator[Fault]:
    roles = {spec.split_column or "": spec.strategy, spec.label: "label"}
    if name in roles:
        missing = np.asarray(pc.is_null(raw, nan_is_null=True))
        if missing.any():
            yield Fault(name, missing, f"has no {roles[name]}")


Converted = tuple[pa.Array, values.Mask, str]


def _converter(column: Column, spec: IngestSpec) -> Callable[[pa.Array], Converted]:
    simple: dict[Type, tuple[Callable[[pa.Array], tuple[pa.Array, values.Mask]], str]] = {
        "int": (values.to_int, "a whole number"),
        "float": (values.to_float, "a number"),
        "bytes": (values.to_text, "UTF-8 text"),
        "time": (lambda raw: values.to_epoch(raw, column.time_format), _expected_time(column)),
        "label": (lambda raw: _label(raw, spec.positive), "UTF-8 text"),
    }
    if column.type in simple:
        convert, expected = simple[column.type]
        return lambda raw: (*convert(raw), expected)
    return lambda raw: (_to_lists(raw, column.type), np.zeros(len(raw), bool), "")


def _expected_time(column: Column) -> str:
    if column.time_format == values.EPOCH:
        return (
            "seconds (or milli-, micro-, nanoseconds) since 1970, or a time such as "
            "2026-01-31T12:00:00"
        )
    return f"a time as in the other rows ({column.time_format})"


def _label(raw: pa.Array, positive: str) -> tuple[pa.Array, values.Mask]:
    text, bad = values.to_text(raw)
    encoded = text.dictionary_encode()
    is_positive = np.array(
        [canonical_label(value.decode()) == positive for value in encoded.dictionary.to_pylist()],
        np.int64,
    )
    indices = encoded.indices
    return pa.array(is_positive, pa.int64()).take(indices), bad


def _to_lists(raw: pa.Array, kind: Type) -> pa.Array:
    if not pa.types.is_nested(raw.type):  # single values here, lists in other files
        raw = values.lists_of(raw.drop_null(), np.asarray(raw.is_valid()).astype(np.int64))
    if kind == "float list":
        return values.to_lists(raw, values.samples)
    if kind == "int list":
        return values.to_lists(raw, lambda flat: flat.cast(pa.int64()).fill_null(0))
    return values.to_lists(raw, lambda flat: values.to_text(flat)[0].fill_null(b""))


def _report(raw: RawBatch, fault: Fault, mask: values.Mask, path: str) -> list[BadRow]:
    if not mask.any():
        return []
    column = _raw_column(raw.batch, fault.column)
    bad_rows = []
    for place in np.flatnonzero(mask):
        text = _text(column[int(place)].as_py())
        missing = fault.reason.startswith("has no")
        reason = fault.reason if missing else f"`{text[:40]}` found, {fault.reason}"
        bad_rows.append(
            BadRow(
                path=path,
                row=int(raw.rows[place]),
                column=fault.column,
                reason=reason,
                text=text[:MAX_TEXT],
            )
        )
    return bad_rows


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _count_labels(batch: pa.RecordBatch, label: str, good: values.Mask) -> dict[str, int]:
    text, _ = values.to_text(_raw_column(batch, label).filter(pa.array(good)))
    counts = text.drop_null().value_counts()
    pairs = [(_text(item["values"].as_py()), item["counts"].as_py()) for item in counts]
    return dict(sorted(pairs, key=lambda pair: -pair[1])[:MAX_LABELS])

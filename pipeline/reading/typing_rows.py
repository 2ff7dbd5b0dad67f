"""Conversion of raw batches to the column types; rows with an invalid value are set aside."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.column_format import ColumnFormat
from pipeline.reading import contract, times, values
from pipeline.reading.columns import ARROW_TYPES, Column, Type, form_of
from pipeline.reading.files.csv_source import MAX_TEXT
from pipeline.reading.files.pieces import PROBLEM, PROBLEM_COLUMN, BadRow, RawBatch
from pipeline.reading.ingest_spec import IngestSpec, canonical_label
from pipeline.reading.lengths import expected_samples, fit_lengths

MAX_LABELS = 20
_TEXT = "UTF-8 text; `data.encoding` names another encoding"
NO_LABEL = "has no label"


class Fault(NamedTuple):
    """Rows of a batch that are invalid for one reason."""

    column: str
    mask: values.Mask
    reason: str
    is_told: bool = False  # the reason says what was found

    @property
    def is_missing(self) -> bool:
        """Whether the rows lack a value that they need."""
        return self.reason.startswith("has no")


@dataclass(kw_only=True)
class TypedBatch:
    """Rows in which every value has its column's type.

    Attributes:
        batch: The valid rows; a missing value is an Arrow null.
        rows: int64 [rows], their numbers in the file.
        bad_rows: The rows with a value that does not fit, each with its first such column.
        unlabelled: The rows that only lack a label, without the label's column.
        labels: The most frequent label texts among the valid rows and their counts.
        num_unread: Values that do not fit and count as missing, by column that nothing needs.
    """

    batch: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    bad_rows: list[BadRow]
    unlabelled: pa.RecordBatch
    labels: dict[str, int]
    num_unread: dict[str, int] = field(default_factory=dict)


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
    typed: list[pa.Array] = []
    faults: list[Fault] = []
    num_unread: dict[str, int] = {}
    for column in columns:
        array, unfit = _convert(raw.batch, column, spec)
        typed.append(array)
        if column.needed:
            faults += unfit
        else:
            num_unread |= {fault.column: int(fault.mask.sum()) for fault in unfit}
    faults = [*(_file_faults(raw.batch) if spec.path_columns else ()), *faults]
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
    batch = pa.RecordBatch.from_arrays(typed, schema=schema)
    bad_rows, unlabelled, good = _set_aside(raw, faults, path)
    return TypedBatch(
        batch=batch if good.all() else batch.filter(pa.array(good)),
        rows=raw.rows[good],
        bad_rows=bad_rows,
        unlabelled=batch.filter(pa.array(unlabelled)).select(
            [column.name for column in columns if column.type != "label"]
        ),
        labels=_count_labels(raw.batch, spec, good),
        num_unread=num_unread,
    )


def _file_faults(batch: pa.RecordBatch) -> list[Fault]:
    """Returns the rows with a file that could not be used, as its reading noted beside them."""
    if PROBLEM not in batch.schema.names:
        return []
    columns, problems = batch[PROBLEM_COLUMN].to_pylist(), batch[PROBLEM].to_pylist()
    places: dict[tuple[str, str], list[int]] = {}
    for place, (column, problem) in enumerate(zip(columns, problems, strict=True)):
        if problem is not None:
            places.setdefault((column or "", problem), []).append(place)
    faults = []
    for (column, problem), own in places.items():
        mask = np.zeros(batch.num_rows, bool)
        mask[own] = True
        faults.append(Fault(column, mask, problem, is_told=True))
    return faults


def _set_aside(
    raw: RawBatch, faults: Sequence[Fault], path: str
) -> tuple[list[BadRow], values.Mask, values.Mask]:
    """Returns the bad rows, which rows only lack a label, and which are good.

    A row without a label goes to no split, so it needs no group and no time.
    """
    bad_rows: list[BadRow] = []
    unlabelled, good = np.zeros(len(raw.rows), bool), np.ones(len(raw.rows), bool)
    for fault in sorted(faults, key=lambda fault: (fault.is_missing, fault.reason != NO_LABEL)):
        mask = fault.mask & good
        if fault.reason == NO_LABEL:
            unlabelled = mask
        else:
            bad_rows += _report(raw, fault, mask, path)
        good &= ~mask
    return bad_rows, unlabelled, good


def _convert(
    batch: pa.RecordBatch, column: Column, spec: IngestSpec
) -> tuple[pa.Array, list[Fault]]:
    if column.parts:
        return _convert_wide(batch, column, spec)
    raw = _raw_column(batch, column.name)
    if column.type == "label":
        return _label(raw, spec)
    if column.type == "empty":
        return pa.nulls(len(raw)), []
    if column.type == "media":
        return _files(raw), []
    if column.type.endswith("list"):
        if column.name in spec.path_signals:
            raw = _with_gaps(raw, spec.signals[column.name])
        return _fit_lists(_to_lists(raw, column.type), column.name, spec)
    array, mask = _read_scalar(raw, column, spec)
    faults = [Fault(column.name, mask, f"expected {_expected(column, spec)}")] if mask.any() else []
    if column.name == spec.split_column and array.null_count:
        missing = np.asarray(array.is_null()) & ~mask
        faults.append(Fault(column.name, missing, f"has no {spec.strategy}"))
    return array, faults


def _with_gaps(lists: pa.Array, num_samples: int) -> pa.Array:
    """Returns recordings with one of missing samples where there is none."""
    missing = np.asarray(lists.is_null())
    if not missing.any() or not pa.types.is_nested(lists.type):
        return lists
    gap = pa.array([[np.nan] * num_samples], lists.type)
    places = np.where(missing, len(lists), np.arange(len(lists)))
    return pa.concat_arrays([lists, gap]).take(pa.array(places))


def _files(raw: pa.Array) -> pa.Array:
    """Returns the bytes of files as they are; an empty one is missing."""
    contents = raw.cast(ARROW_TYPES["media"])
    empty = pc.equal(pc.binary_length(contents), 0)
    return pc.if_else(empty, None, contents) if pc.any(empty).as_py() else contents


def _read_scalar(raw: pa.Array, column: Column, spec: IngestSpec) -> tuple[pa.Array, values.Mask]:
    form = column.form or form_of(column.name, column.type, spec)
    array, mask = contract.read_column(raw, form, default_marks=spec.missing_values)
    if column.type == "float":
        return values.to_float(array)[0], mask
    return array.cast(ARROW_TYPES[column.type]), mask


def _convert_wide(
    batch: pa.RecordBatch, column: Column, spec: IngestSpec
) -> tuple[pa.Array, list[Fault]]:
    parts, faults = [], []
    for name in column.parts:
        part, mask = _read_scalar(_raw_column(batch, name), replace(column, type="float"), spec)
        parts.append(part)
        if mask.any():
            faults.append(Fault(name, mask, "expected a number"))
    return values.stack(parts), faults


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


def _expected(column: Column, spec: IngestSpec) -> str:
    form = column.form or form_of(column.name, column.type, spec)
    if form.type == "time":
        return _expected_time(form)
    if form.digits:
        return (
            f"a name of {form.digits} digits: another program has removed its leading zeros. Write "
            f"them, or, if it is a name, remove `digits` from data.columns.{column.name}"
        )
    if form.part:
        return f"a text that {form.part} matches, as data.columns.{column.name} says"
    plain = {
        "number": "a number",
        "code": "a whole number",
        "text": _TEXT,
        "truth": "a truth value such as true or false, yes or no, 1 or 0",
    }[form.type]
    marks = [f"decimal mark `{form.decimal}`"] if form.decimal not in (None, ".") else []
    marks += [f"thousands separator `{form.thousands}`"] if form.thousands else []
    marks += [f"unit `{form.suffix}`"] if form.suffix else []
    marks += [f"`{form.prefix}` before it"] if form.prefix else []
    expected = plain + (f" with {', '.join(marks)}" if marks else "")
    if not form.decimals:
        return expected
    return (
        f"{expected}, and with decimals: without them, `{form.thousands}` may be the decimal mark "
        f"of this file. Write its numbers as the contract says, or, if it means thousands, remove "
        f"`decimals` from data.columns.{column.name}"
    )


def _expected_time(form: ColumnFormat) -> str:
    if form.unit == "excel":
        return "a serial date of Excel (years 1980 to 2099), or an Arrow time"
    if form.unit is not None:
        return f"a number of {form.unit}" + (
            "" if form.elapsed else " since 1970, or an Arrow time"
        )
    if form.format in (None, times.ISO):
        return "a time such as 2026-01-31T12:00:00, or seconds since 1970 (years 1980 to 2100)"
    return f"a time written as {form.format}"


def _label(raw: pa.Array, spec: IngestSpec) -> tuple[pa.Array, list[Fault]]:
    text, missing, bad = label_texts(raw, spec.label_marks)
    distinct = text.dictionary_encode()
    meanings = [spec.is_positive(value) for value in distinct.dictionary.to_pylist()]
    is_positive = pa.array(meanings, pa.bool_()).take(distinct.indices)
    unknown = np.asarray(is_positive.is_null()) & ~missing & ~bad
    faults = [Fault(spec.label, missing, NO_LABEL)] if missing.any() else []
    if bad.any():
        faults.append(Fault(spec.label, bad, f"expected {_TEXT}"))
    if unknown.any():
        listed = ", ".join(f"`{value}`" for value in spec.label_values)
        reason = f"expected one of label.values: {listed}"
        faults.append(Fault(spec.label, unknown, reason))
    return is_positive.cast(pa.int64()), faults


def label_texts(
    raw: pa.Array, missing_values: Sequence[str]
) -> tuple[pa.Array, values.Mask, values.Mask]:
    """Returns the canonical texts of labels, which are missing, and which are not UTF-8.

    Blank texts, the missing marks and not-a-number, in any case, are missing labels.
    """
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pa.types.is_null(raw.type):
        raw = raw.cast(pa.string())
    column, bad = contract.read_column(
        raw, ColumnFormat(type="text"), default_marks=(*missing_values, "nan", "NaN", "NAN")
    )
    encoded = column.dictionary_encode()
    canonical = [canonical_label(text.decode()) for text in encoded.dictionary.to_pylist()]
    texts = pa.array(canonical, pa.string()).take(encoded.indices)
    missing = np.asarray(texts.is_null()) & ~bad
    return texts, missing, bad


def _to_lists(raw: pa.Array, kind: Type) -> pa.Array:
    if not pa.types.is_nested(raw.type):  # single values here, lists in other files
        raw = values.lists_of(raw.drop_null(), np.asarray(raw.is_valid()).astype(np.int64))
    if kind == "float list":
        return values.to_lists(raw, values.samples)
    if kind == "int list":
        return values.to_lists(raw, lambda flat: flat.cast(pa.int64()).fill_null(0))
    return values.to_lists(raw, lambda flat: values.to_text(flat)[0].fill_null(b""))


def _fit_lists(lists: pa.Array, name: str, spec: IngestSpec) -> tuple[pa.Array, list[Fault]]:
    """Brings the recordings of a signal to its number of samples, as the config asks for."""
    how = spec.lengths.get(name)
    if how is None:
        return lists, []
    num_samples = spec.signals[name]
    fitted, unfit = fit_lengths(lists, num_samples, how)
    expected = f"expected {expected_samples(num_samples, how)}"
    return fitted, [Fault(name, unfit, expected)] if unfit.any() else []


def _report(raw: RawBatch, fault: Fault, mask: values.Mask, path: str) -> list[BadRow]:
    if not mask.any():
        return []
    column = _raw_column(raw.batch, fault.column)
    bad_rows = []
    for place in np.flatnonzero(mask):
        text = _text(column[int(place)].as_py())
        is_whole = fault.is_missing or fault.is_told
        reason = fault.reason if is_whole else f"`{text[:40]}` found, {fault.reason}"
        bad_rows.append(
            BadRow(
                path=raw.source or path,
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


def _count_labels(batch: pa.RecordBatch, spec: IngestSpec, good: values.Mask) -> dict[str, int]:
    if spec.label not in batch.schema.names:
        return {}
    texts, _, _ = label_texts(_raw_column(batch, spec.label), spec.label_marks)
    counts = texts.filter(pa.array(good)).drop_null().value_counts()
    pairs = [(item["values"].as_py(), item["counts"].as_py()) for item in counts]
    return dict(sorted(pairs, key=lambda pair: -pair[1])[:MAX_LABELS])

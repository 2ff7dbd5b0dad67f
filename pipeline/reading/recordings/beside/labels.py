"""Tables of labels: the label and the context of each recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.recordings.beside.matching import normal_id
from pipeline.reading.recordings.beside.tables import (
    column_of,
    context_form,
    read_table,
    texts_of,
    typed_context,
)
from pipeline.reading.recordings.raw.arrays import load_arrays
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.rows.array_rows import class_numbers, num_labels
from pipeline.reading.recordings.rows.rows_file import label_texts


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a table of labels says of one recording.

    Attributes:
        label: Its label as text; None if it is empty.
        context: The other columns.
    """

    label: str | None
    context: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table with one row for each recording.

    Attributes:
        path: The file.
        rows: The rows by id.
        contradicted: Ids with several labels, and these.
        num_repeated: Rows that repeat another one.
        merged: Ids of several rows with one label, and the columns in which they differ.
        types: Types of the context columns.
    """

    path: str
    rows: dict[str, Row]
    contradicted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    num_repeated: int = 0
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    types: dict[str, pa.DataType] = field(default_factory=dict)


def read_label_table(path: Path, data: Data, *, id_column: str, label: str | None) -> LabelTable:
    """Reads a table of labels.

    Args:
        path: The file.
        data: The config's `data` block; its `columns` say how values are written.
        id_column: The column that names the recording.
        label: The label column; None if only the context counts.

    Raises:
        InputError: The file cannot be read or lacks a column, or a value is not as declared.
    """
    table = read_table(path, key="labels")
    ids = texts_of(column_of(table, id_column, path, key="id_column"))
    labels: list[str | None] = [None] * len(ids)
    if label is not None:
        labels = texts_of(column_of(table, label, path, key="label.column"))
    context, types = _context(table, data, {id_column, label}, path)
    rows: dict[str, list[Row]] = {}
    for place, name in enumerate(ids):
        if name is None:
            raise InputError(f"{path}, row {place + 1}: the column `{id_column}` is empty.")
        row = Row(label=labels[place], context={n: own[place] for n, own in context.items()})
        rows.setdefault(normal_id(name), []).append(row)
    several = {name: own for name, own in rows.items() if len(own) > 1}
    return LabelTable(
        path=str(path),
        rows={name: merge_rows(own) for name, own in rows.items()},
        contradicted={name: all_ for name, own in several.items() if (all_ := several_labels(own))},
        num_repeated=sum(own.count(own[0]) - 1 for own in several.values()),
        merged={name: differ for name, own in several.items() if (differ := _differing(own))},
        types=types,
    )


def several_labels(rows: Sequence[Row]) -> tuple[str, ...]:
    """Returns the labels of rows if they are several; one that is empty is shown as such."""
    labels = tuple(dict.fromkeys(row.label or "empty" for row in rows))
    return labels if len(labels) > 1 else ()


def merge_rows(rows: Sequence[Row]) -> Row:
    """Returns one row for several of one recording; a column in which they differ is missing."""
    differing = _differing(rows)
    if not differing:
        return rows[0]
    return replace(rows[0], context=rows[0].context | dict.fromkeys(differing))


def _differing(rows: Sequence[Row]) -> tuple[str, ...]:
    first = rows[0].context
    return tuple(n for n in first if any(row.context.get(n) != first[n] for row in rows[1:]))


def read_row_labels(path: Path, label: str) -> tuple[str | None, ...]:
    """Reads the labels of recordings in their order.

    Args:
        path: An NPY file of labels, or a table.
        label: The label's column of a table.

    Raises:
        InputError: The file cannot be read or lacks the column.
    """
    if path.suffix.lower() == ".npy" and path.is_file():
        try:
            [array] = load_arrays(str(path)).values()
        except UnusableError as error:
            raise InputError(f"data.recordings.labels: {path}: {error}.") from error
        return tuple(label_texts(class_numbers(array, num_labels(array))))
    table = read_table(path, key="labels")
    column = column_of(table, label, path, key="label.column")
    for name in table.column_names:
        if name != label:
            _check_order(name, table[name].combine_chunks(), path)
    return tuple(texts_of(column))


def _check_order(name: str, column: pa.Array, path: Path) -> None:
    """Checks that a column that numbers the recordings does so in their order.

    Raises:
        InputError: It has each number from 0 or 1 on once, and in another order.
    """
    numbers = pd.to_numeric(pd.Series(texts_of(column), dtype=object), errors="coerce").to_numpy()
    ordered = np.sort(numbers)
    first = ordered[0] if len(ordered) else 0
    is_numbering = first in (0, 1) and np.array_equal(ordered, first + np.arange(len(ordered)))
    if is_numbering and not np.array_equal(numbers, ordered):
        raise InputError(
            f"data.recordings.labels: {path} has the labels in the order of the recordings, but "
            f"its column `{name}` numbers its rows in another order. Sort the table by `{name}` if "
            "it has the places of the recordings, or else remove the column."
        )


def _context(
    table: pa.Table, data: Data, without: set[str | None], path: Path
) -> tuple[dict[str, list[Any]], dict[str, pa.DataType]]:
    context, types = {}, {}
    for name in table.column_names:
        if name in without:
            continue
        column = table[name].combine_chunks()
        form = context_form(column, name, data)
        typed, bad = typed_context(column, form, data)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"{path}, row {row + 1}, column `{name}`: {column[row].as_py()!r} does not fit "
                f"data.columns.{name}. Correct the value, or the declaration."
            )
        context[name], types[name] = typed.to_pylist(), typed.type
    return context, types

"""Columns of raw tables: their roles, and their values as samples.

A table is read in batches; each batch is converted at once and its text is released.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.column_format import ColumnFormat
from pipeline.config import Data
from pipeline.reading import contract, values
from pipeline.reading.recordings.raw.other_clocks import other_clocks
from pipeline.reading.recordings.raw.stamps import read_stamps
from pipeline.recording_options import Recordings

_NUMBER_SHARE = 0.9  # of the texts of a column of numbers; the others are errors
_MAX_TEXT = 40
# Names of an index that was written as a column, and of a column without a name.
_ROW_NUMBER = re.compile(
    r"|unnamed[:_ ]*\d+(_level_\d+)?|__index_level_\d+__|index|idx|row[_ ]?(no|number|id|index)?",
    re.IGNORECASE,
)
# Names of the number of a sample, and of channels: many rows tell them apart.
_SAMPLE_NUMBER = re.compile(
    r"#|i|n|nr\.?|no\.?|x|seq|sequence"
    r"|(sample|record|cycle|step|tick|point|scan|rec)s?[_ ]?(nr?|no|num|number|id|index)?",
    re.IGNORECASE,
)
_MANY_ROWS = 8


class Fault(NamedTuple):
    """A value that cannot be read.

    Attributes:
        place: Its row, from 0.
        column: Its column.
        text: What is there.
        expected: What was expected.
    """

    place: int
    column: str
    text: str
    expected: str

    def __str__(self) -> str:
        return (
            f"column `{self.column}`, row {self.place + 1:,}: `{self.text}` found, expected "
            f"{self.expected}"
        )


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns of raw tables are.

    Attributes:
        channels: Columns of samples.
        texts: Columns that are read as text: the id, the label, and what is constant in a
            recording.
        time: The column of times, if there is one.
        left_out: Columns without a role, which vary within a recording.
    """

    channels: tuple[str, ...]
    texts: tuple[str, ...]
    time: str | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Rows of a raw table, with their values read.

    Attributes:
        num_rows: Number of rows.
        channels: Name to float32 [rows]; NaN where missing.
        texts: Name to a dictionary array of text [rows].
        times_s: float64 [rows], NaN where missing; None without a column of times.
        has_dates: Whether times count from 1970.
        faults: Values that cannot be read, by row.
    """

    num_rows: int
    channels: dict[str, NDArray[np.float32]]
    texts: dict[str, pa.DictionaryArray]
    times_s: NDArray[np.float64] | None = None
    has_dates: bool = False
    faults: tuple[Fault, ...] = ()

    def shifted(self, num_rows: int) -> "Columns":
        """Returns these rows behind `num_rows` others."""
        if not self.faults:
            return self
        faults = tuple(fault._replace(place=fault.place + num_rows) for fault in self.faults)
        return replace(self, faults=faults)


def decide_roles(
    probes: Sequence[pa.RecordBatch], data: Data, options: Recordings, label: str | None
) -> Roles:
    """Returns the roles of columns, from a part of the data.

    By default, a numeric column is a channel if it varies within a recording and neither numbers
    its rows nor repeats their times. In a stream it need not vary: a part of one says little on
    what is constant. A column that is constant within every recording is context.

    Args:
        probes: The first rows of some files of recordings, or of a long table.
        data: The config's `data` block.
        options: Its `recordings`.
        label: The label column if it is in these files.
    """
    names = list(dict.fromkeys(name for probe in probes for name in probe.schema.names))
    others = {options.order_column, options.id_column, label}
    open_names = [name for name in names if name not in others]
    numeric = [name for name in open_names if any(_is_numeric(p, name, data) for p in probes)]
    varying = {
        name for name in open_names if any(_varies(p, name, options.id_column) for p in probes)
    }
    is_stream = options.form == "stream"
    no_channels = {name for name in numeric if _is_row_number(probes, name, data)}
    numbers = {name for name in numeric if _is_sample_number(probes, name, data)}
    if {*numeric} & varying - numbers - no_channels:  # others remain
        no_channels |= numbers
    if not options.channels and options.time_column:
        no_channels |= other_clocks(probes, numeric, options.time_column, data)
    channels = options.channels or tuple(
        name for name in numeric if (is_stream or name in varying) and name not in no_channels
    )
    texts = [name for name in (options.id_column, label) if name in names and name is not None]
    texts += [name for name in open_names if name not in (*channels, *varying)]
    return Roles(
        channels=channels,
        texts=tuple(dict.fromkeys(texts)),
        time=options.order_column,
        left_out=tuple(n for n in open_names if n in varying and n not in channels),
    )


def _is_row_number(probes: Sequence[pa.RecordBatch], name: str, data: Data) -> bool:
    """Tells whether a column numbers the rows: it has such a name, and rises by 1 in each row.

    Such a column is what pandas writes of its index. As a channel, it would tell a model where in
    the person's own table the recording was.
    """
    return _ROW_NUMBER.fullmatch(name) is not None and _rises_by_1(probes, name, data)


def _is_sample_number(probes: Sequence[pa.RecordBatch], name: str, data: Data) -> bool:
    """Tells whether a column numbers the samples, as those of loggers do."""
    num_rows = min((probe.num_rows for probe in probes if name in probe.schema.names), default=0)
    is_named = num_rows >= _MANY_ROWS and _SAMPLE_NUMBER.fullmatch(name) is not None
    return is_named and _rises_by_1(probes, name, data)


def _rises_by_1(probes: Sequence[pa.RecordBatch], name: str, data: Data) -> bool:
    roles = Roles(channels=(name,), texts=())
    own = [read_columns(probe, roles, data).channels.get(name) for probe in probes]
    return all(bool((np.diff(values) == 1).all()) for values in own if values is not None)


def _is_numeric(probe: pa.RecordBatch, name: str, data: Data) -> bool:
    if name not in probe.schema.names:
        return False
    column = probe[name]
    kind = column.type
    if values.is_text(kind) or pa.types.is_dictionary(kind):
        form = number_form(name, data)
        if form.type != "number":
            return False
        read, bad = contract.read_column(column, form, default_marks=data.missing_values)
        num_read = len(read) - read.null_count
        return bool(num_read and num_read >= _NUMBER_SHARE * (num_read + int(bad.sum())))
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(is_number or pa.types.is_boolean(kind))


def _varies(probe: pa.RecordBatch, name: str, id_column: str | None) -> bool:
    """Tells whether a column has two values in one recording; a missing value is none."""
    if name not in probe.schema.names:
        return False
    if id_column is None or id_column not in probe.schema.names:
        return bool(pc.count_distinct(_decoded(probe[name])).as_py() > 1)
    pairs = pa.table({"id": _decoded(probe[id_column]), "value": _decoded(probe[name])})
    counts = pairs.group_by("id").aggregate([("value", "count_distinct")])
    return bool(pc.any(pc.greater(counts["value_count_distinct"], 1)).as_py())


def _decoded(column: pa.Array) -> pa.Array:
    """Returns a column without the dictionary that categories of data frames have in Parquet."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def number_form(name: str, data: Data) -> ColumnFormat:
    """Returns how the numbers of a column are written."""
    form = data.columns.get(name) or ColumnFormat(type="number")
    if form.type != "number":
        return form
    return replace(
        form,
        decimal=form.decimal or data.decimal,
        thousands=form.thousands or data.thousands,
    )


def read_columns(batch: pa.RecordBatch, roles: Roles, data: Data) -> Columns:
    """Returns the values of a batch of rows.

    Args:
        batch: Rows as stored; text of CSV is binary.
        roles: The roles of the columns; one that the batch lacks is left out.
        data: The config's `data` block.
    """
    faults: list[Fault] = []
    channels: dict[str, NDArray[np.float32]] = {}
    names = batch.schema.names
    for name in (name for name in roles.channels if name in names):
        form = replace(number_form(name, data), type="number")
        read, bad = contract.read_column(batch[name], form, default_marks=data.missing_values)
        faults += _faults(batch, name, bad, "a number")
        channels[name] = np.asarray(read.cast(pa.float32()).fill_null(np.float32(np.nan)))
    times_s, has_dates = None, False
    if roles.time is not None and roles.time in names:
        stamps = read_stamps(batch[roles.time], data.columns.get(roles.time), decimal=data.decimal)
        times_s, has_dates, bad = stamps
        faults += _faults(batch, roles.time, bad, _expected_time(roles.time, data))
    return Columns(
        num_rows=batch.num_rows,
        channels=channels,
        texts={name: _as_text(batch[name]) for name in roles.texts if name in names},
        times_s=times_s,
        has_dates=has_dates,
        faults=tuple(faults),
    )


def _expected_time(name: str, data: Data) -> str:
    if name in data.columns:
        return f"a time as data.columns.{name} declares it"
    return (
        f"seconds, or a time such as 2026-01-31T12:00:00.5; declare others in data.columns.{name}"
    )


def _faults(batch: pa.RecordBatch, name: str, bad: values.Mask, expected: str) -> list[Fault]:
    if not bad.any():
        return []
    column = batch[name]
    return [
        Fault(int(place), name, _shown(column[int(place)].as_py()), expected)
        for place in np.flatnonzero(bad)
    ]


def _shown(value: object) -> str:
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return text[:_MAX_TEXT]


def _as_text(column: pa.Array) -> pa.DictionaryArray:
    """Returns trimmed texts; an empty one is missing."""
    encoded = _decoded(column).dictionary_encode()
    read, bad = contract.read_column(
        encoded.dictionary, ColumnFormat(type="text"), default_marks=()
    )
    texts = pc.if_else(pa.array(bad), None, read).cast(pa.string())
    if texts.null_count == 0 and len(texts.unique()) == len(texts):
        return pa.DictionaryArray.from_arrays(encoded.indices, texts)
    return texts.take(encoded.indices).dictionary_encode()


def join_columns(parts: Sequence[Columns]) -> Columns:
    """Returns the rows of several batches of one table.

    A channel or text that some of them lack is missing in their rows.
    """
    if len(parts) == 1:
        return parts[0]
    channels = dict.fromkeys(name for part in parts for name in part.channels)
    texts = dict.fromkeys(name for part in parts for name in part.texts)
    times = [part.times_s for part in parts]
    return Columns(
        num_rows=sum(part.num_rows for part in parts),
        channels={name: _joined_channel(parts, name) for name in channels},
        texts={name: _joined_text(parts, name) for name in texts},
        times_s=None if times[0] is None else np.concatenate([t for t in times if t is not None]),
        has_dates=all(part.has_dates for part in parts),
        faults=tuple(fault for part in parts for fault in part.faults),
    )


def _joined_channel(parts: Sequence[Columns], name: str) -> NDArray[np.float32]:
    nothing = np.float32(np.nan)
    return np.concatenate(
        [
            part.channels[name] if name in part.channels else np.full(part.num_rows, nothing)
            for part in parts
        ]
    )


def _joined_text(parts: Sequence[Columns], name: str) -> pa.DictionaryArray:
    kind = pa.dictionary(pa.int32(), pa.string())
    chunks = [
        part.texts[name] if name in part.texts else pa.nulls(part.num_rows, kind) for part in parts
    ]
    return pa.chunked_array(chunks, kind).unify_dictionaries().combine_chunks()

"""Tables beside the recordings: one of labels and context, one of events."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.column_format import ColumnFormat, CsvLayout
from pipeline.config import Data
from pipeline.reading import contract, values
from pipeline.reading.files.encodings import detect_encoding
from pipeline.reading.files.sources import common_format, plan_pieces, read_piece
from pipeline.reading.recordings.raw.arrays import load_arrays
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.columns import number_form
from pipeline.reading.recordings.raw.listing import stem
from pipeline.reading.recordings.raw.rows import label_texts
from pipeline.reading.recordings.raw.stamps import Offsets, offsets_of, read_stamps

# What the context of a recording is stored as, by the type of its values.
CONTEXT_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "code": pa.int64(),
    "text": pa.string(),
    "truth": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
}
# Start and end of an event in seconds on the clock of its recording, and its kind.
Interval = tuple[float, float, str]
_HAPPENS = {"start": "starts", "end": "ends"}


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
        contradicted: Ids that several rows describe differently.
        num_repeated: Rows that repeat another one.
        types: Types of the context columns.
    """

    path: str
    rows: dict[str, Row]
    contradicted: frozenset[str] = frozenset()
    num_repeated: int = 0
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
    ids = _texts(_column(table, id_column, path, key="id_column"))
    labels: list[str | None] = [None] * len(ids)
    if label is not None:
        labels = _texts(_column(table, label, path, key="label.column"))
    context, types = _context(table, data, {id_column, label}, path)
    rows: dict[str, Row] = {}
    contradicted: set[str] = set()
    num_repeated = 0
    for place, name in enumerate(ids):
        if name is None:
            raise InputError(f"{path}, row {place + 1}: the column `{id_column}` is empty.")
        row = Row(label=labels[place], context={n: own[place] for n, own in context.items()})
        other = rows.setdefault(normal_id(name), row)
        if other is not row and other == row:
            num_repeated += 1
        elif other is not row:
            contradicted.add(normal_id(name))
    return LabelTable(
        path=str(path),
        rows=rows,
        contradicted=frozenset(contradicted),
        num_repeated=num_repeated,
        types=types,
    )


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
        return tuple(label_texts(array.reshape(-1)))
    return tuple(_texts(_column(read_table(path, key="labels"), label, path, key="label.column")))


def read_table(path: Path, *, key: str) -> pa.Table:
    """Reads a whole small table; text of CSV is binary.

    Args:
        path: A file of any format that `data.path` may have.
        key: The key below `data.recordings` that names it, for messages.

    Raises:
        InputError: It does not exist, is empty, or has a row that cannot be read.
    """
    if not path.is_file():
        raise InputError(f"data.recordings.{key} names {path}, which is not a file.")
    file_format = common_format([str(path)])
    is_csv = file_format == "csv"
    layout = CsvLayout(encoding=detect_encoding(str(path))) if is_csv else CsvLayout()
    [piece] = plan_pieces([str(path)], file_format, layout=layout, whole_files=True)
    batches = []
    for raw in read_piece(replace(piece, partition=())):
        if raw.bad_rows:
            raise InputError(f"data.recordings.{key}: {raw.bad_rows[0]}.")
        batches.append(raw.batch)
    if not sum(batch.num_rows for batch in batches):
        raise InputError(f"data.recordings.{key}: {path} has no rows.")
    return pa.Table.from_batches(batches).combine_chunks()


def _column(table: pa.Table, name: str, path: Path, *, key: str) -> pa.Array:
    if name not in table.column_names:
        listed = ", ".join(f"`{column}`" for column in table.column_names[:20])
        raise InputError(f"{path} has no column `{name}`, which {key} names. It has {listed}.")
    return table[name].combine_chunks()


def _texts(column: pa.Array) -> list[str | None]:
    read, _ = contract.read_column(column, ColumnFormat(type="text"), default_marks=())
    return [None if text is None else text.decode() for text in read.to_pylist()]


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


def context_form(column: pa.Array, name: str, data: Data) -> ColumnFormat:
    """Returns how the values of a context column are written: as declared, else by all of them."""
    kind = column.type
    declared = data.columns.get(name)
    if declared is not None:
        return declared if declared.type != "number" else number_form(name, data)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return ColumnFormat(type="time")
    if pa.types.is_boolean(kind):
        return ColumnFormat(type="truth")
    for form in (ColumnFormat(type="code"), number_form(name, data)):
        typed, bad = contract.read_column(column, form, default_marks=data.missing_values)
        if not bad.any() and typed.null_count < len(typed):
            return form
    return ColumnFormat(type="text")


def typed_context(column: pa.Array, form: ColumnFormat, data: Data) -> tuple[pa.Array, values.Mask]:
    """Returns values of a context column as the assembled table has them, and which do not fit."""
    kind = CONTEXT_TYPES[form.type]
    if form.type == "time" and not form.elapsed:
        seconds, _, bad = read_stamps(column, form, decimal=data.decimal)
        is_missing = ~np.isfinite(seconds)
        micros = np.where(is_missing, 0, np.round(seconds * 1e6)).astype(np.int64)
        return pa.array(micros, mask=is_missing).cast(kind), bad
    typed, bad = contract.read_column(column, form, default_marks=data.missing_values)
    if form.type == "time":
        return pc.divide(typed.cast(pa.float64()), 1e6), bad
    return typed.cast(kind), bad


def typed_text(text: str, form: ColumnFormat, data: Data) -> Any:
    """Returns one value of a context column; None where its text means a missing one.

    Raises:
        ValueError: The text does not fit.
    """
    is_plain = form == ColumnFormat(type=form.type) or form == ColumnFormat(
        type=form.type, decimal="."
    )
    if text not in data.missing_values and is_plain and form.type in ("number", "code"):
        return float(text) if form.type == "number" else int(text)
    typed, bad = typed_context(pa.array([text]), form, data)
    if bad[0]:
        raise ValueError(f"{text!r} is no {form.type}")
    return typed[0].as_py()


def normal_id(name: str) -> str:
    r"""Returns an id with the separators of a path.

    >>> normal_id(".\\night\\7.wav"), normal_id("7")
    ('night/7.wav', '7')
    """
    return name.strip().replace("\\", "/").removeprefix("./")


class FileMatcher:
    """Finds what a table says of a file: by its path below the folder, or by its name.

    Each is tried with suffix and without, and the path also without its outer folders. An id with
    more folders than the path must be the end of the absolute path: `b/7.wav` is not the file
    `a/7.wav`, even if `a` is the folder. An absolute id may be from another computer, so its last
    folder decides. An id that means no file as written is compared regardless of upper and lower
    case, and then without the zeros before its numbers, which a spreadsheet drops from `001`.

    Args:
        ids: The ids of the table.
        names: Paths of all files below the folder.
        base: The folder.
    """

    def __init__(self, ids: Sequence[str], names: Sequence[str], *, base: str) -> None:
        folder = Path(base).absolute().as_posix()
        self._exact = _Index(ids, names, folder, composed)
        self._folded = _Index(ids, names, folder, folded)
        others = [id_ for id_ in ids if not self._folded.has_file(id_)]
        self._unpadded = _Index(others, names, folder, unpadded)

    def match(self, name: str) -> list[str]:
        """Returns the ids that mean a file, without those that mean several files.

        Args:
            name: The file's path below the folder.
        """
        return self._exact.match(name) or self._folded.match(name) or self._unpadded.match(name)

    def ambiguous(self, name: str) -> str | None:
        """Returns an id that means this file and another one, or None."""
        indexes = (self._exact, self._folded, self._unpadded)
        return next((id_ for index in indexes if (id_ := index.ambiguous(name))), None)


def composed(name: str) -> str:
    """Returns a name with one code point for a letter and its accent; macOS stores two."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Returns a name without the difference between upper and lower case."""
    return composed(name).casefold()


def unpadded(name: str) -> str:
    """Returns a name in any case without the zeros before its numbers.

    >>> unpadded("Night_01/007.wav"), unpadded("0.05.csv")
    ('night_1/7.wav', '0.05.csv')
    """
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", folded(name))


class _Index:
    """Ids by what they may be called, in one form of writing."""

    def __init__(
        self, ids: Sequence[str], names: Sequence[str], base: str, form: Callable[[str], str]
    ) -> None:
        self._form = form
        folders = form(base).split("/")
        whole: dict[str, list[str]] = {}
        tails: dict[str, list[str]] = {}
        for id_ in ids:
            parts = form(id_).split("/")
            whole.setdefault("/".join(parts), []).append(id_)
            for first in (n for n in range(1, len(parts)) if _is_below(parts, n, folders)):
                tails.setdefault("/".join(parts[first:]), []).append(id_)
        self._ids = _unique(whole)
        self._ids_of_paths = _unique(tails | whole)
        self._num_files = Counter(
            key
            for name in names
            for key in dict.fromkeys((*_paths(form(name)), *_tails(form(name))))
        )

    def match(self, name: str) -> list[str]:
        keys = self._ids_by_key(name).items()
        return list(dict.fromkeys(id_ for key, id_ in keys if self._num_files[key] == 1))

    def has_file(self, id_: str) -> bool:
        return self._form(id_) in self._num_files

    def ambiguous(self, name: str) -> str | None:
        keys = self._ids_by_key(name).items()
        return next((id_ for key, id_ in keys if self._num_files[key] > 1), None)

    def _ids_by_key(self, name: str) -> dict[str, str]:
        name = self._form(name)
        by_tail = {key: self._ids[key] for key in _tails(name) if key in self._ids}
        paths = (key for key in _paths(name) if key in self._ids_of_paths)
        return {key: self._ids_of_paths[key] for key in paths} | by_tail


def _is_below(parts: Sequence[str], first: int, folders: Sequence[str]) -> bool:
    """Tells whether an id's parts from `first` on may be a path below a folder."""
    outer = parts[:first]
    if outer == folders[-first:]:
        return True
    is_absolute = not parts[0] or parts[0].endswith(":")
    return is_absolute and (first < len(parts) - 1 or outer[-1] == folders[-1])


def _unique(owners: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {key: own[0] for key, own in owners.items() if len(own) == 1}


def _paths(name: str) -> tuple[str, str]:
    folder, slash, end = name.rpartition("/")
    return name, f"{folder}{slash}{stem(end)}"


def _tails(name: str) -> Iterator[str]:
    """Yields a path without its outer folders, with and without suffix; last the name alone."""
    for path in _paths(name):
        parts = path.split("/")
        yield from ("/".join(parts[first:]) for first in range(1, len(parts)))
    yield from _paths(name.rpartition("/")[2])


def read_events(
    path: Path, data: Data, *, recordings: Sequence[str], time_column: str, offsets: Offsets
) -> dict[str, list[Interval]]:
    """Reads a table of events.

    Args:
        path: The file, with the columns `recording`, `start`, `end` and perhaps `kind`. Without
            `recording`, all events are of the only recording.
        data: The config's `data` block; times are written as `data.columns` says for the column,
            else as it says for `time_column`.
        recordings: The recordings, for a table without their column.
        time_column: The column of the samples' times.
        offsets: How the samples' times differ from UTC.

    Returns:
        The events of each recording that the table names, by its text there.

    Raises:
        InputError: The file cannot be read or lacks a column, a value is no time, or only the
            events or only the samples have offsets from UTC.
    """
    table = read_table(path, key="events")
    if "recording" not in table.column_names and len(recordings) == 1:
        names: list[str | None] = [recordings[0]] * table.num_rows
    else:
        names = _texts(_column(table, "recording", path, key="data.recordings.events"))
    ends = [
        _times_of_events(table, name, path, data, time_column=time_column, offsets=offsets)
        for name in ("start", "end")
    ]
    kinds: list[str | None] = [None] * table.num_rows
    if "kind" in table.column_names:
        kinds = _texts(table["kind"].combine_chunks())
    events: dict[str, list[Interval]] = {}
    for name, start, end, kind in zip(names, *ends, kinds, strict=True):
        interval = (float(start), float(end), kind or "")
        events.setdefault(normal_id(name or ""), []).append(interval)
    return events


def _times_of_events(
    table: pa.Table, name: str, path: Path, data: Data, *, time_column: str, offsets: Offsets
) -> NDArray[np.float64]:
    column = _column(table, name, path, key="data.recordings.events")
    form = data.columns.get(name) or data.columns.get(time_column)
    if offsets_of(column, form).contradicts(offsets):
        have, lack = f"`{name}` in {path}", f"`{time_column}`"
        if offsets.is_shifted:
            have, lack = lack, have
        raise InputError(
            f"The times in {have} have offsets from UTC, and those in {lack} have none, so they "
            "might be hours apart. Write the offsets in both, or declare the IANA zone of times "
            f"without one in data.columns.{name}.zone and data.columns.{time_column}.zone."
        )
    seconds, _, bad = read_stamps(column, form, decimal=data.decimal)
    wrong = np.flatnonzero(bad | ~np.isfinite(seconds))
    if wrong.size:
        text = column[int(wrong[0])].as_py()
        if text is None or not bad[wrong[0]]:
            raise InputError(
                f"{path}, row {wrong[0] + 1}: the column `{name}` is empty. Write when the event "
                f"{_HAPPENS[name]}; for one that goes on, the time of the recording's last sample."
            )
        shown = text.decode(errors="backslashreplace") if isinstance(text, bytes) else text
        raise InputError(
            f"{path}, row {wrong[0] + 1}, column `{name}`: `{shown}` is not a time like those "
            f"of `{time_column}`; declare others in data.columns.{name}."
        )
    return seconds

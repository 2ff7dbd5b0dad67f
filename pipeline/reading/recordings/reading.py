"""Reader of raw recordings: every form and every medium as `Recording`s."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.config import Data, Label
from pipeline.counting import count
from pipeline.reading.recordings.beside import CONTEXT_TYPES, Row, context_form, typed_text
from pipeline.reading.recordings.labelling import Labeller, positive_samples
from pipeline.reading.recordings.raw import media, tables
from pipeline.reading.recordings.raw.clock import UnusableError, at_rate
from pipeline.reading.recordings.raw.columns import (
    Columns,
    Roles,
    decide_roles,
    join_columns,
    read_columns,
)
from pipeline.reading.recordings.raw.groups import (
    Group,
    groups_of,
    is_rate_name,
    sorted_by_id,
    take_rate,
    usable_samples,
)
from pipeline.reading.recordings.raw.listing import probes_of, recording_names
from pipeline.reading.recordings.raw.stamps import Offsets, offsets_of, undeclared_unit
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.recording_options import OWN_COLUMNS, Recordings

VARYING = "recording with several values in a column that is constant in others; missing there"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is read, and how.

    Attributes:
        files: The raw files.
        base: Folder that the names of files are relative to.
        data: The config's `data` block, with `recordings`.
        label: The label; None for predictions.
        folder: Folder that the tables beside are relative to.
        nominal_hz: Rate that samples are brought to; None keeps their own.
    """

    files: Sequence[str]
    base: str
    data: Data
    label: Label | None
    folder: Path
    nominal_hz: float | None = None

    @property
    def options(self) -> Recordings:
        """How raw files become recordings."""
        assert self.data.recordings is not None  # noqa: S101 - the caller checked it
        return self.data.recordings

    @property
    def label_column(self) -> str | None:
        """The label column of the raw files; None if the label comes from elsewhere."""
        if self.label is None or not self.options.has_label_column:
            return None
        return self.label.column

    @property
    def is_grouped(self) -> bool:
        """Whether the recordings of a table are told apart by an id."""
        return self.options.form != "files" and self.options.id_column is not None


class RecordingReader:
    """Reads the recordings of a request.

    They are in the order of the files' names; those of a long table in that of its ids' first rows.

    Args:
        request: What is read.

    Raises:
        InputError: The options do not fit the files.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._names = recording_names(request.files, request.base)
        self._labeller = Labeller(
            request.data,
            request.options,
            label=request.label,
            base=request.base,
            files=request.files,
            folder=request.folder,
        )
        self._num_bad_rows = 0

    @cached_property
    def roles(self) -> Roles:
        """The roles of the columns of tables, from the first rows of some files."""
        request = self._request
        roles = decide_roles(self._probes, request.data, request.options, request.label_column)
        _check_roles(roles, self._probes, request)
        _check_unit(roles.time, self._probes, request.data)
        return roles

    @cached_property
    def _probes(self) -> list[pa.RecordBatch]:
        files, data = self._request.files, self._request.data
        return [batch for file in probes_of(files) for batch in _first_batch(file, data)]

    @cached_property
    def _forms(self) -> dict[str, ColumnFormat]:
        """How the context columns of the raw files are written."""
        request = self._request
        texts: dict[str, list[str]] = {}
        roles = replace(self.roles, channels=(), time=None)
        for batch in self._probes:
            for name, text in read_columns(batch, roles, request.data).texts.items():
                texts.setdefault(name, []).extend(text.unique().drop_null().to_pylist())
        without = {request.label_column, request.options.id_column, *self._labeller.types}
        return {
            name: context_form(pa.array(values, pa.string()), name, request.data)
            for name, values in texts.items()
            if name not in without and not is_rate_name(name)
        }

    @property
    def context_types(self) -> dict[str, pa.DataType]:
        """Types of the context columns, by name."""
        if self._request.options.media != "table":
            return self._labeller.types
        own = {name: CONTEXT_TYPES[form.type] for name, form in self._forms.items()}
        return {n: kind for n, kind in (own | self._labeller.types).items() if n not in OWN_COLUMNS}

    @property
    def has_rate(self) -> bool:
        """Whether recordings may have a sampling rate."""
        options = self._request.options
        if options.media != "table":
            return options.media == "audio"
        given = [*self.roles.texts, *self._labeller.types]
        return options.time_column is not None or any(map(is_rate_name, given))

    @property
    def offsets(self) -> Offsets:
        """How the samples' times differ from UTC, by the first rows of some files."""
        name, columns = self.roles.time, self._request.data.columns
        of_probes = [
            offsets_of(probe[name], columns.get(name))
            for probe in self._probes
            if name is not None and name in probe.schema.names
        ]
        return Offsets(any(o.is_naive for o in of_probes), any(o.is_shifted for o in of_probes))

    @property
    def unnamed(self) -> set[str]:
        """Names of the recordings to predict that the table of labels does not name."""
        return {self._names.get(key, key) for key in self._labeller.unnamed}

    def notes(self) -> list[str]:
        """Returns what is remarkable of the columns and of the table of labels, in words."""
        if self._request.options.media != "table" or not self.roles.left_out:
            return self._labeller.notes()
        listed = ", ".join(f"`{name}`" for name in self.roles.left_out)
        return [
            *self._labeller.notes(),
            f"left out, since no channel and not constant within a recording: {listed}",
        ]

    def __iter__(self) -> Iterator[Recording | BadRecording]:
        """Yields the recordings, then the labels without one."""
        request = self._request
        if request.options.media != "table":
            yield from tables.in_order(self._read_media, request.files)
        else:
            yield from self._read_tables()
        yield from self._labeller.unused()

    def _read_tables(self) -> Iterator[Recording | BadRecording]:
        # Before the threads, which would decide them twice; then their memory is free.
        _ = self.roles, self._forms
        del self._probes
        if self._request.is_grouped:
            yield from self._read_long()
        else:
            yield from tables.in_order(self._read_file, self._request.files)

    def _read_media(self, file: str) -> Recording | BadRecording:
        name = self._names[file]
        try:
            row = self._labeller.of_file(file)
            rate_hz = None
            if self._request.options.media == "audio":
                content, rate_hz = media.read_sound(file)
            else:
                content = media.read_picture(file)
        except UnusableError as error:
            return BadRecording(name=name, path=file, reason=str(error))
        return Recording(
            name=name,
            path=file,
            content=content,
            rate_hz=rate_hz,
            label=row.label,
            context=row.context,
        )

    def _read_file(self, file: str) -> Recording | BadRecording:
        name, request = self._names[file], self._request
        try:
            row = self._labeller.of_file(file)
            wanted = (*request.options.channels, *self._time_and_label)
            batches = tables.read_batches(
                file, request.data, wanted if request.options.channels else ()
            )
            parts: list[Columns] = []
            for batch in batches:
                rows = sum(part.num_rows for part in parts)
                parts.append(read_columns(batch, self.roles, request.data).shifted(rows))
            columns = join_columns(parts) if parts else None
            if columns is None or not columns.num_rows:
                raise UnusableError("it has no rows")
            _check_columns(columns, request)
            [group] = groups_of(
                self._without_label(columns),
                np.zeros(1, np.int64),
                [name],
                sample_labels=self._sample_labels(columns),
            )
            return self._recording(group, row, path=file, has_dates=columns.has_dates)
        except UnusableError as error:
            return BadRecording(name=name, path=file, reason=str(error))

    @property
    def _time_and_label(self) -> tuple[str, ...]:
        options = self._request.options
        return tuple(n for n in (options.time_column, self._request.label_column) if n)

    def _read_long(self) -> Iterator[Recording | BadRecording]:
        request = self._request
        parts, bad_rows = tables.read_long(request.files, request.data, self.roles)
        path = request.files[0] if len(request.files) == 1 else request.base
        for bad in bad_rows:
            yield BadRecording(name=f"row {bad.row}", path=bad.path, reason=bad.reason)
        if not parts:
            return
        columns = join_columns(parts)
        parts.clear()
        id_column = request.options.id_column or ""
        columns, starts, ids, num_without = sorted_by_id(columns, id_column)
        if num_without:
            reason = f"{count(num_without, 'row')} without an id in `{id_column}`"
            yield BadRecording(name="rows without an id", path=path, reason=reason)
        if not ids:
            return
        try:
            flags = self._sample_labels(columns)
        except UnusableError as error:
            raise InputError(f"{path}: {error}. Label each sample, or remove its row.") from error
        for group in groups_of(self._without_label(columns), starts, ids, sample_labels=flags):
            try:
                row = self._labeller.of_id(group.name)
                yield self._recording(group, row, path=path, has_dates=columns.has_dates)
            except UnusableError as error:
                yield BadRecording(name=group.name, path=path, reason=str(error))

    def _recording(self, group: Group, row: Row, *, path: str, has_dates: bool) -> Recording:
        request, options = self._request, self._request.options
        samples = usable_samples(group, is_stream=options.form == "stream")
        constants, rate_hz = take_rate(group.constants | _rate_texts(row))
        if samples.rate_hz is None:
            samples = replace(samples, rate_hz=rate_hz)
        samples = at_rate(samples, request.nominal_hz)
        label, label_column = row.label, request.label_column
        if label_column is not None and options.form != "stream":
            if label_column in group.varying:
                raise UnusableError(f"it has two labels: `{label_column}` differs between its rows")
            label = constants.get(label_column)
        counts = samples.counts.copy()
        counts[VARYING] += bool(set(group.varying) & set(self._forms))
        return Recording(
            name=group.name,
            path=path,
            times_s=samples.times_s,
            has_dates=has_dates and samples.times_s is not None,
            channels=samples.channels,
            rate_hz=samples.rate_hz,
            label=label,
            sample_labels=samples.labels,
            context=self._typed(constants) | _without_rate(row),
            counts=counts,
        )

    def _typed(self, constants: dict[str, str | None]) -> dict[str, Any]:
        typed = {}
        for name, form in self._forms.items():
            text = constants.get(name)
            try:
                typed[name] = None if text is None else self._typed_text(text, form)
            except ValueError as error:
                raise UnusableError(f"column `{name}`: {error}, as it is elsewhere") from error
        return typed

    @cached_property
    def _typed_text(self) -> Any:
        data = self._request.data
        return lru_cache(maxsize=4_096)(lambda text, form: typed_text(text, form, data))

    def _without_label(self, columns: Columns) -> Columns:
        """Leaves out the label of each sample, which is not constant."""
        if self._request.options.form != "stream" or self._request.label_column is None:
            return columns
        texts = {n: t for n, t in columns.texts.items() if n != self._request.label_column}
        return replace(columns, texts=texts)

    def _sample_labels(self, columns: Columns) -> NDArray[np.bool_] | None:
        request, column = self._request, self._request.label_column
        if request.options.form != "stream" or column is None or request.label is None:
            return None
        return positive_samples(columns.texts[column], request.label, request.data)


def _check_columns(columns: Columns, request: Request) -> None:
    time_column, label_column = request.options.time_column, request.label_column
    if time_column is not None and columns.times_s is None:
        raise UnusableError(f"it has no column `{time_column}` with the times")
    if label_column is not None and label_column not in columns.texts:
        raise UnusableError(f"it has no column `{label_column}` with the label")


def _first_batch(file: str, data: Data) -> list[pa.RecordBatch]:
    try:
        return list(islice(tables.read_batches(file, data), 1))
    except UnusableError:
        return []  # reading it will say so


def _check_roles(roles: Roles, probes: Sequence[pa.RecordBatch], request: Request) -> None:
    if not probes:
        return
    names = list(dict.fromkeys(name for probe in probes for name in probe.schema.names))
    wanted = {
        "data.recordings.id_column": request.options.id_column if request.is_grouped else None,
        "data.recordings.time_column": roles.time,
        "label.column": request.label_column,
    }
    wanted |= {f"data.recordings.channels ({name})": name for name in roles.channels}
    for key, name in wanted.items():
        if name is not None and name not in names:
            listed = ", ".join(f"`{column}`" for column in names[:30])
            raise InputError(
                f"{key} names the column `{name}`, which no raw file has. Columns of "
                f"{request.files[0]}: {listed}."
            )
    if not roles.channels:
        raise InputError(
            f"No channels found in {request.files[0]}: none of its columns is numeric and varies "
            f"within a recording. Its columns are {', '.join(f'`{name}`' for name in names[:30])}. "
            "Name the channels in data.recordings.channels, or correct data.decimal or "
            "data.columns."
        )
    taken = [name for name in roles.channels if name in OWN_COLUMNS]
    if taken:
        raise InputError(
            f"The raw files have a column `{taken[0]}`, which the assembly of recordings adds "
            "itself. Rename it, or list the channels without it in data.recordings.channels."
        )


def _check_unit(name: str | None, probes: Sequence[pa.RecordBatch], data: Data) -> None:
    """Checks that numeric times are no seconds by mistake."""
    form = data.columns.get(name or "")
    for probe in probes:
        if name is None or name not in probe.schema.names:
            continue
        unit = undeclared_unit(probe[name], name, form, decimal=data.decimal)
        if unit is not None:
            raise InputError(
                f"The times in `{name}` are numbers, which are read as seconds, but they seem to "
                f"be in {unit}. Declare the unit: set data.columns.{name} to {{type: time, unit: "
                f"{unit}, elapsed: true}}, with `elapsed: false` if the times count from 1970."
            )


def _rate_texts(row: Row) -> dict[str, str | None]:
    """Returns what a table of labels says of the sampling rate."""
    return {n: str(value) for n, value in row.context.items() if is_rate_name(n) and value}


def _without_rate(row: Row) -> dict[str, Any]:
    return {n: value for n, value in row.context.items() if not is_rate_name(n)}

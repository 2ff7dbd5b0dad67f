"""Survey of raw recordings before they are read: names, labels, roles of their columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.config import Data
from pipeline.reading.recordings.beside.labels import Row, read_row_labels
from pipeline.reading.recordings.beside.tables import CONTEXT_TYPES, context_form
from pipeline.reading.recordings.labelling import Labeller
from pipeline.reading.recordings.parts.job import NO_ROLES, Item, Job, Wanted
from pipeline.reading.recordings.raw import tables
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.columns import Roles, decide_roles, read_columns
from pipeline.reading.recordings.raw.groups import is_rate_name
from pipeline.reading.recordings.raw.listing import probes_of, recording_names
from pipeline.reading.recordings.raw.stamps import Offsets, offsets_of, undeclared_unit
from pipeline.reading.recordings.recording import BadRecording
from pipeline.reading.recordings.rows.recordings import read_rows
from pipeline.reading.recordings.rows.rows_file import RowsFile
from pipeline.recording_options import OWN_COLUMNS


@dataclass(frozen=True, kw_only=True)
class Request(Wanted):
    """What is read, and from where.

    Attributes:
        files: The raw files.
        base: Folder that the names of files are relative to.
        folder: Folder that the tables beside are relative to.
    """

    files: Sequence[str]
    base: str
    folder: Path


class Survey:
    """What is known of the raw files of a request.

    Args:
        request: What is read.

    Raises:
        InputError: The options do not fit the files.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self.names = recording_names(request.files, request.base)
        self._labeller = Labeller(
            request.data,
            request.options,
            label=request.label,
            base=request.base,
            files=request.files,
            folder=request.folder,
        )

    def job(self) -> Job:
        """Returns what workers need, without the columns of the assembled table."""
        request = self._request
        is_table = request.options.media == "table" and self._rows is None
        job = Job(
            data=request.data,
            label=request.label,
            nominal_hz=request.nominal_hz,
            units=request.units,
            roles=self.roles if is_table else self._roles_of_rows(),
            forms=self._forms if is_table else {},
            row_labels=self._row_labels(),
        )
        self.__dict__.pop("_probes", None)  # rows that are not needed any more
        return job

    @cached_property
    def _rows(self) -> RowsFile | None:
        """The recordings of the first usable file of form `rows`, without their labels."""
        request = self._request
        if request.options.rows is None:
            return None
        problem: UnusableError | None = None
        for file in request.files:
            try:
                return read_rows(
                    file, request.options.rows, is_labelled=False, decimal=request.data.decimal
                )
            except UnusableError as error:
                problem = problem or error
        raise InputError(f"{request.files[0]}: {problem}.")

    def _roles_of_rows(self) -> Roles:
        if self._rows is None:
            return NO_ROLES
        channels = self._request.options.channels or tuple(self._rows.channels)
        return Roles(channels=channels, texts=())

    def _row_labels(self) -> tuple[str | None, ...] | None:
        """Returns the labels of form `rows` from a file beside the only one with recordings."""
        request = self._request
        if request.options.rows is None or request.label is None or request.options.labels is None:
            return None
        if len(request.files) > 1:
            raise InputError(
                f"data.recordings.labels has the labels of one file, and data.path means "
                f"{len(request.files):,}. Name one file in data.path."
            )
        return read_row_labels(request.folder / request.options.labels, request.label.column)

    def items(self) -> list[Item]:
        """Returns the recordings of files, in the order of the files."""
        label = self._labeller.of_file
        return [
            self._item(self.names[file], file, partial(label, file)) for file in self._request.files
        ]

    def item_of_id(self, id_: str, path: str) -> Item:
        """Returns a recording of a long table."""
        return self._item(id_, path, partial(self._labeller.of_id, id_))

    def _item(self, name: str, path: str, find_row: Callable[[], Row]) -> Item:
        try:
            return Item(name=name, path=path, row=find_row())
        except UnusableError as error:
            return Item(name=name, path=path, problem=str(error))

    @cached_property
    def roles(self) -> Roles:
        """The roles of the columns of tables, from the first rows of some files."""
        request = self._request
        roles = decide_roles(self._probes, request.data, request.options, request.label_column)
        _check_roles(roles, self._probes, request)
        _check_unit(request.options.time_column, self._probes, request.data)
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
        if self._rows is not None:
            return self._rows.context_types
        if self._request.options.media != "table":
            return self._labeller.types
        own = {name: CONTEXT_TYPES[form.type] for name, form in self._forms.items()}
        return {n: kind for n, kind in (own | self._labeller.types).items() if n not in OWN_COLUMNS}

    @property
    def has_rate(self) -> bool:
        """Whether recordings may have a sampling rate."""
        options = self._request.options
        if self._rows is not None:
            return self._rows.has_rate
        if options.media != "table":
            return options.media == "audio"
        given = [*self.roles.texts, *self._labeller.types]
        has_stated = options.header_rate is not None or any(map(is_rate_name, given))
        return options.time_column is not None or has_stated

    @cached_property
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
        return {self.names.get(key, key) for key in self._labeller.unnamed}

    def notes(self) -> list[str]:
        """Returns what is remarkable of the columns and of the table of labels, in words."""
        is_table = self._request.options.media == "table" and self._rows is None
        if not is_table or not self.roles.left_out:
            return self._labeller.notes()
        listed = ", ".join(f"`{name}`" for name in self.roles.left_out)
        return [
            *self._labeller.notes(),
            f"left out, since no channel and not constant within a recording: {listed}",
        ]

    def unused(self) -> list[BadRecording]:
        """Returns the rows of the table of labels for which there was no recording."""
        return self._labeller.unused()


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
        "data.recordings.time_column": request.options.time_column,
        "data.recordings.index_column": request.options.index_column,
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

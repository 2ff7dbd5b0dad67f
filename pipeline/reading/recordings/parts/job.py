"""Job of a worker that assembles a part of the recordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.column_format import ColumnFormat
from pipeline.config import Data, Label
from pipeline.reading.recordings.beside.events import Interval
from pipeline.reading.recordings.beside.labels import Row
from pipeline.reading.recordings.raw.columns import Roles
from pipeline.recording_options import Recordings

NO_ROLES = Roles(channels=(), texts=())
NOTHING = Row(label=None, context={})
# Places of rows in the file of a range: from the first to before the second.
Slice = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is read of raw files.

    Attributes:
        data: The config's `data` block, with `recordings`.
        label: The label; None for predictions.
        nominal_hz: Rate that samples are brought to; None keeps their own.
        units: The unit that a row of units must have, by channel.
    """

    data: Data
    label: Label | None
    nominal_hz: float | None = None
    units: tuple[tuple[str, str], ...] = ()

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
    def has_sample_labels(self) -> bool:
        """Whether each sample has a label."""
        return self.options.form == "stream" and self.label_column is not None

    @property
    def is_grouped(self) -> bool:
        """Whether the recordings of a table are told apart by an id."""
        return self.options.form != "files" and self.options.id_column is not None


@dataclass(frozen=True, kw_only=True)
class Job(Wanted):
    """What all parts have in common; it is sent to every worker.

    Attributes:
        roles: The roles of the columns of tables.
        forms: How the context columns of the raw files are written.
        has_events: Whether a table lists the events.
        has_dates: Whether the times of all recordings count from 1970.
        schema: Columns of the assembled table; None if no recording can be used.
        row_labels: Labels of the recordings of form `rows` from a file beside theirs.
    """

    roles: Roles = NO_ROLES
    forms: Mapping[str, ColumnFormat] = field(default_factory=dict)
    has_events: bool = False
    has_dates: bool = False
    schema: pa.Schema | None = None
    row_labels: tuple[str | None, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A recording to assemble, with what is known of it before its file is read.

    Attributes:
        name: Its name.
        path: Its file.
        row: Its label and context from beside the file.
        problem: Why it cannot be used; empty if that is not known yet.
        events: Its events, from a table of events.
    """

    name: str
    path: str
    row: Row = NOTHING
    problem: str = ""
    events: tuple[Interval, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """Recordings that one task assembles.

    Attributes:
        items: The recordings, in order.
        file_name: Name of the Parquet file that they are written to.
        slices: Their rows in the files of ranges, if they are from a long table.
    """

    items: tuple[Item, ...]
    file_name: str
    slices: Mapping[str, tuple[Slice, ...]] | None = None

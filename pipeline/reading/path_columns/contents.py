"""Content of the file of a cell: bytes of a picture or sound, or samples of a signal."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.column_format import ColumnFormat
from pipeline.config import Data
from pipeline.data_options.path_columns import PathColumn
from pipeline.reading.recordings.raw import media, tables
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE, UnusableError, at_rate
from pipeline.reading.recordings.raw.columns import Columns, Roles, join_columns, read_columns
from pipeline.reading.recordings.raw.groups import groups_of, usable_samples
from pipeline.reading.recordings.raw.stamps import undeclared_unit

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file holds.

    Attributes:
        file: Bytes of a picture or of a WAV file; None for a signal, or if there is none.
        samples: Samples by column; empty for files of another kind.
        rate_hz: The samples' rate before they were resampled; None if times do not tell it.
        problem: Why the file cannot be used; else empty.
    """

    file: bytes | None = None
    samples: Mapping[str, Samples] = field(default_factory=dict)
    rate_hz: float | None = None
    problem: str = ""

    def is_resampled(self, rates: Mapping[str, float]) -> bool:
        """Tells whether samples were brought to another rate, by the nominal one of each column."""
        nominal_hz = rates.get(next(iter(self.samples), ""))
        if self.rate_hz is None or nominal_hz is None:
            return False
        return abs(self.rate_hz / nominal_hz - 1) > RATE_TOLERANCE


def read_content(
    file: str, name: str, option: PathColumn, data: Data, rates: Mapping[str, float]
) -> Content:
    """Reads a file; one that cannot be used is told, not raised.

    Args:
        file: The file.
        name: The column with its path.
        option: What the config says of that column.
        data: The config's `data` block, for how numbers and times are written.
        rates: Nominal rate in Hz by column of samples.
    """
    try:
        if option.holds == "image":
            return Content(file=media.read_picture(file))
        if option.holds == "audio":
            return Content(file=media.read_sound(file)[0])
        return _read_signal(file, name, option, data, rates)
    except UnusableError as error:
        return Content(problem=str(error))
    except OSError as error:
        return Content(problem=f"it cannot be read ({error.strerror})")


def _data_of_signals(data: Data, option: PathColumn) -> Data:
    """Returns how the files of signals are written: a CSV file has a delimiter of its own."""
    columns = {name: form for name, form in data.columns.items() if name in option.channels}
    if option.time_column is not None and option.time_unit is not None:
        form = ColumnFormat(type="time", unit=option.time_unit, elapsed=True)
        columns[option.time_column] = form
    return replace(
        data,
        delimiter=None,
        header=None,
        units_row=False,
        decimal=option.decimal,
        thousands=None,
        columns=columns,
    )


def _read_signal(
    file: str, name: str, option: PathColumn, data: Data, rates: Mapping[str, float]
) -> Content:
    columns = option.columns(name)
    wanted = [column for column in (*option.channels, option.time_column) if column]
    roles = Roles(channels=option.channels, texts=(), time=option.time_column)
    data = _data_of_signals(data, option)
    parts: list[Columns] = []
    for batch in tables.read_batches(file, data, wanted):
        lacking = [column for column in wanted if column not in batch.schema.names]
        if lacking:
            listed = ", ".join(f"`{column}`" for column in batch.schema.names[:10])
            raise UnusableError(f"it has no column `{lacking[0]}`; it has {listed}")
        _check_unit(batch, option.time_column, data)
        rows = sum(part.num_rows for part in parts)
        parts.append(read_columns(batch, roles, data).shifted(rows))
    if not sum(part.num_rows for part in parts):
        raise UnusableError("it has no rows")
    [group] = groups_of(join_columns(parts), np.zeros(1, np.int64), [name])
    samples = usable_samples(group, is_stream=False)
    own_hz = samples.rate_hz
    samples = at_rate(samples, rates.get(next(iter(columns))))
    return Content(
        samples={column: samples.channels[channel] for column, channel in columns.items()},
        rate_hz=own_hz,
    )


def _check_unit(batch: pa.RecordBatch, name: str | None, data: Data) -> None:
    if name is None:
        return
    form = data.columns.get(name)
    unit = undeclared_unit(batch[name], name, form, decimal=data.decimal)
    if unit is not None:
        raise UnusableError(
            f"the times in `{name}` are numbers, which are read as seconds, but they seem to be in "
            f"{unit}; set `time_unit: {unit}` beside `time_column` in data.path_columns"
        )

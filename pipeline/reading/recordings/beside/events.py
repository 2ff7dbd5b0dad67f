"""Tables of events."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.recordings.beside.matching import normal_id
from pipeline.reading.recordings.beside.tables import column_of, read_table, texts_of
from pipeline.reading.recordings.raw.stamps import Offsets, offsets_of, read_stamps

# Start and end of an event in seconds on the clock of its recording, and its kind.
Interval = tuple[float, float, str]
_HAPPENS = {"start": "starts", "end": "ends"}


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
        names = texts_of(column_of(table, "recording", path, key="data.recordings.events"))
    ends = [
        _times_of_events(table, name, path, data, time_column=time_column, offsets=offsets)
        for name in ("start", "end")
    ]
    kinds: list[str | None] = [None] * table.num_rows
    if "kind" in table.column_names:
        kinds = texts_of(table["kind"].combine_chunks())
    events: dict[str, list[Interval]] = {}
    for name, start, end, kind in zip(names, *ends, kinds, strict=True):
        interval = (float(start), float(end), kind or "")
        events.setdefault(normal_id(name or ""), []).append(interval)
    return events


def _times_of_events(
    table: pa.Table, name: str, path: Path, data: Data, *, time_column: str, offsets: Offsets
) -> NDArray[np.float64]:
    column = column_of(table, name, path, key="data.recordings.events")
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

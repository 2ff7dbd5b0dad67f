"""Reader of the recordings of a part: files of every form and medium, and blocks of long tables."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.reading.recordings.beside.labels import Row
from pipeline.reading.recordings.beside.tables import typed_text
from pipeline.reading.recordings.labelling import positive_samples
from pipeline.reading.recordings.parts.job import Item, Job, Part
from pipeline.reading.recordings.parts.ranges import read_slices, take_labels
from pipeline.reading.recordings.raw import media, tables
from pipeline.reading.recordings.raw.clock import UnusableError, at_rate, without_clock
from pipeline.reading.recordings.raw.columns import Columns, join_columns, read_columns
from pipeline.reading.recordings.raw.groups import (
    Group,
    groups_of,
    is_rate_name,
    sorted_by_id,
    take_rate,
    usable_samples,
)
from pipeline.reading.recordings.raw.header_rate import STATED_RATE, stated_rate
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.reading.recordings.rows.recordings import read_recordings
from pipeline.recording_options import RowsOfFile

VARYING = "recording with several values in a column that is constant in others; missing there"


class SampleReader:
    """Reads recordings.

    Args:
        job: How they are read.
        folder: The folder of the ranges, if they are of a long table.
    """

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder = job, folder
        self._typed_text: Any = lru_cache(maxsize=4_096)(self._read_text)

    def read_part(self, part: Part) -> Iterator[Recording | BadRecording]:
        """Yields the recordings of a part, in order."""
        if part.slices is not None:
            return self._read_block(part)
        return tables.in_order(self.read_file, part.items)

    def read_items(self, part: Part) -> Iterator[tuple[Item, Recording | BadRecording]]:
        """Yields the recordings of a part with the items that they are from, in order."""
        if self._job.options.rows is None:
            yield from zip(part.items, self.read_part(part), strict=True)
            return
        for item in part.items:
            for recording in self._read_rows(item, self._job.options.rows):
                yield item, recording

    def _read_rows(self, item: Item, rows: RowsOfFile) -> Iterator[Recording | BadRecording]:
        return read_recordings(
            item.path,
            rows,
            labels=self._job.row_labels,
            is_labelled=self._job.label is not None,
            nominal_hz=self._job.nominal_hz,
            decimal=self._job.data.decimal,
        )

    def read_file(self, item: Item) -> Recording | BadRecording:
        """Returns the recording in a file."""
        try:
            if item.problem:
                raise UnusableError(item.problem)
            if self._job.options.media != "table":
                return self._read_media(item)
            return self._read_table(item)
        except UnusableError as error:
            return BadRecording(name=item.name, path=item.path, reason=str(error))

    def _read_media(self, item: Item) -> Recording:
        rate_hz = None
        if self._job.options.media == "audio":
            content, rate_hz = media.read_sound(item.path)
        else:
            content = media.read_picture(item.path)
        return Recording(
            name=item.name,
            path=item.path,
            content=content,
            rate_hz=rate_hz,
            label=item.row.label,
            context=item.row.context,
        )

    def _read_table(self, item: Item) -> Recording:
        job = self._job
        wanted = (*job.options.channels, *self._time_and_label)
        needed = wanted if job.options.channels else ()
        batches = tables.read_batches(item.path, job.data, needed, units=job.units)
        parts: list[Columns] = []
        num_rows = 0
        for batch in batches:
            parts.append(read_columns(batch, job.roles, job.data).shifted(num_rows))
            num_rows += batch.num_rows
        if not num_rows:
            raise UnusableError("it has no rows")
        columns = join_columns(parts)
        _check_columns(columns, job)
        [group] = groups_of(
            self._without_label(columns),
            np.zeros(1, np.int64),
            [item.name],
            sample_labels=self._sample_labels(columns),
        )
        return self._recording(group, item, has_dates=columns.has_dates)

    @property
    def _time_and_label(self) -> tuple[str, ...]:
        return tuple(n for n in (self._job.options.order_column, self._job.label_column) if n)

    def _read_block(self, part: Part) -> Iterator[Recording | BadRecording]:
        columns = read_slices(self._folder, part.slices or {})
        columns, starts, _, _ = sorted_by_id(columns, self._job.options.id_column or "")
        columns, flags = take_labels(columns)
        for item, group in zip(
            part.items,
            groups_of(columns, starts, [item.name for item in part.items], sample_labels=flags),
            strict=True,
        ):
            try:
                if item.problem:
                    raise UnusableError(item.problem)
                yield self._recording(group, item, has_dates=self._job.has_dates)
            except UnusableError as error:
                yield BadRecording(name=item.name, path=item.path, reason=str(error))

    def _recording(self, group: Group, item: Item, *, has_dates: bool) -> Recording:
        job, row = self._job, item.row
        samples = usable_samples(group, is_stream=job.options.form == "stream")
        if job.options.index_column is not None:
            samples = without_clock(samples, job.options.index_column)
        constants, rate_hz = take_rate(
            group.constants,
            _rate_texts(row) | self._header_rate(item),
            clock_hz=samples.rate_hz,
        )
        samples = at_rate(replace(samples, rate_hz=rate_hz), job.nominal_hz)
        label, label_column = row.label, job.label_column
        if label_column is not None and job.options.form != "stream":
            if label_column in group.varying:
                raise UnusableError(f"it has two labels: `{label_column}` differs between its rows")
            label = constants.get(label_column)
        counts = samples.counts.copy()
        counts[VARYING] += bool(set(group.varying) & set(job.forms))
        return Recording(
            name=item.name,
            path=item.path,
            times_s=samples.times_s,
            has_dates=has_dates and samples.times_s is not None,
            channels=samples.channels,
            rate_hz=samples.rate_hz,
            label=label,
            sample_labels=samples.labels,
            context=self._typed(constants) | _without_rate(row),
            counts=counts,
        )

    def _header_rate(self, item: Item) -> dict[str, str | None]:
        """The rate that the lines before a table state, as if a column had it."""
        stated = self._job.options.header_rate
        if stated is None:
            return {}
        data = self._job.data
        try:
            layout = tables.layout_of(item.path, data)
        except InputError as error:
            raise UnusableError(str(error)) from error
        return {STATED_RATE: repr(stated_rate(item.path, layout, data.decimal, stated))}

    def _typed(self, constants: dict[str, str | None]) -> dict[str, Any]:
        typed = {}
        for name, form in self._job.forms.items():
            text = constants.get(name)
            try:
                typed[name] = None if text is None else self._typed_text(text, form)
            except ValueError as error:
                raise UnusableError(f"column `{name}`: {error}, as it is elsewhere") from error
        return typed

    def _read_text(self, text: str, form: ColumnFormat) -> Any:
        return typed_text(text, form, self._job.data)

    def _without_label(self, columns: Columns) -> Columns:
        """Leaves out the label of each sample, which is not constant."""
        if not self._job.has_sample_labels:
            return columns
        texts = {n: t for n, t in columns.texts.items() if n != self._job.label_column}
        return replace(columns, texts=texts)

    def _sample_labels(self, columns: Columns) -> NDArray[np.bool_] | None:
        job = self._job
        if not job.has_sample_labels or job.label is None:
            return None
        return positive_samples(columns.texts[job.label.column], job.label, job.data)


def _check_columns(columns: Columns, job: Job) -> None:
    order, label_column = job.options.order_column, job.label_column
    if order is not None and columns.times_s is None:
        what = "times" if job.options.time_column else "numbers of the samples"
        raise UnusableError(f"it has no column `{order}` with the {what}")
    if label_column is not None and label_column not in columns.texts:
        raise UnusableError(f"it has no column `{label_column}` with the label")


def _rate_texts(row: Row) -> dict[str, str | None]:
    """Returns what a table of labels says of the sampling rate."""
    return {n: str(value) for n, value in row.context.items() if is_rate_name(n) and value}


def _without_rate(row: Row) -> dict[str, Any]:
    return {n: value for n, value in row.context.items() if not is_rate_name(n)}

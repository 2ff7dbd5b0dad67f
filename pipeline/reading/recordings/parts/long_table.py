"""A long table: the ranges that it is read in, and what they have together."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.labelling import missing_labels, unknown_label
from pipeline.reading.recordings.parts.job import Job, Slice
from pipeline.reading.recordings.parts.ranges import RangeFacts, read_range, slices_of
from pipeline.reading.recordings.raw.tables import Mapper, long_pieces
from pipeline.reading.recordings.recording import BadRecording

_REPORT_EVERY_S = 1.0
_progress = logging.getLogger("faultline.progress")


@dataclass(frozen=True)
class LongTable:
    """A long table whose ranges were read.

    Attributes:
        ranges: The ranges, in order.
    """

    ranges: tuple[RangeFacts, ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows of each recording, in the order of their first rows."""
        counts: Counter[str] = Counter()
        for facts in self.ranges:
            for id_, number in zip(facts.ids, facts.counts, strict=True):
                counts[id_] += number
        return dict(counts)

    @property
    def has_dates(self) -> bool:
        """Whether its times count from 1970."""
        return any(facts.has_dates for facts in self.ranges)

    def slices(self, sizes: Sequence[int]) -> list[dict[str, tuple[Slice, ...]]]:
        """Returns the rows of each block of recordings in the files of the ranges.

        Args:
            sizes: Recordings of each block.
        """
        order = {id_: number for number, id_ in enumerate(self.counts)}
        bounds = list(accumulate(sizes, initial=0))[:-1]
        return slices_of(self.ranges, order, bounds)

    def bad_recordings(self, path: str, id_column: str) -> Iterator[BadRecording]:
        """Yields the rows that are of no recording."""
        for facts in self.ranges:
            for bad in facts.bad_rows:
                yield BadRecording(name=f"row {bad.row}", path=bad.path, reason=bad.reason)
        if num := sum(facts.num_without_id for facts in self.ranges):
            reason = f"{count(num, 'row')} without an id in `{id_column}`"
            yield BadRecording(name="rows without an id", path=path, reason=reason)


def read_long_table(job: Job, files: Sequence[str], folder: Path, map_pieces: Mapper) -> LongTable:
    """Reads the ranges of a long table, and keeps their rows in files of a folder.

    Args:
        job: How tables are read.
        files: Its files, in order.
        folder: A folder that all workers share.
        map_pieces: Works on pieces.

    Raises:
        InputError: A file cannot be read or lacks a column, times are of two kinds, or a sample
            has no usable label.
    """
    pieces = list(enumerate(long_pieces(files, job.data, map_pieces, units=job.units)))
    table = LongTable(tuple(_reported(map_pieces(partial(read_range, job, folder), pieces))))
    _check_times(table.ranges, job)
    _check_labels(table.ranges, job)
    return table


def _reported(ranges: Iterator[RangeFacts]) -> Iterator[RangeFacts]:
    num_rows, last = 0, time.monotonic()
    for facts in ranges:
        num_rows += facts.num_rows
        if time.monotonic() - last > _REPORT_EVERY_S:
            _progress.info("%s rows of recordings so far", f"{num_rows:,}")
            last = time.monotonic()
        yield facts


def _check_times(ranges: Sequence[RangeFacts], job: Job) -> None:
    name = job.roles.time
    with_rows = [facts for facts in ranges if facts.ids]
    lacking = [facts.path for facts in with_rows if not facts.has_times]
    if name is not None and lacking:
        raise InputError(
            f"{lacking[0]} has no column `{name}` with the times, which other files have. Add it, "
            "or leave the file out."
        )
    dates = next((facts.path for facts in with_rows if facts.has_dates), None)
    numbers = next((facts.path for facts in with_rows if facts.has_dates is False), None)
    if dates is not None and numbers is not None:
        raise InputError(
            f"The times in `{name}` are dates in {dates} and seconds since a start in {numbers}. "
            "Write all in one way, or give the files apart."
        )


def _check_labels(ranges: Sequence[RangeFacts], job: Job) -> None:
    remedy = "Label each sample, or remove its row."
    if num := sum(facts.num_unlabelled for facts in ranges):
        first = next(facts for facts in ranges if facts.num_unlabelled)
        message = missing_labels(num, first.first_unlabelled)
        raise InputError(f"{first.path}: {message}. {remedy}")
    for facts in ranges:
        if facts.unknown_label is not None and job.label is not None:
            row, text = facts.unknown_label
            raise InputError(f"{facts.path}: {unknown_label(row, text, job.label)}. {remedy}")

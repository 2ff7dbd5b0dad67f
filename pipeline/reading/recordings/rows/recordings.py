"""Reader of files with many recordings: one in each line of text, array row or group."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.reading.recordings.raw.arrays import load_arrays
from pipeline.reading.recordings.raw.clock import Samples, UnusableError, at_rate
from pipeline.reading.recordings.raw.listing import ARRAY_SUFFIXES, stem
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.reading.recordings.rows.array_rows import rows_of
from pipeline.reading.recordings.rows.group_rows import rows_of_groups
from pipeline.reading.recordings.rows.rows_file import RowsFile
from pipeline.reading.recordings.rows.text_rows import read_text
from pipeline.recording_options import RowsOfFile


def read_recordings(
    path: str,
    options: RowsOfFile,
    *,
    labels: Sequence[str | None] | None,
    is_labelled: bool,
    nominal_hz: float | None,
    decimal: str = ".",
) -> Iterator[Recording | BadRecording]:
    """Yields the recordings of a file, in order; the names are that of the file and a number.

    Args:
        path: The file.
        options: Where the recordings are in it.
        labels: The labels from a file beside it; None if they are in this one.
        is_labelled: Whether each recording must have a label.
        nominal_hz: Rate that samples are brought to, if the file gives theirs.
        decimal: Decimal mark of text.
    """
    try:
        rows = read_rows(path, options, is_labelled=is_labelled and labels is None, decimal=decimal)
        if labels is not None and len(labels) != rows.num_recordings:
            raise UnusableError(
                f"it has {rows.num_recordings:,} recordings, and data.recordings.labels has "
                f"{len(labels):,} labels"
            )
    except UnusableError as error:
        yield BadRecording(name=stem(path), path=path, reason=str(error))
        return
    given = rows.labels if labels is None else labels
    for place in range(rows.num_recordings):
        name = f"{stem(path)}_{rows.name_of(place)}"
        channels = {channel: samples[place] for channel, samples in rows.channels.items()}
        problem = rows.problems.get(place)
        if problem is None and all(np.isnan(own).all() for own in channels.values()):
            problem = "none of its channels has a value"
        if problem is not None:
            yield BadRecording(name=name, path=path, reason=problem)
            continue
        samples = Samples(channels=channels, rate_hz=rows.rate_of(place))
        samples = at_rate(samples, nominal_hz)
        yield Recording(
            name=name,
            path=path,
            channels=samples.channels,
            rate_hz=samples.rate_hz,
            label=given[place] if is_labelled and given is not None else None,
            context={name: values[place] for name, values in rows.context.items()},
            counts=samples.counts,
        )


def read_rows(path: str, options: RowsOfFile, *, is_labelled: bool, decimal: str = ".") -> RowsFile:
    """Reads a file with many recordings.

    Args:
        path: The file.
        options: Where the recordings are in it.
        is_labelled: Whether the file must have labels; if not, they are not read.
        decimal: Decimal mark of text.

    Raises:
        UnusableError: The file is damaged or has other arrays.
    """
    if Path(path).suffix.lower() not in ARRAY_SUFFIXES:
        return read_text(path, options, is_labelled=is_labelled, decimal=decimal)
    if options.groups:
        return rows_of_groups(path, options, is_labelled=is_labelled)
    return rows_of(load_arrays(path), options, is_labelled=is_labelled)

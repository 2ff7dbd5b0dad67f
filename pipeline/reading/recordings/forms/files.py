"""Recordings with a file for each, which are no tables: sounds, pictures and arrays."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.evidence.masks import check_no_masks
from pipeline.reading.recordings.forms.request import (
    MANY_FILES,
    Discovery,
    Request,
    listed,
    number_of,
    order_options,
)
from pipeline.reading.recordings.raw.arrays import read_arrays, read_singles
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.listing import probes_of
from pipeline.recording_options import Media, Recordings


class FileForms(Request):
    """Discovers the labels of files."""

    def of_files(self, media: Media, files: Sequence[str]) -> Discovery:
        """Discovers recordings with a file for each, which are no tables of samples."""
        notes = [f"{number_of(len(files), media)} below {self.listing.base}"]
        if media == "image":
            check_no_masks(files, self.listing.base)
        table = self.table_of_labels(files)
        notes += self._rest([*files, *([table.path] if table else ())])
        if table is not None:
            return self.by_table(media, files, table, notes)
        own = self._label_inside(files) if media == "table" else None
        if own is not None:
            return self._by_value(files, own, notes)
        if media == "table" and len(files) == 1:
            raise _one_file_error(files[0])
        return self.by_name(media, files, notes)

    def _label_inside(self, files: Sequence[str]) -> str | None:
        """The single value or attribute of files of arrays that is their label."""
        return self.own_label(pd.DataFrame([read_singles(file) for file in probes_of(files)]))

    def _by_value(self, files: Sequence[str], label: str, notes: list[str]) -> Discovery:
        """Discovers files of arrays with the label as a single value in each."""
        labels = pd.Series([read_singles(file).get(label) for file in files])
        classes = Counter(labels.dropna().map(series.label_text))
        notes.append(f"`{label}` in each file is the label: {listed(classes)}")
        axes = self._axes("table", files, label, notes)
        return self.found(files, Recordings(form="files", **axes), label, classes, notes)

    def _axes(
        self, media: Media, files: Sequence[str], label: str, notes: list[str]
    ) -> dict[str, Any]:
        """The array of times, or of numbers, of files with arrays of samples."""
        if media != "table" or files[0] not in self.listing.arrays:
            return super()._axes(media, files, label, notes)
        frames = {file: f for file in probes_of(files) if (f := _array_frame(file)) is not None}
        times = {file: series.time_column(frame, (label,)) for file, frame in frames.items()}
        named = Counter(name for name in times.values() if name is not None)
        if not named:
            return {}
        [(time, number)] = named.most_common(1)
        if number < len(times):
            other = next(file for file, name in times.items() if name != time)
            raise InputError(
                f"The times are in the array `{time}` of most files, and {other} has no such array "
                "of rising times. Give the array one name and one unit in all files."
            )
        return order_options(next(iter(frames.values())), time, notes)

    def _rest(self, used: Sequence[str]) -> Iterator[str]:
        """Says which other files could be recordings too, and are not used."""
        listing = self.listing
        tables = listing.tables if len(listing.tables) >= MANY_FILES else ()
        others = [*listing.arrays, *listing.foreign, *tables]
        others += [file for kind in listing.media.values() for file in kind]
        suffixes = Counter(Path(file).suffix.lower() for file in {*others} - {*used})
        if suffixes:
            shown = ", ".join(f"{number:,} {suffix}" for suffix, number in suffixes.most_common())
            yield f"not used: {count(suffixes.total(), 'file')} of other kinds ({shown})"


def _array_frame(file: str) -> pd.DataFrame | None:
    """Returns the samples of a file of arrays; None if it is damaged, which its reader says."""
    try:
        frame: pd.DataFrame = read_arrays(file)[0].to_pandas()
    except UnusableError:
        return None
    return frame


def _one_file_error(file: str) -> InputError:
    return InputError(
        f"{file} is one file of arrays, and none in it is named as the label of each recording, "
        "such as `y` beside `X` [recordings, samples]. Name it with --label, or give a file with "
        "the labels, in the order of the recordings, by --labels. Groups of an HDF5 file are "
        "recordings if six or more have the same data sets, such as one for each channel."
    )

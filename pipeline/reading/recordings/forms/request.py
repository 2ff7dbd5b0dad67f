"""Raw files as `init` knows them, and conclusions that all forms of recordings share."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from common.errors import InputError
from pipeline.reading.recordings.evidence import labels as label_evidence
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.evidence.events import check_no_events
from pipeline.reading.recordings.evidence.labels import SharedFolders, TableOfLabels
from pipeline.reading.recordings.evidence.listing import (
    Listing,
    has_decimal_commas,
    has_rows,
    read_frame,
)
from pipeline.reading.recordings.raw.listing import probes_of
from pipeline.recording_options import Media, Recordings

DEFAULT_LABEL = "label"
MANY_FILES = 3
_MIN_SHARED = 3  # folders with files of several classes that a split can divide
_MAX_OTHERS = 0.1  # share of the files that may lack the column of times
_WORDS: Mapping[Media, tuple[str, str]] = {
    "audio": ("sound", "sounds"),
    "image": ("picture", "pictures"),
    "table": ("recording", "recordings"),
}
# What a person says the rows of tables are.
Rows = Literal["examples", "samples"]


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What raw files seem to be.

    Attributes:
        path: What `data.path` must be, relative to the current folder.
        recordings: The proposed `data.recordings`; its paths are relative to the current folder.
        label: The label column; a name of its own (`label`) where the label comes from a folder, a
            pattern or a table of events.
        positive: The rarest value of the label, as text; None if it is not known.
        data: Further keys of `data`, such as `decimal`.
        notes: What was concluded and from what, in words.
        rate_hz: Rate to resample streams of several rates to.
        annotations: Columns of the table of labels that differ between rows of one recording.
        marks: Channels that were written with the label of each sample.
    """

    path: str
    recordings: Recordings
    label: str
    positive: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rate_hz: float | None = None
    annotations: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """The files, and what a person says of them.

    Attributes:
        listing: The files.
        labels: A table of labels or events that the person names.
        label: A label column that the person names.
        rows: What the person says the rows of tables are.
        damaged: Tables without rows.
        positive: The label's value that the person names as that of a fault.
    """

    listing: Listing
    labels: str | None
    label: str | None
    rows: Rows | None
    damaged: tuple[str, ...] = ()
    positive: str | None = None

    def table_of_labels(self, files: Sequence[str]) -> TableOfLabels | None:
        """Returns the table that names the files: the given one, else the best beside them.

        Raises:
            InputError: The given table names too few of the files.
        """
        base = self.listing.base
        if self.labels is not None:
            given = label_evidence.match_table(self.labels, read_frame(self.labels), files, base)
            if given is None:
                check_no_events(self.labels, read_frame(self.labels))
                columns = ", ".join(f"`{name}`" for name in read_frame(self.labels).columns)
                raise InputError(
                    f"--labels {self.labels}: no column names the files, such as "
                    f"{Path(files[0]).name}, with or without suffix. Its columns: {columns}."
                )
            return given
        matches = [
            match
            for path in self.tables_beside(files)
            if (match := label_evidence.match_table(path, read_frame(path), files, base))
        ]
        return max(matches, key=lambda match: match.num_matched, default=None)

    def tables_beside(self, files: Sequence[str]) -> list[str]:
        """Tables that are none of the files: below the path, and in the folder above it."""
        parent = Listing.of(f"{Path(self.listing.base).absolute().parent}/*")
        above = (*parent.tables, *parent.sheets)
        relative = [str(Path(self.listing.base).parent / Path(path).name) for path in above]
        beside = [*self.listing.tables, *self.listing.sheets]
        beside += relative if self.listing.is_folder else ()
        return [path for path in dict.fromkeys(beside) if path not in files]

    def own_label(self, frame: pd.DataFrame) -> str | None:
        """The label's column in the raw files themselves."""
        if self.label is not None:
            return self.label if self.label in frame.columns else None
        likely = label_evidence.likely_labels(frame)
        named = [str(name) for name in frame.columns if str(name).lower() == DEFAULT_LABEL]
        candidates = named or likely
        return candidates[0] if len(candidates) == 1 else None

    def by_table(
        self, media: Media, files: Sequence[str], table: TableOfLabels, notes: list[str]
    ) -> Discovery:
        """Returns recordings whose labels are in a table that names their files.

        Raises:
            InputError: Which column of the table is the label is not clear.
        """
        frame = read_frame(table.path)
        if media == "table" and frame[table.id_column].duplicated().any():
            check_no_events(table.path, frame)
        label = label_evidence.label_column(
            frame, wanted=self.label, not_label=(table.id_column,), where=table.path
        )
        notes.append(f"labels in {table.path}: `{table.id_column}` names the files, `{label}` is "
                     "the label")  # fmt: skip
        lacking = len(files) - table.num_matched
        if lacking:
            notes.append(f"{number_of(lacking, media)} of {len(files):,} are not in {table.path}")
        recordings = Recordings(
            form="files",
            media=media,
            labels=table.path,
            id_column=table.id_column,
            **self._axes(media, files, label, notes),
        )
        classes = Counter(frame[label].dropna().map(series.label_text))
        discovery = self.found(files, recordings, label, classes, notes)
        annotations = label_evidence.annotation_columns(frame, table.id_column, label)
        return replace(discovery, annotations=annotations)

    def by_name(self, media: Media, files: Sequence[str], notes: list[str]) -> Discovery:
        """Discovers labels in the names of folders or files.

        Raises:
            InputError: There are none.
        """
        label = self.label or DEFAULT_LABEL
        notes += _split_notes(files, self.listing.base)
        by_folder = label_evidence.folder_classes(files, self.listing.base)
        axes = self._axes(media, files, label, notes)
        if by_folder is not None:
            whose = "a folder's" if by_folder.pattern else "the folder's"
            notes.append(f"{whose} name is the label: {listed(by_folder.classes)}")
            if by_folder.unused:
                named = ", ".join(f"`{name}`" for name in by_folder.unused[:5])
                notes.append(
                    f"the folders above ({named}) are not the label; if they are, move the files "
                    "up into them"
                )
            notes += _shared_notes(by_folder.shared)
            source: dict[str, Any] = {"label_from": "folder"}
            if by_folder.pattern:
                source = {"label_pattern": by_folder.pattern}
            if by_folder.shared is not None and len(by_folder.shared.names) >= _MIN_SHARED:
                source["from_path"] = {by_folder.shared.column: by_folder.shared.pattern}
            recordings = Recordings(form="files", media=media, **source, **axes)
            return self.found(files, recordings, label, by_folder.classes, notes)
        by_name = label_evidence.name_pattern(files)
        if by_name is None:
            raise label_evidence.no_label_error(
                number_of(len(files), media), self.listing.base, Path(files[0]).name
            )
        pattern, classes = by_name
        notes.append(f"the file's name holds the label: {listed(classes)}")
        recordings = Recordings(form="files", media=media, label_pattern=pattern, **axes)
        return self.found(files, recordings, label, classes, notes)

    def _axes(
        self, media: Media, files: Sequence[str], label: str, notes: list[str]
    ) -> dict[str, Any]:
        """The column of times, or of numbers, of files with tables of samples."""
        if media != "table" or files[0] not in self.listing.tables:
            return {}
        frame = read_frame(files[0])
        time = series.time_column(frame, (label,))
        if time is None:
            return {}
        _check_one_clock(files, time)
        return order_options(frame, time, notes)

    def found(
        self,
        files: Sequence[str],
        recordings: Recordings,
        label: str,
        classes: Mapping[str, int],
        notes: Sequence[str],
    ) -> Discovery:
        """Returns what was found, with the path that means these files and no others.

        Raises:
            InputError: No path means them alone.
        """
        is_table = files[0] in self.listing.tables
        decimal = {"decimal": ","} if is_table and has_decimal_commas(files[0]) else {}
        beside = [path for path in (recordings.labels, recordings.events) if path]
        # Tables without rows are recordings too: bad ones, which the reader counts.
        raw_files = sorted({*files, *self.damaged}) if is_table else files
        return Discovery(
            path=self.listing.pattern_of(raw_files, recordings.media, beside),
            recordings=recordings,
            label=label,
            positive=series.rarest(classes),
            data=decimal,
            notes=tuple(notes),
        )


def order_options(frame: pd.DataFrame, time: str | None, notes: list[str]) -> dict[str, Any]:
    """Returns the option of the column that orders the samples; a note says if it is no time.

    Args:
        frame: The rows of one recording.
        time: The column, if there is one.
        notes: What was found, in words.
    """
    order = series.order_of(None if time is None else frame[time])
    if "index_column" in order:
        notes.append(series.index_note(order["index_column"]))
    elif time is not None and series.is_named_as_index(time):
        notes.append(
            f"`{time}` is read as times in s, since its steps are not 1; if it counts something "
            "else, convert it to s"
        )
    return order


def _check_one_clock(files: Sequence[str], time: str) -> None:
    """Checks that the files name their column of times alike.

    Raises:
        InputError: Too many to be mistakes do not.
    """
    probes = [file for file in probes_of(files) if has_rows(file)]
    others = [file for file in probes if time not in read_frame(file).columns]
    if len(others) > _MAX_OTHERS * len(probes):
        columns = ", ".join(f"`{name}`" for name in read_frame(others[0]).columns[:5])
        raise InputError(
            f"The times are in the column `{time}` of {files[0]}, and {others[0]} has no such "
            f"column: it has {columns}. Give the column one name and one unit in all files."
        )


def _shared_notes(shared: SharedFolders | None) -> list[str]:
    """Says what folders with files of several classes are taken for."""
    if shared is None:
        return []
    folders = shared.names
    named = ", ".join(f"`{name}`" for name in folders[:5]) + (", ..." if len(folders) > 5 else "")
    if len(folders) >= _MIN_SHARED:
        return [
            f"folders such as {named} have files of several classes, so each may be a machine, a "
            f"person or a session: `from_path` makes the column `{shared.column}` of their names"
        ]
    return [
        f"folders such as {named} have files of several classes; if each is a machine, a person or "
        "a session, the same one is in train and in test, and the metrics are too good: write a "
        "table of labels with a column of these names, which `init --group` takes"
    ]


def _split_notes(files: Sequence[str], base: str) -> list[str]:
    folders = label_evidence.split_folders(files, base)
    if not folders:
        return []
    named = ", ".join(f"`{name}`" for name in folders)
    return [f"the folders {named} are not used as splits: all files are divided anew"]


def number_of(number: int, media: Media) -> str:
    """Returns a number of files in words.

    >>> number_of(1, "image"), number_of(1200, "audio")
    ('1 picture', '1,200 sounds')
    """
    return f"{number:,} {_WORDS[media][number != 1]}"


def listed(classes: Mapping[str, int]) -> str:
    """Returns classes and their sizes in words."""
    return ", ".join(f"`{name}` ({number:,})" for name, number in sorted(classes.items()))

"""Discovery of the form of raw recordings, for `init`.

What files hold is concluded from their suffixes, names and contents, the surest evidence first:
sounds, pictures and arrays are recordings; tables are, if a table beside them names their files, if
folders or names give their classes, or if their rows follow each other as samples do. Everything
else is an ordinary table, one example in each row.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.evidence import labels as label_evidence
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.evidence.labels import TableOfLabels
from pipeline.reading.recordings.evidence.listing import (
    Listing,
    UnreadableTableError,
    has_decimal_commas,
    has_rows,
    read_frame,
)
from pipeline.reading.recordings.evidence.masks import check_no_masks
from pipeline.reading.recordings.evidence.streams import (
    rows_of_files,
    series_of_events,
    series_of_labels,
    stream_note,
)
from pipeline.recording_options import Media, Recordings

_DEFAULT_LABEL = "label"
_MANY_FILES = 3
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
    """

    path: str
    recordings: Recordings
    label: str
    positive: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rate_hz: float | None = None


def discover(
    path: str, *, labels: str | None, label: str | None, rows: Rows | None = None
) -> Discovery | None:
    """Returns what the raw files at a path are, or None for an ordinary table.

    Args:
        path: A file, a folder or a glob.
        labels: A table of labels that a person names; of events if it has `start` and `end`.
        label: A label column that a person names.
        rows: What a person says the rows of tables are; by default it is concluded.

    Raises:
        InputError: They are recordings, but the label is not found.
    """
    if "://" in path or (rows == "examples" and labels is None):
        return None
    try:
        return _discover(path, labels, label, rows)
    except UnreadableTableError:
        if labels is not None or _is_mixed(path):
            raise
        return None  # the reader of ordinary tables says what is wrong
    finally:
        read_frame.cache_clear()


def _is_mixed(path: str) -> bool:
    """Whether a folder has a table, and its sub-folders have several: no ordinary data."""
    listing = Listing.of(path)
    tables = [Path(file).parent == Path(path) for file in (*listing.tables, *listing.sheets)]
    return listing.is_folder and any(tables) and tables.count(False) >= _MANY_FILES


def _discover(
    path: str, labels: str | None, label: str | None, rows: Rows | None
) -> Discovery | None:
    listing = Listing.of(path)
    if labels is None and len(listing.tables) == 1 and not listing.is_folder:
        labels = _names_media(listing.tables[0])
        if labels is not None:
            listing = Listing.of(str(Path(labels).parent))
    damaged = tuple(table for table in listing.tables if not has_rows(table))
    if damaged and len(listing.tables) - len(damaged) >= _MANY_FILES:
        listing = replace(listing, tables=tuple(t for t in listing.tables if t not in damaged))
    else:
        damaged = ()
    request = _Request(listing=listing, labels=labels, label=label, rows=rows, damaged=damaged)
    media = max(listing.media, key=lambda kind: len(listing.media[kind]))
    # One or two pictures beside many tables are drawings of them.
    enough = _MANY_FILES if len(listing.tables) > _MANY_FILES else 1
    if len(listing.media[media]) >= enough:
        return request.of_files(media, listing.media[media])
    if listing.arrays:
        return request.of_files("table", listing.arrays)
    if listing.foreign and len(listing.tables) < _MANY_FILES and listing.is_folder:
        raise _foreign_error(listing)
    discovery = request.of_tables() if listing.tables else None
    if discovery is None and _is_mixed(path):
        raise _nameless_error(listing)
    return discovery


def _nameless_error(listing: Listing) -> InputError:
    beside = [f for f in (*listing.tables, *listing.sheets) if Path(f).parent == Path(listing.base)]
    below = next(file for file in listing.tables if Path(file).parent != Path(listing.base))
    return InputError(
        f"{listing.base} has tables in sub-folders, such as {below}, and {beside[0]}, of which no "
        "column names them. If they are recordings, write the name of each file into a column of "
        "that table. If each row is an example, give the folder or a glob of these files alone."
    )


def _foreign_error(listing: Listing) -> InputError:
    suffixes = sorted({Path(file).suffix.lower() for file in listing.foreign})
    return InputError(
        f"{listing.base} has {count(len(listing.foreign), 'file')} such as {listing.foreign[0]}, "
        f"and {', '.join(suffixes)} is not read. Convert sounds to WAV or FLAC, and pictures to "
        "PNG or JPEG."
    )


def _names_media(table: str) -> str | None:
    """Returns a table of which a column names existing sounds or pictures below its folder."""
    folder = Path(table).parent
    media = [file for files in Listing.of(str(folder)).media.values() for file in files]
    if not media or not read_frame(table).select_dtypes(object).shape[1]:
        return None
    matched = label_evidence.match_table(table, read_frame(table), media, str(folder))
    return table if matched else None


@dataclass(frozen=True, kw_only=True)
class _Request:
    """The files, and what a person says of them."""

    listing: Listing
    labels: str | None
    label: str | None
    rows: Rows | None
    damaged: tuple[str, ...] = ()

    def of_files(self, media: Media, files: Sequence[str]) -> Discovery:
        """Discovers recordings with a file for each, which are no tables of samples."""
        notes = [f"{_number(len(files), media)} below {self.listing.base}"]
        if media == "image":
            check_no_masks(files, self.listing.base)
        table = self._table_of_labels(files)
        notes += self._rest([*files, *([table.path] if table else ())])
        if table is not None:
            return self._by_table(media, files, table, notes)
        return self._by_name(media, files, notes)

    def _rest(self, used: Sequence[str]) -> Iterator[str]:
        """Says which other files could be recordings too, and are not used."""
        listing = self.listing
        tables = listing.tables if len(listing.tables) >= _MANY_FILES else ()
        others = [*listing.arrays, *listing.foreign, *tables]
        others += [file for kind in listing.media.values() for file in kind]
        suffixes = Counter(Path(file).suffix.lower() for file in {*others} - {*used})
        if suffixes:
            listed = ", ".join(f"{number:,} {suffix}" for suffix, number in suffixes.most_common())
            yield f"not used: {count(suffixes.total(), 'file')} of other kinds ({listed})"

    def _table_of_labels(self, files: Sequence[str]) -> TableOfLabels | None:
        """Returns the table that names the files: the given one, else the best beside them.

        Raises:
            InputError: The given table names too few of the files.
        """
        base = self.listing.base
        if self.labels is not None:
            given = label_evidence.match_table(self.labels, read_frame(self.labels), files, base)
            if given is None:
                columns = ", ".join(f"`{name}`" for name in read_frame(self.labels).columns)
                raise InputError(
                    f"--labels {self.labels}: no column names the files, such as "
                    f"{Path(files[0]).name}, with or without suffix. Its columns: {columns}."
                )
            return given
        matches = [
            match
            for path in self._tables_beside(files)
            if (match := label_evidence.match_table(path, read_frame(path), files, base))
        ]
        return max(matches, key=lambda match: match.num_matched, default=None)

    def _tables_beside(self, files: Sequence[str]) -> list[str]:
        """Tables that are none of the files: below the path, and in the folder above it."""
        parent = Listing.of(f"{Path(self.listing.base).absolute().parent}/*")
        above = (*parent.tables, *parent.sheets)
        relative = [str(Path(self.listing.base).parent / Path(path).name) for path in above]
        beside = [*self.listing.tables, *self.listing.sheets]
        beside += relative if self.listing.is_folder else ()
        return [path for path in dict.fromkeys(beside) if path not in files]

    def _by_table(
        self, media: Media, files: Sequence[str], table: TableOfLabels, notes: list[str]
    ) -> Discovery:
        frame = read_frame(table.path)
        label = label_evidence.label_column(
            frame, wanted=self.label, not_label=(table.id_column,), where=table.path
        )
        notes.append(f"labels in {table.path}: `{table.id_column}` names the files, `{label}` is "
                     "the label")  # fmt: skip
        lacking = len(files) - table.num_matched
        if lacking:
            notes.append(f"{_number(lacking, media)} of {len(files):,} are not in {table.path}")
        recordings = Recordings(
            form="files",
            media=media,
            labels=table.path,
            id_column=table.id_column,
            **self._axes(media, files, label),
        )
        classes = Counter(frame[label].dropna().map(series.label_text))
        return self._found(files, recordings, label, classes, notes)

    def _by_name(self, media: Media, files: Sequence[str], notes: list[str]) -> Discovery:
        """Discovers labels in the names of folders or files.

        Raises:
            InputError: There are none.
        """
        label = self.label or _DEFAULT_LABEL
        by_folder = label_evidence.folder_classes(files, self.listing.base)
        axes = self._axes(media, files, label)
        if by_folder:
            notes.append(f"the folder's name is the label: {_listed(by_folder)}")
            unused = label_evidence.unused_folders(files, self.listing.base)
            if unused:
                named = ", ".join(f"`{name}`" for name in unused[:5])
                notes.append(
                    f"the folders above ({named}) are not the label; if they are, move the files "
                    "up into them"
                )
            recordings = Recordings(form="files", media=media, label_from="folder", **axes)
            return self._found(files, recordings, label, by_folder, notes)
        by_name = label_evidence.name_pattern(files)
        if by_name is None:
            raise label_evidence.no_label_error(
                _number(len(files), media), self.listing.base, Path(files[0]).name
            )
        pattern, classes = by_name
        notes.append(f"the file's name holds the label: {_listed(classes)}")
        recordings = Recordings(form="files", media=media, label_pattern=pattern, **axes)
        return self._found(files, recordings, label, classes, notes)

    def _axes(self, media: Media, files: Sequence[str], label: str) -> dict[str, Any]:
        """The column of times of files with tables of samples."""
        if media != "table" or files[0] not in self.listing.tables:
            return {}
        return {"time_column": series.time_column(read_frame(files[0]), (label,))}

    def _found(
        self,
        files: Sequence[str],
        recordings: Recordings,
        label: str,
        classes: Mapping[str, int],
        notes: Sequence[str],
    ) -> Discovery:
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

    def of_tables(self) -> Discovery | None:
        """Discovers tables of samples: streams, files for recordings, or a long table."""
        if self.labels is not None and _has_events(self.labels):
            return self._of_events(self.labels)
        files = [path for path in self.listing.tables if not _same_file(path, self.labels)]
        labels = self._labels_of_ids(files) if self.labels is None else None
        if labels is not None:
            return replace(self, labels=labels).of_tables()
        if len(files) == 1 or (self.labels is None and self._is_one_table(files)):
            return self._of_rows(files)
        events = [path for path in files if self.labels is None and _has_events(path)]
        if len(events) == 1:
            return self._of_events(events[0])
        return self._of_several(files)

    def _labels_of_ids(self, files: Sequence[str]) -> str | None:
        """Returns which of two tables has one row for each id of the other, with its label."""
        if len(files) != 2:
            return None
        for path, long in (files, files[::-1]):
            table, frame = read_frame(path), read_frame(long)
            for name in table.columns.intersection(frame.columns):
                is_label = self.label in table.columns or label_evidence.likely_labels(
                    table, (name,)
                )
                if is_label and series.names_runs(table[name], frame[name]):
                    return path
        return None

    def _is_one_table(self, files: Sequence[str]) -> bool:
        """Whether all files have the same columns and are in one folder, with none beside."""
        folders = {Path(file).parent for file in files}
        headers = {tuple(read_frame(file).columns) for file in files}
        if len(headers) > 1 or len(folders) > 1:
            return False
        return self._table_of_labels(files) is None

    def _of_several(self, files: Sequence[str]) -> Discovery | None:
        """Discovers a table for each recording, with or without a table that names them."""
        if self.labels is None:
            files, table = self._split_off_index(files)
        else:
            table = self._table_of_labels(files)
        if len(files) < _MANY_FILES:
            return None
        notes = [f"{count(len(files), 'table')} of samples below {self.listing.base}"]
        frame = read_frame(files[0])
        own = self._own_label(frame)
        if table is not None and (own is None or self.label in read_frame(table.path).columns):
            return self._by_table("table", files, table, notes)
        if table is not None and own is not None:
            notes.append(f"{table.path} names them, and is not used: its rows have no label")
        if own is not None:
            return self._of_labelled(files, own, notes, is_sure=table is not None)
        return self._of_unlabelled(files, notes)

    def _split_off_index(self, files: Sequence[str]) -> tuple[Sequence[str], TableOfLabels | None]:
        """Divides tables into those of samples and the one that names them."""
        for path in [*files, *self._tables_beside(files)]:
            others = [file for file in files if file != path]
            if len(others) < _MANY_FILES or _has_same_columns(path, others[0]):
                continue
            match = label_evidence.match_table(path, read_frame(path), others, self.listing.base)
            if match is not None:
                return others, match
        return files, None

    def _own_label(self, frame: pd.DataFrame) -> str | None:
        """The label's column in the raw files themselves."""
        if self.label is not None:
            return self.label if self.label in frame.columns else None
        likely = label_evidence.likely_labels(frame)
        named = [str(name) for name in frame.columns if str(name).lower() == _DEFAULT_LABEL]
        candidates = named or likely
        return candidates[0] if len(candidates) == 1 else None

    def _of_labelled(
        self, files: Sequence[str], label: str, notes: list[str], *, is_sure: bool
    ) -> Discovery | None:
        """Discovers files with the label in a column: constant in each, or one for each sample."""
        frames = [read_frame(file) for file in files]
        if any(label not in frame.columns for frame in frames):
            return None
        time = series.time_column(frames[0], (label,))
        are_streams = [series.looks_like_stream(frame, label, time) for frame in frames]
        if not is_sure and self.rows is None and not all(are_streams):
            return None
        if all(len(frame[label].unique()) == 1 for frame in frames):
            notes.append(f"`{label}` is constant in each file")
            classes = Counter(series.label_text(frame[label].iloc[0]) for frame in frames)
            recordings = Recordings(form="files", time_column=time)
            return self._found(files, recordings, label, classes, notes)
        return self._streams(files, frames, label, time, notes)

    def _of_unlabelled(self, files: Sequence[str], notes: list[str]) -> Discovery | None:
        """Discovers tables of samples by classes in the names of folders or files."""
        has_classes = label_evidence.folder_classes(
            files, self.listing.base
        ) or label_evidence.name_pattern(files)
        if not has_classes or (self.label in read_frame(files[0]).columns):
            return None
        return self._by_name("table", files, notes)

    def _of_rows(self, files: Sequence[str]) -> Discovery | None:
        """Discovers a long table or a stream in tables that may as well have examples as rows."""
        frames = [read_frame(file) for file in files]
        frame = frames[0]
        own = self._own_label(frame)
        long = self._of_long(files, pd.concat(frames) if len(frames) > 1 else frame, own)
        if long is not None:
            return long
        if own is not None:
            notes = [f"{count(len(files), 'table')} of samples"]
            labelled = self._of_labelled(files, own, notes, is_sure=False)
            if labelled is not None:
                return labelled
        if len(files) >= _MANY_FILES and self.label not in frame.columns:
            notes = [f"{count(len(files), 'table')} of samples below {self.listing.base}"]
            return self._of_unlabelled(files, notes)
        return None

    def _of_long(
        self, files: Sequence[str], frame: pd.DataFrame, own: str | None
    ) -> Discovery | None:
        """Discovers a long table: ids, times, channels, and a label for each id."""
        beside = read_frame(self.labels) if self.labels is not None else None
        shared = None if beside is None else next(
            (str(name) for name in beside.columns if name in frame.columns and name != own), None
        )  # fmt: skip
        axes = series.long_axes(frame, shared, own)
        if axes is None:
            return None
        name, time = axes
        notes = [f"a long table: `{name}` names {frame[name].nunique():,} recordings, `{time}` is "
                 "the time of each sample"]  # fmt: skip
        if beside is not None and self.labels is not None:
            ids = set(frame[name].dropna().astype(str))
            if label_evidence.match_ids(self.labels, beside, ids, name) is None:
                return None
            label = label_evidence.label_column(
                beside, wanted=self.label, not_label=(name,), where=self.labels
            )
            recordings = Recordings(
                form="long", id_column=name, time_column=time, labels=self.labels
            )
            classes = Counter(beside[label].dropna().map(series.label_text))
            return self._found(files, recordings, label, classes, notes)
        if own is None or frame.groupby(name)[own].nunique().max() > 1:
            return None
        recordings = Recordings(form="long", id_column=name, time_column=time)
        firsts = frame.groupby(name)[own].first()
        notes.append(f"`{own}` is constant in each; `--rows examples` takes rows as examples")
        return self._found(files, recordings, own, Counter(firsts.map(series.label_text)), notes)

    def _streams(
        self,
        files: Sequence[str],
        frames: Sequence[pd.DataFrame],
        label: str,
        time: str | None,
        notes: list[str],
    ) -> Discovery:
        """Discovers streams with a label for each sample."""
        classes = sum(
            (Counter(frame[label].dropna().map(series.label_text)) for frame in frames), Counter()
        )
        positive = series.rarest(classes)
        channels = series.channels_of(frames[0], (label, time))
        streams = [series_of_labels(frame, label, time, positive) for frame in frames]
        choice = series.choose_window(streams)
        num_events = sum(len(stream.events) for stream in streams)
        notes = [
            stream_note(streams, channels),
            f"a label for each sample, with {count(num_events, 'event')}",
            *choice.reasons,
            *notes[1:],
        ]
        recordings = Recordings(form="stream", time_column=time, window=choice.window)
        discovery = self._found(files, recordings, label, classes, notes)
        return replace(discovery, rate_hz=choice.rate_hz)

    def _of_events(self, events: str) -> Discovery:
        """Discovers streams with a table of events."""
        files = [path for path in self.listing.tables if not _same_file(path, events)]
        if not files:
            raise InputError(
                f"{events} is a table of events, and there is no table of samples beside it. Give "
                "the files of the recordings, and this table by --labels."
            )
        frames = [read_frame(file) for file in files]
        time = series.time_column(frames[0])
        if time is None:
            raise InputError(
                f"{events} lists events by time, but {files[0]} has no column of times. Name the "
                "column `time` or `timestamp`."
            )
        intervals = read_frame(events)
        own = rows_of_files(intervals, files)
        streams = [
            series_of_events(frame, time, intervals[rows])
            for frame, rows in zip(frames, own, strict=True)
        ]
        choice = series.choose_window(streams)
        recordings = Recordings(
            form="stream", time_column=time, events=events, window=choice.window
        )
        notes = [
            stream_note(streams, series.channels_of(frames[0], (time,))),
            f"{count(len(intervals), 'event')} in {events}",
            *choice.reasons,
        ]
        label = self.label or _DEFAULT_LABEL
        discovery = self._found(files, recordings, label, {}, notes)
        return replace(discovery, positive="1", rate_hz=choice.rate_hz)


def _number(number: int, media: Media) -> str:
    return f"{number:,} {_WORDS[media][number != 1]}"


def _listed(classes: Mapping[str, int]) -> str:
    return ", ".join(f"`{name}` ({number:,})" for name, number in sorted(classes.items()))


def _same_file(path: str, other: str | None) -> bool:
    return other is not None and Path(path).absolute() == Path(other).absolute()


def _has_same_columns(path: str, other: str) -> bool:
    return set(read_frame(path).columns) == set(read_frame(other).columns)


def _has_events(path: str) -> bool:
    return {"start", "end"} <= set(read_frame(path).columns)

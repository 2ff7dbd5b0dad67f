"""Tables of samples: a file for each recording, a long table, or streams."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.evidence import labels as label_evidence
from pipeline.reading.recordings.evidence import long_tables, series
from pipeline.reading.recordings.evidence.labels import TableOfLabels
from pipeline.reading.recordings.evidence.listing import read_frame
from pipeline.reading.recordings.forms.request import MANY_FILES, Discovery, order_options
from pipeline.reading.recordings.forms.streams import StreamForms, has_events, same_file
from pipeline.reading.recordings.raw.listing import probes_of
from pipeline.recording_options import Recordings


class TableForms(StreamForms):
    """Discovers what the rows of tables are; None if they are examples."""

    def of_tables(self) -> Discovery | None:
        """Discovers tables of samples: streams, files for recordings, or a long table."""
        if self.labels is not None and has_events(self.labels):
            return self.of_events(self.labels)
        files = [path for path in self.listing.tables if not same_file(path, self.labels)]
        labels = self._labels_of_ids(files) if self.labels is None else None
        if labels is not None:
            return replace(self, labels=labels).of_tables()
        if len(files) == 1 or (self.labels is None and self._is_one_table(files)):
            return self._of_rows(files)
        events = [path for path in files if self.labels is None and has_events(path)]
        if len(events) == 1:
            return self.of_events(events[0])
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
                if is_label and long_tables.names_runs(table[name], frame[name]):
                    return path
        return None

    def _is_one_table(self, files: Sequence[str]) -> bool:
        """Whether all files have the same columns and are in one folder, with none beside."""
        folders = {Path(file).parent for file in files}
        headers = {tuple(read_frame(file).columns) for file in files}
        if len(headers) > 1 or len(folders) > 1:
            return False
        return self.table_of_labels(files) is None

    def _of_several(self, files: Sequence[str]) -> Discovery | None:
        """Discovers a table for each recording, with or without a table that names them."""
        if self.labels is None:
            files, table = self._split_off_index(files)
        else:
            table = self.table_of_labels(files)
        if len(files) < MANY_FILES:
            return None
        notes = [f"{count(len(files), 'table')} of samples below {self.listing.base}"]
        own = self._own_label_of(files)
        if table is not None and (own is None or self.label in read_frame(table.path).columns):
            return self.by_table("table", files, table, notes)
        if table is not None and own is not None:
            notes.append(f"{table.path} names them, and is not used: its rows have no label")
        if own is not None:
            return self.of_labelled(files, own, notes, is_sure=table is not None)
        return self._of_unlabelled(files, notes)

    def _split_off_index(self, files: Sequence[str]) -> tuple[Sequence[str], TableOfLabels | None]:
        """Divides tables into those of samples and the one that names them."""
        for path in [*files, *self.tables_beside(files)]:
            others = [file for file in files if file != path]
            if len(others) < MANY_FILES or _has_same_columns(path, others[0]):
                continue
            match = label_evidence.match_table(path, read_frame(path), others, self.listing.base)
            if match is not None:
                return others, match
        return files, None

    def of_labelled(
        self, files: Sequence[str], label: str, notes: list[str], *, is_sure: bool
    ) -> Discovery | None:
        """Discovers files with the label in a column: constant in each, or one for each sample."""
        frames = [read_frame(file) for file in files]
        lacking = [f for f, frame in zip(files, frames, strict=True) if label not in frame.columns]
        if lacking and (self.label is not None or len(lacking) < len(files) / 2):
            raise InputError(
                f"{count(len(lacking), 'file')} such as {lacking[0]} have no column "
                f"`{label}`, and {len(files) - len(lacking):,} have it. Write the column into each "
                "file, or keep the files without it elsewhere."
            )
        if lacking:
            return None
        time = series.time_column(frames[0], (label,))
        are_streams = [
            series.looks_like_stream(frame, label, time, self.positive) for frame in frames
        ]
        is_constant = all(len(frame[label].unique()) == 1 for frame in frames)
        are_recordings = is_constant and _are_recordings(frames, label, time)
        if not is_sure and self.rows is None and not (are_recordings or all(are_streams)):
            return None
        if is_constant:
            notes.append(
                f"`{label}` is constant in each file; `--rows examples` takes rows as examples"
            )
            classes = Counter(series.label_text(frame[label].iloc[0]) for frame in frames)
            recordings = Recordings(form="files", **order_options(frames[0], time, notes))
            return self.found(files, recordings, label, classes, notes)
        return self.of_streams(files, frames, label, time, notes)

    def _own_label_of(self, files: Sequence[str]) -> str | None:
        """The label's column in the files; it may be constant in each of them."""
        own = self.own_label(read_frame(files[0]))
        if own is not None or len(files) == 1:
            return own
        probes = [read_frame(file) for file in probes_of(files)]
        inner = (name for frame in probes if (name := self.own_label(frame)) is not None)
        return next(inner, None) or self.own_label(pd.concat([frame.head(1) for frame in probes]))

    def _of_unlabelled(self, files: Sequence[str], notes: list[str]) -> Discovery | None:
        """Discovers tables of samples by classes in the names of folders or files."""
        has_classes = label_evidence.folder_classes(
            files, self.listing.base
        ) or label_evidence.name_pattern(files)
        if not has_classes or (self.label in read_frame(files[0]).columns):
            return None
        return self.by_name("table", files, notes)

    def _of_rows(self, files: Sequence[str]) -> Discovery | None:
        """Discovers a long table or a stream in tables that may as well have examples as rows."""
        frames = [read_frame(file) for file in files]
        frame = frames[0]
        own = self._own_label_of(files)
        long = self._of_long(files, pd.concat(frames) if len(frames) > 1 else frame, own)
        if long is not None:
            return long
        if own is not None:
            notes = [f"{count(len(files), 'table')} of samples"]
            labelled = self.of_labelled(files, own, notes, is_sure=False)
            if labelled is not None:
                return labelled
        if len(files) >= MANY_FILES and self.label not in frame.columns:
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
        axes = long_tables.long_axes(frame, shared, own)
        if axes is None:
            self._check_no_pairs(frame, own)
            return None
        name, time = axes
        order = series.order_of(frame[frame[name] == frame[name].dropna().iloc[0]][time])
        what = "the time" if "time_column" in order else "the number"
        notes = [f"a long table: `{name}` names {frame[name].nunique():,} recordings, `{time}` is "
                 f"{what} of each sample"]  # fmt: skip
        if "index_column" in order:
            notes.append(series.index_note(time))
        if beside is not None and self.labels is not None:
            ids = set(frame[name].dropna().astype(str))
            if label_evidence.match_ids(self.labels, beside, ids, name) is None:
                return None
            label = label_evidence.label_column(
                beside, wanted=self.label, not_label=(name,), where=self.labels
            )
            recordings = Recordings(form="long", id_column=name, labels=self.labels, **order)
            classes = Counter(beside[label].dropna().map(series.label_text))
            return self.found(files, recordings, label, classes, notes)
        if own is None or frame.groupby(name)[own].nunique().max() > 1:
            return None
        recordings = Recordings(form="long", id_column=name, **order)
        firsts = frame.groupby(name)[own].first()
        notes.append(f"`{own}` is constant in each; `--rows examples` takes rows as examples")
        return self.found(files, recordings, own, Counter(firsts.map(series.label_text)), notes)

    def _check_no_pairs(self, frame: pd.DataFrame, label: str | None) -> None:
        """Checks that recordings are not named by two columns together.

        Raises:
            InputError: They are.
        """
        pair = None if label is None or self.labels else long_tables.paired_ids(frame, label)
        if pair is not None:
            first, second = pair
            raise InputError(
                f"The rows of {self.listing.tables[0]} seem to be samples of recordings that "
                f"`{first}` and `{second}` name together. Write one column with both, such as "
                f"`{frame[first].iloc[0]}_{frame[second].iloc[0]}`, and run `init` again; if each "
                "row is an example of its own, run it with `--rows examples`."
            )


def _are_recordings(frames: Sequence[pd.DataFrame], label: str, time: str | None) -> bool:
    """Tells whether files with one label each are recordings of samples at a regular step."""
    labels = {series.label_text(frame[label].iloc[0]) for frame in frames if len(frame)}
    are_many = len(frames) >= long_tables.MIN_IDS and len(labels) > 1
    return are_many and all(series.is_recording(frame, time) for frame in frames)


def _has_same_columns(path: str, other: str) -> bool:
    return set(read_frame(path).columns) == set(read_frame(other).columns)

"""HDF5 files of which each group is a recording."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.files.pieces import suffix_of
from pipeline.reading.recordings.evidence.labels import MAX_CLASSES
from pipeline.reading.recordings.forms.request import (
    DEFAULT_LABEL,
    MANY_FILES,
    Discovery,
    Request,
)
from pipeline.reading.recordings.forms.rows import MIN_RECORDINGS, RowsRequest, labels_in
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.rows.array_parts import PARTS
from pipeline.reading.recordings.rows.group_rows import OUTER, GroupOfFile, read_groups
from pipeline.recording_options import Recordings, RowsOfFile

_SUFFIXES = (".h5", ".hdf5")
_ALIKE = 0.9  # share of the groups that have the same data sets


class GroupForms(RowsRequest, Request):
    """Discovers groups that are recordings; None if they are not."""

    def of_groups(self, files: Sequence[str]) -> Discovery | None:
        """Discovers HDF5 files whose groups have the same data sets.

        Raises:
            InputError: Nothing tells the label of a group.
        """
        if self.labels is not None or len(files) >= MANY_FILES:
            return None
        if not files or not all(suffix_of(file, _SUFFIXES) for file in files):
            return None
        try:
            groups = [group for file in files for group in read_groups(file)]
        except UnusableError:
            return None  # the reader of files says what is wrong
        if not _are_recordings(groups):
            return None
        rows, label = self._label_of(files[0], groups)
        labels = [text for file in files for text in labels_in(file, rows)]
        lengths = sorted(max(map(len, group.samples.values()), default=0) for group in groups)
        channels = ", ".join(f"`{name}`" for name in list(groups[0].samples)[:5])
        notes = [f"channels {channels}, {lengths[0]:,} to {lengths[-1]:,} samples in each group"]
        if not rows.label_at and any(group.outer for group in groups):
            notes.append(f"the column `{OUTER}` has the groups around each")
        return self.found_rows(files, Recordings(form="rows", rows=rows), label, labels, notes)

    def _label_of(self, file: str, groups: Sequence[GroupOfFile]) -> tuple[RowsOfFile, str]:
        frame = pd.DataFrame([dict(group.singles) for group in groups])
        own = self.own_label(frame) if len(frame.columns) else None
        if own is not None:
            return RowsOfFile(groups=True, label=own), own
        outer = Counter(group.outer.rpartition("/")[2] for group in groups)
        is_named = self.label is None and not {name.lower() for name in outer} <= {"", *PARTS}
        if is_named and 2 <= len(outer) <= MAX_CLASSES and min(outer.values()) > 1:
            return RowsOfFile(groups=True, label_at="group"), DEFAULT_LABEL
        listed = ", ".join(f"`{name}`" for name in frame.columns) or "none"
        raise InputError(
            f"{file} has {count(len(groups), 'group')} with the same data sets, such as "
            f"`{groups[0].path}`, and nothing says which is faulty: expected an attribute or a "
            "single value of each that is named as a label, such as `label` or `fault`, or the "
            f"classes as the groups around them. Their attributes and single values: {listed}. "
            "Name the label with --label, or write it into each group."
        )


def _are_recordings(groups: Sequence[GroupOfFile]) -> bool:
    """Tells whether most groups have the same data sets of samples at one depth."""
    if len(groups) < MIN_RECORDINGS:
        return False
    depths = {group.path.count("/") for group in groups}
    sets = Counter(tuple(sorted(group.samples)) for group in groups)
    names, number = sets.most_common(1)[0]
    return len(depths) == 1 and bool(names) and number >= _ALIKE * len(groups)

"""The label of a recording or of its samples, and its context: from a table, a folder, a name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config import Data, Label
from pipeline.counting import count
from pipeline.reading.ingest_spec import canonical_label, is_positive, label_marks
from pipeline.reading.recordings.beside.labels import (
    LabelTable,
    Row,
    merge_rows,
    read_label_table,
    several_labels,
)
from pipeline.reading.recordings.beside.matching import FileMatcher
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.recording import BadRecording
from pipeline.reading.typing_rows import label_texts
from pipeline.recording_options import Recordings

_NOTHING = Row(label=None, context={})


class Labeller:
    """Finds the label and the context of recordings.

    Args:
        data: The config's `data` block.
        options: Its `recordings`.
        label: The label; None for predictions, for which a table of labels only has context, and
            may be absent or lack recordings.
        base: Folder that the files' names are relative to.
        files: The files.
        folder: Folder that the table's path is relative to.
    """

    def __init__(
        self,
        data: Data,
        options: Recordings,
        *,
        label: Label | None,
        base: str,
        files: Sequence[str],
        folder: Path,
    ) -> None:
        self._options, self._label, self._base = options, label, base
        self._table = self._read(data, folder)
        ids = list(self._table.rows) if self._table else []
        self._matcher = FileMatcher(ids, [self._name(file) for file in files], base=base)
        self._used: set[str] = set()
        self._unnamed: set[str] = set()

    def _read(self, data: Data, folder: Path) -> LabelTable | None:
        if self._options.labels is None or self._options.id_column is None:
            return None
        path = folder / self._options.labels
        if self._label is None and not path.is_file():
            return None
        column = self._label.column if self._label else None
        return read_label_table(path, data, id_column=self._options.id_column, label=column)

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Types of the context columns, of the table and of the files' paths."""
        own = self._table.types if self._table else {}
        return own | dict.fromkeys(self._options.from_path, pa.string())

    def _name(self, file: str) -> str:
        return Path(file).relative_to(self._base).as_posix()

    def of_file(self, file: str) -> Row:
        """Returns what is known of the recording in a file.

        Raises:
            UnusableError: It has no label where it must have one, or several.
        """
        row = self._labelled(file)
        own = {name: self._in_path(file, name) for name in self._options.from_path}
        return replace(row, context=row.context | own) if own else row

    def _in_path(self, file: str, name: str) -> str | None:
        """Returns the value of a column from the path of a file; a file to predict may lack it."""
        match = re.search(self._options.from_path[name], self._name(file))
        if match is not None and match[1] is not None:
            return str(match[1])
        if self._label is None:
            return None
        raise UnusableError(
            f"its path does not match data.recordings.from_path.{name}, "
            f"{self._options.from_path[name]!r}"
        )

    def _labelled(self, file: str) -> Row:
        if self._table is not None:
            return self._of_rows(self._match(file), Path(file).name, key=file)
        if self._label is None:
            return _NOTHING
        if self._options.label_from == "folder":
            return Row(label=self._folder_of(file), context={})
        if self._options.label_pattern is not None:
            return Row(label=self._in_name(file), context={})
        return _NOTHING

    def _match(self, file: str) -> list[str]:
        name = self._name(file)
        ids = self._matcher.match(name)
        shared = None if ids else self._matcher.ambiguous(name)
        if shared is not None:
            raise UnusableError(
                f"`{shared}` in {self._where} means several files; write their paths below "
                "data.path there"
            )
        return ids

    def of_id(self, id_: str) -> Row:
        """Returns what the table says of a recording of a long table.

        Raises:
            UnusableError: The table does not have it, or contradicts itself.
        """
        if self._table is None:
            return _NOTHING
        return self._of_rows([id_] if id_ in self._table.rows else [], id_, key=id_)

    def _of_rows(self, ids: Sequence[str], name: str, *, key: str) -> Row:
        assert self._table is not None  # noqa: S101 - the callers checked it
        if not ids:
            if self._label is None:
                self._unnamed.add(key)
                return _NOTHING
            raise UnusableError(f"{self._where} has no row for `{name}`, so it has no label")
        self._used.update(ids)
        rows = [self._table.rows[id_] for id_ in ids]
        labels = [text for id_ in ids for text in self._table.contradicted.get(id_, ())]
        if labels := labels or list(several_labels(rows)):
            listed = " and ".join(f"`{text}`" for text in dict.fromkeys(labels))
            raise UnusableError(
                f"{self._where} has several rows for `{name}`, with the labels {listed}; a "
                "recording has one. If it is positive once one of its rows is, keep that row only"
            )
        return merge_rows(rows)

    @property
    def _where(self) -> str:
        return f"data.recordings.labels ({Path(self._table.path).name})" if self._table else ""

    def _folder_of(self, file: str) -> str:
        folder = Path(self._name(file)).parent.name
        if not folder:
            raise UnusableError(
                "it is in no sub-folder of data.path, so data.recordings.label_from: folder gives "
                "it no label"
            )
        return folder

    def _in_name(self, file: str) -> str:
        pattern = self._options.label_pattern or ""
        whole = "/" in pattern
        match = re.search(pattern, self._name(file) if whole else Path(file).name)
        if match is None or match[1] is None:
            raise UnusableError(
                f"its {'path' if whole else 'name'} does not match data.recordings.label_pattern, "
                f"{pattern!r}, so it has no label"
            )
        return match[1]

    def unused(self) -> list[BadRecording]:
        """Returns the rows of the table for which there was no recording."""
        if self._table is None or self._label is None:
            return []
        return [
            BadRecording(
                name=id_,
                path=self._table.path,
                reason=f"`{id_}` has a label, but there is no such recording",
            )
            for id_ in self._table.rows
            if id_ not in self._used
        ]

    @property
    def unnamed(self) -> frozenset[str]:
        """Files, or ids of a long table, to predict that the table does not name."""
        return frozenset(self._unnamed)

    def notes(self) -> list[str]:
        """Returns what is remarkable of the table, in words."""
        if self._table is None:
            return []
        notes = []
        if self._table.num_repeated:
            repeated = count(self._table.num_repeated, "row")
            notes.append(f"{repeated} of {self._where} repeat another one")
        if merged := {i: n for i, n in self._table.merged.items() if i in self._used}:
            names = dict.fromkeys(name for own in merged.values() for name in own)
            listed = ", ".join(f"`{name}`" for name in names)
            notes.append(
                f"{count(len(merged), 'recording')} with several rows in {self._where} and one "
                f"label: {listed} is missing where they differ"
            )
        return notes


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleLabels:
    """The labels of the samples of a stream.

    Attributes:
        positive: bool [samples], whether each is positive; false where that is not known.
        is_missing: bool [samples], whether it has no label.
        is_unknown: bool [samples], whether `label.values` does not have its label.
        texts: The labels, each once.
        codes: int64 [samples], the label of each sample in `texts`; their number if it has none.
    """

    positive: NDArray[np.bool_]
    is_missing: NDArray[np.bool_]
    is_unknown: NDArray[np.bool_]
    texts: pa.Array
    codes: NDArray[np.int64]

    def text_of(self, sample: int) -> str:
        """Returns the label of a sample that has one."""
        return str(self.texts[int(self.codes[sample])].as_py())


def read_sample_labels(text: pa.DictionaryArray, label: Label, data: Data) -> SampleLabels:
    """Reads the label of each sample of a stream.

    Args:
        text: The labels.
        label: The positive value, and all values if they are declared.
        data: The config's `data` block, for the texts that mean a missing value.
    """
    texts, is_missing, _ = label_texts(
        text.dictionary, label_marks(label.column, data.columns, data.missing_values)
    )
    meanings = [_is_positive(one, label) for one in texts.to_pylist()]
    # The last place is that of samples without any text.
    codes = np.asarray(text.indices.fill_null(len(meanings)), np.int64)
    missing = np.append(is_missing, True)[codes]
    unknown = np.array([one is None for one in (*meanings, None)])[codes]
    return SampleLabels(
        positive=np.array([bool(one) for one in (*meanings, None)])[codes],
        is_missing=missing,
        is_unknown=unknown & ~missing,
        texts=texts,
        codes=codes,
    )


def positive_samples(text: pa.DictionaryArray, label: Label, data: Data) -> NDArray[np.bool_]:
    """Returns whether each sample of a stream is positive, bool [samples].

    Args:
        text: The label of each sample.
        label: The positive value, and all values if they are declared.
        data: The config's `data` block, for the texts that mean a missing value.

    Raises:
        UnusableError: A sample has no label, or one that `label.values` does not have.
    """
    labels = read_sample_labels(text, label, data)
    if num := int(labels.is_missing.sum()):
        raise UnusableError(missing_labels(num, int(np.argmax(labels.is_missing)) + 1))
    if labels.is_unknown.any():
        place = int(np.argmax(labels.is_unknown))
        raise UnusableError(unknown_label(place + 1, labels.text_of(place), label))
    return labels.positive


def missing_labels(num_samples: int, first_row: int) -> str:
    """Says that samples have no label."""
    return f"{count(num_samples, 'sample')} without a label, first row {first_row:,}"


def unknown_label(row: int, text: str, label: Label) -> str:
    """Says that the label of a sample is none of `label.values`."""
    listed = ", ".join(f"`{value}`" for value in label.values)
    return f"the label of row {row} is `{text}`; expected one of label.values: {listed}"


def _is_positive(text: str | None, label: Label) -> bool | None:
    """Tells whether a canonical label is positive; None if `label.values` does not have it."""
    if text is None:
        return None
    return is_positive(
        text,
        positive=canonical_label(str(label.positive)),
        negative="" if label.negative is None else canonical_label(str(label.negative)),
        values=tuple(canonical_label(str(value)) for value in label.values),
    )

"""Profile of a data set: exact counts over all rows, and a sample for closer analysis."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from common.errors import InputError
from pipeline.onboarding.profile.labels import missing_label_error
from pipeline.onboarding.profile.tally import ColumnTally
from pipeline.reading import hashing, values
from pipeline.reading.columns import Kind
from pipeline.reading.files import sources
from pipeline.reading.files.pieces import Format, RawBatch
from pipeline.reading.hashing import Hashes
from pipeline.reading.ingest_spec import canonical_label

ColumnKind = Literal["int", "float", "text", "mixed", "time", "list", "empty", "other"]

_MAX_CELLS = 6_000_000  # of the sample
_MAX_SAMPLE_ROWS = 120_000
_MIN_SAMPLE_ROWS = 4_000
_MAX_BAD_SHARE = 0.05  # of the rows; a larger share indicates a systematic problem


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the data.

    Attributes:
        name: Name of the column.
        kind: Kind of its values; `mixed` is texts and numbers.
        num_rows: Rows of the data.
        tally: Counts over all rows.
        sample: [sampled rows]; float64 with NaN for numbers and Arrow times (seconds), objects
            with None for texts, empty for lists.
    """

    name: str
    kind: ColumnKind
    num_rows: int
    tally: ColumnTally
    sample: npt.NDArray[Any]

    @property
    def num_missing(self) -> int:
        """Number of rows without a value, over all rows."""
        return self.num_rows - self.tally.num_present

    @property
    def missing_share(self) -> float:
        """Share of rows without a value, in [0, 1]."""
        return self.num_missing / max(1, self.num_rows)

    @property
    def is_number(self) -> bool:
        """Whether every value is a number."""
        return self.kind in ("int", "float")

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """int64 [sampled rows], one code per distinct value; -1 for a missing value."""
        return np.asarray(pd.factorize(self.sample)[0], np.int64)

    @property
    def num_distinct(self) -> int:
        """Number of distinct values in the sample."""
        return int(self.codes.max(initial=-1)) + 1

    @property
    def num_sampled(self) -> int:
        """Number of sampled values that are not missing."""
        return int((self.codes >= 0).sum())


@dataclass(frozen=True, kw_only=True)
class Table:
    """Counts, columns and label of a data set.

    Attributes:
        files: Its files.
        format: Their format.
        num_rows: Number of readable rows.
        num_ragged: Rows with a wrong number of fields.
        num_duplicates: Rows that equal an earlier one.
        columns: All columns except the label, by name, in the files' order.
        classes: Number of rows by canonical label value.
        label_codes: int64 [rows], index of each row's label in `classes`; -1 is missing.
        sampled: int64 [sampled rows], indices of the sampled rows; each has a label.
        file_rows: Number of readable rows in each file.
    """

    files: Sequence[str]
    format: Format
    num_rows: int
    num_ragged: int
    num_duplicates: int
    columns: dict[str, Column]
    classes: dict[str, int]
    label_codes: npt.NDArray[np.int64]
    sampled: npt.NDArray[np.int64]
    file_rows: Sequence[int]

    @property
    def num_not_utf8(self) -> int:
        """Upper bound on the number of rows with a text that is not UTF-8."""
        return sum(column.tally.num_not_utf8 for column in self.columns.values())

    @property
    def num_unlabelled(self) -> int:
        """Number of rows without a label."""
        return int((self.label_codes < 0).sum())


def read_table(data: str, label: str, missing_values: Sequence[str]) -> Table:
    """Profiles the data in one pass and bounded memory.

    Raises:
        InputError: There is no data, it cannot be read, or it has no column `label`.
    """
    files = sources.list_files(data)
    file_format = sources.common_format(files)
    reader = _Reader(label=label, csv=file_format == "csv")
    file_rows = []
    for file in files:
        before = reader.num_rows
        for raw in sources.read_batches(file, file_format, missing_values=missing_values):
            reader.add(raw, file)
        file_rows.append(reader.num_rows - before)
    if not reader.num_rows:
        raise InputError(f"{data} has no rows below its header. Provide data with examples.")
    table = reader.finish(files, file_format, file_rows)
    _check_readable(table, data)
    return table


def _check_readable(table: Table, data: str) -> None:
    worst = max(table.columns.values(), key=lambda c: c.tally.num_not_utf8, default=None)
    if worst is not None and worst.tally.num_not_utf8 > _MAX_BAD_SHARE * table.num_rows:
        raise InputError(
            f"{data}: column `{worst.name}` holds {worst.tally.num_not_utf8:,} values that are not "
            "UTF-8 text. Save the file as UTF-8, or remove the column."
        )
    if table.num_ragged > _MAX_BAD_SHARE * (table.num_rows + table.num_ragged):
        raise InputError(
            f"{data}: {table.num_ragged:,} rows of {table.num_rows + table.num_ragged:,} have "
            "a different number of fields than the header. Fix the file; quote each field that "
            "contains the delimiter."
        )


@dataclass(kw_only=True)
class _Reader:
    """Counts, hashes and samples batches incrementally."""

    label: str
    csv: bool
    num_rows: int = 0
    num_ragged: int = 0
    tallies: dict[str, ColumnTally] = field(default_factory=dict)
    hashes: list[Hashes] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    label_codes: list[npt.NDArray[np.int64]] = field(default_factory=list)
    samples: list[tuple[npt.NDArray[np.int64], pa.RecordBatch]] = field(default_factory=list)
    level: int = 0

    def add(self, raw: RawBatch, file: str) -> None:
        self.num_ragged += len(raw.bad_rows)
        batch = raw.batch
        names = batch.schema.names
        if self.label not in names:
            raise missing_label_error(self.label, names, file)
        total = np.zeros(batch.num_rows, np.uint64)
        for name, column in zip(names, batch.columns, strict=True):
            hashes = self.tallies.setdefault(name, ColumnTally()).add(column, csv=self.csv)
            total += hashing.mix(hashes ^ hashing.salt(name))
        self.hashes.append(total)
        self._add_labels(batch.column(self.label))
        self._add_sample(batch)
        self.num_rows += batch.num_rows

    def _add_labels(self, column: pa.Array) -> None:
        # As in ingestion: booleans become `true`, whole floats `1`; blank texts are missing.
        if pa.types.is_nested(column.type):
            raise InputError(
                f"The label `{self.label}` holds lists or records. Name a column of single values."
            )
        encoded = values.to_text(column)[0].dictionary_encode()
        codes = []
        for text in encoded.dictionary.cast(pa.string()).to_pylist():
            blank = not text.strip() or text.lower() == "nan"
            name = canonical_label(text)
            codes.append(-1 if blank else self.classes.setdefault(name, len(self.classes)))
        places = np.asarray(encoded.indices.fill_null(len(codes)), np.int64)
        self.label_codes.append(np.array([*codes, -1], np.int64)[places])

    def _add_sample(self, batch: pa.RecordBatch) -> None:
        """Samples rows by a hash of their number; halves the sample when it grows too large."""
        rows = np.arange(self.num_rows, self.num_rows + batch.num_rows)
        keep = self._kept(rows) & (self.label_codes[-1] >= 0)
        self.samples.append((rows[keep], batch.filter(pa.array(keep))))
        cells = _MAX_CELLS // max(1, batch.num_columns)
        limit = min(_MAX_SAMPLE_ROWS, max(_MIN_SAMPLE_ROWS, cells))
        while sum(len(kept) for kept, _ in self.samples) > limit:
            self.level += 1
            self.samples = [
                (kept[self._kept(kept)], part.filter(pa.array(self._kept(kept))))
                for kept, part in self.samples
            ]

    def _kept(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        mask = np.uint64((1 << self.level) - 1)
        kept: npt.NDArray[np.bool_] = (hashing.mix(rows.astype(np.uint64)) & mask) == 0
        return kept

    def finish(self, files: Sequence[str], file_format: Format, file_rows: Sequence[int]) -> Table:
        codes = np.concatenate(self.label_codes)
        counts = np.bincount(codes[codes >= 0], minlength=len(self.classes))
        return Table(
            files=files,
            format=file_format,
            num_rows=self.num_rows,
            num_ragged=self.num_ragged,
            num_duplicates=self.num_rows - len(np.unique(np.concatenate(self.hashes))),
            columns={
                name: self._column(name, tally)
                for name, tally in self.tallies.items()
                if name != self.label
            },
            classes=dict(zip(self.classes, counts.tolist(), strict=True)),
            label_codes=codes,
            sampled=np.concatenate([rows for rows, _ in self.samples]),
            file_rows=file_rows,
        )

    def _column(self, name: str, tally: ColumnTally) -> Column:
        kind = _decide_kind(tally)
        parts = [self._sample_part(name, part, kind) for _, part in self.samples]
        return Column(
            name=name,
            kind=kind,
            num_rows=self.num_rows,
            tally=tally,
            sample=np.concatenate(parts) if parts else np.zeros(0),
        )

    def _sample_part(self, name: str, batch: pa.RecordBatch, kind: ColumnKind) -> npt.NDArray[Any]:
        if kind in ("list", "other"):
            return np.zeros(0)
        if name not in batch.schema.names:  # columns may differ between files
            empty = np.nan if kind in ("int", "float", "time") else None
            return np.full(batch.num_rows, empty, object if empty is None else np.float64)
        column = batch.column(name)
        if kind in ("text", "mixed", "empty"):
            texts = values.to_text(column)[0] if not pa.types.is_null(column.type) else column
            return np.array(
                [None if t is None else t.decode(errors="replace") for t in texts.to_pylist()],
                dtype=object,
            )
        return _numbers(column, kind)


def _numbers(column: pa.Array, kind: ColumnKind) -> npt.NDArray[np.float64]:
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    convert = values.to_float if kind == "float" else values.to_int
    return np.asarray(convert(column)[0].cast(pa.float64(), safe=False).fill_null(np.nan))


def _decide_kind(tally: ColumnTally) -> ColumnKind:
    """Decides on all rows, so that no later row contradicts the kind."""
    kinds: set[Kind] = tally.kinds - {"empty"}
    if not kinds or (not tally.num_present and kinds <= {"text", "bytes"}):
        return "empty"
    if any(kind == "none" or kind.endswith("list") for kind in kinds):
        return "list" if kinds <= {"int list", "float list"} else "other"
    return _decide_scalar_kind(tally, kinds)


def _decide_scalar_kind(tally: ColumnTally, kinds: set[Kind]) -> ColumnKind:
    if kinds == {"text"} and tally.num_texts < tally.num_present:
        numbers: ColumnKind = "int" if tally.all_int else "float"
        return "mixed" if tally.num_texts else numbers
    if kinds <= {"int", "float"}:
        return "float" if "float" in kinds else "int"
    return "time" if kinds == {"time"} else "text"

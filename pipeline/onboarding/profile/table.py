"""Profile of a data set: exact counts over all rows, and a sample for closer analysis."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import Decimal
from pipeline.config import Data
from pipeline.onboarding.profile.formats import (
    DateOrder,
    TableFacts,
    Written,
    decide_formats,
)
from pipeline.onboarding.profile.labels import missing_label_error, unknown_values
from pipeline.onboarding.profile.layout import FoundLayout, find_layout, find_sheet_layout
from pipeline.onboarding.profile.tally import ColumnTally
from pipeline.onboarding.profile.text_facts import TextFacts
from pipeline.onboarding.profile.words import unit_of
from pipeline.reading import contract, hashing, values
from pipeline.reading.columns import Kind
from pipeline.reading.files import sources
from pipeline.reading.files.listing import list_files
from pipeline.reading.files.pieces import Format, Piece, RawBatch
from pipeline.reading.hashing import Hashes
from pipeline.reading.typing_rows import label_texts

ColumnKind = Literal["int", "float", "text", "truth", "time", "list", "empty", "other"]

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
        written: How its values are written.
        sample: [sampled rows]; float64 with NaN for numbers and Arrow times (seconds), objects
            with None for texts, empty for lists.
        exact_codes: int64 [sampled rows], as `codes`, where a float64 would merge whole numbers.
        unit_in_row: Its cell in a row of units.
    """

    name: str
    kind: ColumnKind
    num_rows: int
    tally: ColumnTally
    written: Written = field(default_factory=lambda: Written(form=None))
    sample: npt.NDArray[Any]
    exact_codes: npt.NDArray[np.int64] | None = None
    unit_in_row: str = ""

    @property
    def unit(self) -> str:
        """The unit that its values, a row of units or its name give; else empty."""
        suffix = self.written.form.suffix if self.written.form else ""
        return suffix or self.unit_in_row or unit_of(self.name)

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
    def is_whole(self) -> bool:
        """Whether its values are whole numbers, which `7.0` is too: in the sample, if floats."""
        if self.kind != "float":
            return self.kind == "int"
        present = self.sample[~np.isnan(self.sample)]
        return bool(len(present) and np.all(np.isfinite(present) & (present == np.floor(present))))

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """int64 [sampled rows], one code per distinct value; -1 for a missing value."""
        if self.exact_codes is not None:
            return self.exact_codes
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
        num_unfit: Rows with a value that does not fit its column's format.
        unfit: Number of such values by column.
        layout: How the CSV files are laid out.
        decimal: Decimal mark of numbers in texts.
        num_ragged: Rows with a wrong number of fields, or with a quote left open.
        num_duplicates: Rows that equal an earlier one.
        columns: All columns except the label, by name, in the files' order.
        classes: Number of rows by canonical label value.
        label_marks: Values of the label that mean that it is not known.
        label_codes: int64 [rows], index of each row's label in `classes`; -1 is missing.
        sampled: int64 [sampled rows], indices of the sampled rows; each has a label.
        file_rows: Number of readable rows in each file.
    """

    files: Sequence[str]
    format: Format
    num_rows: int
    num_ragged: int
    num_duplicates: int
    num_unfit: int = 0
    unfit: Mapping[str, int] = field(default_factory=dict)
    layout: FoundLayout = field(default_factory=FoundLayout)
    decimal: Decimal = "."
    columns: dict[str, Column]
    classes: dict[str, int]
    label_marks: tuple[str, ...] = ()
    label_codes: npt.NDArray[np.int64]
    sampled: npt.NDArray[np.int64]
    file_rows: Sequence[int]

    @property
    def num_unlabelled(self) -> int:
        """Number of rows without a label."""
        return int((self.label_codes < 0).sum())

    def with_two_classes(self, positive: str, negative: str) -> "Table":
        """Returns the table with all classes but the negative one as one.

        Args:
            positive: The name of that one.
            negative: The negative class.
        """
        is_negative = self.label_codes == list(self.classes).index(negative)
        codes = np.where(self.label_codes < 0, -1, 1 - is_negative)
        classes = {negative: int(is_negative.sum()), positive: int((codes == 1).sum())}
        return replace(self, classes=classes, label_codes=codes)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What the person says about how the data are written; the rest is found.

    Attributes:
        dates: The order of day and month in dates such as 03/04/2024.
        header: Names of the columns of CSV files without a header.
        default_marks: Texts that mean a missing value in any column.
        leave_out: Columns that are no features, so that nothing has to decide how they are written.
        positive: The label value that marks a fault.
    """

    dates: DateOrder | None = None
    header: tuple[str, ...] | None = None
    default_marks: tuple[str, ...] = Data(path="-").missing_values
    leave_out: tuple[str, ...] = ()
    positive: str | None = None


def read_table(data: str, label: str, options: ReadOptions) -> Table:
    """Profiles the data in two passes and bounded memory: how it is written, then what it holds.

    Args:
        data: A file, a folder or a glob.
        label: The label column.
        options: What the person says about how the data are written.

    Raises:
        InputError: There is no data, it cannot be read, it has no column `label`, or it can be
            read in two ways.
    """
    files = list_files(data)
    file_format = sources.common_format(files)
    layout = _find_layout(files, file_format, options)
    pieces = sources.plan_pieces(files, file_format, layout=layout.layout, whole_files=True)
    facts, labels = _find_facts(pieces, label, options)
    table = TableFacts(
        default_marks=options.default_marks,
        delimiter=layout.layout.delimiter or "",
        dates=options.dates,
        leave_out=options.leave_out,
    )
    written, decimal = decide_formats(facts, table)
    reader = _Reader(
        label=label,
        written=written,
        default_marks=options.default_marks,
        label_marks=unknown_values(labels, options.positive),
    )
    file_rows = []
    for piece in pieces:
        before = reader.num_rows
        for raw in sources.read_piece(piece):
            reader.add(raw)
        file_rows.append(reader.num_rows - before)
    if not reader.num_rows and not reader.num_ragged:
        raise InputError(f"{data} has no rows below its header. Provide data with examples.")
    _check_readable(reader, data)
    profile = reader.finish(files, file_format, file_rows)
    columns = {
        name: replace(column, unit_in_row=layout.units.get(name, ""))
        for name, column in profile.columns.items()
    }
    return replace(profile, layout=layout, decimal=decimal, columns=columns)


def _find_layout(files: Sequence[str], file_format: Format, options: ReadOptions) -> FoundLayout:
    if file_format == "csv":
        return find_layout(files, options.header)
    return find_sheet_layout(files, options.header) if file_format == "sheet" else FoundLayout()


def _find_facts(
    pieces: Sequence[Piece], label: str, options: ReadOptions
) -> tuple[dict[str, TextFacts], set[str]]:
    """Returns what the texts of each column are, and the values of the label."""
    labels: set[str] = set()
    facts: dict[str, TextFacts] = {}
    names_by_file = {piece.path: sources.read_schema(piece).names for piece in pieces}
    check_spellings_of_names(names_by_file)
    for piece in pieces:
        if label not in names_by_file[piece.path]:
            raise missing_label_error(label, names_by_file[piece.path], piece)
        for raw in sources.read_piece(piece):
            for name, column in zip(raw.batch.schema.names, raw.batch.columns, strict=True):
                if name == label and not pa.types.is_nested(column.type):
                    labels.update(
                        label_texts(column, options.default_marks)[0]
                        .drop_null()
                        .unique()
                        .to_pylist()
                    )
                elif name != label:
                    one = facts.setdefault(name, TextFacts())
                    one.add(column, csv=piece.format == "csv", default_marks=options.default_marks)
    return facts, labels


def check_spellings_of_names(names_by_file: Mapping[str, Sequence[str]]) -> None:
    """Checks that no column has another spelling of its name in some of the files.

    Args:
        names_by_file: The columns of each file.

    Raises:
        InputError: One has.
    """
    names = {path: set(own) for path, own in names_by_file.items()}
    in_every_file = set[str].intersection(*names.values())
    for name in set[str]().union(*names.values()) - in_every_file:
        beside = set[str]().union(*(own for own in names.values() if name in own))
        for path, own in names.items():
            if name not in own:
                sources.check_spellings(path, own, [name], distinct=beside)


def _check_readable(table: "_Reader", data: str) -> None:
    if table.num_ragged > _MAX_BAD_SHARE * (table.num_rows + table.num_ragged):
        raise InputError(
            f"{data}: {table.num_ragged:,} rows of {table.num_rows + table.num_ragged:,} have "
            "a different number of fields than the header. Fix the file: quote each field that "
            "contains the delimiter, and give the header a name for each column, also for the "
            "empty one after a delimiter at the end of each row."
        )


@dataclass(kw_only=True)
class _Reader:
    """Counts, hashes and samples batches as they arrive, each column read by its format."""

    label: str
    written: Mapping[str, Written]
    default_marks: tuple[str, ...]
    label_marks: tuple[str, ...] = ()
    num_rows: int = 0
    num_ragged: int = 0
    num_unfit: int = 0
    unfit: Counter[str] = field(default_factory=Counter)
    tallies: dict[str, ColumnTally] = field(default_factory=dict)
    hashes: list[Hashes] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    label_codes: list[npt.NDArray[np.int64]] = field(default_factory=list)
    samples: list[tuple[npt.NDArray[np.int64], pa.RecordBatch]] = field(default_factory=list)
    level: int = 0

    def add(self, raw: RawBatch) -> None:
        self.num_ragged += len(raw.bad_rows)
        batch, unfit = self._typed(raw.batch)
        self.num_unfit += int(unfit.sum())
        total = hashing.mix(hashing.hash_column(self._label_texts(raw.batch)))
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            hashes = self.tallies.setdefault(name, ColumnTally()).add(column)
            total += hashing.mix(hashes ^ hashing.salt(name))
        self.hashes.append(total)
        self._add_labels(raw.batch.column(self.label))
        self._add_sample(batch)
        self.num_rows += batch.num_rows

    def _typed(self, raw: pa.RecordBatch) -> tuple[pa.RecordBatch, values.Mask]:
        """Reads every column but the label by its format."""
        unfit = np.zeros(raw.num_rows, bool)
        arrays, names = [], []
        for name, column in zip(raw.schema.names, raw.columns, strict=True):
            if name == self.label:
                continue
            array, bad = self._read(name, column)
            unfit |= bad
            self.unfit[name] += int(bad.sum())
            arrays.append(array)
            names.append(name)
        if not arrays:
            raise InputError(f"The data has no column besides the label `{self.label}`.")
        return pa.RecordBatch.from_arrays(arrays, names=names), unfit

    def _read(self, name: str, column: pa.Array) -> tuple[pa.Array, values.Mask]:
        written = self.written[name]
        none = np.zeros(len(column), bool)
        if written.form is None or pa.types.is_nested(column.type):
            return column, none
        array, bad = contract.read_column(
            column, written.given(self.default_marks), default_marks=self.default_marks
        )
        if pa.types.is_null(column.type):
            return pa.nulls(len(column)), none
        if written.form.type == "number" and written.whole:
            whole, _ = contract.read_column(
                column,
                written.given(self.default_marks, value_type="code"),
                default_marks=self.default_marks,
            )
            return whole, bad
        if written.form.type == "time":
            return array.cast(pa.timestamp("s")), bad
        return array, bad

    @property
    def _marks_of_label(self) -> tuple[str, ...]:
        return (*self.default_marks, *self.label_marks)

    def _label_texts(self, raw: pa.RecordBatch) -> pa.Array:
        column = raw.column(self.label)
        if pa.types.is_nested(column.type):
            raise InputError(
                f"The label `{self.label}` holds lists or records. Name a column of single values."
            )
        return label_texts(column, self._marks_of_label)[0].cast(pa.binary())

    def _add_labels(self, column: pa.Array) -> None:
        encoded = label_texts(column, self._marks_of_label)[0].dictionary_encode()
        codes = [
            self.classes.setdefault(text, len(self.classes))
            for text in encoded.dictionary.to_pylist()
        ]
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
            num_unfit=self.num_unfit,
            unfit=self.unfit,
            num_duplicates=self.num_rows - len(np.unique(np.concatenate(self.hashes))),
            columns={name: self._column(name, tally) for name, tally in self.tallies.items()},
            classes=dict(zip(self.classes, counts.tolist(), strict=True)),
            label_marks=self.label_marks,
            label_codes=codes,
            sampled=np.concatenate([rows for rows, _ in self.samples]),
            file_rows=file_rows,
        )

    def _column(self, name: str, tally: ColumnTally) -> Column:
        kind = _decide_kind(tally, self.written[name])
        parts = [self._sample_part(name, part, kind) for _, part in self.samples]
        return Column(
            name=name,
            kind=kind,
            num_rows=self.num_rows,
            tally=tally,
            written=self.written[name],
            sample=np.concatenate(parts) if parts else np.zeros(0),
            exact_codes=self._exact_codes(name) if kind == "int" and parts else None,
        )

    def _sample_part(self, name: str, batch: pa.RecordBatch, kind: ColumnKind) -> npt.NDArray[Any]:
        if kind in ("list", "other"):
            return np.zeros(0)
        if name not in batch.schema.names:  # files may differ in their columns
            empty = np.nan if kind in ("int", "float", "time") else None
            return np.full(batch.num_rows, empty, object if empty is None else np.float64)
        column = batch.column(name)
        if kind == "empty":
            return np.full(len(column), None, object)
        if kind in ("text", "truth"):
            texts = column if pa.types.is_null(column.type) else column.cast(pa.binary())
            return np.array(
                [None if t is None else t.decode(errors="replace") for t in texts.to_pylist()],
                dtype=object,
            )
        if pa.types.is_null(column.type):
            return np.full(len(column), np.nan)
        if kind == "time":
            column = column.cast(pa.int64())
        return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))

    def _exact_codes(self, name: str) -> npt.NDArray[np.int64]:
        """int64 [sampled rows], a number for each distinct whole number; a float64 merges some."""
        parts = [
            part.column(name).cast(pa.int64())
            if name in part.schema.names and not pa.types.is_null(part.column(name).type)
            else pa.nulls(part.num_rows, pa.int64())
            for _, part in self.samples
        ]
        whole = pa.concat_arrays(parts).dictionary_encode()
        return np.asarray(whole.indices.fill_null(-1), np.int64)


def _decide_kind(tally: ColumnTally, written: Written) -> ColumnKind:
    """Decides over all rows, so that no later row contradicts it."""
    kinds: set[Kind] = tally.kinds - {"empty"}
    if any(kind == "none" or kind.endswith("list") for kind in kinds):
        return "list" if kinds <= {"int list", "float list"} else "other"
    if not tally.num_present or written.form is None:
        return "empty"
    by_type: dict[str, ColumnKind] = {"text": "text", "truth": "truth", "time": "time"}
    return by_type.get(written.form.type, "int" if written.whole else "float")

"""Writer of one table with the content of files in place of their paths."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Data
from pipeline.counting import count
from pipeline.reading.files.pieces import (
    PROBLEM,
    PROBLEM_COLUMN,
    ROW_NUMBER,
    SOURCE_KEY,
    BadRow,
    Piece,
    RawBatch,
)
from pipeline.reading.files.sources import read_piece, read_schema
from pipeline.reading.path_columns.cells import Cells, read_texts
from pipeline.reading.path_columns.contents import Content, read_content
from pipeline.reading.recordings.raw.tables import in_order

_CHUNK = 64  # rows whose files are read at a time
_TARGET_BYTES = 64 << 20  # of a row group
_SAMPLES = pa.list_(pa.float32())
_NUM_SHOWN = 3


@dataclass(kw_only=True)
class Counts:
    """What was counted while tables were written.

    Attributes:
        num_rows: Rows.
        num_bad: Rows with a file that cannot be used, or that cannot be divided into fields.
        problems: The first of them, in words.
        missing: Rows without a file, by column.
        resampled: Files of which the samples were brought to another rate.
        rates: Number of files of each sampling rate in Hz, by column of paths.
    """

    num_rows: int = 0
    num_bad: int = 0
    problems: list[str] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    resampled: int = 0
    rates: dict[str, dict[str, int]] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        """Returns the counts of two tables together."""
        return Counts(
            num_rows=self.num_rows + other.num_rows,
            num_bad=self.num_bad + other.num_bad,
            problems=[*self.problems, *other.problems][:_NUM_SHOWN],
            missing=dict(Counter(self.missing) + Counter(other.missing)),
            resampled=self.resampled + other.resampled,
            rates={
                name: dict(Counter(self.rates.get(name)) + Counter(other.rates.get(name)))
                for name in {*self.rates, *other.rates}
            },
        )

    def notes(self) -> Iterator[str]:
        """Yields what was counted, in words."""
        for name, number in self.missing.items():
            yield f"{number:,} of {count(self.num_rows, 'row')} have no file in `{name}`"
        if self.resampled:
            yield f"{count(self.resampled, 'file')} of samples resampled to the nominal rate"
        if self.num_bad:
            more = self.num_bad - len(self.problems)
            shown = "; ".join(self.problems) + (f"; and {more:,} more" if more > 0 else "")
            yield f"{count(self.num_bad, 'row')} cannot be used: {shown}"


def write_table(
    piece: Piece, file: Path, cells: Cells, data: Data, rates: Mapping[str, float]
) -> Counts:
    """Writes a table as Parquet with the same rows and the content of the files.

    Args:
        piece: The table.
        file: The Parquet file.
        cells: What its paths mean.
        data: The config's `data` block.
        rates: Nominal rate in Hz by column of samples.
    """
    schema = _schema(piece, data)
    embedding = _Embedding(piece=piece, cells=cells, data=data, rates=rates, schema=schema)
    pending: list[pa.RecordBatch] = []
    with pq.ParquetWriter(file, schema, use_dictionary=[PROBLEM, PROBLEM_COLUMN]) as writer:

        def flush() -> None:
            if pending:
                writer.write_table(pa.Table.from_batches(pending, schema))
                pending.clear()

        for raw in read_piece(piece):
            for rows in _chunks(raw):
                pending.append(embedding.embed(rows))
                if sum(batch.nbytes for batch in pending) >= _TARGET_BYTES:
                    flush()
        flush()
    return embedding.counts


def _schema(piece: Piece, data: Data) -> pa.Schema:
    """Returns the columns: those of samples and bytes take the place of the paths."""
    fields: list[pa.Field] = []
    for own in read_schema(piece):
        option = data.path_columns.get(own.name)
        if option is None:
            fields.append(own)
        elif option.holds == "signal":
            fields += [pa.field(name, _SAMPLES) for name in option.columns(own.name)]
        else:
            fields.append(pa.field(own.name, pa.binary()))
    fields += [
        pa.field(ROW_NUMBER, pa.int64()),
        pa.field(PROBLEM_COLUMN, pa.string()),
        pa.field(PROBLEM, pa.string()),
    ]
    return pa.schema(fields, metadata={SOURCE_KEY: piece.path.encode()})


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Some rows of a table, or one that cannot be divided into fields."""

    batch: pa.RecordBatch = field(default_factory=lambda: pa.record_batch({}))
    rows: Sequence[int] = ()
    bad: BadRow | None = None


def _chunks(raw: RawBatch) -> Iterator[_Rows]:
    """Yields the rows of a batch, then those that cannot be divided into fields."""
    for first in range(0, len(raw.rows), _CHUNK):
        batch = raw.batch.slice(first, _CHUNK)
        yield _Rows(batch=batch, rows=raw.rows[first : first + _CHUNK].tolist())
    for bad in raw.bad_rows:
        yield _Rows(bad=bad, rows=[bad.row])


@dataclass(kw_only=True)
class _Embedding:
    """Reads the files of rows, and counts."""

    piece: Piece
    cells: Cells
    data: Data
    rates: Mapping[str, float]
    schema: pa.Schema
    counts: Counts = field(default_factory=Counts)

    def embed(self, rows: _Rows) -> pa.RecordBatch:
        """Returns rows with the content of their files."""
        self.counts.num_rows += len(rows.rows)
        if rows.bad is not None:
            self._count_problem(rows.rows[0], rows.bad.column, rows.bad.reason)
            entry = {
                ROW_NUMBER: rows.rows[0],
                PROBLEM: rows.bad.reason,
                PROBLEM_COLUMN: rows.bad.column,
            }
            return pa.RecordBatch.from_pylist([entry], self.schema)
        contents = self._read_cells(rows.batch)
        problems = self._count(rows, contents)
        added = {
            ROW_NUMBER: list(rows.rows),
            PROBLEM_COLUMN: [one and one[0] for one in problems],
            PROBLEM: [one and one[1] for one in problems],
        }
        columns = [
            pa.array(added[one.name], one.type)
            if one.name in added
            else _column(one, rows.batch, contents, self.data)
            for one in self.schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _count(
        self, rows: _Rows, contents: Mapping[str, Sequence[Content | None]]
    ) -> list[tuple[str, str] | None]:
        """Returns what is wrong with each row, with its first such column."""
        problems: list[tuple[str, str] | None] = [None] * len(rows.rows)
        missing = self.counts.missing
        for name, own in contents.items():
            for place, content in enumerate(own):
                if content is None:
                    missing[name] = missing.get(name, 0) + 1
                elif content.problem and problems[place] is None:
                    problems[place] = (name, content.problem)
                    self._count_problem(rows.rows[place], name, content.problem)
                else:
                    self._count_rate(name, content)
        return problems

    def _count_rate(self, name: str, content: Content) -> None:
        self.counts.resampled += content.is_resampled(self.rates)
        if content.rate_hz is not None:
            rates = self.counts.rates.setdefault(name, {})
            rate = f"{content.rate_hz:.6g}"
            rates[rate] = rates.get(rate, 0) + 1

    def _count_problem(self, row: int, column: str, problem: str) -> None:
        self.counts.num_bad += 1
        if len(self.counts.problems) < _NUM_SHOWN:
            where = f", column `{column}`" if column else ""
            name = Path(self.piece.path).name
            self.counts.problems.append(f"{name}, row {row:,}{where}: {problem}")

    def _read_cells(self, batch: pa.RecordBatch) -> dict[str, list[Content | None]]:
        """Returns what files hold, by column of paths; None for a missing path."""
        texts = {
            name: read_texts(batch.column(batch.schema.get_field_index(name)), self.data)
            for name in self.data.path_columns
        }
        wanted = [(name, text) for name, own in texts.items() for text in own]
        contents = list(in_order(self._read, wanted))
        size = batch.num_rows
        return {name: contents[k * size : (k + 1) * size] for k, name in enumerate(texts)}

    def _read(self, cell: tuple[str, str | None]) -> Content | None:
        name, text = cell
        if text is None:
            return None
        found = self.cells.found[name].get(text)
        if found is None or found.problem:
            problem = found.problem if found else "it is no path of a file"
            return Content(problem=f"`{text}`: {problem}")
        option = self.data.path_columns[name]
        content = read_content(found.file, name, option, self.data, self.rates)
        problem = f"`{text}`: {content.problem}" if content.problem else ""
        return replace(content, problem=problem)


def _column(
    wanted: pa.Field,
    batch: pa.RecordBatch,
    contents: Mapping[str, Sequence[Content | None]],
    data: Data,
) -> pa.Array:
    for name, option in data.path_columns.items():
        if wanted.name in option.columns(name):
            return pa.array([_value(one, wanted) for one in contents[name]], wanted.type)
    return batch.column(batch.schema.get_field_index(wanted.name))


def _value(content: Content | None, wanted: pa.Field) -> Any:
    if content is None or content.problem:
        return None
    return content.samples[wanted.name] if wanted.type == _SAMPLES else content.file

"""Predictions from Parquet files into a table, in transactions of some thousand rows."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.prediction.files.results import VERSION
from pipeline.prediction.tables.dialects.dialect import (
    Chunk,
    Dialect,
    count_statement,
    create_statement,
)
from pipeline.prediction.tables.layout import DECISION, PROBABILITY, Layout, check_existing

CHUNK_ROWS = 5_000


class Progress(Protocol):
    """Where it is noted how many rows are in the table; see `pipeline.prediction.tables.job`."""

    run_id: str
    begun: datetime

    @property
    def num_written(self) -> int:
        """How many predictions, in their order, are in the table."""
        ...

    def note_written(self, num_rows: int) -> None:
        """Notes that this many predictions are in the table."""
        ...


def ensure_table(connection: Any, dialect: Dialect, layout: Layout, *, create: bool) -> None:
    """Checks that the table takes the predictions, and creates it if there is none.

    Args:
        connection: A DB-API connection that may write, as `connections.connect` opens it; its
            transaction is committed.
        dialect: Its statements.
        layout: The table.
        create: Whether to create a table that is not there.

    Raises:
        InputError: There is a table that cannot take them.
    """
    cursor = connection.cursor()
    dialect.prepare(cursor)
    existing = dialect.describe(cursor, layout.table)
    statement = create_statement(dialect, layout)
    if existing is not None:
        check_existing(layout, existing, create=statement)
    elif create:
        cursor.execute(statement)
    connection.commit()


def check_answers(files: Sequence[Path], layout: Layout, progress: Progress) -> None:
    """Checks that a table can hold all predictions, before the first of them is written.

    Raises:
        InputError: The model does not answer with finite probabilities and whole decisions, or the
            server did not report its versions.
    """
    for batch in _batches(files, layout):
        _chunk(batch, layout, progress)


def write_rows(
    connection: Any, dialect: Dialect, layout: Layout, files: Sequence[Path], progress: Progress
) -> Iterator[int]:
    """Writes the predictions that are not in the table yet, a transaction for each chunk.

    The chunks are the same at each call for the same files. A kill between the end of a transaction
    and the note of it writes one chunk again, which changes nothing: rows are upserted by id.

    Args:
        connection: A DB-API connection without an open transaction.
        dialect: Its statements.
        layout: The table, which exists.
        files: Parquet files of predictions, in a fixed order.
        progress: What is noted of an earlier call, and notes of this one.

    Yields:
        The number of rows of each chunk, once they are in the table and this is noted.
    """
    done = 0
    skipped = progress.num_written
    for batch in _batches(files, layout):
        if done + batch.num_rows <= skipped:
            done += batch.num_rows
            continue
        cursor = connection.cursor()
        dialect.begin(cursor)
        try:
            dialect.upsert(cursor, layout, _chunk(batch, layout, progress))
            connection.commit()
        except BaseException:
            with suppress(Exception):  # a lost connection has nothing to roll back
                connection.rollback()
            raise
        done += batch.num_rows
        progress.note_written(done)
        yield batch.num_rows


def check_written(
    connection: Any, dialect: Dialect, layout: Layout, *, run_id: str, num_rows: int
) -> None:
    """Checks that the table has as many rows of a run as were written.

    Raises:
        InputError: It has fewer or more.
    """
    cursor = connection.cursor()
    cursor.execute(count_statement(dialect, layout), (run_id,))
    [counted] = cursor.fetchone()
    connection.commit()
    if counted != num_rows:
        raise InputError(
            f"{num_rows:,} predictions of the run {run_id} were written to {layout.name}, and the "
            f"table has {counted:,} of them. Another program changed the rows meanwhile, a trigger "
            "or rule of the table did, or it takes different ids for one. Repeat the command once "
            "that is settled."
        )


def _batches(files: Sequence[Path], layout: Layout) -> Iterator[pa.RecordBatch]:
    names = [layout.id_column, PROBABILITY, DECISION, VERSION]
    for path in files:
        with pq.ParquetFile(path) as file:
            lacking = sorted(set(names).difference(file.schema_arrow.names))
            if lacking:
                raise InputError(
                    f"The model does not answer with {' and '.join(lacking)}, which a table of "
                    "predictions holds. Write its answers to a file with --output-file."
                )
            yield from file.iter_batches(batch_size=CHUNK_ROWS, columns=names)


def _chunk(batch: pa.RecordBatch, layout: Layout, progress: Progress) -> Chunk:
    probabilities = batch.column(PROBABILITY).cast(pa.float64())
    is_number = pc.is_finite(probabilities).fill_null(False)
    if not pc.all(is_number, min_count=0).as_py():
        place = is_number.index(False).as_py()
        ids = batch.column(layout.id_column)
        raise InputError(
            f"The model answers {probabilities[place]} for the row whose `{layout.id_column}` is "
            f"{ids[place]}, which is no probability. See what the row holds with `faultline "
            "explain`."
        )
    return Chunk(
        ids=batch.column(layout.id_column).to_pylist(),
        probabilities=probabilities.to_pylist(),
        decisions=_integers(batch, DECISION),
        versions=_integers(batch, VERSION),
        run_id=progress.run_id,
        predicted_at=progress.begun,
    )


def _integers(batch: pa.RecordBatch, name: str) -> list[int]:
    column = batch.column(name)
    if not pa.types.is_integer(column.type) or column.null_count:
        raise InputError(
            f"The answers have {column.type} in `{name}`, with {column.null_count} missing; a "
            "table of predictions holds whole numbers. Predict with the server by gRPC, which "
            "reports versions, or with --batch; or write to a file with --output-file."
        )
    integers: list[int] = column.to_pylist()
    return integers

"""Reading the ranges of a query into Parquet files, by Beam workers or in this process."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.counting import count
from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.extraction.writing import write_rows
from pipeline.reading.sql.partitions.ranges import KeyRange
from pipeline.reading.sql.partitions.snapshots import (
    PartitionedSelect,
    Partitioning,
    RangeFacts,
    open_snapshot,
)
from pipeline.reading.sql.selects import select_exactly, typed_batches
from pipeline.reading.sql.streams import stream_batches

# Reads ranges in parallel: the plan, the folder; returns the facts of each range, in any order.
Reader = Callable[[Partitioning, str], Iterable[RangeFacts]]


_BATCH_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class PartitionedRows:
    """The rows of a query, as files.

    Attributes:
        files: Parquet files in the order of the ranges; a range without rows has none.
        num_rows: Rows of all files.
        taken_at: When their snapshot was taken.
        note: What a person should know of how they were read.
    """

    files: tuple[Path, ...]
    num_rows: int
    taken_at: datetime
    note: str

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches of one size, as a single reader does, except the last."""
        held: list[pa.RecordBatch] = []
        num_held = 0
        for file in self.files:
            with pq.ParquetFile(file) as stored:
                for batch in stored.iter_batches(batch_size=_BATCH_ROWS):
                    held.append(batch)
                    num_held += batch.num_rows
                    if num_held >= _BATCH_ROWS:
                        table = pa.Table.from_batches(held).combine_chunks()
                        yield table.slice(0, _BATCH_ROWS).to_batches()[0]
                        held = table.slice(_BATCH_ROWS).to_batches()
                        num_held -= _BATCH_ROWS
        if num_held:
            yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]


class ThreadReader:
    """Reads ranges by threads: the driver of the streams lets others work while it waits."""

    def __init__(self, environ: Mapping[str, str], *, num_threads: int) -> None:
        """Makes a reader.

        Args:
            environ: Environment variables, for the password.
            num_threads: Ranges to read at a time.
        """
        self._environ = environ
        self._num_threads = num_threads

    def __call__(self, plan: Partitioning, folder: str) -> list[RangeFacts]:
        """Reads all ranges into files of a folder."""

        def read(part: KeyRange) -> RangeFacts:
            return read_range(plan, part, folder, self._environ)

        with ThreadPoolExecutor(self._num_threads) as pool:
            return list(pool.map(read, plan.ranges))


def read_range(
    plan: Partitioning, part: KeyRange, folder: str, environ: Mapping[str, str]
) -> RangeFacts:
    """Reads one range into `rows-NNNNN.parquet`, which appears as a whole.

    Args:
        plan: How the query is divided.
        part: The range.
        folder: The folder of the files, which the coordinator reads, too.
        environ: Environment variables of the worker, for the password.

    Raises:
        InputError: The query fails, or the snapshot is gone.
    """
    # Fails at once, where the driver of the stream repeats its attempts for half a minute.
    connect(plan.database, environ).close()
    columns = (*plan.columns, plan.digest) if plan.digest is not None else plan.columns
    kind = plan.database.kind
    query = select_exactly(plan.rows(part), columns, _order(plan), kind)
    stream = stream_batches(plan.database, query, environ=environ, snapshot=plan.snapshot)
    batches = typed_batches(stream, columns, kind)
    digests = _Digests()
    num_rows = _store(
        digests.taken_from(batches) if plan.digest is not None else batches,
        Path(folder) / f"rows-{part.index:05d}.parquet",
    )
    digest = digests.total if plan.digest is not None else None
    return RangeFacts(index=part.index, num_rows=num_rows, digest=digest)


def _order(plan: Partitioning) -> list[str]:
    return list(dict.fromkeys((plan.column, *plan.order_by)))


class _Digests:
    """The sum of the rows' digests modulo 2^64; None once a row has none."""

    def __init__(self) -> None:
        self.total: int | None = 0

    def taken_from(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the batches without their last column, the digests."""
        for batch in batches:
            place = batch.num_columns - 1
            column = batch.column(place)
            if column.null_count or self.total is None:
                self.total = None
            else:
                # Sums of unsigned numbers wrap, as the sum modulo 2^64 asks.
                part = np.asarray(column.cast(pa.uint64())).sum(dtype=np.uint64)
                self.total = (self.total + int(part)) % 2**64
            yield batch.remove_column(place)


def _store(batches: Iterable[pa.RecordBatch], target: Path) -> int:
    """Writes batches to a file, which appears as a whole; no file without rows."""
    incoming = target.with_name(f".{target.name}.incoming")
    num_rows = write_rows(incoming, batches)
    if num_rows:
        incoming.replace(target)
    return num_rows


def read_partitions(
    select: PartitionedSelect, folder: Path, *, reader: Reader, environ: Mapping[str, str]
) -> PartitionedRows:
    """Reads a query in ranges of a column, over one consistent snapshot.

    Args:
        select: What to read.
        folder: An empty folder, which all workers share.
        reader: What reads the ranges, such as `beam_reading.BeamReader`.
        environ: Environment variables, for the password.

    Raises:
        InputError: The database is SQLite, the query fails or has no such column.
    """
    with open_snapshot(select, environ=environ) as snapshot:
        plan = snapshot.partitioning
        facts = list(reader(plan, str(folder)))
        changed = snapshot.changed(facts)
    if changed:
        return _read_alone(plan, folder, environ, num_changed=len(changed))
    return PartitionedRows(
        files=tuple(sorted(folder.glob("rows-*.parquet"))),
        num_rows=sum(fact.num_rows for fact in facts),
        taken_at=plan.taken_at,
        note=f"read in {count(len(plan.ranges), 'range')} of `{plan.column}` over one snapshot",
    )


def _read_alone(
    plan: Partitioning, folder: Path, environ: Mapping[str, str], *, num_changed: int
) -> PartitionedRows:
    """Reads all rows by one reader, whose transaction is a snapshot of its own."""
    for path in folder.glob("rows-*.parquet"):
        path.unlink()
    taken_at = datetime.now(tz=UTC)
    kind = plan.database.kind
    query = select_exactly(plan.query, plan.columns, _order(plan), kind)
    stream = stream_batches(plan.database, query, environ=environ)
    batches = typed_batches(stream, plan.columns, kind)
    target = folder / "rows-00000.parquet"
    num_rows = _store(batches, target)
    return PartitionedRows(
        files=(target,) if num_rows else (),
        num_rows=num_rows,
        taken_at=taken_at,
        note=(
            f"rows of {count(num_changed, 'range')} of `{plan.column}` changed while they were "
            f"read, and this server's readers cannot share a snapshot: all {num_rows:,} rows were "
            "read again by one reader, in one snapshot"
        ),
    )

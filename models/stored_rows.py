"""Columns of a split that may be larger than the memory: in memory, or row by row in a file."""

import math
import os
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_BATCH_BYTES = 64 * 2**20


class _RowFile:
    """Rows one after the other in a file without a name; its space is freed with the object."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the finalizer closes it
        weakref.finalize(self, self._file.close)

    def append(self, rows: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(rows).data)
        self._file.flush()

    def read(self, places: Ints, row_bytes: int) -> bytes:
        """Reads the rows at `places`, with one system call for each run of neighbours."""
        number = self._file.fileno()
        return b"".join(
            [
                os.pread(number, (end - start) * row_bytes, start * row_bytes)
                for start, end in _runs(places)
            ]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredRows:
    """An array in a file, of which only the rows that are asked for are read.

    Rows are read, not mapped: the pages of a mapped file count as memory of the process.

    Attributes:
        file: The rows.
        dtype: Type of the values.
        shape: Shape, `[n, …]`.
        places: int64 `[n]`, the rows of the file that are the rows of this array; None: all rows.
    """

    file: _RowFile
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    places: Ints | None = None

    @property
    def folder(self) -> Path | None:
        """Folder of the file; None: the system's folder for temporary files."""
        return self.file.folder

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Ints) -> NDArray[Any]:
        """Reads rows into memory; places of single rows are from 0 on."""
        places = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        if self.places is not None:
            places = self.places[places]
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        content = self.file.read(places, row_bytes)
        return np.frombuffer(content, self.dtype).reshape(-1, *self.shape[1:])

    def rows(self, places: Ints) -> "StoredRows":
        """Returns the rows at `places`, which are not read yet."""
        return StoredRows(
            file=self.file,
            dtype=self.dtype,
            shape=(places.size, *self.shape[1:]),
            places=places if self.places is None else self.places[places],
        )


Rows: TypeAlias = NDArray[Any] | StoredRows


def _runs(places: Ints) -> Iterable[tuple[int, int]]:
    """First place and the place after the last, of each run of ascending neighbours."""
    is_first = np.diff(places, prepend=places[:1] - 2) != 1
    is_last = np.diff(places, append=places[-1:] + 2) != 1
    return zip(places[is_first].tolist(), (places[is_last] + 1).tolist(), strict=True)


def pick_rows(values: Rows, places: Ints) -> Rows:
    """Returns the rows of an array at `places`; those in a file are not read yet."""
    return values.rows(places) if isinstance(values, StoredRows) else values[places]


def row_bytes(columns: Collection[Rows]) -> float:
    """Returns the bytes of one row of all columns; 0 if there is none.

    Args:
        columns: Arrays, each `[n, …]`.
    """
    return sum(values.nbytes for values in columns) / max(1, len(next(iter(columns))))


def row_slices(columns: Collection[Rows], most: int) -> Iterator[slice]:
    """Yields the batches in which all rows are worked on, in order.

    Args:
        columns: Arrays, each `[n, …]`.
        most: The largest number of rows of a batch.
    """
    batch_rows = rows_per_batch(row_bytes(columns), most)
    for start in range(0, len(next(iter(columns))), batch_rows):
        yield slice(start, start + batch_rows)


def rows_per_batch(num_bytes: float, most: int) -> int:
    """Returns how many rows are worked on at once: at most `most`, and few where rows are large.

    Args:
        num_bytes: Bytes of one row.
        most: The largest number.
    """
    return max(1, min(most, int(_BATCH_BYTES // max(1, num_bytes))))


def _drained(parts: list[dict[str, NDArray[Any]]]) -> Iterator[dict[str, NDArray[Any]]]:
    """The parts in order; each is freed when the next one is asked for."""
    parts.reverse()
    while parts:
        yield parts.pop()


class GrowingRows:
    """Rows that come in batches, in one block of memory.

    Thousands of small arrays between the short-lived ones of a reader would keep the system's
    allocator from giving memory back. Pages of zeros take none until another value comes.
    """

    def __init__(self) -> None:
        self._block: NDArray[Any] | None = None
        self._num_rows, self._is_zero = 0, True

    def append(self, rows: NDArray[Any]) -> None:
        """Copies a batch behind the others, whose type and shape it has."""
        end = self._num_rows + len(rows)
        block = self._block
        if block is None or end > len(block):
            larger = np.zeros((max(end, 2 * self._num_rows), *rows.shape[1:]), rows.dtype)
            if block is not None and not self._is_zero:
                larger[: self._num_rows] = block[: self._num_rows]
            block = self._block = larger
        if rows.any():
            block[self._num_rows : end] = rows
            self._is_zero = False
        self._num_rows = end

    def array(self) -> NDArray[Any]:
        """Returns all rows."""
        if self._block is None:
            raise ValueError("No rows were appended.")
        return self._block[: self._num_rows]


@dataclass(frozen=True, kw_only=True)
class RowStore:
    """Collects the columns of a split in memory, or in files where they exceed a limit.

    Attributes:
        limit_bytes: Largest size of all columns that is kept in memory. It is a number, no share of
            the machine's memory: the same examples give the same model on every machine.
        folder: Folder for the files, which have no names there; None: the system's folder for
            temporary files.
    """

    limit_bytes: int = 16 * 2**20
    folder: Path | None = None

    def collect(self, batches: Iterable[Mapping[str, NDArray[Any]]]) -> dict[str, Rows]:
        """Returns the columns of all batches.

        Args:
            batches: Columns by name, each `[rows, …]`; all have the same names and types.
        """
        parts: list[dict[str, NDArray[Any]]] = []
        size, rest = 0, iter(batches)
        for batch in rest:
            parts.append(dict(batch))
            size += sum(values.nbytes for values in batch.values())
            if size > self.limit_bytes:
                return {**self._stored(chain(_drained(parts), rest))}
        names = list(parts[0]) if parts else []
        # The pieces of a column are freed as soon as it is complete.
        return {name: np.concatenate([part.pop(name) for part in parts]) for name in names}

    def in_file(self, values: NDArray[Any]) -> StoredRows:
        """Returns an array `[n, …]` of any size in a file."""
        return self._stored(iter([{"values": values}]))["values"]

    def _stored(self, batches: Iterator[Mapping[str, NDArray[Any]]]) -> dict[str, StoredRows]:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        first = next(batches)
        files = {name: _RowFile(self.folder) for name in first}
        num_rows = 0
        for batch in chain([first], batches):
            num_rows += len(next(iter(batch.values())))
            for name, values in batch.items():
                files[name].append(values)
        return {
            name: StoredRows(
                file=files[name], dtype=values.dtype, shape=(num_rows, *values.shape[1:])
            )
            for name, values in first.items()
        }

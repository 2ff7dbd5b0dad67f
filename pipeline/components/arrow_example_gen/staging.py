"""Staging of typed rows between reading and writing: an Arrow file and a key file per piece.

Rows are read and typed once; the passes that follow count and cut by the small key files alone, and
only the last one reads the rows again. The folder lies beside the artifact's splits, where every
worker can reach it, and is deleted at the end.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc

from pipeline.components.arrow_example_gen.splitting.splits import Rows
from pipeline.reading.files.pieces import resolve_path


@dataclass(kw_only=True)
class RowKeys:
    """What is needed of a piece's rows to deal them.

    Attributes:
        keys: uint64 [rows], the key that deals the row.
        content: uint64 [rows], the hash of the row's content.
        labels: bool [rows].
        numbers: int64 [rows], row numbers in the file.
    """

    keys: npt.NDArray[np.uint64]
    content: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.bool_]
    numbers: npt.NDArray[np.int64]

    def kept(self, folder: str, piece: int) -> npt.NDArray[np.bool_]:
        """Returns bool [rows], which rows are not dropped as duplicates."""
        filesystem, inner = resolve_path(folder)
        kept = np.ones(len(self.keys), bool)
        for name in (repeats_name(piece), repeats_name(piece, across=True)):
            if filesystem.get_file_info(f"{inner}/{name}").is_file:
                kept &= ~np.isin(self.numbers, load_arrays(folder, name)["numbers"])
        return kept

    def as_rows(self, piece: int) -> Rows:
        """Returns the rows in the form in which splits are dealt."""
        places = np.stack([np.full(len(self.numbers), piece, np.int64), self.numbers], axis=1)
        return Rows(labels=self.labels, keys=self.keys, places=places, content=self.content)


@dataclass(kw_only=True)
class StageWriter:
    """Writes the typed rows and the keys of one piece."""

    folder: str
    piece: int
    schema: pa.Schema
    parts: list[RowKeys] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._filesystem, inner = resolve_path(self.folder)
        self._filesystem.create_dir(inner, recursive=True)
        self._stream = self._filesystem.open_output_stream(rows_path(inner, self.piece))
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pyarrow.ipc.new_stream(self._stream, self.schema, options=options)

    def write(self, batch: pa.RecordBatch, keys: RowKeys) -> None:
        """Appends typed rows and their keys."""
        self._writer.write_batch(batch)
        self.parts.append(keys)

    def close(self) -> None:
        """Completes both files."""
        self._writer.close()
        self._stream.close()
        arrays = {
            name: np.concatenate([getattr(part, name) for part in self.parts])
            for name in RowKeys.__dataclass_fields__
            if self.parts
        }
        save_arrays(self.folder, f"keys-{self.piece}.npz", arrays)


def rows_path(folder: str, piece: int) -> str:
    """Returns where the typed rows of a piece are."""
    return f"{folder}/rows-{piece}.arrow"


def repeats_name(piece: int, *, across: bool = False) -> str:
    """Returns the name of the file with a piece's rows that repeat one of it, or of another."""
    return f"repeats-{'across' if across else 'within'}-{piece}.npz"


def save_arrays(folder: str, name: str, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
    """Writes arrays to a file of the folder."""
    filesystem, inner = resolve_path(folder)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for flags
    with filesystem.open_output_stream(f"{inner}/{name}") as stream:
        stream.write(buffer.getvalue())


def load_arrays(folder: str, name: str) -> dict[str, npt.NDArray[np.generic]]:
    """Reads what `save_arrays` wrote."""
    filesystem, inner = resolve_path(folder)
    with filesystem.open_input_stream(f"{inner}/{name}") as stream:
        loaded = np.load(io.BytesIO(stream.read()), allow_pickle=False)
        return {key: loaded[key] for key in loaded.files}


def load_keys(folder: str, piece: int) -> RowKeys | None:
    """Reads the keys of a piece; None where it has no good rows."""
    arrays = load_arrays(folder, f"keys-{piece}.npz")
    return RowKeys(**arrays) if arrays else None  # type: ignore[arg-type]


def read_rows(folder: str, piece: int) -> Iterator[pa.RecordBatch]:
    """Reads the typed rows of a piece in bounded batches."""
    filesystem, inner = resolve_path(folder)
    with (
        filesystem.open_input_stream(rows_path(inner, piece)) as stream,
        pyarrow.ipc.open_stream(stream) as reader,
    ):
        yield from reader


def delete_staging(folder: str) -> None:
    """Deletes the folder and all that is in it."""
    filesystem, inner = resolve_path(folder)
    filesystem.delete_dir(inner)

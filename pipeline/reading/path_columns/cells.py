"""The cells with paths of a table, and the files that they mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.config import Data
from pipeline.reading import contract, values
from pipeline.reading.files.pieces import ADDED_COLUMNS, Piece
from pipeline.reading.files.sources import read_piece, read_schema
from pipeline.reading.path_columns.finder import FoundFile, find_files


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What the paths of a table mean.

    Attributes:
        found: The file of each path, by column and text.
    """

    found: Mapping[str, Mapping[str, FoundFile]]

    def files(self) -> Iterator[str]:
        """Yields the files that can be read, some of them perhaps twice."""
        for by_text in self.found.values():
            yield from (one.file for one in by_text.values() if one.file and not one.problem)

    def meanings(self) -> dict[str, dict[str, str]]:
        """Returns the file of each path, as it is written there, or the problem."""
        return {
            name: {text: one.problem or Path(one.file).name for text, one in by_text.items()}
            for name, by_text in self.found.items()
        }


def find_cells(piece: Piece, data: Data) -> Cells:
    """Returns what the paths of a table mean.

    Raises:
        InputError: The table lacks a column of paths, has one without texts, or has a column of
            the name of another one.
    """
    schema = read_schema(piece)
    _check_names(piece, schema, data)
    names = list(data.path_columns)
    texts: dict[str, set[str]] = {name: set() for name in names}
    for raw in read_piece(piece, columns=names):
        for name in names:
            own = read_texts(raw.batch.column(raw.batch.schema.get_field_index(name)), data)
            texts[name].update(text for text in own if text is not None)
    folder = Path(piece.path).parent
    return Cells(
        found={
            name: find_files(sorted(texts[name]), folder, option.holds, others=[piece.path])
            for name, option in data.path_columns.items()
        }
    )


def read_texts(column: pa.Array, data: Data) -> list[str | None]:
    """Returns the paths of a column; None where they are missing."""
    read, bad = contract.read_column(
        column, ColumnFormat(type="text"), default_marks=data.missing_values
    )
    return [
        "" if is_bad else None if text is None else text.decode()
        for text, is_bad in zip(read.to_pylist(), bad, strict=True)
    ]


def _check_names(piece: Piece, schema: pa.Schema, data: Data) -> None:
    for name, option in data.path_columns.items():
        if name not in schema.names:
            listed = ", ".join(f"`{column}`" for column in schema.names[:20])
            raise InputError(
                f"{piece.path} has no column `{name}`, which data.path_columns names. It has "
                f"{listed}."
            )
        kind = schema.field(name).type
        if not (values.is_text(kind) or pa.types.is_null(kind) or pa.types.is_dictionary(kind)):
            raise InputError(
                f"{piece.path}: the column `{name}` holds {kind}, not paths. Remove "
                f"data.path_columns.{name} if it holds the files themselves."
            )
        others = {*schema.names} - {name}
        taken = sorted(others & {*option.columns(name), *ADDED_COLUMNS})
        if taken:
            raise InputError(
                f"{piece.path} has a column `{taken[0]}`, whose name the files of `{name}` need. "
                "Rename it."
            )

"""The rows of a use case as a run would read them, before any run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from common.output_folder import captured_output, open_output
from models.features import Feature, FeatureTable
from pipeline.config_loading import load_config
from pipeline.reading.columns import ARROW_TYPES, Column, decide_columns
from pipeline.reading.data_source import find_source
from pipeline.reading.files import sources
from pipeline.reading.files.locations import source_files
from pipeline.reading.files.pieces import BadRow, Piece, RawBatch
from pipeline.reading.ingest_spec import IngestSpec, make_ingest_spec
from pipeline.reading.typing_rows import type_batch, unwrap

_MAX_BAD_ROWS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Rows of a use case, typed by its reading contract.

    Attributes:
        name: Name of the use case.
        label: The label column, 1 for the positive class.
        features: The features table.
        table: The rows; contents of sounds and pictures are left out.
        num_bad: Rows of those read that do not fit the contract.
        num_unlabelled: Rows of those read without a label.
        bad_rows: The first of the bad rows.
        is_complete: Whether these are all the rows.
    """

    name: str
    label: str
    features: FeatureTable
    table: pa.Table
    num_bad: int
    num_unlabelled: int
    bad_rows: tuple[BadRow, ...]
    is_complete: bool

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 `[rows]` of 0 and 1."""
        return np.asarray(self.table.column(self.label).to_numpy(), np.int64)

    def feature(self, column: str) -> Feature | None:
        """Returns the feature of a column, or None."""
        return self.features.get(column)

    def describe(self) -> pd.DataFrame:
        """Returns what was read, a line each."""
        rows = {
            "use case": self.name,
            "rows read": f"{self.table.num_rows:,}",
            "all rows": "yes" if self.is_complete else "no, the first ones: raise max_rows",
            "rows that do not fit": f"{self.num_bad:,}",
            "rows without a label": f"{self.num_unlabelled:,}",
        }
        return pd.DataFrame({"": rows.values()}, index=list(rows))

    def describe_bad_rows(self, limit: int = 10) -> pd.DataFrame:
        """Returns the first rows that do not fit, with their places and reasons."""
        rows = [
            {"file": Path(bad.path).name, "row": bad.row, "column": bad.column, "why": bad.reason}
            for bad in self.bad_rows[:limit]
        ]
        return pd.DataFrame(rows, columns=["file", "row", "column", "why"])


def read_data(config: str, output: str, *, max_rows: int = 100_000) -> Data:
    """Reads the first rows of a use case by its reading contract.

    Args:
        config: The use case's YAML.
        output: The output folder, in which simulated data and assembled recordings are kept.
        max_rows: The most rows to read; how columns are written is decided on all of them.

    Raises:
        InputError: The config or the data cannot be used, or `max_rows` is not positive.
    """
    if max_rows < 1:
        raise InputError(f"max_rows must be at least 1, got {max_rows}.")
    use_case = load_config(Path(config))
    files = source_files(find_source(use_case, open_output(Path(output))))
    spec = make_ingest_spec(use_case)
    file_format = sources.common_format(files, spec.format)
    pieces = sources.plan_pieces(files, file_format, layout=spec.layout, whole_files=True)
    shown = [column for column in _columns(pieces, spec) if column.type != "media"]
    reading = _Reading(columns=shown, spec=spec)
    is_complete = reading.read(pieces, max_rows)
    return Data(
        name=use_case.name,
        label=spec.label,
        features=use_case.features,
        table=reading.table(max_rows),
        num_bad=reading.num_bad,
        num_unlabelled=reading.num_unlabelled,
        bad_rows=tuple(reading.bad_rows),
        is_complete=is_complete,
    )


def _columns(pieces: Sequence[Piece], spec: IngestSpec) -> Sequence[Column]:
    # It imports TensorFlow, which takes seconds and logs messages of its own.
    with captured_output(Path(os.devnull)):
        from pipeline.components.arrow_example_gen.steps import merge_profiles, profile_piece

    return decide_columns(merge_profiles([profile_piece(piece, spec) for piece in pieces]), spec)


class _Reading:
    """Typed batches of the first rows, and what was set aside."""

    def __init__(self, columns: Sequence[Column], spec: IngestSpec) -> None:
        self._columns, self._spec = columns, spec
        self._batches: list[pa.RecordBatch] = []
        self.bad_rows: list[BadRow] = []
        self.num_bad = self.num_unlabelled = 0

    def read(self, pieces: Sequence[Piece], max_rows: int) -> bool:
        """Reads until there are `max_rows` good rows; returns whether those are all rows."""
        num_rows = 0
        for path, raw in _raw_batches(pieces):
            if num_rows >= max_rows:
                return False
            typed = type_batch(raw, self._columns, self._spec, path=path)
            unfit = [*raw.bad_rows, *typed.bad_rows]
            self.num_bad += len(unfit)
            self.bad_rows += unfit[: max(0, _MAX_BAD_ROWS - len(self.bad_rows))]
            self.num_unlabelled += typed.unlabelled.num_rows
            self._batches.append(typed.batch)
            num_rows += typed.batch.num_rows
        return num_rows <= max_rows

    def table(self, max_rows: int) -> pa.Table:
        types: Mapping[str, pa.DataType] = {c.name: ARROW_TYPES[c.type] for c in self._columns}
        table = pa.Table.from_batches(self._batches, schema=pa.schema(list(types.items())))
        return table.slice(0, max_rows)


def _raw_batches(pieces: Sequence[Piece]) -> Iterator[tuple[str, RawBatch]]:
    for piece in pieces:
        for raw in sources.read_piece(piece):
            if piece.format == "tfrecord":
                raw.batch = unwrap(raw.batch)
            yield piece.path, raw

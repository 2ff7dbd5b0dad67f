"""Rows to predict whose columns hold the paths of files."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline.config import Data
from pipeline.data_options.path_columns import PathColumn
from pipeline.prediction.files import input_files
from pipeline.prediction.files.json_lines import is_json_lines
from pipeline.prediction.files.rows import Rows
from pipeline.reading.files.sources import open_parquet
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.path_columns.embedding import embed_files, list_inputs


def has_paths(data: str, path_columns: Mapping[str, PathColumn]) -> bool:
    """Tells rows with paths from those that hold the files, as JSON lines or Parquet.

    Raises:
        InputError: There are no data.
    """
    files = input_files.find_input_files(data)
    if is_json_lines(files.paths[0]):
        return False
    if files.format != "parquet":
        return True
    schema = open_parquet(files.paths[0]).schema_arrow
    kinds = [schema.field(name).type for name in path_columns if name in schema.names]
    return any(pa.types.is_string(kind) or pa.types.is_large_string(kind) for kind in kinds)


@contextmanager
def with_files(data: str, spec: IngestSpec) -> Iterator[Rows]:
    """Yields rows with the files in place of their paths; rows without paths as they are.

    Args:
        data: A file, a folder or a glob.
        spec: How the model's rows are read.

    Raises:
        InputError: The table cannot be read or lacks a column of paths.
    """
    if spec.path_columns and has_paths(data, spec.path_columns):
        with embedded_rows(data, spec) as rows:
            yield rows
    else:
        yield Rows(data=data)


@contextmanager
def embedded_rows(data: str, spec: IngestSpec) -> Iterator[Rows]:
    """Yields the rows with the files in place of their paths, in a temporary folder.

    Args:
        data: A file, a folder or a glob.
        spec: How the model's rows are read.

    Raises:
        InputError: The table cannot be read or lacks a column of paths.
    """
    layout = spec.layout
    options = Data(
        path=data,
        path_columns=spec.path_columns,
        missing_values=spec.missing_values,
        columns=spec.columns,
        decimal=spec.decimal,
        thousands=spec.thousands,
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        header=layout.header,
        units_row=layout.units_row,
        skip_rows=layout.skip_rows,
    )
    path = str(Path(data).absolute())
    with tempfile.TemporaryDirectory(prefix="faultline-") as target:
        embedded = embed_files(
            path, options, folder=Path(), target=Path(target), rates=dict(spec.rates)
        )
        yield Rows(
            data=embedded.pattern,
            sources=tuple(list_inputs(path, options, Path())),
            notes=embedded.notes,
        )

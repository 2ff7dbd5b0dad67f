"""Raw recordings to predict, assembled as those that the model was trained on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.config import Data
from pipeline.prediction.files import input_files
from pipeline.prediction.files.json_lines import is_json_lines
from pipeline.reading.files.sources import open_parquet
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.recordings.assembling import assemble
from pipeline.recording_options import (
    RECORDING,
    WINDOW_END,
    WINDOW_START,
    Recordings,
    with_channels,
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The table of the rows to predict.

    Attributes:
        data: Its path.
        keys: Columns that identify a row; empty for the number of the row.
        notes: What the assembly counted, in words.
    """

    data: str
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@contextmanager
def rows_of(data: str, spec: IngestSpec, folder: Path) -> Iterator[Rows]:
    """Yields the rows to predict; raw recordings are assembled in a temporary folder.

    Data with one row for each recording or window, as JSON lines or Parquet, are taken as they are.

    Args:
        data: A file, a folder or a glob.
        spec: How the model's rows are read.
        folder: The folder of the YAML, to which the table of labels is relative.

    Raises:
        InputError: The recordings cannot be used.
    """
    if spec.recordings is None or _are_rows(data, spec.recordings):
        yield Rows(data=data)
        return
    with tempfile.TemporaryDirectory(prefix="faultline-") as target:
        assembled = assemble(
            str(Path(data).absolute()),
            _options(data, spec, spec.recordings),
            label=None,
            folder=folder,
            target=Path(target),
            rates=dict(spec.rates),
        )
        if not assembled.num_rows:
            reasons = "; ".join(str(bad) for bad in assembled.bad[:3])
            raise InputError(f"{data} has no recording to predict. {reasons}".strip())
        is_windows = spec.recordings.window is not None
        keys = (RECORDING, WINDOW_START, WINDOW_END) if is_windows else (RECORDING,)
        bad = tuple(f"left out: {bad}" for bad in assembled.bad)
        yield Rows(data=assembled.pattern, keys=keys, notes=(*assembled.notes, *bad))


def _are_rows(data: str, recordings: Recordings) -> bool:
    """Tells rows that a client could send from raw recordings, by their columns."""
    try:
        files = input_files.find_input_files(data)
    except InputError:
        return False  # sounds, pictures, arrays
    if is_json_lines(files.paths[0]):
        return True
    if files.format != "parquet":
        return False
    names = open_parquet(files.paths[0]).schema_arrow.names
    own = recordings.bytes_column or RECORDING
    return own in names and own not in (recordings.id_column, *recordings.channels)


def _options(data: str, spec: IngestSpec, recordings: Recordings) -> Data:
    """Returns the `data` block of the assembly: all windows of a stream, not of its stretches.

    What is text in the schema is text here: the codes of few recordings may all look like numbers,
    and `07` would become 7.
    """
    recordings = with_channels(recordings, spec.signals)
    window = recordings.window
    if window is not None:
        recordings = replace(recordings, window=replace(window, num_stretches=None))
    texts = {
        name: ColumnFormat(type="text") for name, kind in spec.types.items() if kind == "bytes"
    }
    layout = spec.layout
    return Data(
        path=data,
        recordings=recordings,
        max_bad_rows=spec.max_bad_rows,
        missing_values=spec.missing_values,
        columns=texts | dict(spec.columns),
        decimal=spec.decimal,
        thousands=spec.thousands,
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        header=layout.header,
        units_row=layout.units_row,
    )

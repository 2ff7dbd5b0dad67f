"""Raw recordings to predict, assembled as those that the model was trained on."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common.errors import InputError
from models.features import Signal, of_kind
from pipeline.column_format import ColumnFormat
from pipeline.config import Config, Data
from pipeline.counting import count
from pipeline.prediction.files import input_files
from pipeline.prediction.files.embedded_rows import embedded_rows, has_paths
from pipeline.prediction.files.json_lines import is_json_lines
from pipeline.prediction.files.raw_sources import RawSource, find_raw_source
from pipeline.prediction.files.rows import Rows
from pipeline.reading.files.sources import open_parquet
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.recordings.assembling import Assembled, Target, assemble
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE
from pipeline.reading.recordings.raw.listing import list_raw_files
from pipeline.recording_options import (
    RATE,
    RECORDING,
    WINDOW_END,
    WINDOW_START,
    Recordings,
    with_channels,
)


@contextmanager
def rows_of(
    data: str, spec: IngestSpec, config: Config, *, labels: Path | None = None
) -> Iterator[Rows]:
    """Yields the rows to predict; raw recordings are assembled in a temporary folder.

    Data with one row for each recording or window, as JSON lines or Parquet, are taken as they are.

    Args:
        data: A file, a folder or a glob.
        spec: How the model's rows are read.
        config: The use case: its folder, to which the table of labels is relative, and the rates
            of its signals.
        labels: The table with the context of these recordings, in place of the config's.

    Raises:
        InputError: The recordings cannot be used, or need no table of labels.
    """
    if labels is not None:
        spec = _with_labels(spec, labels, data)
    if spec.path_columns and has_paths(data, spec.path_columns):
        with embedded_rows(data, spec) as rows:
            yield rows
        return
    if spec.recordings is None or are_rows(data, spec.recordings):
        yield Rows(data=data)
        return
    with tempfile.TemporaryDirectory(prefix="faultline-") as target:
        source = find_raw_source(data, config, spec.recordings)
        assembled = assemble(
            source.path,
            _options(data, spec, spec.recordings),
            label=None,
            folder=config.folder,
            target=Target(folder=Path(target)),
            rates=dict(spec.rates),
            units=spec.layout.units,
            left_out=source.beside,
        )
        is_windows = spec.recordings.window is not None
        keys = (RECORDING, WINDOW_START, WINDOW_END) if is_windows else (RECORDING,)
        unnamed = [] if labels is None else _unnamed_notes(assembled, spec.recordings, labels)
        bad = tuple(f"left out: {bad}" for bad in assembled.bad)
        rates = _rate_notes(assembled.files, spec, of_kind(config.features, Signal).values())
        yield Rows(
            data=assembled.pattern,
            keys=keys,
            sources=_sources(source, spec.recordings, config.folder),
            notes=(*source.notes, *assembled.notes, *unnamed, *rates, *bad),
        )


def _sources(source: RawSource, recordings: Recordings, folder: Path) -> tuple[str, ...]:
    _, files = list_raw_files(source.path, recordings.media, folder=folder)
    beside = [str(folder / recordings.labels)] if recordings.labels is not None else []
    return (*files, *beside)


def _with_labels(spec: IngestSpec, labels: Path, data: str) -> IngestSpec:
    """Returns how rows are read with another table of labels.

    Raises:
        InputError: The model was not trained with such a table, or it is not a file.
    """
    recordings = spec.recordings
    if recordings is None or are_rows(data, recordings):
        raise InputError(
            f"--labels: {data} has one row for each example, so the rows have all columns. Remove "
            "the option."
        )
    if recordings.labels is None or recordings.form == "rows":
        raise InputError(
            "--labels: the model was trained without data.recordings.labels, or with labels alone, "
            "so it uses no column of such a table. Remove the option."
        )
    if not labels.is_file():
        raise InputError(f"--labels {labels} is not a file.")
    return replace(spec, recordings=replace(recordings, labels=str(labels.absolute())))


def _unnamed_notes(assembled: Assembled, recordings: Recordings, labels: Path) -> list[str]:
    """Returns how many recordings the table does not name, in words.

    Raises:
        InputError: It names none of them.
    """
    number = assembled.num_unnamed
    if number and number == assembled.num_recordings:
        raise InputError(
            f"--labels {labels}: its column `{recordings.id_column}` names none of the recordings "
            "in DATA. It must hold their names, as in training."
        )
    unnamed = count(number, "recording")
    return [f"no row in {labels} for {unnamed}: the context is missing"] if number else []


def are_rows(data: str, recordings: Recordings) -> bool:
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


def _rate_notes(
    files: Sequence[str], spec: IngestSpec, signals: Collection[Signal]
) -> Iterator[str]:
    """Says how many rows have another sampling rate than the signals, unless they are resampled."""
    nominal_hz = {rate_hz for signal in signals if (rate_hz := signal.sampling_rate_hz)}
    if spec.rates or len(nominal_hz) != 1 or RATE not in pq.read_schema(files[0]).names:
        return
    [rate_hz] = nominal_hz
    tables = [pq.read_table(file, columns=[RATE]) for file in files]
    own_hz = pa.concat_tables(tables)[RATE].drop_null()
    num = pc.sum(pc.greater(pc.abs(pc.subtract(own_hz, rate_hz)), RATE_TOLERANCE * rate_hz)).as_py()
    if num:
        yield (
            f"{num:,} of {len(own_hz):,} rows were not sampled at {rate_hz:g} Hz, the nominal rate "
            "of the model's signals, and are not resampled; expect worse predictions"
        )


def _options(data: str, spec: IngestSpec, recordings: Recordings) -> Data:
    """Returns the `data` block of the assembly: all windows of a stream, not of its stretches.

    What is text in the schema is text here: the codes of few recordings may all look like numbers,
    and `07` would become 7. The label counts for nothing here, however it is written.
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
        columns={n: form for n, form in (texts | spec.columns).items() if n != spec.label},
        decimal=spec.decimal,
        thousands=spec.thousands,
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        header=layout.header,
        units_row=layout.units_row,
        skip_rows=layout.skip_rows,
    )

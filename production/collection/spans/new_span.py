"""Writes recorded requests and their labels as the next span of the training data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from common.errors import InputError
from common.guards.durable_files import sync
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.production_options.collection import recorded_share
from pipeline.reading.ingest_spec import IngestSpec, make_ingest_spec
from production.collection.damage import damage_named
from production.collection.delivery import check_recorded
from production.collection.labels import (
    latest_labels,
    row_keys,
    with_label_values,
    write_private,
)
from production.collection.quarantine import read_quarantine
from production.collection.spans.rows import Choice, RowKey, choose_rows
from production.collection.spans.table import (
    SpanRows,
    find_sources,
    nothing_left,
    read_rows,
    training_columns,
)
from production.collection.spans.target import Target, find_target
from production.collection.spans.writing import check_read_back, write_rows

_PENDING, _DONE = ".pending", ".parquet"
_ENTRIES = "entries, by which no row is taken twice,"


@dataclass(frozen=True, kw_only=True)
class NewSpan:
    """A span that was written.

    Attributes:
        model: Name of the model that answered the requests.
        span: The span: a number or a date.
        path: Its file.
        num_rows: Its rows.
        num_positive: Those of them with a positive label.
        left_out: Number of labels that are left out, by reason.
        time_column: The column that holds the time of the request, or None.
        num_alarms: Recorded rows with a positive decision.
        num_alarms_labelled: Those of them with a label.
        num_others: Recorded rows with a negative decision.
        num_others_labelled: Those of them with a label.
    """

    model: str
    span: str
    path: str
    num_rows: int
    num_positive: int
    left_out: dict[str, int]
    time_column: str | None
    num_alarms: int
    num_alarms_labelled: int
    num_others: int
    num_others_labelled: int


@dataclass(frozen=True, kw_only=True)
class WrittenSpan:
    """A span that was written earlier.

    Attributes:
        path: Its file.
        rows: The recorded rows that it has.
    """

    path: str
    rows: frozenset[RowKey]


def write_span(
    config: Config, folder: OutputFolder, *, span: str | None = None, model: str | None = None
) -> NewSpan:
    """Writes the labelled requests that no span has yet as a new span.

    Args:
        config: The use case.
        folder: The output folder.
        span: The number or date of the span; by default the next number, or today.
        model: Name of the model that answered; by default the use case's.

    Raises:
        InputError: There is nothing to write, no place for it, or a column that the training data
            need is not recorded. Nothing is written.
        StepFailedError: Training would read other values than those that were served.
    """
    name = model or config.name
    check_recorded(folder, name)
    collected = folder.collected(name)
    target = find_target(config, span, today=datetime.now(UTC).date())
    with _ledger(collected):
        labels = latest_labels(collected)
        if not labels.num_rows:
            raise InputError(
                f"The recorded requests to {name} have no labels. `faultline labels` adds some."
            )
        spec = make_ingest_spec(config)
        choice = choose_new_rows(config, folder, name, labels)
        rows = _rows(config, with_label_values(spec), target, collected, labels, choice)
        _write(rows, config, spec, target, collected)
    return NewSpan(
        model=name,
        span=target.name,
        path=str(target.path),
        num_rows=len(rows.keys),
        num_positive=int((rows.typed[spec.label].to_numpy() == 1).sum()),
        left_out=dict(choice.left_out + rows.left_out),
        time_column=rows.time,
        num_alarms=choice.num_answers.get(True, 0),
        num_alarms_labelled=choice.num_labelled[True],
        num_others=choice.num_answers.get(False, 0),
        num_others_labelled=choice.num_labelled[False],
    )


def choose_new_rows(config: Config, folder: OutputFolder, model: str, labels: pa.Table) -> Choice:
    """Returns the labelled requests that a new span may take.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the model that answered.
        labels: The latest label of each row.
    """
    collected = folder.collected(model)
    return choose_rows(
        collected,
        labels,
        written=written_rows(collected),
        share=recorded_share(config.collection),
        quarantine=read_quarantine(folder.monitoring(model)),
    )


def _rows(
    config: Config,
    spec: IngestSpec,
    target: Target,
    collected: Path,
    labels: pa.Table,
    choice: Choice,
) -> SpanRows:
    if not choice.places:
        raise nothing_left(choice.left_out)
    origin = find_sources(collected, labels, config, spec)
    names = training_columns(target, config)
    rows = read_rows(collected, choice.places, labels, origin, spec, names=names)
    if not rows.keys:
        raise nothing_left(choice.left_out + rows.left_out)
    return rows


def _write(
    rows: SpanRows, config: Config, spec: IngestSpec, target: Target, collected: Path
) -> None:
    path = target.path
    if path.exists():
        raise InputError(f"{path} exists already. Move it away, or name another span with --span.")
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f".{path.name}")  # a hidden file is no data
    try:
        write_rows(rows.raw, incoming, config, spec, like=target.model_file)
        sync(incoming)
        check_read_back(incoming, target.format, rows.columns, rows.typed, spec)
        pending = _note(rows.keys, target, collected)
        incoming.rename(path)
        pending.rename(pending.with_suffix(_DONE))
    finally:
        incoming.unlink(missing_ok=True)


def _note(keys: list[RowKey], target: Target, collected: Path) -> Path:
    """Notes which rows a span has, before it appears."""
    table = pa.table(
        {
            "request_id": pa.array([request_id for request_id, _ in keys], pa.string()),
            "row": pa.array([row for _, row in keys], pa.int32()),
        }
    ).replace_schema_metadata({"span": target.name, "path": str(target.path)})
    path = _folder(collected) / f"{target.name}{_PENDING}"
    write_private(table, path)
    return path


def written_rows(collected: Path) -> set[RowKey]:
    """Returns the rows that earlier spans have.

    Args:
        collected: The folder `collected/NAME`.

    Raises:
        InputError: The list of a span is damaged.
    """
    paths = _folder(collected).glob(f"*{_DONE}")
    return {key for path in paths for key in row_keys(_read_entries(path))}


def find_span(collected: Path, span: str) -> WrittenSpan | None:
    """Returns a span that was written earlier; None if it was not.

    Args:
        collected: The folder `collected/NAME`.
        span: Its number or date.

    Raises:
        InputError: The list of the span is damaged.
    """
    with _ledger(collected):
        path = _folder(collected) / f"{span}{_DONE}"
        if not path.exists():
            return None
        table = _read_entries(path)
    place = table.schema.metadata[b"path"].decode()
    return WrittenSpan(path=place, rows=frozenset(row_keys(table)))


def _read_entries(path: Path) -> pa.Table:
    with damage_named(path, _ENTRIES), pq.ParquetFile(path) as file:
        return file.read()


@contextmanager
def _ledger(collected: Path) -> Iterator[None]:
    """Holds the list of the rows of earlier spans, after repairing what a kill left of it."""
    folder = _folder(collected)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        for pending in folder.glob(f"*{_PENDING}"):
            with damage_named(pending, _ENTRIES):
                schema = pq.read_schema(pending)
            if Path(schema.metadata[b"path"].decode()).exists():
                pending.rename(pending.with_suffix(_DONE))
            else:
                pending.unlink()
        yield


def _folder(collected: Path) -> Path:
    return collected / "spans"

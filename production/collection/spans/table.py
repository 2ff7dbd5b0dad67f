"""The rows of a new span, with the columns of the training data."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from models.features import Media
from pipeline.column_format import TimeUnit
from pipeline.config import Config
from pipeline.counting import count
from pipeline.reading import times
from pipeline.reading.columns import Column, Profile, decide_columns, wide_parts
from pipeline.reading.files import sources
from pipeline.reading.files.pieces import RawBatch
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.typing_rows import type_batch
from production.collection.labels import brought_columns, row_keys
from production.collection.records import RecordFile, read_file, read_file_schema, record_files
from production.collection.spans.rows import Place, RowKey
from production.collection.spans.target import Target
from serving.recording.columns import column_name

OTHER_COLUMNS = "recorded without a column that the training data need, or with hashes of it"
DOES_NOT_FIT = "with a value that the config does not allow"
_MICROSECONDS = 1_000_000
_HASH = "^[0-9a-f]{64}$"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the columns of a span come from that labels do not bring.

    Attributes:
        recorded: Column of the records by column of the training data.
        time: The column that holds the time of the request, or None.
    """

    recorded: dict[str, str]
    time: str | None


@dataclass(frozen=True, kw_only=True)
class SpanRows:
    """The rows of a new span.

    Attributes:
        keys: Request id and row of each.
        raw: The columns as they are written.
        columns: The columns of the examples.
        typed: The same as training reads them.
        left_out: Number of rows that are left out, by reason.
        time: The column that holds the time of the request, or None.
    """

    keys: list[RowKey]
    raw: pa.RecordBatch
    columns: tuple[Column, ...]
    typed: pa.RecordBatch
    left_out: Counter[str]
    time: str | None


def training_columns(target: Target, config: Config) -> list[str]:
    """Returns the columns of the latest span, in order."""
    layout = config.data.csv_layout
    files = [target.model_file]
    file_format = sources.common_format(files, config.data.format)
    [piece] = sources.plan_pieces(files, file_format, layout=layout, whole_files=True)
    return list(sources.read_schema(piece).names)


def find_sources(collected: Path, labels: pa.Table, config: Config, spec: IngestSpec) -> Sources:
    """Returns where each column comes from that training needs.

    Raises:
        InputError: A column is neither recorded nor brought by labels.
    """
    brought = brought_columns(labels)
    stored = _stored_columns(collected)
    redacted = config.collection.redact if config.collection else {}
    wide = {end: name for name, one in spec.wide_signals.items() for end in (one.first, one.last)}
    recorded: dict[str, str] = {}
    lacking: list[str] = []
    time = None
    for name in dict.fromkeys(wide.get(one, one) for one in spec.required if one != spec.label):
        if name in brought:
            continue
        if name in redacted:
            lacking.append(f"  `{name}`: collection.redact says `{redacted[name]}`")
        elif isinstance(config.features.get(name), Media):
            lacking.append(f"  `{name}`: only hashes of files are recorded")
        elif column_name(name) in stored and name in config.features:
            recorded[name] = column_name(name)
        elif name == spec.split_column and spec.strategy == "time" and not _is_elapsed(name, spec):
            time = name
        else:
            lacking.append(f"  `{name}`: requests do not hold it")
    if lacking:
        raise InputError(
            "A new span needs columns that are not recorded:\n" + "\n".join(lacking) + "\n"
            "Bring them with the labels (`faultline labels … --with COLUMN`), or remove them from "
            "the config or from collection.redact. Nothing was written."
        )
    return Sources(recorded=recorded, time=time)


def _is_elapsed(name: str, spec: IngestSpec) -> bool:
    return name in spec.columns and spec.columns[name].elapsed


def _stored_columns(collected: Path) -> set[str]:
    schemas = (read_file_schema(file) for file in record_files(collected))
    return {name for schema in schemas if schema is not None for name in schema.names}


def read_rows(
    collected: Path,
    places: Mapping[RowKey, Place],
    labels: pa.Table,
    origin: Sources,
    spec: IngestSpec,
    *,
    names: Sequence[str],
) -> SpanRows:
    """Returns the rows of a span.

    Args:
        collected: The folder `collected/NAME`.
        places: Where the record of each row is, in the order of the span.
        labels: The latest label of each row.
        origin: Where the columns come from.
        spec: The ingestion settings.
        names: Columns of the latest span, whose order the new one keeps.

    Raises:
        InputError: No record has all of the columns.
    """
    keys, features = _recorded(collected, places, origin)
    left_out = Counter({OTHER_COLUMNS: len(places) - len(keys)})
    if not keys:
        raise nothing_left(left_out)
    at = {key: place for place, key in enumerate(row_keys(labels))}
    own = labels.take(pa.array([at[key] for key in keys], pa.int64()))
    columns: dict[str, pa.Array] = {}
    for name in origin.recorded:
        columns |= _raw_columns(name, features[origin.recorded[name]], spec, names)
    if origin.time is not None:
        columns[origin.time] = features["time"]
    for name, column in brought_columns(own).items():
        columns |= _raw_columns(name, column.combine_chunks(), spec, names)
    columns[spec.label] = own["label"].combine_chunks()
    order = sorted(columns, key=lambda name: names.index(name) if name in names else len(names))
    raw = pa.RecordBatch.from_arrays([columns[name] for name in order], names=order)
    training = training_types(raw, spec)
    rows = RawBatch(batch=raw, rows=np.arange(raw.num_rows))
    typed = type_batch(rows, training, spec, path="the new span")
    good = typed.rows
    left_out[DOES_NOT_FIT] = len(keys) - len(good)
    return SpanRows(
        keys=[keys[place] for place in good],
        raw=raw.take(pa.array(good)),
        columns=training,
        typed=typed.batch,
        left_out=+left_out,
        time=origin.time,
    )


def nothing_left(left_out: Mapping[str, int]) -> InputError:
    """Returns the error of a span without rows.

    Args:
        left_out: Number of labels that are left out, by reason.
    """
    reasons = "; ".join(f"{count(number, 'label')} {why}" for why, number in left_out.items())
    return InputError(f"No row is left for a new span: {reasons}. Nothing was written.")


def _recorded(
    collected: Path, places: Mapping[RowKey, Place], origin: Sources
) -> tuple[list[RowKey], dict[str, pa.Array]]:
    """Returns the rows whose files have all columns, and these columns with the time."""
    columns = ["time", *origin.recorded.values()]
    by_stem: dict[str, dict[int, RowKey]] = {}
    for key, place in places.items():
        by_stem.setdefault(place.stem, {})[place.number] = key
    keys: list[RowKey] = []
    tables: list[pa.Table] = []
    for file in record_files(collected):
        schema = read_file_schema(file) if file.stem in by_stem else None
        if schema is None or not set(columns) <= set(schema.names):
            continue
        taken = list(_taken(file, sorted(by_stem[file.stem]), columns))
        if any(_has_hashes(batch) for _, batch in taken):
            continue
        for numbers, batch in taken:
            keys += [by_stem[file.stem][number] for number in numbers]
            tables.append(pa.Table.from_batches([batch]))
    if not tables:
        return [], {}
    table = pa.concat_tables(tables, promote_options="permissive")
    rank = {key: place for place, key in enumerate(places)}
    order = np.argsort([rank[key] for key in keys], kind="stable")
    table = table.take(pa.array(order))
    return [keys[place] for place in order], {
        name: table[name].combine_chunks() for name in columns
    }


def _has_hashes(batch: pa.RecordBatch) -> bool:
    """Tells whether a column was hashed by the `collection.redact` of that time."""
    texts = (column for column in batch.columns if pa.types.is_string(column.type))
    return any(pc.any(pc.match_substring_regex(column, _HASH)).as_py() for column in texts)


def _taken(
    file: RecordFile, numbers: Sequence[int], columns: Sequence[str]
) -> Iterator[tuple[Sequence[int], pa.RecordBatch]]:
    """Yields the records of a file with given numbers, which are sorted."""
    first = 0
    for batch in read_file(file, columns=columns):
        start, end = np.searchsorted(numbers, [first, first + batch.num_rows])
        inside = numbers[start:end]
        if inside:
            yield inside, batch.take(pa.array([number - first for number in inside]))
        first += batch.num_rows


def _raw_columns(
    name: str, column: pa.Array, spec: IngestSpec, names: Sequence[str]
) -> dict[str, pa.Array]:
    """Returns a column as files hold it: a time as a timestamp, a wide signal as its columns."""
    form = spec.columns.get(name)
    is_time = name in spec.times or (form is not None and form.type == "time")
    if is_time and pa.types.is_integer(column.type):
        if form is not None and form.elapsed:
            return {name: _elapsed(column, form.unit or "s")}
        return {name: column.cast(pa.timestamp("s", tz="UTC"))}
    if pa.types.is_binary(column.type):
        return {name: column.cast(pa.string())}
    if name not in spec.wide_signals or name in names:
        return {name: column}
    wide = spec.wide_signals[name]
    parts = wide_parts(name, wide.first, wide.last, names)
    missing = pa.scalar([None] * len(parts), pa.list_(column.type.value_type))
    samples = pc.fill_null(column, missing).flatten()
    places = np.arange(len(column)) * len(parts)
    return {part: samples.take(pa.array(places + i)) for i, part in enumerate(parts)}


def _elapsed(micros: pa.Array, unit: TimeUnit) -> pa.Array:
    """Returns int64 microseconds in another unit, so that reading gives the same again."""
    per_second = times.PER_SECOND[unit]
    if per_second >= _MICROSECONDS:
        return pc.multiply(micros, per_second // _MICROSECONDS)
    # Half a microsecond more: reading rounds down.
    exact = pc.add(micros.cast(pa.float64()), 0.5)
    return pc.divide(exact, _MICROSECONDS / per_second)


def training_types(raw: pa.RecordBatch, spec: IngestSpec) -> tuple[Column, ...]:
    """Returns the columns of the examples that training makes of a span."""
    profile = Profile()
    profile.add_batch(raw, spec, csv=False)
    return decide_columns(profile, spec)

"""The ingestion settings of a use case, as one value that serialises to JSON.

It holds only settings that change the examples, because it is part of the cache key: a new learning
rate does not cause the data to be read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from google.protobuf import text_format
from pydantic.dataclasses import dataclass
from tensorflow_metadata.proto.v0 import schema_pb2

from common.config_values import JsonValue
from common.errors import InputError
from models.features import (
    Bucketized,
    HeavyTailed,
    Lengths,
    Numeric,
    Signal,
    Time,
    media_names,
    of_kind,
    raw_feature_names,
)
from pipeline.column_format import ColumnFormat, CsvLayout, Decimal, Thousands
from pipeline.config import Config
from pipeline.data_options.path_columns import PathColumn
from pipeline.reading.contract import truth_of
from pipeline.reading.files.pieces import Format
from pipeline.recording_options import Recordings

SchemaType = Literal["int", "float", "bytes"]
_SCHEMA_TYPES: dict[int, SchemaType] = {
    schema_pb2.INT: "int",
    schema_pb2.FLOAT: "float",
    schema_pb2.BYTES: "bytes",
}


@dataclass(frozen=True, kw_only=True)
class WideColumns:
    """First and last column of a signal with one sample per column."""

    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class IngestSpec(JsonValue):
    """Settings that turn raw rows into examples and assign them to splits.

    Attributes:
        label: The label column.
        positive: Its positive value, in canonical text.
        negative: In its place the negative value, in canonical text; empty if `positive` counts.
        label_values: All its values, in canonical text; empty if any other value is good.
        format: The files' format, or None to infer it from their suffix.
        max_bad_rows: Maximum number of rows in quarantine.
        drop_duplicates: Keep only one of identical rows.
        wide_signals: Signals with one sample per column.
        missing_values: Texts that mean a missing value in columns without marks of their own.
        columns: How the values of columns are written, as the config declares it.
        decimal: Decimal mark of numbers whose column does not declare one.
        thousands: Thousands separator of numbers whose column does not declare one.
        layout: How the CSV files are laid out.
        strategy: `stratified`, `group`, `time` or `blocks`.
        split_column: The group or time column.
        block_rows: Rows per block; 0 for the other strategies.
        eval_within_groups: Whether only `test` gets whole groups.
        shares: Shares of train, eval and test.
        seed: Seed of the hash that assigns rows to splits.
        in_window: Whether the data are a span of a window, whose spans are split one by one.
        numbers: Columns that must hold numbers, according to the features table.
        times: Columns that must hold points in time.
        signals: Signal columns and their number of samples.
        lengths: What happens to recordings of another length, by signal column.
        media: Columns that hold the bytes of files, which are read without any text treatment.
        required: Columns that must be present in the data.
        needed: Columns whose invalid values make a row bad: those that the model, the splits or
            the slices use. Of any other column an invalid value counts as missing.
        types: Column types from the curated schema; empty without one.
        recordings: How raw recordings become rows; None if the data are rows.
        rates: Nominal rate in Hz by channel, to which recordings are resampled.
        path_columns: Columns that hold the paths of files.
    """

    label: str
    positive: str
    format: Format | None
    max_bad_rows: int
    drop_duplicates: bool
    wide_signals: dict[str, WideColumns]
    missing_values: tuple[str, ...]
    columns: dict[str, ColumnFormat]
    decimal: Decimal
    thousands: Thousands | None
    layout: CsvLayout
    strategy: Literal["stratified", "group", "time", "blocks"]
    split_column: str | None
    block_rows: int
    eval_within_groups: bool = False
    shares: tuple[float, float, float]
    seed: int
    in_window: bool = False
    numbers: tuple[str, ...]
    times: tuple[str, ...]
    negative: str = ""
    label_values: tuple[str, ...] = ()
    signals: dict[str, int]
    lengths: dict[str, Lengths] = field(default_factory=dict)
    media: tuple[str, ...] = ()
    required: tuple[str, ...]
    needed: tuple[str, ...]
    types: dict[str, SchemaType]
    recordings: Recordings | None = None
    rates: dict[str, float] = field(default_factory=dict)
    path_columns: dict[str, PathColumn] = field(default_factory=dict)

    @property
    def path_signals(self) -> frozenset[str]:
        """Signals whose samples are in files; a row may lack them."""
        return frozenset(
            column
            for name, option in self.path_columns.items()
            if option.holds == "signal"
            for column in option.columns(name)
        )

    @property
    def label_marks(self) -> tuple[str, ...]:
        """Texts of the label column that mean that the label is not known."""
        return label_marks(self.label, self.columns, self.missing_values)

    def is_positive(self, text: str) -> bool | None:
        """Tells whether a label in canonical text is positive; None if it has no meaning."""
        return is_positive(
            text, positive=self.positive, negative=self.negative, values=self.label_values
        )

    @property
    def positive_words(self) -> str:
        """Which values are positive, for people."""
        return f"any value but `{self.negative}`" if self.negative else f"`{self.positive}`"


def label_marks(
    label: str, columns: Mapping[str, ColumnFormat], missing_values: tuple[str, ...]
) -> tuple[str, ...]:
    """Returns the texts of a label column that mean that the label is not known.

    Args:
        label: The label column.
        columns: What `data.columns` declares; the label's own marks replace the default ones.
        missing_values: The marks of columns without marks of their own.
    """
    form = columns.get(label)
    return missing_values if form is None or form.missing is None else form.missing


def is_positive(text: str, *, positive: str, negative: str, values: Sequence[str]) -> bool | None:
    """Tells whether a label is positive; None if `values` does not have it.

    Args:
        text: The label. It and all other values are in canonical text.
        positive: The positive value.
        negative: In its place the negative one; empty if `positive` counts.
        values: All values; empty if any is good.
    """
    named = negative or positive
    truth, truth_of_named = truth_of(text), _truth_of_named(named, values)
    if truth is not None and truth_of_named is not None:
        is_named = truth == truth_of_named
    elif values and text not in values:
        return None
    else:
        is_named = text == named
    return is_named != bool(negative)


def _truth_of_named(named: str, label_values: Sequence[str]) -> bytes | None:
    """Returns the truth value of the named label, or None for a label of other values.

    A letter is one only where `label_values` says that all values are truth values.
    """
    truth = truth_of(named)
    if not label_values:
        is_letter = len(named) == 1 and named.isalpha()
        return None if is_letter else truth
    truths = [truth_of(value) for value in label_values]
    return truth if None not in truths and truths.count(truth) == 1 else None


def reading_contract(spec: IngestSpec) -> IngestSpec:
    """Returns the part of the settings that says how rows are read, which travels in the model.

    How rows are assigned to splits, and how many may be bad, is no part of it.
    """
    return replace(
        spec,
        max_bad_rows=0,
        drop_duplicates=False,
        strategy="stratified",
        split_column=None,
        block_rows=0,
        eval_within_groups=False,
        shares=(1.0, 0.0, 0.0),
        seed=0,
        in_window=False,
    )


def make_ingest_spec(config: Config) -> IngestSpec:
    """Returns the ingestion settings of `config`, with the curated schema's column types.

    Raises:
        InputError: The curated schema cannot be read.
    """
    signals = list(of_kind(config.features, Signal).values())
    split, negative = config.split, config.label.negative
    times = list(of_kind(config.features, Time))
    if split.strategy == "time" and split.column and split.column not in times:
        times = [*times, split.column]
    return IngestSpec(
        label=config.label.column,
        positive=canonical_label(str(config.label.positive)),
        negative="" if negative is None else canonical_label(str(negative)),
        label_values=tuple(canonical_label(str(value)) for value in config.label.values),
        # Embedded tables are Parquet, whatever the tables with the paths are.
        format=None if config.data.path_columns else config.data.format,
        max_bad_rows=config.data.max_bad_rows,
        drop_duplicates=config.data.drop_duplicates,
        wide_signals={
            name: WideColumns(first=wide.first, last=wide.last)
            for name, wide in config.data.wide_signals.items()
        },
        missing_values=config.data.missing_values,
        columns=config.data.columns,
        decimal=config.data.decimal,
        thousands=config.data.thousands,
        layout=replace(config.data.csv_layout, units=units_of(config)),
        strategy=split.strategy,
        split_column=split.column if split.strategy in {"group", "time"} else None,
        block_rows=split.block_rows or 0,
        eval_within_groups=split.eval_within_groups,
        shares=(split.train, split.eval, split.test),
        seed=config.seed,
        in_window=config.data.has_window,
        numbers=_numbers(config, signals),
        times=tuple(times),
        signals={
            name: feature.num_samples
            for name, feature in config.features.items()
            if isinstance(feature, Signal)
        },
        lengths={
            name: feature.lengths
            for name, feature in of_kind(config.features, Signal).items()
            if feature.lengths is not None
        },
        media=tuple(media_names(config.features)),
        required=_required(config, signals),
        needed=_needed(config, signals),
        types=schema_types(config.schema_path),
        recordings=config.data.recordings,
        rates=nominal_rates(config),
        path_columns=config.data.path_columns,
    )


def nominal_rates(config: Config) -> dict[str, float]:
    """Returns the rate in Hz to which each channel of recordings is resampled.

    Windows of a number of samples keep their rate, whatever it is. So do channels without one.
    """
    if config.data.path_columns:
        return _rates_of_paths(config)
    recordings = config.data.recordings
    window = recordings.window if recordings is not None else None
    if recordings is None or (window is not None and window.num_samples is not None):
        return {}
    return {
        name: signal.sampling_rate_hz
        for name, signal in of_kind(config.features, Signal).items()
        if signal.rate_column is None
        and signal.lengths != "resample"
        and signal.sampling_rate_hz is not None
    }


def _rates_of_paths(config: Config) -> dict[str, float]:
    """Returns the rate in Hz of each signal whose samples are in files with times.

    Raises:
        InputError: The channels of one file have different rates.
    """
    rates: dict[str, float] = {}
    for name, option in config.data.path_columns.items():
        if option.time_column is None:
            continue
        signals = {n: config.features[n] for n in option.columns(name)}
        own = {n: s.sampling_rate_hz for n, s in of_kind(signals, Signal).items()}
        if len(set(own.values())) > 1:
            listed = ", ".join(f"`{n}` {rate} Hz" for n, rate in own.items())
            raise InputError(
                f"The channels of `{name}` must have one sampling_rate_hz, got {listed}."
            )
        rates |= {n: rate for n, rate in own.items() if rate is not None}
    return rates


def units_of(config: Config) -> tuple[tuple[str, str], ...]:
    """Returns the unit of each feature that has one."""
    units = ((name, getattr(one, "unit", "")) for name, one in config.features.items())
    return tuple((name, unit) for name, unit in units if unit)


def _numbers(config: Config, signals: Sequence[object]) -> tuple[str, ...]:
    kinds = (Numeric, HeavyTailed, Bucketized)
    names = [name for name, feature in config.features.items() if isinstance(feature, kinds)]
    rates = [s.rate_column for s in signals if isinstance(s, Signal) and s.rate_column]
    return tuple(dict.fromkeys([*names, *rates]))


def _required(config: Config, signals: Sequence[object]) -> tuple[str, ...]:
    """Returns the distinct required columns; for wide signals, their sample columns."""
    names = [config.label.column, *raw_feature_names(config.features)]
    names += [s.rate_column for s in signals if isinstance(s, Signal) and s.rate_column]
    if config.split.strategy in {"group", "time"} and config.split.column:
        names.append(config.split.column)
    wide = config.data.wide_signals
    names = [name for name in names if name not in wide]
    names += [column for signal in wide.values() for column in (signal.first, signal.last)]
    return tuple(dict.fromkeys(names))


def _needed(config: Config, signals: Sequence[object]) -> tuple[str, ...]:
    """Returns the required columns and those that slices use."""
    by_slices = [part.column for one in config.slices.values() for part in one if part.column]
    return tuple(dict.fromkeys([*_required(config, signals), *by_slices]))


def canonical_label(text: str) -> str:
    """Returns the canonical text of a label value: `1`, `1.0` and `true` agree, as do 0 and false.

    >>> [canonical_label(text) for text in (" 1.0", "TRUE", "false", "cracked")]
    ['1', '1', '0', 'cracked']

    Args:
        text: The value as text.
    """
    trimmed = text.strip()
    lowered = trimmed.lower()
    if lowered in {"true", "false"}:
        return "1" if lowered == "true" else "0"
    try:
        number = float(trimmed)
    except ValueError:
        return trimmed
    return str(int(number)) if number.is_integer() else repr(number)


def schema_types(path: Path | None) -> dict[str, SchemaType]:
    """Returns the column types of a curated text-format schema; empty without a schema.

    Raises:
        InputError: The file does not exist or is not a schema.
    """
    if path is None:
        return {}
    try:
        schema = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise InputError(
            f"Cannot read the schema {path}: {error}. Fix it, or remove `schema` from the "
            "config to use the inferred one."
        ) from error
    return {
        feature.name: _SCHEMA_TYPES[feature.type]
        for feature in schema.feature
        if feature.type in _SCHEMA_TYPES
    }

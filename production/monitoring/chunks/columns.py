"""The features of recorded rows, or of training rows, as arrays."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.features import (
    Categorical,
    Feature,
    FeatureTable,
    Media,
    Signal,
    Time,
    raw_feature_names,
)
from pipeline.reading.contract import truth_of
from production.monitoring.chunks.signals import describe_signal
from serving.recording.columns import column_name

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True, eq=False)
class Categories:
    """A column of categories.

    Attributes:
        codes: int64 `[n]`: place of each row's category in `names`, -1 for a missing one.
        names: The categories, as texts.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Returns how many rows have each category."""
        sizes = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))
        return dict(zip(self.names, sizes.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The features of some rows, in the order of the rows.

    Attributes:
        num_rows: Number of rows, n.
        numbers: Channel to float64 `[n]`, NaN for no value. A channel is a feature, or a number
            that describes the recordings of a signal, `SIGNAL: NAME`.
        categories: Feature to its categories.
        times: Feature to float64 `[n]`, seconds since 1970, NaN for no value. Later rows have later
            times, so that these are no channels of drift.
        files: Feature to its files by their hashes, of recorded rows; no channels of drift, but
            rows with equal files are equal.
        missing: Feature to bool `[n]`, which rows have no value.
        unreadable: Features without a readable column.
    """

    num_rows: int
    numbers: dict[str, Floats] = field(default_factory=dict)
    categories: dict[str, Categories] = field(default_factory=dict)
    times: dict[str, Floats] = field(default_factory=dict)
    files: dict[str, Categories] = field(default_factory=dict)
    missing: dict[str, Flags] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()

    def without(self, features: Collection[str]) -> "Columns":
        """Returns the columns without those of some features."""
        return replace(
            self,
            numbers=_without(self.numbers, features),
            categories=_without(self.categories, features),
            times=_without(self.times, features),
            files=_without(self.files, features),
            missing=_without(self.missing, features),
            unreadable=tuple(name for name in self.unreadable if name not in features),
        )


def _without(by_channel: Mapping[str, V], features: Collection[str]) -> dict[str, V]:
    return {name: one for name, one in by_channel.items() if feature_of(name) not in features}


def feature_of(channel: str) -> str:
    """Returns the feature that a channel is of.

    >>> feature_of("vibration: noise level"), feature_of("pressure")
    ('vibration', 'pressure')
    """
    return channel.partition(": ")[0]


def read_columns(records: pa.Table, features: FeatureTable, *, skip: Sequence[str] = ()) -> Columns:
    """Returns the features of recorded rows.

    Args:
        records: Rows with the columns of a record.
        features: The features table.
        skip: Features to leave out, such as those that are not recorded.
    """
    columns = Columns(num_rows=records.num_rows)
    unreadable = []
    for name in raw_feature_names(features):
        if name in skip:
            continue
        stored = column_name(name)
        if stored not in records.column_names or not _is_readable(
            records[stored].type, features[name]
        ):
            unreadable.append(name)
            continue
        _add(columns, name, features[name], records[stored])
    return Columns(**vars(columns) | {"unreadable": tuple(unreadable)})


def _is_readable(kind: pa.DataType, feature: Feature) -> bool:
    if pa.types.is_null(kind):
        return True
    if isinstance(feature, Signal):
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return bool(is_list and _is_number(kind.value_type))
    if isinstance(feature, Categorical | Media):
        return not pa.types.is_nested(kind)
    return _is_number(kind) or (isinstance(feature, Time) and pa.types.is_timestamp(kind))


def _is_number(kind: pa.DataType) -> bool:
    is_float, is_integer = pa.types.is_floating(kind), pa.types.is_integer(kind)
    return bool(is_float or is_integer or pa.types.is_boolean(kind) or pa.types.is_decimal(kind))


def _add(columns: Columns, name: str, feature: Feature, column: pa.ChunkedArray) -> None:
    if isinstance(feature, Signal):
        columns.missing[name] = _is_empty(column)
        described = describe_signal(column, feature)
        columns.numbers.update({f"{name}: {one}": values for one, values in described.items()})
        return
    if isinstance(feature, Categorical):
        categories = _as_served(_categories(column), is_truth=feature.truth)
        columns.categories[name] = categories
        columns.missing[name] = categories.codes < 0
        return
    if isinstance(feature, Media):
        columns.missing[name] = np.asarray(column.is_null().to_numpy(), bool)
        if pa.types.is_string(column.type):
            columns.files[name] = _categories(column)
        return
    values = _times(column) if isinstance(feature, Time) else _numbers(column)
    (columns.times if isinstance(feature, Time) else columns.numbers)[name] = values
    columns.missing[name] = np.isnan(values)


def _is_empty(column: pa.ChunkedArray) -> Flags:
    if pa.types.is_null(column.type):
        return np.ones(len(column), bool)
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    return np.asarray(lengths.to_numpy() == 0, bool)


def _numbers(column: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)


def _times(column: pa.ChunkedArray) -> Floats:
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return _numbers(micros) / 1e6
    return _numbers(column)


def _as_served(categories: Categories, *, is_truth: bool) -> Categories:
    """Returns the categories in the spelling of the examples, in which the served graph reads them.

    Clients may send `Yes` or ` true` where the training data have `true`.
    """
    spelled = [_spelled(name, is_truth=is_truth) for name in categories.names]
    places = {name: place for place, name in enumerate(dict.fromkeys(filter(None, spelled)))}
    of_names = np.array([*(places.get(name, -1) for name in spelled), -1], np.int64)
    return Categories(codes=of_names[categories.codes], names=tuple(places))


def _spelled(name: str, *, is_truth: bool) -> str:
    text = name.strip()
    truth = truth_of(text) if is_truth or text.lower() in ("true", "false") else None
    return text if truth is None else truth.decode()


def _categories(column: pa.ChunkedArray) -> Categories:
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy()
    names = encoded.dictionary.cast(pa.string()).to_pylist()
    if "" in names:  # the empty text is a missing value
        codes = np.where(codes == names.index(""), -1, codes)
    return Categories(codes=np.asarray(codes, np.int64), names=tuple(names))

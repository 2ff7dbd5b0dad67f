"""Columns of the records: those of every record, then the features of the model.

Features have the names and types of the raw columns that the model was trained on. A missing value,
which a request encodes as NaN, an empty text or -2**63, is null; a time is a timestamp. Of a file
only a hash is stored, by which it can be recognised.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

RECORD_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("arm", pa.string()),
        ("answered", pa.bool_()),
        ("key", pa.string()),
        ("probability", pa.float32()),
        ("decision", pa.int64()),
        ("threshold", pa.float64()),
        ("latency_ms", pa.float32()),
        ("status", pa.string()),
    ]
)
MISSING_INT = -(2**63)
_TIME = pa.timestamp("us", tz="UTC")
_MAX_SECONDS = 2**63 // 1_000_000 - 1

Pieces = Sequence[NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class FeatureColumn:
    """A feature of a model.

    Attributes:
        name: Its name in the model's signature.
        dtype: Its NumPy type there; object for text.
        is_list: Whether a row has several values.
        is_time: Whether its values are points in time, in seconds since 1970.
        is_file: Whether its values are the bytes of files.
        action: `hash` stores hashes; empty stores the values.
    """

    name: str
    dtype: np.dtype[Any]
    is_list: bool = False
    is_time: bool = False
    is_file: bool = False
    action: str = ""

    @property
    def column(self) -> str:
        """Name of its column."""
        return column_name(self.name)

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of its column."""
        if self.action:
            return pa.string()
        if self.is_time:
            return _TIME
        scalar = pa.string() if self.dtype.hasobject else pa.from_numpy_dtype(_plain(self.dtype))
        return pa.list_(scalar) if self.is_list else scalar

    def missing(self) -> NDArray[Any]:
        """Returns the value that encodes a missing one, as an array without dimensions."""
        if self.dtype.hasobject:
            return np.array(b"", object)
        fillers = {"f": math.nan, "i": MISSING_INT if self.dtype == np.int64 else 0}
        return np.array(fillers.get(_plain(self.dtype).kind, 0)).astype(self.dtype)

    def to_arrow(self, pieces: Pieces) -> pa.Array:
        """Returns the values of several requests as a column without redaction.

        Args:
            pieces: Array `[rows]` or `[rows, …]` of each request, at least one.
        """
        if self.is_list:
            return self._lists(pieces)
        if self.is_file:
            files = np.concatenate([piece.reshape(-1) for piece in pieces])
            return pa.array([file or None for file in files.tolist()], pa.large_binary())
        return _scalars(np.concatenate([piece.reshape(-1) for piece in pieces]), self.is_time)

    def _lists(self, pieces: Pieces) -> pa.Array:
        shapes = {piece.shape[1:] for piece in pieces}
        if len(shapes) == 1:
            pieces = [np.concatenate(pieces)]
        flat = [piece.reshape(len(piece), math.prod(piece.shape[1:])) for piece in pieces]
        sizes = np.concatenate([np.full(len(rows), rows.shape[1]) for rows in flat])
        values = np.concatenate([rows.reshape(-1) for rows in flat])
        absent = np.concatenate([_is_absent(rows) for rows in flat])
        mask = None
        if absent.any():  # Parquet files take no values below a null
            values = values[np.repeat(~absent, sizes)]
            sizes, mask = np.where(absent, 0, sizes), pa.array(absent)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), _samples(values), mask=mask)


def column_name(feature: str) -> str:
    """Returns the column of a feature: its name, unless a column of every record has that name."""
    return f"feature_{feature}" if feature in RECORD_SCHEMA.names else feature


def feature_columns(
    inputs: Mapping[str, tuple[np.dtype[Any] | None, int]],
    *,
    times: Collection[str] = (),
    media: Collection[str] = (),
    redact: Mapping[str, str],
) -> tuple[FeatureColumn, ...]:
    """Returns the features that are recorded, in the order of their names.

    Args:
        inputs: Type and rank of each raw column, the batch dimension included; no type where Arrow
            has none.
        times: Columns with points in time.
        media: Columns with the bytes of files.
        redact: `drop` or `hash` by column.
    """
    return tuple(
        FeatureColumn(
            name=name,
            dtype=dtype,
            is_list=rank > 1,
            is_time=name in times and dtype == np.int64 and rank <= 1,
            is_file=name in media,
            action=redact.get(name, "hash" if name in media else ""),
        )
        for name, (dtype, rank) in sorted(inputs.items())
        if dtype is not None and dtype.kind != "c" and redact.get(name) != "drop"
    )


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Returns the type under which Arrow stores a type: float32 for 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind not in "iu" else dtype


def _scalars(values: NDArray[Any], is_time: bool) -> pa.Array:
    if values.dtype.hasobject:
        return _texts([value or None for value in values.tolist()])
    values = values.astype(_plain(values.dtype), copy=False)
    if values.dtype.kind == "f":
        return pa.array(values, mask=np.isnan(values))
    if is_time:
        unfit = np.abs(values) > _MAX_SECONDS  # of the smallest number too, the missing value
        unfit |= values == MISSING_INT
        return pa.array(np.where(unfit, 0, values) * 1_000_000, mask=unfit).cast(_TIME)
    if values.dtype == np.int64:
        return pa.array(values, mask=values == MISSING_INT)
    return pa.array(values)


def _samples(values: NDArray[Any]) -> pa.Array:
    """Returns the values of lists, whose missing samples stay as they are."""
    if values.dtype.hasobject:
        return _texts(values.tolist())
    return pa.array(values.astype(_plain(values.dtype), copy=False))


def _is_absent(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Returns which lists hold nothing but missing values."""
    plain = rows.astype(_plain(rows.dtype), copy=False)
    if plain.dtype.kind == "f":
        missing = np.isnan(plain)
    elif rows.dtype.hasobject or rows.dtype == np.int64:
        missing = rows == (b"" if rows.dtype.hasobject else MISSING_INT)
    else:
        missing = np.zeros(rows.shape, bool)
    return np.asarray(missing.all(axis=1), bool)


def _texts(values: list[bytes | None]) -> pa.Array:
    try:
        return pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:  # some bytes are not UTF-8
        decoded = [
            None if value is None else value.decode("utf-8", "backslashreplace") for value in values
        ]
        return pa.array(decoded, pa.string())

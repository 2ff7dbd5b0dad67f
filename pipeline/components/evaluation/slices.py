"""Assignment of the rows of a record batch to slices."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from common.config_values import JsonValue
from common.errors import InputError
from models.features import Feature
from pipeline.components.recording_troubles.finding import recorded_features
from pipeline.config import Config
from pipeline.slicing import Slice, SlicePart

Value = str | int | float
SliceKey = tuple[tuple[str, Value], ...]
OVERALL: SliceKey = ()
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SliceOptions(JsonValue):
    """The slices to measure.

    Attributes:
        slices: The slices; the whole split is always measured.
        recorded: Features to check for recording troubles; none if no slice asks for them.
    """

    slices: tuple[Slice, ...] = ()
    recorded: dict[str, Feature] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> "SliceOptions":
        """Returns the slices of a use case, reported or watched by the gate, without duplicates."""
        slices = tuple(dict.fromkeys(config.slices.values()))
        troubles = any(part.trouble is not None for parts in slices for part in parts)
        recorded = recorded_features(config.features) if troubles else {}
        return cls(slices=slices, recorded={**recorded})


def rows_by_slice(
    batch: pa.RecordBatch, parts: Slice, troubles: Mapping[str, Flags]
) -> Iterator[tuple[SliceKey, NDArray[np.int64]]]:
    """Yields each combination of values of a slice's parts with its rows.

    A row that lacks one of the values is in no slice. Without parts there is one slice: all rows.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        parts: What to slice by.
        troubles: Recording troubles: name to `[rows]`.

    Raises:
        InputError: A row has several values in one of the columns, or a range is of texts.
    """
    if not parts:
        yield OVERALL, np.arange(batch.num_rows)
        return
    encoded = [_encode_part(batch, part, troubles) for part in parts]
    codes = np.stack([code for code, _ in encoded], axis=1)
    rows = np.flatnonzero((codes >= 0).all(axis=1))
    combinations, places = np.unique(codes[rows], axis=0, return_inverse=True)
    for number, combination in enumerate(combinations):
        key = tuple(
            (part.key_name, _key_value(values[code]))
            for part, code, (_, values) in zip(parts, combination, encoded, strict=True)
        )
        yield key, rows[places.reshape(-1) == number]


def rows_of_slices(
    batch: pa.RecordBatch, slices: Sequence[Slice], troubles: Mapping[str, Flags]
) -> dict[SliceKey, NDArray[np.int64]]:
    """Returns the rows of every slice, and of the whole batch under `OVERALL`.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        slices: The slices.
        troubles: Recording troubles: name to `[rows]`.

    Raises:
        InputError: A row has several values in one of the columns, or a range is of texts.
    """
    # Two entries of the YAML may mean one slice.
    return {
        key: chosen
        for parts in ((), *slices)
        for key, chosen in rows_by_slice(batch, parts, troubles)
    }


def group_ids(batch: pa.RecordBatch, column: str) -> NDArray[np.uint64]:
    """Returns a number for each row that is equal for equal values, in whatever batch.

    Rows without a value form one group, because they may depend on each other.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        column: The column of the groups.

    Raises:
        InputError: There is no such column, or a row has several values in it.
    """
    if batch.schema.get_field_index(column) < 0:
        raise InputError(
            f"The examples lack the column `{column}`, by which the Evaluator groups them: the "
            "group or block of the split."
        )
    codes, values = _encode(batch, column)
    texts = ["", *(f"={_plain(value)}" for value in values)]
    numbers = [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) for text in texts
    ]
    return np.array(numbers, np.uint64)[codes + 1]


def _encode_part(
    batch: pa.RecordBatch, part: SlicePart, troubles: Mapping[str, Flags]
) -> tuple[NDArray[np.int64], list[Any]]:
    """The index of each row's value of a part, or -1 for a row outside the part."""
    if part.column is None:
        return np.where(troubles[str(part.trouble)], 0, -1), [part.trouble]
    codes, values = _encode(batch, part.column)
    if part.missing:
        return np.where(codes < 0, 0, -1), [part.key_value]
    if part.key_value is None:
        return codes, values
    chosen = np.append(_chosen(part, values), False)[codes]  # the last is for those without a value
    if part.is_range:
        return np.where(chosen, 0, -1), [part.key_value]
    # The key is the same as among all values, so that repeated requests give one slice.
    named = [v if str(_key_value(v)) == part.key_value else part.key_value for v in values]
    return np.where(chosen, codes, -1), named


def _chosen(part: SlicePart, values: Sequence[Any]) -> Flags:
    """Which values of a column the part selects."""
    numbers = not any(isinstance(value, bytes) for value in values)
    if part.is_range:
        if not numbers:
            raise InputError(
                f"A slice takes a range of `{part.column}`, which holds texts. "
                "Name its values instead: `value`."
            )
        return part.in_range(np.asarray(values, np.float64))
    if not numbers:
        return np.array([_plain(value) == part.key_value for value in values], bool)
    try:
        wanted = float(str(part.value))
    except ValueError:
        return np.zeros(len(values), bool)
    # A tf.Example's numbers are int64 or float32: its 1.1 is not the YAML's 1.1.
    return np.array([value in {wanted, float(np.float32(wanted))} for value in values], bool)


def _encode(batch: pa.RecordBatch, column: str) -> tuple[NDArray[np.int64], list[Any]]:
    """The index of each row's value in a list of distinct values, or -1 without a value."""
    codes = np.full(batch.num_rows, -1, np.int64)
    place = batch.schema.get_field_index(column)
    if place < 0 or pa.types.is_null(batch.column(place).type):
        return codes, []
    lists = batch.column(place)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    if (lengths > 1).any():
        raise InputError(
            f"evaluation.slices, gate.slices or split.column names `{column}`, which has up to "
            f"{lengths.max()} values a row. "
            "Name columns with one value a row."
        )
    values = lists.flatten().dictionary_encode()
    codes[lengths == 1] = values.indices.to_numpy(zero_copy_only=False)
    return codes, values.dictionary.to_pylist()


def _plain(value: Any) -> Value:
    """Text as text; numbers as they are."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _key_value(value: Any) -> Value:
    """The value as a slice's key has it: 0.3 for the float32 of an example, not 0.30000001192."""
    return float(str(np.float32(value))) if isinstance(value, float) else _plain(value)

"""From recorded rows back to the arrays that went into the model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from common.errors import InputError
from serving.inference.model_facts import ModelFacts
from serving.recording.columns import FeatureColumn, feature_columns
from serving.runtime.tensor_protos import NUMPY_TYPES

_HASH = "^[0-9a-f]{64}$"
_MICROSECONDS = 1_000_000


def make_feeds(
    records: pa.Table, signature: SignatureDef, facts: ModelFacts
) -> dict[str, NDArray[Any]]:
    """Returns the inputs of recorded rows by tensor name, as the server fed them.

    Args:
        records: Rows of one request.
        signature: The signature that takes the raw columns.
        facts: What the model says of them.

    Raises:
        InputError: A column was not recorded, or as hashes only.
    """
    columns = _columns(signature, facts)
    unrecorded = [name for name in signature.inputs if name not in columns]
    unrecorded += [n for n, c in columns.items() if c.column not in records.column_names]
    if unrecorded:
        raise InputError(
            f"The request cannot be replayed: {_listed(unrecorded)} was not recorded. Columns in "
            "`collection.redact` are gone for good."
        )
    feeds = {}
    for name, column in columns.items():
        values = records[column.column].combine_chunks()
        if _is_hashed(values, column):
            raise InputError(
                f"The request cannot be replayed: of {_listed([name])} only hashes are recorded, "
                "as `collection.redact` said at that time."
            )
        info = signature.inputs[name]
        feeds[info.name] = _to_array(values, column, info.tensor_shape)
    return feeds


def _columns(signature: SignatureDef, facts: ModelFacts) -> Mapping[str, FeatureColumn]:
    inputs = {
        name: (NUMPY_TYPES.get(info.dtype), len(info.tensor_shape.dim))
        for name, info in signature.inputs.items()
    }
    return {column.name: column for column in feature_columns(inputs, times=facts.times, redact={})}


def _is_hashed(values: pa.Array, column: FeatureColumn) -> bool:
    if not pa.types.is_string(values.type):
        return False
    if values.type != column.arrow_type:
        return True
    are_hashes = pc.all(pc.match_substring_regex(values.drop_null(), _HASH)).as_py()
    return bool(are_hashes) and values.null_count < len(values)


def _to_array(values: pa.Array, column: FeatureColumn, shape: TensorShapeProto) -> NDArray[Any]:
    if not column.is_list:
        return _scalars(values, column)
    inner = [dimension.size for dimension in shape.dim[1:]]
    width = math.prod(inner) if min(inner) > 0 else _width(values)
    rows = np.full((len(values), width), column.missing(), column.dtype)
    for place, row in enumerate(values):
        if row.is_valid:
            rows[place] = _scalars(row.values, column)
    return rows.reshape(len(values), *_resolved(inner, width))


def _width(values: pa.Array) -> int:
    """Number of values of a row, which the signature leaves open; a missing row has one."""
    lengths = pc.list_value_length(values).drop_null()
    return int(pc.max(lengths).as_py()) if len(lengths) else 1


def _resolved(inner: Sequence[int], width: int) -> list[int]:
    """Returns a shape whose open dimension takes what is left of the width."""
    fixed = math.prod(size for size in inner if size > 0)
    return [size if size > 0 else width // fixed for size in inner]


def _scalars(values: pa.Array, column: FeatureColumn) -> NDArray[Any]:
    missing = column.missing()
    if column.dtype.hasobject:
        texts = [missing[()] if value is None else value.encode() for value in values.to_pylist()]
        return np.array([*texts, b""], object)[:-1]  # NumPy would make fixed-width text
    if column.is_time:
        seconds = np.asarray(values.cast(pa.int64()).fill_null(0)) // _MICROSECONDS
        return np.where(np.asarray(values.is_null()), missing, seconds).astype(column.dtype)
    plain = np.asarray(values.fill_null(pa.scalar(0, values.type)))
    filled = plain.astype(column.dtype)
    filled[np.asarray(values.is_null())] = missing
    return filled


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

"""tf.Examples as the plain columns that `serving_default` takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from models.inputs.stacks import MISSING_INT


def columns_from_examples(
    serialised: Sequence[bytes], inputs: Mapping[str, TensorInfo]
) -> dict[str, NDArray[Any]]:
    """Returns what a client would send for these examples.

    Args:
        serialised: tf.Examples.
        inputs: The inputs of the signature `serving_default`, by column.

    Returns:
        `[batch]` for a number or a text, `[batch, n]` for a signal. A missing value is NaN, the
        empty text or `MISSING_INT`.

    Raises:
        ValueError: An example's column has another length than the signature asks for.
    """
    examples = [tf.train.Example.FromString(example).features.feature for example in serialised]
    return {
        name: _column(name, [_values(example[name]) for example in examples], info)
        for name, info in inputs.items()
    }


def _values(feature: Any) -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else ()


def _column(name: str, rows: list[Sequence[Any]], info: TensorInfo) -> NDArray[Any]:
    dtype = tf.dtypes.as_dtype(info.dtype)
    shape = [dim.size for dim in info.tensor_shape.dim][1:]
    size = int(np.prod(shape))
    missing: Any = b"" if dtype == tf.string else MISSING_INT if dtype.is_integer else np.nan
    filled = [row if len(row) or not size else [missing] * size for row in rows]
    for number, row in enumerate(filled):
        if len(row) != size:
            raise ValueError(
                f"Example {number} has {len(row)} values in `{name}`; the signature takes {size}."
            )
    flat = np.asarray(
        [value for row in filled for value in row],
        dtype=object if dtype == tf.string else dtype.as_numpy_dtype,
    )
    return flat.reshape(len(rows), *shape)

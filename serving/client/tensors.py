"""Conversion between NumPy arrays and TensorProtos."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.errors import ServingClientError
from serving.client.signatures import dtype_number, numpy_dtype
from serving.client.wires.messages import MESSAGES

# NumPy type -> field that holds its values.
_VALUE_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "float16": "half_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "object": "string_val",
}


def to_tensor(array: NDArray[Any]) -> Any:
    """Returns an array as a TensorProto; `object` arrays hold bytes."""
    tensor = MESSAGES["Tensor"](dtype=dtype_number(array.dtype))
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if array.dtype == np.dtype(object):
        tensor.string_val.extend(array.ravel().tolist())
    else:
        tensor.tensor_content = array.tobytes()  # in C order, also for a view
    return tensor


def from_tensor(name: str, tensor: Any) -> NDArray[Any]:
    """Returns a TensorProto as an array; with too few values, the last one is repeated.

    Args:
        name: Name of the output, for the error.
        tensor: The TensorProto.

    Raises:
        ServingClientError: The client does not support the type.
    """
    dtype = numpy_dtype(tensor.dtype)
    if dtype is None:
        raise ServingClientError(
            "UNIMPLEMENTED",
            f"The output `{name}` has TensorFlow's type number {tensor.dtype}, which this client "
            "does not support.",
        )
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape).copy()
    values = getattr(tensor, _VALUE_FIELDS.get(dtype.name, "int_val"))
    if dtype == np.float16:
        flat = np.array(values, np.uint16).view(np.float16)
    else:
        flat = np.array(values, dtype)
    size = math.prod(shape)
    if flat.size < size:
        nothing = b"" if tensor.dtype == dtype_number(np.dtype(object)) else 0
        last = flat[-1:] if flat.size else np.array([nothing], dtype)
        flat = np.concatenate([flat, np.repeat(last, size - flat.size)])
    return flat.reshape(shape)

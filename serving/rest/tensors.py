"""JSON values as tensors of a signature, in row form (`instances`) and columnar form (`inputs`)."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from serving.errors import ServingError, invalid_argument
from serving.rest.values import as_bytes, debug_text, format_error, is_base64, type_name

_FLOATS = {DataType.DT_FLOAT: np.float32, DataType.DT_DOUBLE: np.float64}
# Range that is checked, as Serving does: for all the narrow types that of int32.
_INT32, _INT64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)
_INTEGERS: dict[int, tuple[Any, tuple[int, int]]] = {
    DataType.DT_INT8: (np.int8, _INT32),
    DataType.DT_INT16: (np.int16, _INT32),
    DataType.DT_INT32: (np.int32, _INT32),
    DataType.DT_UINT8: (np.uint8, _INT32),
    DataType.DT_UINT16: (np.uint16, _INT32),
    DataType.DT_INT64: (np.int64, _INT64),
    DataType.DT_UINT32: (np.uint32, (0, 2**32 - 1)),
    DataType.DT_UINT64: (np.uint64, (0, 2**64 - 1)),
}
# NumPy holds Python's lock while it reads a list: a long one is read in pieces.
_PIECE = 2**16
_MAX_RANK = 64

Infos = Mapping[str, TensorInfo]
Tensors = dict[str, NDArray[Any]]


def type_text(dtype: int) -> str:
    """Returns TensorFlow's name of a type, such as `float` or `int64`."""
    return str(DataType.Name(dtype)).removeprefix("DT_").lower()


def tensors_from_rows(instances: Any, infos: Infos) -> Tensors:
    """Returns the inputs of a request in row form.

    Args:
        instances: What stands under `instances`.
        infos: The signature's inputs.

    Raises:
        ServingError: In TensorFlow Serving's words, with the element's number.
    """
    if not isinstance(instances, list):
        raise format_error(instances, "Expecting 'instances' to be an list/array")
    if not instances:
        raise format_error(instances, "No values in 'instances' array")
    named = _is_object(instances[0])
    if not named and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    found = _all_at_once(instances, infos, named=named)
    if found is not None:
        return found
    columns: dict[str, _Column] = {name: _Column(info.dtype) for name, info in infos.items()}
    for number, element in enumerate(instances):
        for name, value in _named_values(element, number, infos, named=named).items():
            _add(columns[name], value, number, f" key: {name}" if named else "")
    return {name: column.array() for name, column in columns.items()}


def _all_at_once(instances: list[Any], infos: Infos, *, named: bool) -> Tensors | None:
    """The inputs, taken as columns: fast. None if something is wrong, unknown where."""
    try:
        if not named:
            if any(map(_is_object, instances)):
                return None
            return tensors_from_columns(instances, infos)
        if any(not _is_object(each) or each.keys() != infos.keys() for each in instances):
            return None
        columns = {name: [each[name] for each in instances] for name in infos}
        return tensors_from_columns(columns, infos)
    except ServingError:
        return None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _named_values(element: Any, number: int, infos: Infos, *, named: bool) -> Mapping[str, Any]:
    if not named:
        if _is_object(element):
            raise format_error(element, "Expecting value/list but got object")
        return {next(iter(infos)): element}
    if not _is_object(element):
        raise format_error(element, "Expecting object but got list/value")
    where = f"Failed to process element: {number} of 'instances' list. JSON object:"
    for name in element:
        if name not in infos:
            raise invalid_argument(f"{where} does not have named input: {name}")
    if len(element) != len(infos):
        raise invalid_argument(f"{where} keys must be equal to: {','.join(sorted(infos))}")
    return dict(element)


class _Column:
    """The values of one input, element by element."""

    def __init__(self, dtype: int) -> None:
        self.dtype = dtype
        self.shape: list[int] = []
        self.values: list[Any] = []
        self.num_elements = 0

    def add(self, value: Any) -> None:
        """Adds an element.

        Raises:
            ServingError: It has another type or shape.
        """
        flat, shape = flatten(value)
        flat = checked_values(flat, self.dtype)
        if self.num_elements == 0:
            self.shape = shape
        elif len(flat) * self.num_elements != len(self.values):
            raise invalid_argument(
                f"Expecting tensor size: {len(self.values) // self.num_elements} "
                f"but got: {len(flat)}"
            )
        elif shape != self.shape:
            raise invalid_argument(
                f"Expecting shape {_shape_text(self.shape)} but got: {_shape_text(shape)}"
            )
        self.values += flat
        self.num_elements += 1

    def array(self) -> NDArray[Any]:
        """Returns all elements as one tensor."""
        return make_array(self.values, self.dtype, [self.num_elements, *self.shape])


def _shape_text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _add(column: _Column, value: Any, number: int, key: str) -> None:
    try:
        column.add(value)
    except ServingError as error:
        raise ServingError(
            error.code,
            f"Failed to process element: {number}{key} of 'instances' list. "
            f"Error: {error.code.name}: {error.message}",
        ) from error


def tensors_from_columns(inputs: Any, infos: Infos) -> Tensors:
    """Returns the inputs of a request in columnar form.

    Args:
        inputs: What stands under `inputs`.
        infos: The signature's inputs.

    Raises:
        ServingError: In TensorFlow Serving's words.
    """
    if not _is_object(inputs):
        if len(infos) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        inputs = {next(iter(infos)): inputs}
    tensors: Tensors = {}
    for name, info in infos.items():
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        flat, shape = flatten(inputs[name])
        tensors[name] = make_array(checked_values(flat, info.dtype), info.dtype, shape)
    return tensors


def flatten(value: Any) -> tuple[list[Any], list[int]]:
    """Returns the leaves of nested lists and the shape.

    Raises:
        ServingError: INVALID_ARGUMENT for lists of unequal sizes or depths.
    """
    shape: list[int] = []
    level, first = [value], value
    while isinstance(first, list):
        size = len(first)
        for each in level:
            if not isinstance(each, list):
                raise _wrong_level(each, len(shape), value)
            if len(each) != size:
                raise invalid_argument(
                    f"Encountered list at unexpected size: {len(each)} at level: {len(shape)} "
                    f"expected size: {size}"
                )
        shape.append(size)
        if len(shape) > _MAX_RANK:
            raise invalid_argument(f"Tensor has more than {_MAX_RANK} dimensions")
        level = level[0] if len(level) == 1 else [leaf for each in level for leaf in each]
        first = level[0] if level else None
    for each in level:
        if isinstance(each, list):
            raise invalid_argument(
                f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}"
            )
    return level, shape


def _wrong_level(leaf: Any, level: int, root: Any) -> ServingError:
    rank = 0
    while isinstance(root, list):
        rank += 1
        root = root[0] if root else None
    return invalid_argument(
        f"JSON Value: {debug_text(leaf)} found at incorrect level: {level + 1} in the JSON DOM. "
        f"Expected at level: {rank}"
    )


def checked_values(flat: list[Any], dtype: int) -> list[Any]:
    """Returns the values as elements of a tensor.

    Raises:
        ServingError: INVALID_ARGUMENT for a value of another type, UNIMPLEMENTED for a type of
            tensor that JSON cannot give.
    """
    if dtype == DataType.DT_STRING:
        return [_text(each, dtype) for each in flat]
    accepts = _acceptance(dtype)
    if accepts is None:
        shown = debug_text(flat[0]) if flat else "[]"
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown} to type: {type_text(dtype)} is not supported",
        )
    for each in flat:
        if not accepts(each):
            raise _type_error(each, dtype)
    return flat


def _acceptance(dtype: int) -> Callable[[Any], bool] | None:
    """What JSON values a type of tensor takes; None where it takes none."""
    if dtype in _FLOATS:
        return lambda value: type(value) is float or type(value) is int
    if dtype == DataType.DT_BOOL:
        return lambda value: type(value) is bool
    if dtype in _INTEGERS:
        low, high = _INTEGERS[dtype][1]
        return lambda value: type(value) is int and low <= value <= high
    return None


def _text(value: Any, dtype: int) -> bytes:
    found = as_bytes(value)
    if found is None:
        raise _type_error(value, dtype)
    return found


def _type_error(value: Any, dtype: int) -> ServingError:
    return invalid_argument(
        f"JSON Value: {debug_text(value)} Type: {type_name(value)} is not of expected type: "
        f"{type_text(dtype)}"
    )


def make_array(values: list[Any], dtype: int, shape: list[int]) -> NDArray[Any]:
    """Returns checked values as a tensor; numbers beyond a type's range wrap or become infinite."""
    if dtype == DataType.DT_STRING:
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)
    wide, narrow = _number_types(dtype)
    array = np.empty(len(values), narrow)
    with np.errstate(over="ignore"):
        for start in range(0, len(values), _PIECE):
            piece = np.array(values[start : start + _PIECE], wide)
            array[start : start + _PIECE] = piece.astype(narrow)
    return array.reshape(shape)


def _number_types(dtype: int) -> tuple[Any, Any]:
    """The type that a value is first read as, and the tensor's own."""
    if dtype in _FLOATS:
        return np.float64, _FLOATS[dtype]
    if dtype == DataType.DT_BOOL:
        return np.bool_, np.bool_
    narrow = _INTEGERS[dtype][0]
    return (np.uint64 if narrow is np.uint64 else np.int64), narrow

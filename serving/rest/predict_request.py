"""The body of a predict request: input tensors from rows or columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework.types_pb2 import DataType

from serving.errors import ServingError, invalid_argument
from serving.rest.bodies.json_tensors import (
    MAX_RANK,
    TYPES,
    TensorType,
    UnfitError,
    check_tensor,
    shape_of,
    single_array,
    to_array,
)
from serving.rest.bodies.json_values import (
    MISSING,
    JsonObject,
    debug_text,
    decode_base64,
    is_base64,
    type_name,
)

# Rows per step when an invalid request is searched for its first error.
_CHECKED_ROWS = 2**10

Arrays = dict[str, NDArray[Any]]
Inputs = Mapping[str, int]  # DataType by name


@dataclass(frozen=True)
class PredictBody:
    """The parsed inputs of a request.

    Attributes:
        arrays: Arrays by input name.
        is_row: Whether the request has `instances`, so that the answer has `predictions`.
    """

    arrays: Arrays
    is_row: bool


def read_signature_name(document: JsonObject) -> str:
    """Returns the name of the signature; empty if the request has none.

    Raises:
        ServingError: INVALID_ARGUMENT if the name is not a string.
    """
    name = document.find("signature_name")
    if name is MISSING:
        return ""
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {debug_text(document)} not formatted correctly. 'signature_name' key "
            "must be a string value."
        )
    return name


def read_predict_body(document: JsonObject, inputs: Inputs) -> PredictBody:
    """Returns the tensors of a request.

    Args:
        document: The whole body.
        inputs: Types of the signature's inputs.

    Raises:
        ServingError: INVALID_ARGUMENT with TensorFlow Serving's text; UNIMPLEMENTED for a type
            that JSON cannot express.
    """
    instances, columns = document.find("instances"), document.find("inputs")
    if instances is MISSING and columns is MISSING:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    with np.errstate(over="ignore", invalid="ignore"):
        if instances is MISSING:
            return PredictBody(_read_columns(columns, inputs), is_row=False)
        _check_instances(document, instances, columns)
        return PredictBody(_read_instances(instances, inputs), is_row=True)


def _check_instances(document: JsonObject, instances: Any, columns: Any) -> None:
    problem = ""
    if columns is not MISSING:
        problem = (
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    elif type(instances) is not list:
        problem = "Expecting 'instances' to be an list/array"
    elif not instances:
        problem = "No values in 'instances' array"
    if problem:
        raise invalid_argument(f"JSON Value: {debug_text(document)} {problem}")


# Columns


def _read_columns(columns: Any, inputs: Inputs) -> Arrays:
    if type(columns) is JsonObject and not is_base64(columns):
        by_name = columns.to_dict()
    elif len(inputs) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    else:
        by_name = dict.fromkeys(inputs, columns)
    arrays = {}
    for name, dtype in inputs.items():
        if name not in by_name:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        arrays[name] = _read_column(by_name[name], name, dtype)
    return arrays


def _read_column(value: Any, name: str, dtype: int) -> NDArray[Any]:
    tensor_type = TYPES.get(dtype)
    try:
        if tensor_type is None:
            raise UnfitError
        return single_array(value, tensor_type)
    except (UnfitError, ServingError):
        _check_column(value, dtype)
        _check_tensor_exists(name, shape_of(value), dtype)
        raise


def _check_column(value: Any, dtype: int) -> None:
    """Raises the error for the first wrong value."""
    shape, tensor_type = shape_of(value), TYPES.get(dtype)

    def check(item: Any) -> None:
        _check_value(item, dtype)

    if not shape or tensor_type is None:
        check_tensor(value, check, shape)
        return
    for start in range(0, len(value), _CHECKED_ROWS):
        items = value[start : start + _CHECKED_ROWS]
        try:
            to_array(items, shape[1:], tensor_type)
        except (UnfitError, ServingError):
            check_tensor(items, check, shape, is_inner=True)


# Rows


def _read_instances(instances: list[Any], inputs: Inputs) -> Arrays:
    first = instances[0]
    if type(first) is not JsonObject and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    try:
        return _convert_rows(instances, inputs)
    except (UnfitError, ServingError):
        _check_rows(instances, inputs)
        raise


def _convert_rows(instances: list[Any], inputs: Inputs) -> Arrays:
    if _is_named(instances[0]):
        return _named_columns(instances, inputs)
    [(name, dtype)] = inputs.items()
    return {name: _batch(instances, TYPES.get(dtype))}


def _is_named(instance: Any) -> bool:
    return type(instance) is JsonObject and not is_base64(instance)


def _named_columns(instances: list[Any], inputs: Inputs) -> Arrays:
    columns: dict[str, list[Any]] = {name: [] for name in inputs}
    repeated: dict[str, list[Any]] = {name: [] for name in inputs}
    names = columns.keys()
    for instance in instances:
        if type(instance) is not JsonObject:
            raise UnfitError
        values = instance.to_dict()
        if values.keys() != names or is_base64(instance):
            raise UnfitError
        for name, value in values.items():
            columns[name].append(value)
        if len(values) != len(instance):
            _keep_repeated(instance, repeated)
    # Of a key that stands twice, the first value counts, but all must fit the tensor.
    arrays = {
        name: _batch(values + repeated[name], TYPES.get(inputs[name]))
        for name, values in columns.items()
    }
    return {name: array[: len(instances)] for name, array in arrays.items()}


def _keep_repeated(instance: JsonObject, repeated: dict[str, list[Any]]) -> None:
    seen = set()
    for name, value in instance:
        if name in seen:
            repeated[name].append(value)
        seen.add(name)


def _batch(values: list[Any], tensor_type: TensorType | None) -> NDArray[Any]:
    if tensor_type is None:
        raise UnfitError
    return to_array(values, shape_of(values[0]), tensor_type)


def _check_rows(instances: list[Any], inputs: Inputs) -> None:
    """Raises the error for the first wrong value."""
    checks = {name: _RowCheck(dtype) for name, dtype in inputs.items()}
    first = instances[:1]
    _check_some(first, 0, checks, is_named=_is_named(first[0]))
    for start in range(1, len(instances), _CHECKED_ROWS):
        some = instances[start : start + _CHECKED_ROWS]
        try:
            _convert_rows(first + some, inputs)
        except (UnfitError, ServingError):
            _check_some(some, start, checks, is_named=_is_named(first[0]))
    for name, check in checks.items():
        _check_tensor_exists(name, [len(instances), *check.shape], inputs[name])


def _check_some(
    instances: list[Any], start: int, checks: Mapping[str, "_RowCheck"], *, is_named: bool
) -> None:
    for position, instance in enumerate(instances, start):
        if _is_named(instance) != is_named:
            problem = "object but got list" if is_named else "value/list but got object"
            raise invalid_argument(f"Expecting {problem} at item {position} of input list")
        if is_named:
            _check_object(instance, checks, position)
        else:
            [check] = checks.values()
            _check_element(instance, check, f"{position}")


def _check_object(instance: JsonObject, checks: Mapping[str, "_RowCheck"], position: int) -> None:
    for name, value in instance:
        _check_element(value, checks.get(name), f"{position} key: {name}", name)
    if instance.to_dict().keys() != checks.keys():
        raise invalid_argument(
            f"Failed to process element: {position} of 'instances' list. JSON object: "
            f"{debug_text(instance)} keys must be equal to: {','.join(sorted(checks))}"
        )


def _check_element(value: Any, check: "_RowCheck | None", where: str, name: str = "") -> None:
    try:
        if check is None:
            raise invalid_argument(f"JSON object: does not have named input: {name}")
        check(value)
    except ServingError as error:
        raise ServingError(
            error.code,
            f"Failed to process element: {where} of 'instances' list. Error: "
            f"{error.code.name}: {error.message}",
        ) from error


class _RowCheck:
    """Checks the values of one input, instance by instance.

    Attributes:
        shape: Shape of the first instance.
    """

    def __init__(self, dtype: int) -> None:
        self.shape: list[int] = []
        self._dtype = dtype
        self._size = -1

    def __call__(self, value: Any) -> None:
        shape = shape_of(value)
        size = check_tensor(value, lambda item: _check_value(item, self._dtype), shape)
        if self._size < 0:
            self._size, self.shape = size, shape
        elif size != self._size:
            raise invalid_argument(f"Expecting tensor size: {self._size} but got: {size}")
        elif shape != self.shape:
            raise invalid_argument(
                f"Expecting shape {_shape_text(self.shape)} but got: {_shape_text(shape)}"
            )


def _shape_text(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


# Values


def _check_value(value: Any, dtype: int) -> None:
    """Checks one element.

    Raises:
        ServingError: Its type is not the tensor's, or JSON cannot express the tensor's type.
    """
    tensor_type = TYPES.get(dtype)
    if type(value) is JsonObject and dtype == DataType.DT_STRING:
        decode_base64(value)
    elif tensor_type is None and type(value) is not JsonObject:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {debug_text(value)} to type: {dtype_name(dtype)}",
        )
    elif tensor_type is None or not tensor_type.accepts(value):
        raise invalid_argument(
            f"JSON Value: {debug_text(value)} Type: {type_name(value)} is not of expected type: "
            f"{dtype_name(dtype)}"
        )


def dtype_name(dtype: int) -> str:
    """Returns TensorFlow's name of a type."""
    try:
        return str(DataType.Name(dtype)).removeprefix("DT_").lower()
    except ValueError:
        return f"unknown dtype enum ({dtype})"


def _check_tensor_exists(name: str, shape: list[int], dtype: int) -> None:
    """Checks that a shape and a type, whose values are all valid, make a tensor.

    Raises:
        ServingError: INVALID_ARGUMENT for too many dimensions, or a type that JSON cannot express.
    """
    if len(shape) > MAX_RANK or dtype not in TYPES:
        raise invalid_argument(f"tensor parsing error: {name}")

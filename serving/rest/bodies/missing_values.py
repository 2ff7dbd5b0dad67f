"""Missing values in a predict request, for clients whose JSON has no NaN.

A missing value is encoded as `serving.client` does: NaN in a float input, -2**63 in an int64 input,
the empty string in a string input. Other types have no missing value: null stays an error there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from serving.rest.bodies.json_tensors import MAX_RANK
from serving.rest.bodies.json_values import JsonObject, is_base64

_FILLERS: Mapping[int, Any] = {
    DataType.DT_FLOAT: math.nan,
    DataType.DT_DOUBLE: math.nan,
    DataType.DT_INT64: -(2**63),
    DataType.DT_STRING: "",
}

Inputs = Mapping[str, TensorInfo]


def fill_missing(document: JsonObject, inputs: Inputs) -> None:
    """Replaces null, and adds the keys that a row or a request lacks, in place.

    Args:
        document: The body of a predict request.
        inputs: The signature's inputs; only those whose type has a missing value are filled.
    """
    fillable = {name: info for name, info in inputs.items() if info.dtype in _FILLERS}
    for position, (name, value) in enumerate(document):
        if name == "instances" and type(value) is list:
            document[position] = (name, _filled_rows(value, inputs, fillable))
        elif name == "inputs":
            document[position] = (name, _filled_columns(value, inputs, fillable))


def _is_named(value: Any) -> bool:
    return type(value) is JsonObject and not is_base64(value)


def _filled_rows(rows: list[Any], inputs: Inputs, fillable: Inputs) -> list[Any]:
    if not any(map(_is_named, rows)):
        if len(inputs) > 1 or not fillable:
            return rows
        [info] = fillable.values()
        shape = _shape(rows, _sizes(info))
        return [_filled(row, shape[1:], _FILLERS[info.dtype]) for row in rows]
    named = [row for row in rows if _is_named(row)]
    firsts = _first_values(named, fillable)
    shapes = {name: _shape(firsts.get(name), _sizes(info)[1:]) for name, info in fillable.items()}
    for row in named:
        _fill_members(row, shapes, fillable)
    return rows


def _filled_columns(columns: Any, inputs: Inputs, fillable: Inputs) -> Any:
    if not _is_named(columns):
        if len(inputs) > 1 or not fillable:
            return columns
        [info] = fillable.values()
        return _filled(columns, _shape(columns, _sizes(info)), _FILLERS[info.dtype])
    firsts = _first_values([columns], inputs)
    num_rows = next((len(value) for value in firsts.values() if type(value) is list), 1)
    shapes = {}
    for name, info in fillable.items():
        sizes = _sizes(info)
        shapes[name] = _shape(firsts.get(name), [num_rows, *sizes[1:]] if sizes else [])
    _fill_members(columns, shapes, fillable)
    return columns


def _first_values(rows: Sequence[JsonObject], names: Inputs) -> dict[str, Any]:
    """Returns the first value of each name that has one."""
    firsts: dict[str, Any] = {}
    for row in rows:
        for name, value in row:
            if value is not None and name in names:
                firsts.setdefault(name, value)
        if len(firsts) == len(names):
            break
    return firsts


def _sizes(info: TensorInfo) -> list[int]:
    return [max(dim.size, 1) for dim in info.tensor_shape.dim]


def _shape(value: Any, sizes: Sequence[int]) -> list[int]:
    """Returns the shape of a value; where only null is left, `sizes` is the rest of it."""
    shape: list[int] = []
    while type(value) is list and len(shape) < MAX_RANK:
        shape.append(len(value))
        value = next((item for item in value if item is not None), None)
    return shape if value is not None else [*shape, *sizes[len(shape) :]]


def _fill_members(
    members: JsonObject, shapes: Mapping[str, Sequence[int]], fillable: Inputs
) -> None:
    absent = dict.fromkeys(fillable)
    for position, (name, value) in enumerate(members):
        if name in fillable:
            absent.pop(name, None)
            filler = _FILLERS[fillable[name].dtype]
            members[position] = (name, _filled(value, shapes[name], filler))
    for name in absent:
        members.append((name, _filled(None, shapes[name], _FILLERS[fillable[name].dtype])))


def _filled(value: Any, shape: Sequence[int], filler: Any) -> Any:
    """Returns a value of this shape with each null replaced; no shape is deeper than a tensor."""
    if value is None:
        return [_filled(None, shape[1:], filler) for _ in range(shape[0])] if shape else filler
    if type(value) is list and 0 < len(shape) <= MAX_RANK:
        return [_filled(item, shape[1:], filler) for item in value]
    return value

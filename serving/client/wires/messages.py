"""TensorFlow Serving's messages as far as the client needs them, without TensorFlow.

`tensorflow_serving.apis` imports TensorFlow, which takes seconds. The wire format depends only on
field numbers and types, so these messages have another package name and only the fields that the
client uses; enums are plain integers. A test compares them with the official ones.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "faultline.serving.client"

# Message -> field -> (number, type). `*` before a type means repeated, `@` a map from strings.
_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Dim": {"size": (1, "int64")},
    "TensorShape": {"dim": (2, "*Dim"), "unknown_rank": (3, "bool")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "double_val": (6, "*double"),
        "int_val": (7, "*int32"),
        "string_val": (8, "*bytes"),
        "int64_val": (10, "*int64"),
        "bool_val": (11, "*bool"),
        "half_val": (13, "*int32"),
        "uint32_val": (16, "*uint32"),
        "uint64_val": (17, "*uint64"),
    },
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "google.protobuf.Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "@Tensor")},
    "PredictResponse": {"outputs": (1, "@Tensor"), "model_spec": (2, "ModelSpec")},
    "GetModelMetadataRequest": {
        "model_spec": (1, "ModelSpec"),
        "metadata_field": (2, "*string"),
    },
    "GetModelMetadataResponse": {
        "model_spec": (1, "ModelSpec"),
        "metadata": (2, "@google.protobuf.Any"),
    },
    "SignatureDefMap": {"signature_def": (1, "@SignatureDef")},
    "SignatureDef": {
        "inputs": (1, "@TensorInfo"),
        "outputs": (2, "@TensorInfo"),
        "method_name": (3, "string"),
    },
    "TensorInfo": {"dtype": (2, "int32"), "tensor_shape": (3, "TensorShape")},
    "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
    "GetModelStatusResponse": {"model_version_status": (1, "*ModelVersionStatus")},
    "ModelVersionStatus": {
        "version": (1, "int64"),
        "state": (2, "int32"),
        "status": (3, "Status"),
    },
    "Status": {"error_code": (1, "int32"), "error_message": (2, "string")},
}


def _file() -> FileDescriptorProto:
    return FileDescriptorProto(
        name="faultline/serving/client.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[any_pb2.DESCRIPTOR.name, wrappers_pb2.DESCRIPTOR.name],
        message_type=[_message(name, fields) for name, fields in _FIELDS.items()],
    )


def _message(name: str, fields: dict[str, tuple[int, str]]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field_name, (number, kind) in fields.items():
        if kind.startswith("@"):
            entry = f"{field_name.title().replace('_', '')}Entry"
            pair = message.nested_type.add(name=entry)
            pair.field.extend([_field("key", 1, "string"), _field("value", 2, kind[1:])])
            pair.options.map_entry = True
            field = _field(field_name, number, f"*{name}.{entry}")
        else:
            field = _field(field_name, number, kind)
        message.field.append(field)
    return message


def _field(name: str, number: int, kind: str) -> FieldDescriptorProto:
    field = FieldDescriptorProto(name=name, number=number)
    field.label = (
        FieldDescriptorProto.LABEL_REPEATED
        if kind.startswith("*")
        else FieldDescriptorProto.LABEL_OPTIONAL
    )
    kind = kind.removeprefix("*")
    if kind.islower() and "." not in kind:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{kind}" if kind.startswith("google.") else f".{_PACKAGE}.{kind}"
    return field


def _classes() -> Iterator[Any]:
    pool = DescriptorPool()
    for known in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_file().SerializeToString())
    for name in _FIELDS:
        yield GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


MESSAGES: dict[str, Any] = dict(zip(_FIELDS, _classes(), strict=True))
"""Message classes by name."""

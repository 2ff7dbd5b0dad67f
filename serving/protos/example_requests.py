"""Requests with tf.Examples, whose examples stay serialised.

The model parses the examples itself. TensorFlow Serving therefore reads its `Input` as a message
with the same bytes in which an example is a text; the messages here do the same. An example with
many features would take up to 55 times its bytes as a message.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from tensorflow_serving.apis import inference_pb2, model_pb2

# Not TensorFlow Serving's, whose names belong to its own messages.
_PACKAGE = "faultline.serving"
_SPEC, _TASK = ".tensorflow.serving.ModelSpec", ".tensorflow.serving.InferenceTask"
_REPEATED, _BYTES = True, "bytes"
# Message -> field -> (number, type, whether it is repeated).
_FIELDS: dict[str, dict[str, tuple[int, str, bool]]] = {
    "ExampleList": {"examples": (1, _BYTES, _REPEATED)},
    "ExampleListWithContext": {
        "examples": (1, _BYTES, _REPEATED),
        "context": (2, _BYTES, False),
    },
    "Input": {
        "example_list": (1, f".{_PACKAGE}.ExampleList", False),
        "example_list_with_context": (2, f".{_PACKAGE}.ExampleListWithContext", False),
    },
    "ClassificationRequest": {
        "model_spec": (1, _SPEC, False),
        "input": (2, f".{_PACKAGE}.Input", False),
    },
    "RegressionRequest": {
        "model_spec": (1, _SPEC, False),
        "input": (2, f".{_PACKAGE}.Input", False),
    },
    "MultiInferenceRequest": {
        "tasks": (1, _TASK, _REPEATED),
        "input": (2, f".{_PACKAGE}.Input", False),
    },
}


def _file() -> FileDescriptorProto:
    files = (model_pb2.DESCRIPTOR.name, inference_pb2.DESCRIPTOR.name)
    file = FileDescriptorProto(
        name="faultline/example_requests.proto", package=_PACKAGE, syntax="proto3", dependency=files
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind, is_repeated) in fields.items():
            field = message.field.add(name=field_name, number=number)
            is_bytes = kind == _BYTES
            field.type = (
                FieldDescriptorProto.TYPE_BYTES if is_bytes else FieldDescriptorProto.TYPE_MESSAGE
            )
            if not is_bytes:
                field.type_name = kind
            field.label = (
                FieldDescriptorProto.LABEL_REPEATED
                if is_repeated
                else FieldDescriptorProto.LABEL_OPTIONAL
            )
            if name == "Input":
                field.oneof_index = 0
        if name == "Input":
            message.oneof_decl.add(name="kind")
    return file


def _classes() -> dict[str, type[Any]]:
    pool: DescriptorPool = Default()
    pool.AddSerializedFile(_file().SerializeToString())
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS
    }


CLASSES = _classes()
ClassificationRequest = CLASSES["ClassificationRequest"]
RegressionRequest = CLASSES["RegressionRequest"]
MultiInferenceRequest = CLASSES["MultiInferenceRequest"]

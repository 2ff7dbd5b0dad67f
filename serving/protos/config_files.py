"""The messages of the batching, monitoring and TLS files, with TensorFlow Serving's names.

`tensorflow-serving-api` has none of them. They are built in a separate descriptor pool, so that
a future release of the package that includes them causes no conflict.
"""

from google.protobuf import wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "tensorflow.serving"
BOOL, INT64, STRING = (
    FieldDescriptorProto.TYPE_BOOL,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_STRING,
)
BOOL_VALUE = ".google.protobuf.BoolValue"
INT64_VALUE = ".google.protobuf.Int64Value"
STRING_VALUE = ".google.protobuf.StringValue"

# Message -> field -> (number, type). A type given as a string names a message.
_FIELDS: dict[str, dict[str, tuple[int, int | str]]] = {
    "BatchingParameters": {
        "max_batch_size": (1, INT64_VALUE),
        "batch_timeout_micros": (2, INT64_VALUE),
        "max_enqueued_batches": (3, INT64_VALUE),
        "num_batch_threads": (4, INT64_VALUE),
        "thread_pool_name": (5, STRING_VALUE),
        "allowed_batch_sizes": (6, INT64),
        "pad_variable_length_inputs": (7, BOOL),
        "enable_large_batch_splitting": (8, BOOL_VALUE),
        "max_execution_batch_size": (9, INT64_VALUE),
    },
    "SSLConfig": {
        "server_key": (1, STRING),
        "server_cert": (2, STRING),
        "custom_ca": (3, STRING),
        "client_verify": (4, BOOL),
    },
    "PrometheusConfig": {"enable": (1, BOOL), "path": (2, STRING)},
    "MonitoringConfig": {"prometheus_config": (1, f".{PACKAGE}.PrometheusConfig")},
}
_REPEATED = {"allowed_batch_sizes"}


def _message(name: str, fields: dict[str, tuple[int, int | str]]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field_name, (number, kind) in fields.items():
        field = message.field.add(name=field_name, number=number)
        field.label = (
            FieldDescriptorProto.LABEL_REPEATED
            if field_name in _REPEATED
            else FieldDescriptorProto.LABEL_OPTIONAL
        )
        if isinstance(kind, str):
            field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind
        else:
            field.type = kind
    return message


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = FileDescriptorProto(
        name="serving/config_files.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
        message_type=[_message(name, fields) for name, fields in _FIELDS.items()],
    )
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _pool()


def _message_type(name: str) -> type[Message]:
    kind: type[Message] = GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))
    return kind


BatchingParameters = _message_type("BatchingParameters")
MonitoringConfig = _message_type("MonitoringConfig")
SSLConfig = _message_type("SSLConfig")

"""Writes the service descriptors for tools such as grpcurl: `python -m serving.protos FILE`.

TensorFlow Serving offers no gRPC reflection, so such tools need the descriptors in a file. The
service descriptors of the Python package do not load under current protobuf versions; its message
descriptors do.
"""

import sys
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

_PACKAGE = "tensorflow.serving"
_METHODS: dict[str, dict[str, tuple[Any, Any]]] = {
    "PredictionService": {
        "Classify": (
            classification_pb2.ClassificationRequest,
            classification_pb2.ClassificationResponse,
        ),
        "Regress": (regression_pb2.RegressionRequest, regression_pb2.RegressionResponse),
        "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
        "MultiInference": (
            inference_pb2.MultiInferenceRequest,
            inference_pb2.MultiInferenceResponse,
        ),
        "GetModelMetadata": (
            get_model_metadata_pb2.GetModelMetadataRequest,
            get_model_metadata_pb2.GetModelMetadataResponse,
        ),
    },
    "ModelService": {
        "GetModelStatus": (
            get_model_status_pb2.GetModelStatusRequest,
            get_model_status_pb2.GetModelStatusResponse,
        ),
        "HandleReloadConfigRequest": (
            model_management_pb2.ReloadConfigRequest,
            model_management_pb2.ReloadConfigResponse,
        ),
    },
}


def describe_services() -> FileDescriptorSet:
    """Returns PredictionService and ModelService after all files that they depend on."""
    files: dict[str, FileDescriptorProto] = {}
    services = FileDescriptorProto(
        name="tensorflow_serving/apis/services.proto", package=_PACKAGE, syntax="proto3"
    )
    for service, methods in _METHODS.items():
        described = services.service.add(name=service)
        for method, (request, response) in methods.items():
            described.method.add(
                name=method,
                input_type=f".{request.DESCRIPTOR.full_name}",
                output_type=f".{response.DESCRIPTOR.full_name}",
            )
            for message in (request, response):
                _add_file(message.DESCRIPTOR.file, files)
                if message.DESCRIPTOR.file.name not in services.dependency:
                    services.dependency.append(message.DESCRIPTOR.file.name)
    return FileDescriptorSet(file=[*files.values(), services])


def _add_file(file: Any, files: dict[str, FileDescriptorProto]) -> None:
    if file.name in files:
        return
    for dependency in file.dependencies:
        _add_file(dependency, files)
    files[file.name] = FileDescriptorProto()
    file.CopyToProto(files[file.name])


def main() -> int:
    """Writes the descriptors to the file named on the command line; returns the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("Usage: python -m serving.protos FILE\n")
        return 2
    Path(sys.argv[1]).write_bytes(describe_services().SerializeToString())
    return 0


if __name__ == "__main__":
    sys.exit(main())

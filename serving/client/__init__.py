"""A client of TensorFlow Serving and of the embedded server: rows in, predictions out.

It uses gRPC (`grpc://HOST:PORT`) or REST (`http://HOST:PORT`), synchronously (`Client`) or
asynchronously (`AsyncClient`). It reads names and types of the columns from the model's signature,
and imports no TensorFlow.
"""

from serving.client.client import AsyncClient, Client, ClientOptions
from serving.client.errors import InputMismatchError, RowError, ServingClientError
from serving.client.predictions import Predictions
from serving.client.signatures import ModelMetadata, ModelSignature, TensorSpec, VersionStatus

__all__ = [
    "AsyncClient",
    "Client",
    "ClientOptions",
    "InputMismatchError",
    "ModelMetadata",
    "ModelSignature",
    "Predictions",
    "RowError",
    "ServingClientError",
    "TensorSpec",
    "VersionStatus",
]

"""A client of TensorFlow Serving and of the embedded server: rows in, predictions out.

Over gRPC (`grpc://HOST:PORT`) or REST (`http://HOST:PORT`), synchronous (`Client`) or asynchronous
(`AsyncClient`). It asks the model itself which columns of which types it takes. TensorFlow is not
imported.
"""

from serving.client.client import AsyncClient, Client
from serving.client.errors import InputMismatchError, RowError, ServingClientError
from serving.client.predictions import Predictions
from serving.client.signatures import ModelMetadata, ModelSignature, TensorSpec, VersionStatus

__all__ = [
    "AsyncClient",
    "Client",
    "InputMismatchError",
    "ModelMetadata",
    "ModelSignature",
    "Predictions",
    "RowError",
    "ServingClientError",
    "TensorSpec",
    "VersionStatus",
]

"""The error of a failed request, for gRPC and REST alike."""

import grpc


class ServingError(Exception):
    """A failed request, with TensorFlow Serving's code and text.

    Attributes:
        code: Canonical code; REST maps it to an HTTP status.
        message: The text that the client receives.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class FinalError(ServingError):
    """A version that did not load, and that no retry will load: its files must change first."""


def invalid_argument(message: str) -> ServingError:
    """Returns the error for a malformed request."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """Returns the error for a missing model or version."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    """Returns the error for a request that the server's state does not allow."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)

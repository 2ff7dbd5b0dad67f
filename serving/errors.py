"""The one error that a request can end with, on either wire."""

import grpc


class ServingError(Exception):
    """A request that cannot be answered, as TensorFlow Serving would say it.

    Attributes:
        code: The canonical code; REST maps it to an HTTP status.
        message: The text as a client reads it.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """Returns the error for a request that is wrong in itself."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """Returns the error for a model or version that is not there."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    """Returns the error for a request that the server's state forbids."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)

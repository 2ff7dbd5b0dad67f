"""HTTP statuses and bodies of errors."""

import grpc

from serving.errors import ServingError
from serving.rest.bodies.json_output import error_json

_STATUSES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}


def _page(status: int, reason: str) -> bytes:
    return (
        f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n<H1>{reason}</H1>\n"
        "</BODY></HTML>\n"
    ).encode()


# The pages of TensorFlow Serving's HTTP library, libevent: no route, or an unknown method.
NOT_FOUND_PAGE = _page(404, "Not Found")
NOT_IMPLEMENTED_PAGE = _page(501, "Not Implemented")


def error_answer(error: ServingError) -> tuple[int, bytes]:
    """Returns the HTTP status and body for an error."""
    return _STATUSES[error.code], error_json(error.message)

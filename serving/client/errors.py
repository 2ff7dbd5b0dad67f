"""Errors of the client."""

CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The canonical codes by number."""


class ServingClientError(Exception):
    """The server refused the call, failed, or did not answer in time.

    Attributes:
        code: Canonical code, such as `NOT_FOUND`. Over REST it is derived from the HTTP status;
            400, which stands for several codes, becomes `INVALID_ARGUMENT`.
        message: Text of the server, or the problem of the connection.
        http_status: HTTP status; None over gRPC and without an answer.
    """

    def __init__(self, code: str, message: str, *, http_status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


class InputMismatchError(ValueError):
    """The input does not match the model's signature; nothing was sent."""


class RowError(InputMismatchError):
    """A value does not match the input's type or shape; nothing was sent.

    Attributes:
        row: Index of the row, from 0.
        column: Name of the column.
        problem: The value and what was expected.
    """

    def __init__(self, row: int, column: str, problem: str) -> None:
        super().__init__(f"Row {row} (counted from 0), column `{column}`: {problem}")
        self.row = row
        self.column = column
        self.problem = problem

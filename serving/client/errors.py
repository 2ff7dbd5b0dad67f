"""What a call of the client can end with."""

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
    """The server refused, failed, or did not answer in time.

    Attributes:
        code: Canonical code, such as `NOT_FOUND`. Over REST it is told from the HTTP status, where
            400 stands for several codes and is given as `INVALID_ARGUMENT`.
        message: The server's own text, or what became of the connection.
        http_status: The HTTP status; None over gRPC and where no answer came.
    """

    def __init__(self, code: str, message: str, *, http_status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


class InputMismatchError(ValueError):
    """What was given cannot be sent to this model; nothing was sent."""


class RowError(InputMismatchError):
    """A value cannot be sent.

    Attributes:
        row: Place of the row among the rows given, from 0.
        column: The column.
        problem: What was found and what was expected.
    """

    def __init__(self, row: int, column: str, problem: str) -> None:
        super().__init__(f"Row {row} (counted from 0), column `{column}`: {problem}")
        self.row = row
        self.column = column
        self.problem = problem

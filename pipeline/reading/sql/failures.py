"""Failures of a database: whether the server or the query is the reason, and what to do."""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import InputError
from common.guards.redaction import redact_text
from pipeline.reading.sql.database import Database


class TransientError(InputError):
    """The server is gone or broke off; another attempt may succeed."""


class UnreachableError(InputError):
    """The server cannot be reached."""


@dataclass(frozen=True)
class Trouble:
    """A reason of the server's, which no other query would avoid.

    Attributes:
        advice: What to do.
        may_pass: Whether another attempt may succeed.
    """

    advice: str
    may_pass: bool = False


_LOST = Trouble("Run again when the server answers.", may_pass=True)
_CONFLICT = Trouble("Other transactions were in the way: run again.", may_pass=True)
_TOO_MANY = Trouble("The server has no connection left: run again when others have ended.")
_CANCELLED = Trouble(
    "The server cancelled the query: someone did, or it took longer than the server allows. Allow "
    "more time, or read fewer rows."
)
_DISK = Trouble("The server has trouble with its disk or files: free space, or see its log.")
_MEMORY = Trouble("The server is short of memory or other resources: see its log.")
_BUSY = Trouble("Another program writes to the file: run again when that is done.")
_FILE = Trouble("The file or its disk is damaged or full: check it, or take a sound copy.")

# SQLSTATE of PostgreSQL; the longest beginning that fits decides.
_BY_STATE: Mapping[str, Trouble] = {
    "08": _LOST,
    "40": _CONFLICT,
    "53": _MEMORY,
    "53100": _DISK,
    "53300": _TOO_MANY,
    "57": _LOST,
    "57014": _CANCELLED,
    "58": _DISK,
}
# Numbers of MariaDB and MySQL; PyMySQL has its own from 2000 on, and 0 for a closed connection.
_BY_NUMBER: Mapping[int, Trouble] = {
    0: _LOST,
    1021: _DISK,
    1037: _MEMORY,
    1038: _MEMORY,
    1040: _TOO_MANY,
    1041: _MEMORY,
    1053: _LOST,
    1205: _CONFLICT,
    1213: _CONFLICT,
    1317: _CANCELLED,
    1927: _LOST,
    1969: _CANCELLED,
    2003: _LOST,
    2006: _LOST,
    2013: _LOST,
    3024: _CANCELLED,
}
_LOWEST_OF_QUERIES = 1000  # smaller numbers are those of files and memory
_BY_NAME: Mapping[str, Trouble] = {
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_PROTOCOL": _BUSY,
    "SQLITE_IOERR": _FILE,
    "SQLITE_CORRUPT": _FILE,
    "SQLITE_NOTADB": _FILE,
    "SQLITE_CANTOPEN": _FILE,
    "SQLITE_FULL": _FILE,
}
# What the streaming driver says of an SQLite file.
_BY_WORDS: Mapping[str, Trouble] = {
    "DatabaseBusy": _BUSY,
    "DatabaseLocked": _BUSY,
    "SystemIoFailure": _FILE,
    "DatabaseCorrupt": _FILE,
    "NotADatabase": _FILE,
    "DiskFull": _FILE,
}


def words_of(error: BaseException) -> str:
    """Returns what a server or driver said, on one line and without secrets.

    Args:
        error: An error of `pg8000`, `pymysql`, `sqlite3` or the operating system.
    """
    first = error.args[0] if error.args else ""
    if isinstance(first, dict):  # fields of PostgreSQL: M message, D detail, H hint
        text = "; ".join(str(first[field]) for field in "MDH" if field in first)
    elif len(error.args) > 1:
        text = str(error.args[1])
    else:
        # pg8000 names the address again, and keeps what went wrong as the cause.
        text = str(error.__cause__ if isinstance(error.__cause__, OSError) else error)
    return redact_text(" ".join(text.split())).rstrip(".")


def trouble_of(error: BaseException) -> Trouble | None:
    """Returns the reason of the server's in an error of a DB-API driver; None for any other.

    Args:
        error: An error of `pg8000`, `pymysql`, `sqlite3` or the operating system.
    """
    if isinstance(error, OSError):
        return _LOST
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        return _BY_NAME.get("_".join(name.split("_")[:2]))
    first = error.args[0] if error.args else ""
    if isinstance(first, dict):
        return _of_state(str(first.get("C", "")))
    if isinstance(first, int):
        return _of_number(first)
    return _LOST if type(error).__name__ == "InterfaceError" else None


def _of_state(state: str) -> Trouble | None:
    return _BY_STATE.get(state) or _BY_STATE.get(state[:2])


def _of_number(number: int) -> Trouble | None:
    return _BY_NUMBER.get(number) or (_DISK if number < _LOWEST_OF_QUERIES else None)


def explain_trouble(database: Database, error: BaseException) -> InputError | None:
    """Returns what to say of a failure of the server's; None if the query may be the reason."""
    trouble = trouble_of(error)
    return None if trouble is None else _as_error(database, trouble, words_of(error))


def _as_error(database: Database, trouble: Trouble, words: str) -> InputError:
    kind = TransientError if trouble.may_pass else InputError
    if trouble is _LOST:
        what = f"The connection to {database} was lost while rows were read"
    else:
        what = f"{database} could not give the rows"
    return kind(f"{what}: {words}. Nothing was kept. {trouble.advice}")


_GONE = re.compile(r"kind: (Io|Closed)|CodecError|IO error|IoError|connection closed|server closed")
_STATE = re.compile(r'SqlState\((?:E|Other\(")(\w{5})')
_NUMBER = re.compile(r"ERROR (\d+) ")
_DIMENSIONS = re.compile(r"FromSql\((\d+)\).*array contains too many dimensions")
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"|MySqlError \{ (.*?) \}', re.DOTALL)


def _trouble_in(said: str) -> Trouble | None:
    if state := _STATE.search(said):
        return _of_state(state[1])
    if number := _NUMBER.search(said):
        return _of_number(int(number[1]))
    if _GONE.search(said):
        return _LOST
    return next((trouble for word, trouble in _BY_WORDS.items() if word in said), None)


def explain_failure(database: Database, error: BaseException) -> InputError:
    """Returns what went wrong in a stream, in the server's words where the driver has them."""
    said = words_of(error)
    match = _MESSAGE.search(said)
    words = (match[1] or match[2]) if match else said
    if trouble := _trouble_in(said):
        return _as_error(database, trouble, words)
    if place := _DIMENSIONS.search(said):
        return InputError(
            f"{database}: column {int(place[1]) + 1} of the rows holds arrays of several "
            "dimensions; a signal has one. Select its parts in data.sql.query, or leave it out."
        )
    if "ConversionFailure" in said or "InvalidColumnType" in said or "FromSql" in said:
        return InputError(
            f"{database}: a value cannot be read: {words}. The table may have changed in the "
            "meantime: run again. Else cast the column in data.sql.query, or leave it out."
        )
    return InputError(f"The query of {database} failed: {words}. Nothing was kept.")

"""What is said of failures of a database, and which of them may pass."""

import sqlite3

import pytest

from common.errors import InputError
from pipeline.reading.sql.database import parse_url
from pipeline.reading.sql.failures import (
    TransientError,
    explain_failure,
    explain_trouble,
    words_of,
)

SERVER = parse_url("postgresql://ada@db/plant")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            'Error { kind: Db, cause: Some(DbError { severity: "FATAL", code: SqlState(E57P01), '
            'message: "terminating connection", detail: None }) }',
            "was lost while rows were read: terminating connection. Nothing",
        ),
        (
            'Error { kind: Io, cause: Some(Os { code: 104, message: "Connection reset" }) }',
            "was lost while rows were read: Connection reset. Nothing",
        ),
        (
            'Error { kind: Db, cause: Some(DbError { code: SqlState(E57014), message: "canceling '
            'statement due to statement timeout" }) }',
            "statement timeout. Nothing was kept. The server cancelled the query",
        ),
        ("MySqlError { ERROR 1317 (70100): Query execution was interrupted }", "cancelled the"),
        ('SqliteFailure(Error { code: DatabaseBusy, extended_code: 5 }, Some("locked"))', "writes"),
        ("MySQLError(CodecError { IO error: `bytes remaining on stream' })", "was lost while"),
        (
            'Error { kind: Db, cause: Some(DbError { code: SqlState(E22012), message: "division by '
            'zero" }) }',
            "failed: division by zero. Nothing was kept",
        ),
        (
            "MySqlError { ERROR 1242 (21000): Subquery returns more than 1 row }",
            "failed: ERROR 1242 (21000): Subquery returns more than 1 row",
        ),
        ("SQLiteError(FromSqlConversionFailure(4, Text))", "a value cannot be read"),
        (
            'Error { kind: FromSql(2), cause: Some("array contains too many dimensions") }',
            "column 3 of the rows holds arrays of several dimensions",
        ),
    ],
)
def test_a_failure_is_told_by_the_servers_words(said, words):
    error = explain_failure(SERVER, RuntimeError(f"cx writer failed: Source({said})"))
    assert words in str(error)


class DriverError(Exception):
    """Stands for an error of a driver, which is known by its arguments."""


class InterfaceError(Exception):
    """Has the name of pg8000's error of a broken connection."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InterfaceError("network error"), "was lost while rows were read: network error. Nothing"),
        (
            DriverError({"C": "57P01", "M": "terminating"}),
            "was lost while rows were read: term",
        ),
        (
            DriverError({"C": "40001", "M": "conflict"}),
            "could not give the rows: conflict.",
        ),
        (DriverError(2013, "Lost connection"), "was lost while rows were read: Lost connection"),
        (DriverError(0, ""), "was lost while rows were read"),
        (
            ConnectionResetError(104, "reset by peer"),
            "was lost while rows were read: reset",
        ),
    ],
)
def test_what_may_pass_is_told_apart(error, words):
    failure = explain_trouble(SERVER, error)
    assert isinstance(failure, TransientError)
    assert words in str(failure)


def test_the_cause_of_a_connection_that_failed_is_said_and_not_the_address_again():
    error = InterfaceError("Can't create a connection to host db and port 5432")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert words_of(error) == "[Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (DriverError({"C": "57014", "M": "canceled"}), "Allow more time, or read fewer rows"),
        (DriverError({"C": "53100", "M": "no space"}), "free space, or see its log"),
        (DriverError({"C": "53200", "M": "out of memory"}), "short of memory"),
        (DriverError(1021, "Disk full"), "free space, or see its log"),
        (DriverError(28, "No space left"), "free space, or see its log"),
        (DriverError(1969, "max_statement_time exceeded"), "Allow more time"),
    ],
)
def test_other_trouble_of_the_server_has_its_own_advice(error, advice):
    failure = explain_trouble(SERVER, error)
    assert not isinstance(failure, TransientError)
    assert advice in str(failure)


@pytest.mark.parametrize(
    "error", [DriverError({"C": "42703", "M": "no column"}), DriverError(1054, "Unknown column")]
)
def test_an_error_of_the_query_is_none_of_the_server(error):
    assert explain_trouble(SERVER, error) is None


def test_a_locked_sqlite_file_asks_to_wait(tmp_path):
    path = tmp_path / "t.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("CREATE TABLE t (v)")
    writer.execute("BEGIN EXCLUSIVE")
    reader = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.Error) as caught:
        reader.execute("SELECT * FROM t")
    reader.close()
    writer.close()
    failure = explain_trouble(parse_url(f"sqlite:///{path}"), caught.value)
    assert "Another program writes to the file" in str(failure)
    assert "locked" in str(failure)


def test_a_damaged_sqlite_file_is_called_so(tmp_path):
    path = tmp_path / "t.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.Error) as caught:
        sqlite3.connect(path).execute("SELECT * FROM t")
    failure = explain_trouble(parse_url(f"sqlite:///{path}"), caught.value)
    assert isinstance(failure, InputError)
    assert "The file or its disk is damaged or full" in str(failure)

"""What the streaming driver says, and its standard error."""

import os

import pytest

from common.errors import InputError
from pipeline.reading.sql.database import parse_url
from pipeline.reading.sql.streams import explain_failure, stream_batches
from tests.pipeline.reading.sql.servers import sqlite_database

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


def test_what_the_driver_prints_at_a_failure_is_dropped(tmp_path, capfd):
    server = sqlite_database(tmp_path / "t.db")
    # The first row makes the column a number; the driver prints a backtrace at the second.
    query = "SELECT 1 AS v UNION ALL SELECT 'a'"
    with pytest.raises(InputError, match="a value cannot be read"):
        list(stream_batches(server.database, query, environ={}))
    assert capfd.readouterr().err == ""


def test_standard_error_is_there_again_between_batches(tmp_path, capfd):
    server = sqlite_database(tmp_path / "t.db")
    stream = stream_batches(server.database, "SELECT 1 AS v", environ={})
    next(stream)
    os.write(2, b"heard\n")
    assert list(stream) == []
    assert capfd.readouterr().err == "heard\n"

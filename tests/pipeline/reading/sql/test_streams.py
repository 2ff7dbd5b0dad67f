"""What the streaming driver says, and its standard error."""

import os

import pytest

from common.errors import InputError
from pipeline.reading.sql.streams import stream_batches
from tests.pipeline.reading.sql.servers import sqlite_database


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

"""URLs of databases."""

import sqlite3
from contextlib import closing

import pytest

from common.errors import InputError
from pipeline.reading.sql import connections
from pipeline.reading.sql.database import is_database_url, parse_url
from tests.pipeline.reading.sql.servers import sqlite_database


def test_a_url_is_taken_apart():
    database = parse_url("mysql://ad%40a@db.plant:3307/line%201?sslmode=require")
    assert (database.kind, database.user, database.name) == ("mariadb", "ad@a", "line 1")
    assert (database.host, database.port, database.tls_mode) == ("db.plant", 3307, "require")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://ada@db/runs", "postgresql://ada@db:5432/runs"),
        ("mariadb://ada@[::1]/runs?sslmode=disable", "mysql://ada@[::1]:3306/runs"),
    ],
)
def test_a_database_is_shown_with_its_port_and_without_options(url, shown):
    assert str(parse_url(url)) == shown


def test_a_file_of_duckdb_is_refused_with_the_statement_that_exports_it():
    with pytest.raises(InputError, match=r"COPY \(SELECT …\) TO 'readings\.parquet'"):
        parse_url("duckdb:///plant.duckdb")


def test_a_password_in_a_url_is_refused_and_not_shown():
    with pytest.raises(InputError, match="must not hold a password") as caught:
        parse_url("postgresql://ada:lovelace@db/runs")
    assert "lovelace" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["oracle://ada@db/x", "postgresql://db/x", "postgresql://ada@db", "postgresql://ada@db:no/x"],
)
def test_another_url_is_refused_with_the_forms_there_are(url):
    with pytest.raises(InputError, match=r"data\.sql\.url must be postgresql://USER@HOST"):
        parse_url(url)


def test_an_sqlite_file_is_relative_to_the_folder(tmp_path):
    (tmp_path / "plant.db").touch()
    assert parse_url("sqlite:///plant.db", folder=tmp_path).name == str(tmp_path / "plant.db")
    assert parse_url(f"sqlite:///{tmp_path}/plant.db").name == str(tmp_path / "plant.db")


def test_a_missing_sqlite_file_is_not_made_but_the_nearest_is_named(tmp_path):
    (tmp_path / "plant.db").touch()
    with pytest.raises(InputError, match=r"no SQLite file .*plan\.db\. Did you mean plant\.db"):
        parse_url("sqlite:///plan.db", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["plant.db"]


def test_the_nearest_sqlite_file_is_named_as_a_url_has_it(tmp_path):
    (tmp_path / "plant 1.db").touch()
    with pytest.raises(InputError, match=r"Did you mean plant%201\.db\?"):
        parse_url("sqlite:///plant.db", folder=tmp_path)


def test_a_folder_is_no_sqlite_file(tmp_path):
    with pytest.raises(InputError, match="It is a folder: name the file in it"):
        parse_url(f"sqlite:///{tmp_path}")


def test_an_sqlite_file_to_which_another_program_writes_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_S", 0.01)
    database = parse_url(sqlite_database(tmp_path / "plant.db").url)
    with closing(sqlite3.connect(database.name, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match=r"locked\. Another program writes to it"):
            connections.connect(database, {})


def test_two_slashes_before_an_sqlite_path_are_corrected():
    with pytest.raises(InputError, match="A relative path follows three slashes"):
        parse_url("sqlite://plant.db")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sslmode=verify-full", "must be one of disable, prefer, require, verify-ca"),
        ("sslmode=verify-ca", "without sslrootcert"),
        ("sslmode=require&sslrootcert=ca.pem", "go together"),
        ("sslmode=verify-ca&sslrootcert=ca.pem", "there is no file"),
        ("timeout=3", "has the option `timeout`"),
    ],
)
def test_tls_options_are_checked(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        parse_url(f"postgresql://ada@db/runs?{options}", folder=tmp_path)


def test_mariadb_has_no_opportunistic_tls():
    with pytest.raises(InputError, match="must be one of disable, require, verify-ca, got prefer"):
        parse_url("mysql://ada@db/runs?sslmode=prefer")


def test_files_are_no_databases():
    assert is_database_url("sqlite:///x.db")
    assert not is_database_url("s3://bucket/x.csv")
    assert not is_database_url("mysql/readings.csv")

"""Real database servers with an empty database, for tests."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.database import PASSWORD_ENV, Database, parse_url
from tests.common.metadata_servers import (
    MetadataServer,
    find_program,
    mariadb_server,
    postgres_server,
)

_SERVERS = {
    "postgresql": ("initdb", "postgresql", postgres_server),
    "mariadb": ("mariadbd", "mariadb-server", mariadb_server),
}


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """A running server, or an SQLite file.

    Attributes:
        url: Its URL, without a password.
        environ: Environment variables with the password.
        password: The password; empty for SQLite.
    """

    url: str
    environ: Mapping[str, str]
    password: str = ""

    @property
    def database(self) -> Database:
        return parse_url(self.url)

    def execute(self, *statements: str) -> list[Any]:
        """Executes statements in one transaction, and returns the rows of the last."""
        connection = connect(self.database, self.environ, read_only=False)
        cursor = connection.cursor()
        try:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return rows
        finally:
            connection.close()

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Inserts rows in the order of the table's columns."""
        mark = "?" if self.database.kind == "sqlite" else "%s"
        marks = ", ".join([mark] * len(rows[0]))
        connection = connect(self.database, self.environ, read_only=False)
        try:
            connection.cursor().executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
            connection.commit()
        finally:
            connection.close()


def sqlite_database(path: Path) -> DatabaseServer:
    """An empty SQLite file."""
    path.touch()
    return DatabaseServer(url=f"sqlite:///{path}", environ={})


@contextmanager
def database_server(name: str) -> Iterator[DatabaseServer]:
    """Starts `postgresql` or `mariadb`; skips the test where it is not installed."""
    program, package, start = _SERVERS[name]
    if find_program(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    # Not in pytest's own folder: the server's account may not enter that one.
    with (
        tempfile.TemporaryDirectory(prefix="faultline-server-") as folder,
        start(Path(folder)) as server,
    ):
        if name == "mariadb":
            _create_database(server)
        yield DatabaseServer(
            url=server.url(),
            environ={PASSWORD_ENV: server.password},
            password=server.password,
        )


def _create_database(server: MetadataServer) -> None:
    import pymysql

    connection = pymysql.connect(
        host="127.0.0.1", port=server.port, user="faultline", password=server.password
    )
    connection.cursor().execute("CREATE DATABASE runs CHARACTER SET utf8mb4")
    connection.close()

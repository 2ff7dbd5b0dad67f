"""Database servers, started once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.pipeline.reading.sql.servers import DatabaseServer, database_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    with database_server("postgresql") as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    with database_server("mariadb") as server:
        yield server

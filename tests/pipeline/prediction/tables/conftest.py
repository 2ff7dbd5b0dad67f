"""Real servers, started once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.pipeline.reading.sql.servers import DatabaseServer, database_server


@pytest.fixture(scope="session", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with database_server(request.param) as running:
        yield running

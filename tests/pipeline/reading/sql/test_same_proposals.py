"""`init` on the same table in PostgreSQL, MariaDB and SQLite proposes the same."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.onboarding.databases import DatabaseTable, initialise_database
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database

pytestmark = pytest.mark.e2e

TYPES = {
    "postgresql": "numeric(8,3), rpm real, maker text, measured_at timestamp, wave jsonb",
    "mariadb": "decimal(8,3), rpm double, maker varchar(9), measured_at datetime, wave json",
    "sqlite": "decimal, rpm real, maker text, measured_at timestamp, wave text",
}


def fill(server: DatabaseServer) -> None:
    types = TYPES[server.database.kind]
    server.execute(
        "DROP TABLE IF EXISTS pumps",
        f"CREATE TABLE pumps (id int PRIMARY KEY, bar {types}, failed varchar(3))",
    )
    rng = random.Random(5)  # noqa: S311 - test data
    start = datetime(2026, 1, 1)
    rows = []
    for i in range(300):
        bad = rng.random() < 0.15
        wave = json.dumps([round(rng.gauss(0, 1), 2) for _ in range(6)])
        time = (start + timedelta(hours=i)).isoformat(sep=" ")
        number = round(rng.gauss(5 + bad, 2), 3) if i % 40 else None
        rows.append((i, number, i % 7 / 4, rng.choice("abc"), time, wave, "yes" if bad else "no"))
    server.insert("pumps", rows)


def propose(server: DatabaseServer, folder: Path) -> tuple[str, str]:
    """The config without its URL, and the schema."""
    fill(server)
    report = initialise_database(
        server.url, DatabaseTable(table="pumps"), environ=server.environ, project_dir=folder,
        label="failed", positive=None, name=None, force=False,
    )  # fmt: skip
    lines = report.config_text.splitlines()
    return "\n".join(line for line in lines if "url:" not in line), report.schema_text


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_server_gives_the_proposal_of_sqlite(name, tmp_path, request):
    expected = propose(sqlite_database(tmp_path / "t.db"), tmp_path / "sqlite")
    config, schema = propose(request.getfixturevalue(name), tmp_path / "server")
    assert config == expected[0]
    assert "lists: [wave]" in config
    assert schema == expected[1]

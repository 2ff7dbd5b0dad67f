"""`init` on a database."""

import json
from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.onboarding.databases import DatabaseTable, initialise_database
from pipeline.onboarding.initialising import InitReport
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database


@pytest.fixture
def plant(tmp_path) -> DatabaseServer:
    server = sqlite_database(tmp_path / "plant.db")
    server.execute("CREATE TABLE pumps (id INTEGER PRIMARY KEY, bar REAL, wave TEXT, failed TEXT)")
    # Numbers without a pattern that follows the label.
    rows = [(i, (i * 37 % 101) / 7, json.dumps([i % 5, 0.5, i % 3]), "no") for i in range(200)]
    server.insert("pumps", [(*row[:3], "yes" if row[0] % 8 == 0 else "no") for row in rows])
    return server


def propose(server: DatabaseServer, folder: Path, **rows) -> InitReport:
    options = {"label": "failed", "positive": None, "name": None, "force": False}
    return initialise_database(
        server.url, DatabaseTable(**rows), environ={}, project_dir=folder, **options
    )


def test_the_config_names_the_database_and_its_lists(plant, tmp_path):
    report = propose(plant, tmp_path, table="pumps")
    assert report.config_path.name == "pumps.yaml"
    config = load_config(report.config_path)
    assert config.data.sql.url == "sqlite:///../plant.db"
    assert (config.data.sql.table, config.data.sql.lists) == ("pumps", ("wave",))
    assert config.features["wave"].num_samples == 3


def test_nothing_of_the_rows_is_kept(plant, tmp_path):
    propose(plant, tmp_path, table="pumps")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["configs", "plant.db", "schema"]


def test_a_query_is_kept_as_it_is(plant, tmp_path):
    query = "SELECT id, bar, failed FROM pumps WHERE id >= 0"
    report = propose(plant, tmp_path, query=query, order_by="id")
    sql = load_config(report.config_path).data.sql
    assert (sql.query, sql.order_by) == (query, ("id",))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "one of --table TABLE and --query"),
        ({"query": "SELECT * FROM pumps"}, "--query needs --order-by"),
        ({"table": "pump"}, "Did you mean `pumps`"),
        ({"query": "DROP TABLE pumps", "order_by": "id"}, "--query must be one SELECT"),
    ],
)
def test_rows_that_are_not_named_are_refused(rows, message, plant, tmp_path):
    with pytest.raises(InputError, match=message):
        propose(plant, tmp_path, **rows)


def test_messages_name_the_database_and_no_file_of_our_own(plant, tmp_path):
    with pytest.raises(InputError, match="fault") as caught:
        initialise_database(
            plant.url, DatabaseTable(table="pumps"), environ={}, project_dir=tmp_path,
            label="fault", positive=None, name=None, force=False,
        )  # fmt: skip
    assert "faultline-init" not in str(caught.value)

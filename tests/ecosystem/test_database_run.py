"""A use case on a real PostgreSQL, by the commands alone: run, cache, a column of another type."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.reading.sql.database import PASSWORD_ENV
from tests.e2e.harness import CONFIG, PROJECT, Done, Faultline, wells_csv
from tests.pipeline.reading.sql.servers import DatabaseServer, database_server

pytestmark = pytest.mark.ecosystem

_COLUMNS = "pressure double precision, temperature double precision, maker text, faulty int"


@pytest.fixture(scope="module")
def server() -> Iterator[DatabaseServer]:
    with database_server("postgresql") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_ENV, server.password)
        server.execute(f"CREATE TABLE wells (id int PRIMARY KEY, {_COLUMNS})")
        rows = list(csv.reader(wells_csv().splitlines()))[1:]
        server.insert(
            "wells",
            [(i, float(p), float(t), maker, int(f)) for i, (p, t, maker, f) in enumerate(rows)],
        )
        yield server


@pytest.fixture(scope="module")
def faultline(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("database") / "work")
    faultline.cwd.mkdir()
    sql = f"  sql:\n    url: {server.url}\n    table: wells\n"
    config = CONFIG.replace("  path: wells.csv\n", sql)
    (faultline.cwd / "wells.yaml").write_text(config, encoding="utf-8")
    return faultline


@pytest.fixture(scope="module")
def first(faultline: Faultline) -> Done:
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 0, done.out + done.err + faultline.last_log()
    return done


def test_a_run_reads_the_table_and_pushes_a_model(first, faultline, server):
    assert f"{server.url}: 800 rows read" in first.out
    [version] = faultline.versions()
    assert (version / "saved_model.pb").is_file()


def test_lineage_names_the_database_and_the_query(first, faultline, server):
    shown = faultline("lineage", "latest").out
    assert f"database: {server.url}" in shown
    assert 'query: SELECT * FROM "wells"' in shown


def test_an_unchanged_table_comes_from_the_cache(first, faultline, server):
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 0, done.out + done.err
    assert f"{server.url}: 800 rows read and unchanged" in done.out
    assert "= Trainer" in done.out


def test_a_column_of_another_type_stops_the_run(first, faultline, server):
    server.execute(
        "ALTER TABLE wells ALTER temperature TYPE text",
        "UPDATE wells SET temperature = 'broken' WHERE id = 3",
    )
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 2, done.out + done.err
    assert (
        "row 4 (id = 3), column `temperature`: `broken` found, expected a number"
        in done.out + done.err
    )
    assert "Traceback" not in done.out + done.err


def test_a_wrong_password_ends_with_words(first, faultline, monkeypatch):
    monkeypatch.setenv(PASSWORD_ENV, "wrong-password")
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 2
    assert f"the password in {PASSWORD_ENV}" in done.out + done.err
    assert "wrong-password" not in done.out + done.err


def test_the_password_is_in_nothing_that_was_written_or_printed(first, faultline, server):
    folders = (faultline.cwd, faultline.home, faultline.temporary)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "run.log" for path in files)
    assert [path for path in files if holds(path, server.password)] == []
    assert server.password not in first.out + first.err


def holds(path: Path, secret: str) -> bool:
    return secret.encode() in path.read_bytes()

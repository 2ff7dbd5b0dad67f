"""Tables of predictions on real PostgreSQL and MariaDB."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.prediction.tables import writing
from pipeline.prediction.tables.dialects.mariadb import MariaDB
from pipeline.prediction.tables.dialects.postgresql import PostgreSQL
from pipeline.prediction.tables.layout import Layout
from pipeline.reading.sql.connections import connect
from tests.pipeline.prediction.readings import CONFIG
from tests.pipeline.prediction.tables.answers import BEGUN, LAYOUT, Notes, write_answers
from tests.pipeline.reading.sql.servers import DatabaseServer

pytestmark = pytest.mark.e2e

TEXTS = replace(LAYOUT, id_kind="text")
COLUMNS = {
    "postgresql": "probability double precision, decision bigint, model_version bigint, "
    "run_id text, predicted_at timestamptz",
    "mariadb": "probability double, decision bigint, model_version bigint, "
    "run_id varchar(255), predicted_at datetime(6)",
}


@pytest.fixture
def dialect(database):
    database.execute("DROP TABLE IF EXISTS results")
    return PostgreSQL() if database.database.kind == "postgresql" else MariaDB()


def write(database: DatabaseServer, dialect, layout: Layout, files: list[Path], notes: Notes):
    connection = connect(database.database, database.environ, read_only=False)
    try:
        writing.ensure_table(connection, dialect, layout, create=True)
        num_rows = sum(writing.write_rows(connection, dialect, layout, files, notes))
        writing.check_written(connection, dialect, layout, run_id=notes.run_id, num_rows=num_rows)
    finally:
        connection.close()


def test_ids_that_differ_in_case_or_blanks_are_different_rows(database, dialect, tmp_path):
    ids = ["a", "A", "a ", "á", "日本", "it's \\ 50%", "", "NULL", '"q"', "{a,b}", "x\ny", "%s"]
    files = [write_answers(tmp_path / "a", ids)]
    write(database, dialect, TEXTS, files, Notes())
    write(database, dialect, TEXTS, files, Notes(run_id="run-2"))
    rows = database.execute("SELECT id, probability, decision, run_id FROM results")
    expected = [(name, n / 2**20, n % 2, "run-2") for n, name in enumerate(ids)]
    assert sorted(map(tuple, rows)) == sorted(expected)
    [[when]] = database.execute("SELECT DISTINCT predicted_at FROM results")
    assert when.replace(tzinfo=BEGUN.tzinfo) == BEGUN


def test_numbers_up_to_64_bits_are_ids(database, dialect, tmp_path):
    ids = [-(2**63), 0, 2**63 - 1]
    write(database, dialect, LAYOUT, [write_answers(tmp_path / "a", ids)], Notes())
    rows = database.execute("SELECT id FROM results ORDER BY id")
    assert [row[0] for row in rows] == ids


REFUSED = [
    ("postgresql", "id integer", "alone is no primary key"),
    ("postgresql", "id bigint UNIQUE DEFERRABLE", "alone is no primary key"),
    ("postgresql", "id bigint PRIMARY KEY, line integer NOT NULL", "`line` must have a value"),
    ("postgresql", "id varchar(9) PRIMARY KEY", "expected integer"),
    ("mariadb", "id integer, KEY (id)", "alone is no primary key"),
    ("mariadb", "id bigint PRIMARY KEY, line integer NOT NULL", "`line` must have a value"),
    ("mariadb", "id bigint unsigned PRIMARY KEY", "expected integer"),
    ("mariadb", "id bigint PRIMARY KEY, k integer UNIQUE", "would decide an upsert as well"),
]


@pytest.mark.parametrize(("database", "columns", "message"), REFUSED, indirect=["database"])
def test_a_table_that_would_lose_rows_is_refused(columns, message, database, dialect):
    database.execute(f"CREATE TABLE results ({columns}, {COLUMNS[database.database.kind]})")
    connection = connect(database.database, database.environ, read_only=False)
    with pytest.raises(InputError, match=message):
        writing.ensure_table(connection, dialect, LAYOUT, create=True)
    connection.close()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_collation_of_mariadb_that_takes_ids_for_one_is_refused(database, dialect):
    database.execute(
        "CREATE TABLE results (id varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, "
        f"{COLUMNS['mariadb']})"
    )
    connection = connect(database.database, database.environ, read_only=False)
    with pytest.raises(InputError, match="takes different ids for one: its collation is utf8mb4_g"):
        writing.ensure_table(connection, dialect, TEXTS, create=True)
    connection.close()


NUM_ROWS = 40_000


def fill_readings(database: DatabaseServer) -> None:
    database.execute(
        "DROP TABLE IF EXISTS readings",
        "CREATE TABLE readings (id bigint PRIMARY KEY, volts double precision, "
        "wave double precision[], seconds varchar(30), name varchar(9))",
        "INSERT INTO readings SELECT n, (n % 1000) / 100.0 - 5, array[0.1, 0.2, 0.3], "  # noqa: S608
        f"'01.01.2020 00:00:00', 'x' FROM generate_series(1, {NUM_ROWS}) AS s(n)",
    )


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_killed_command_goes_on_and_shows_no_password(database, dialect, pushed, tmp_path):
    """Killed in the middle of writing; then a row of the source is gone."""
    del dialect
    fill_readings(database)
    output = tmp_path / "output"
    shutil.copytree(pushed / "serving", output / "serving")
    config = tmp_path / "readings.yaml"
    config.write_text(CONFIG.replace("  wide_signals:\n    wave: {first: t0, last: t2}\n", ""))
    options = {"--table": "readings", "--id": "id", "--into": "results", "--config": config}
    options |= {"--output": output, "--partition-column": "id"}
    flags = [str(text) for option in options.items() for text in option]
    command = [sys.executable, "-m", "faultline", "predict", database.url, "--batch", *flags]
    environment = os.environ | database.environ
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while process.poll() is None and num_rows(database) < 5_000:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    printed = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, printed
    assert 0 < num_rows(database) < NUM_ROWS
    database.execute("DELETE FROM readings WHERE id = 7")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Continues run" in done.stdout
    [row] = database.execute(
        "SELECT count(*), count(DISTINCT run_id), min(id), max(id) FROM results"
    )
    assert tuple(row) == (NUM_ROWS, 1, 1, NUM_ROWS)
    texts = [path.read_bytes() for path in output.rglob("*") if path.is_file()]
    secret = database.password.encode()
    assert not any(secret in text for text in (*texts, (printed + done.stdout).encode()))


def num_rows(database: DatabaseServer) -> int:
    connection = connect(database.database, database.environ)
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM results")
        return int(cursor.fetchone()[0])
    except Exception:  # noqa: BLE001 - the table is not there yet
        return 0
    finally:
        connection.close()

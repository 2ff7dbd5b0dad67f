"""MariaDB under a `predict` that is killed, and under Beam workers while its rows change."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reading.sql.database import PASSWORD_ENV
from pipeline.reading.sql.partitions.beam_reading import BeamReader
from pipeline.reading.sql.partitions.reading import read_partitions
from pipeline.reading.sql.partitions.snapshots import PartitionedSelect
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.pipeline.prediction.readings import CONFIG
from tests.pipeline.reading.sql.servers import database_server

pytestmark = pytest.mark.ecosystem

NUM_ROWS = 40_000


@pytest.fixture(scope="module")
def mariadb():
    with database_server("mariadb") as server:
        server.execute(
            "CREATE TABLE readings (id bigint PRIMARY KEY, volts double, wave json, "
            "seconds varchar(30), name varchar(9))",
            "INSERT INTO readings SELECT seq, (seq % 1000) / 100.0 - 5, '[0.1, 0.2, 0.3]', "  # noqa: S608
            f"'01.01.2020 00:00:00', 'x' FROM seq_1_to_{NUM_ROWS}",
            "CREATE TABLE results (id bigint PRIMARY KEY, probability double, decision bigint, "
            "model_version bigint, run_id varchar(99), predicted_at datetime(6))",
        )
        yield server


def num_results(server) -> int:
    [[number]] = server.execute("SELECT count(*) FROM results")
    return int(number)


def test_a_command_that_is_killed_again_and_again_loses_and_doubles_no_row(
    mariadb, pushed, tmp_path
):
    output = tmp_path / "output"
    shutil.copytree(pushed / "serving", output / "serving")
    config = tmp_path / "readings.yaml"
    config.write_text(CONFIG.replace("  wide_signals:\n    wave: {first: t0, last: t2}\n", ""))
    flags = ["--batch", "--table", "readings", "--id", "id", "--into", "results"]
    flags += ["--config", str(config), "--output", str(output), "--partition-column", "id"]
    command = [sys.executable, "-m", "faultline", "predict", mariadb.url, *flags]
    environment = os.environ | mariadb.environ
    for wanted in (1, 10_000, 25_000):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while process.poll() is None and num_results(mariadb) < wanted:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert wanted <= num_results(mariadb) < NUM_ROWS
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = mariadb.execute(
        "SELECT count(*), count(DISTINCT run_id), min(id), max(id) FROM results"
    )
    assert tuple(row) == (NUM_ROWS, 1, 1, NUM_ROWS)


def test_worker_processes_over_a_table_that_changes_give_one_snapshot(
    mariadb, tmp_path, monkeypatch
):
    monkeypatch.setenv(PASSWORD_ENV, mariadb.password)
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    beam = BeamReader((*LOCAL_BEAM_ARGS, *workers))
    select = PartitionedSelect(
        database=mariadb.database, query="SELECT * FROM readings", column="id", num_ranges=4
    )

    def read(folder: Path, statement: str):
        def reader(plan, target):
            mariadb.execute(statement)
            return beam(plan, target)

        folder.mkdir()
        rows = read_partitions(select, folder, reader=reader, environ=mariadb.environ)
        return rows, pa.concat_tables([pq.read_table(file) for file in rows.files])

    rows, table = read(tmp_path / "added", "INSERT INTO readings VALUES (90000, 1, NULL, '', '')")
    assert rows.note == "read in 4 ranges of `id` over one snapshot"
    assert table["id"].to_pylist() == list(range(1, NUM_ROWS + 1))
    rows, table = read(tmp_path / "changed", "UPDATE readings SET volts = 9 WHERE id > 20000")
    assert "changed while they were read" in rows.note
    assert table["id"].to_pylist() == [*range(1, NUM_ROWS + 1), 90_000]
    assert set(table["volts"].to_pylist()[20_000:]) == {9.0}

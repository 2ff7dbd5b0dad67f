"""`faultline predict --into`: from a database or a file into a table, by Beam and by a server."""

import json
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from commands.command_line import main
from tests.pipeline.prediction.readings import CONFIG, DECISIONS, PROBABILITIES, write_csv

pytestmark = pytest.mark.tensorflow

# Signals are JSON lists in SQLite; times are texts as the config writes them.
READINGS = """
CREATE TABLE readings (id TEXT PRIMARY KEY, volts REAL, wave TEXT, seconds TEXT, name TEXT);
INSERT INTO readings VALUES
  ('a', 1.0, '[0.5, 0.5, 0.0]', '01.01.2020 00:00:00', 'é'),
  ('b', NULL, '[-3.0, 0.0, 1.0]', '01.01.2020 00:00:01', NULL),
  ('c', -1.0, '[1.0, 0.0, 0.0]', '02.01.2020 00:00:00', 'x,y');
"""
CONFIG_OF_TABLES = CONFIG.replace("  wide_signals:\n    wave: {first: t0, last: t2}\n", "")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "readings.yaml"
    path.write_text(CONFIG_OF_TABLES, encoding="utf-8")
    return path


@pytest.fixture
def output(pushed, tmp_path):
    """An output folder of the test's own, with the pushed model."""
    shutil.copytree(pushed / "serving", tmp_path / "output" / "serving")
    return tmp_path / "output"


@pytest.fixture
def plant(tmp_path):
    path = tmp_path / "plant.db"
    sqlite3.connect(path).executescript(READINGS).connection.close()
    return path


def predict(data, config, output, *more):
    arguments = ["predict", str(data), "--config", str(config), "--output", str(output), "--id"]
    return CliRunner().invoke(main, [*arguments, "id", *map(str, more)])


def into(plant, config, output, *more):
    return predict(f"sqlite:///{plant}", config, output, "--into", "results", *more)


def rows_of(plant, what="id, probability, decision, model_version"):
    with sqlite3.connect(plant) as connection:
        return connection.execute(f"SELECT {what} FROM results ORDER BY id").fetchall()  # noqa: S608


def test_a_table_gets_the_scores_that_a_csv_file_gets(plant, config, output, server, tmp_path):
    csv = write_csv(tmp_path / "data.csv")
    wide = tmp_path / "wide.yaml"
    wide.write_text(CONFIG, encoding="utf-8")
    of_file = tmp_path / "of_file.csv"
    done = predict(csv, wide, output, "--server", server["grpc"], "--output-file", of_file)
    assert done.exit_code == 0, done.output
    done = into(plant, config, output, "--table", "readings", "--batch", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    by_beam = rows_of(plant)
    expected = pd.read_csv(of_file).sort_values("id")
    assert [row[0] for row in by_beam] == ["a", "b", "c"]
    assert [row[1] for row in by_beam] == pytest.approx(PROBABILITIES, abs=1e-6)
    assert [row[1] for row in by_beam] == pytest.approx(expected["probability"].tolist(), abs=1e-7)
    assert [row[2:] for row in by_beam] == [(decision, 7) for decision in DECISIONS]
    summary = json.loads(done.stdout)
    assert summary["output"] == f"results of sqlite:///{plant}"
    assert rows_of(plant, "DISTINCT run_id") == [(summary["run_id"],)]

    again = into(plant, config, output, "--query", "SELECT * FROM readings WHERE id <> 'a'",
                 "--server", server["grpc"])  # fmt: skip
    assert again.exit_code == 0, again.output
    assert "2 rows inserted or updated by run" in again.output
    assert rows_of(plant) == by_beam
    runs = [run for (run,) in rows_of(plant, "run_id")]
    assert runs[0] == summary["run_id"]
    assert runs[1] == runs[2] != runs[0]


def test_a_csv_file_goes_into_a_table_of_another_place(plant, output, tmp_path):
    csv = write_csv(tmp_path / "data.csv")
    wide = tmp_path / "wide.yaml"
    wide.write_text(CONFIG, encoding="utf-8")
    done = predict(csv, wide, output, "--batch", "--into", "results", "--into-url",
                   f"sqlite:///{plant}")  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    assert [row[0] for row in rows_of(plant)] == ["a", "b", "c"]
    assert [row[1] for row in rows_of(plant)] == pytest.approx(PROBABILITIES, abs=1e-6)


def test_a_file_of_predictions_from_a_database(plant, config, output, tmp_path):
    target = tmp_path / "batch"
    done = predict(f"sqlite:///{plant}", config, output, "--table", "readings", "--batch",
                   "--output-file", target)  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    frame = pd.read_parquet(target).sort_values("id")
    assert frame["probability"].tolist() == pytest.approx(PROBABILITIES, abs=1e-6)


def test_rows_that_cannot_be_read_are_told_by_id_and_are_not_in_the_table(plant, config, output):
    with sqlite3.connect(plant) as connection:
        connection.execute("UPDATE readings SET seconds = 'soon' WHERE id = 'b'")
    done = into(plant, config, output, "--table", "readings", "--batch", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    assert [row[0] for row in rows_of(plant)] == ["a", "c"]
    summary = json.loads(done.stdout)
    assert summary["notes"][-2] == "left out, by `id`: b"
    text = Path(summary["left_out"]).read_text(encoding="utf-8")
    [line] = [json.loads(row) for row in text.splitlines()]
    assert (line["id"], line["column"]) == ("b", "seconds")
    assert line["path"] == f"readings of sqlite:///{plant}"


def test_too_many_bad_rows_are_named_as_rows_of_the_database(plant, config, output):
    with sqlite3.connect(plant) as connection:
        connection.execute("UPDATE readings SET seconds = 'soon'")
    done = into(plant, config, output, "--table", "readings", "--batch")
    assert done.exit_code == 2
    assert f"readings of sqlite:///{plant}, row 1, column `seconds`" in done.output
    assert "rows-0000" not in done.output
    assert [path.name for path in (output / "predictions").iterdir() if path.is_dir()] == []


def test_an_interrupted_run_goes_on_with_the_rows_that_it_read(plant, config, output):
    """The write fails at the second row; meanwhile the source changes."""
    with sqlite3.connect(plant) as connection:
        connection.executescript(
            "CREATE TABLE results (id TEXT PRIMARY KEY, probability REAL, decision INTEGER, "
            "model_version INTEGER, run_id TEXT, predicted_at TEXT); "
            "CREATE TRIGGER full BEFORE INSERT ON results WHEN NEW.id = 'b' "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    done = into(plant, config, output, "--table", "readings", "--batch")
    assert done.exit_code == 2
    assert "the disk is full. 0 of 3 rows are written, and the same command continues" in (
        done.output
    )
    assert rows_of(plant) == []
    with sqlite3.connect(plant) as connection:
        connection.executescript("DROP TRIGGER full; DELETE FROM readings WHERE id = 'a';")
    done = into(plant, config, output, "--table", "readings", "--batch")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "Continues run" in done.output
    assert [row[0] for row in rows_of(plant)] == ["a", "b", "c"]
    done = into(plant, config, output, "--table", "readings", "--batch", "--json")
    assert json.loads(done.stdout)["num_rows"] == 2

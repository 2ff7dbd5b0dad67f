"""A prediction into a table that ends at each of its stages, and goes on."""

import io
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.prediction.options import PredictOptions, PredictSummary
from pipeline.prediction.tables import into_table
from pipeline.prediction.tables.into_table import predict_into_table
from pipeline.prediction.tables.source import find_source
from tests.pipeline.prediction.readings import write_config


@pytest.fixture
def plant(tmp_path):
    path = tmp_path / "plant.db"
    sqlite3.connect(path).executescript(
        "CREATE TABLE readings (id INTEGER PRIMARY KEY, volts REAL);"
        "INSERT INTO readings VALUES (1, 0.5), (2, 0.25);"
    ).connection.close()
    return path


def predict(options: PredictOptions, _config) -> PredictSummary:
    """The probability of a row is its volts."""
    rows = pq.read_table(Path(options.data))
    answers = {
        "id": rows["id"],
        "probability": rows["volts"].cast(pa.float32()),
        "decision": pa.array([0] * rows.num_rows, pa.int64()),
        "model_version": pa.array([7] * rows.num_rows, pa.int64()),
    }
    pq.write_table(pa.table(answers), options.output_file)
    return PredictSummary(model="m", source="s", output="", num_rows=rows.num_rows)


def run(plant, tmp_path, predict=predict):
    """Predicts by a server's protocol, which needs no model on this machine."""
    options = PredictOptions(
        data=f"sqlite:///{plant}",
        config_path=None,
        table="readings",
        id_column="id",
        into="results",
        output=tmp_path / "output",
    )
    console = Console(file=io.StringIO())
    config = load_config(write_config(tmp_path))
    summary = predict_into_table(options, config, find_source(options), predict, console)
    return summary, console.file.getvalue()


def change(plant, statement):
    with sqlite3.connect(plant) as connection:
        connection.execute(statement)


def results(plant):
    with sqlite3.connect(plant) as connection:
        return connection.execute("SELECT id, probability FROM results ORDER BY id").fetchall()


class Killed(BaseException):
    pass


def kill(*_):
    raise Killed


def test_killed_after_the_rows_were_read_it_goes_on_with_these_rows(plant, tmp_path):
    with pytest.raises(Killed):
        run(plant, tmp_path, predict=kill)
    change(plant, "UPDATE readings SET volts = 1")
    summary, printed = run(plant, tmp_path)
    assert "its rows were read at 20" in printed
    assert results(plant) == [(1, 0.5), (2, 0.25)]
    assert f"2 rows inserted or updated by run {summary.run_id}" in summary.notes
    assert "the interrupted command had read these rows" in summary.notes[-2]
    again, _ = run(plant, tmp_path)
    assert results(plant) == [(1, 1.0), (2, 1.0)]
    assert not any("interrupted" in note for note in again.notes)


def test_killed_after_the_rows_were_predicted_it_does_not_predict_again(
    plant, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(into_table, "_write", kill)
        with pytest.raises(Killed):
            run(plant, tmp_path)
    summary, printed = run(plant, tmp_path, predict=kill)
    assert "all rows are predicted, and 0 are in results" in printed
    assert (results(plant), summary.num_rows) == ([(1, 0.5), (2, 0.25)], 2)


def test_killed_while_the_rows_were_read_it_reads_again(plant, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(into_table, "read_rows", kill)
        with pytest.raises(Killed):
            run(plant, tmp_path)
    change(plant, "UPDATE readings SET volts = 1")
    run(plant, tmp_path)
    assert results(plant) == [(1, 1.0), (2, 1.0)]


def test_rows_that_went_missing_while_it_wrote_are_written_again(plant, tmp_path):
    run(plant, tmp_path)
    change(
        plant,
        "CREATE TRIGGER eats AFTER UPDATE ON results WHEN NEW.id = 2 "
        "BEGIN DELETE FROM results WHERE id = 2; END",
    )
    with pytest.raises(InputError, match=r"2 predictions of the run .* the table has 1 of them"):
        run(plant, tmp_path)
    change(plant, "DROP TRIGGER eats")
    run(plant, tmp_path, predict=kill)
    assert results(plant) == [(1, 0.5), (2, 0.25)]


def test_ids_that_occur_twice_end_it_before_anything_is_predicted(plant, tmp_path):
    change(plant, "ALTER TABLE readings RENAME TO old")
    change(plant, "CREATE TABLE readings (id INTEGER, volts REAL)")
    change(plant, "INSERT INTO readings VALUES (1, 0.5), (1, 0.25)")
    with pytest.raises(InputError, match=r"1 id in `id` occurs in several rows: `1` \(2 rows\)"):
        run(plant, tmp_path, predict=kill)
    assert not [path for path in (tmp_path / "output" / "predictions").iterdir() if path.is_dir()]

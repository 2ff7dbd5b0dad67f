"""Predictions in a table: upserted by id, in transactions, restartable after a kill."""

import multiprocessing
import os
import signal
import sqlite3
import time
from pathlib import Path

import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.prediction.tables import writing
from pipeline.prediction.tables.dialects.sqlite import SQLite
from pipeline.prediction.tables.job import Order, open_job
from tests.pipeline.prediction.tables.answers import LAYOUT, Notes, open_sqlite, write_answers

DIALECT = SQLite()


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(writing, "CHUNK_ROWS", 2)


def write(connection, files, notes):
    writing.ensure_table(connection, DIALECT, LAYOUT, create=True)
    return list(writing.write_rows(connection, DIALECT, LAYOUT, files, notes))


def rows_of(folder, what="id, probability, decision, run_id"):
    with sqlite3.connect(folder / "plant.db") as connection:
        return connection.execute(f"SELECT {what} FROM results ORDER BY id").fetchall()  # noqa: S608


@pytest.mark.usefixtures("small_chunks")
def test_rows_are_inserted_in_chunks_and_upserted_by_their_id(tmp_path):
    connection = open_sqlite(tmp_path)
    notes = Notes()
    assert write(connection, [write_answers(tmp_path / "a", [3, 1, 2])], notes) == [2, 1]
    assert notes.notes == [2, 3]
    later = Notes(run_id="run-2")
    write(connection, [write_answers(tmp_path / "b", [9, 2])], later)
    step = 2**-20
    assert rows_of(tmp_path) == [
        (1, step, 1, "run-1"),
        (2, step, 1, "run-2"),
        (3, 0.0, 0, "run-1"),
        (9, 0.0, 0, "run-2"),
    ]
    assert rows_of(tmp_path, "model_version, predicted_at")[0] == (7, "2026-11-27T21:00:00.250000Z")


@pytest.mark.usefixtures("small_chunks")
def test_an_error_in_a_chunk_leaves_the_chunks_before_it_and_none_of_its_rows(tmp_path):
    connection = open_sqlite(tmp_path)
    writing.ensure_table(connection, DIALECT, LAYOUT, create=True)
    connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON results WHEN NEW.id = 4 "
        "BEGIN SELECT RAISE(ABORT, 'the table is full'); END"
    )
    notes = Notes()
    files = [write_answers(tmp_path / "a", [1, 2, 3, 4, 5])]
    with pytest.raises(sqlite3.IntegrityError, match="the table is full"):
        write(connection, files, notes)
    assert (rows_of(tmp_path, "id"), notes.num_written) == ([(1,), (2,)], 2)
    connection.execute("DROP TRIGGER full")
    assert write(connection, files, notes) == [2, 1]
    assert rows_of(tmp_path, "id") == [(1,), (2,), (3,), (4,), (5,)]


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_that_was_written_but_not_noted_is_written_again_without_a_change(tmp_path):
    connection = open_sqlite(tmp_path)
    files = [write_answers(tmp_path / "a", [1, 2, 3])]
    write(connection, files, Notes())
    before = rows_of(tmp_path)
    assert write(connection, files, Notes(num_written=2)) == [1]
    assert write(connection, files, Notes()) == [2, 1]
    assert rows_of(tmp_path) == before


ORDER = Order(source="readings", target="results", id_column="id", model="m", server="")


def write_slowly(folder: Path, files: list[Path]) -> None:
    """Writes an order's predictions, with a pause in which a kill can come."""
    from common.output_folder import OutputFolder

    writing.CHUNK_ROWS = 10
    connection = open_sqlite(folder)
    with open_job(OutputFolder(folder), ORDER) as job:
        writing.ensure_table(connection, DIALECT, LAYOUT, create=True)
        for _ in writing.write_rows(connection, DIALECT, LAYOUT, files, job):
            time.sleep(0.005)
        job.finish({})


def wait_for_rows(folder, process, number):
    while process.is_alive():
        try:
            [[rows]] = sqlite3.connect(folder / "plant.db").execute("SELECT count(*) FROM results")
        except sqlite3.OperationalError:
            rows = 0
        if rows >= number:
            return
        time.sleep(0.002)


def test_kills_lose_and_double_no_row_and_the_same_run_goes_on(tmp_path):
    ids = list(range(1000))
    files = [write_answers(tmp_path / "a", ids)]
    context = multiprocessing.get_context("fork")
    num_kills = 0
    for wanted in (1, 300, 600):
        process = context.Process(target=write_slowly, args=(tmp_path, files))
        process.start()
        wait_for_rows(tmp_path, process, wanted)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        num_kills += process.exitcode == -signal.SIGKILL
    assert num_kills == 3
    assert 0 < len(rows_of(tmp_path, "id")) < 1000
    write_slowly(tmp_path, files)
    assert [row[0] for row in rows_of(tmp_path, "id")] == ids
    assert len(set(rows_of(tmp_path, "run_id"))) == 1


def test_a_count_that_differs_from_what_was_written_is_an_error(tmp_path):
    connection = open_sqlite(tmp_path)
    write(connection, [write_answers(tmp_path / "a", [1, 2, 3])], Notes())
    writing.check_written(connection, DIALECT, LAYOUT, run_id="run-1", num_rows=3)
    connection.execute("DELETE FROM results WHERE id = 2")
    with pytest.raises(InputError, match=r"3 predictions of the run run-1.*table has 2 of them"):
        writing.check_written(connection, DIALECT, LAYOUT, run_id="run-1", num_rows=3)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"probability": pa.array([0.5, float("nan")])}, "answers nan for the row whose `id` is 2"),
        ({"decision": pa.array(["yes", "no"])}, "The answers have string in `decision`"),
        ({"model_version": pa.array([7, None])}, "in `model_version`, with 1 missing"),
    ],
)
def test_answers_that_a_table_cannot_hold_are_refused_before_the_first_row(
    columns, message, tmp_path
):
    files = [write_answers(tmp_path / "a", [1, 2], **columns)]
    with pytest.raises(InputError, match=message):
        writing.check_answers(files, LAYOUT, Notes())

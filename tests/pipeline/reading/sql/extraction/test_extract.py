"""Rows of an SQLite file as Parquet."""

import os
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.extraction.extract import Extract, extract_rows
from pipeline.reading.sql.extraction.record import read_record
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database

LONG_AGO = 1_700_000_000


@pytest.fixture
def plant(tmp_path) -> DatabaseServer:
    """A table of three rows, on two days."""
    server = sqlite_database(tmp_path / "plant.db")
    server.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, day TEXT, v REAL, at INTEGER)")
    server.insert(
        "t", [(2, "2026-05-02", 0.2, 9), (1, "2026-05-01", 0.1, 8), (3, "2026-05-02", None, 9)]
    )
    return server


def read(server: DatabaseServer, target: Path, **options) -> Extract:
    window = {name: options.pop(name) for name in ("window", "last_span") if name in options}
    data = Data(sql=Sql(url=server.url, **options), **window)
    return extract_rows(data, folder=Path(), target=target, environ={})


def test_rows_come_in_the_order_of_the_primary_key(plant, tmp_path):
    rows = pq.read_table(read(plant, tmp_path / "out", table="t").path)
    assert rows["id"].to_pylist() == [1, 2, 3]
    assert rows["v"].to_pylist() == [0.1, 0.2, None]


def test_equal_rows_keep_the_file_and_the_time_of_their_first_snapshot(plant, tmp_path):
    first = read(plant, tmp_path / "out", table="t")
    before = read_record(Path(first.path).parent)
    status = Path(first.path).stat()
    second = read(plant, tmp_path / "out", table="t")
    assert second.notes[0].endswith("3 rows read and unchanged")
    assert Path(second.path).stat() == status
    assert read_record(Path(first.path).parent) == before


def test_the_record_says_what_was_read(plant, tmp_path):
    path = Path(read(plant, tmp_path / "out", table="t").path)
    record = read_record(path.parent)
    properties = record.properties([path.name])
    assert properties["database"] == plant.url
    assert properties["query"] == 'SELECT * FROM "t"'
    assert properties["num_rows_of_query"] == 3
    assert str(properties["rows_digest"]).startswith(path.stem.removeprefix("rows-"))


def test_a_damaged_file_is_written_again(plant, tmp_path):
    first = Path(read(plant, tmp_path / "out", table="t").path)
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    assert Path(read(plant, tmp_path / "out", table="t").path).read_bytes() == whole


def test_a_change_column_saves_the_reading(plant, tmp_path):
    options = {"table": "t", "changed_by": "column", "change_column": "at"}
    read(plant, tmp_path / "out", **options)
    plant.execute("UPDATE t SET v = 7 WHERE id = 1")  # without raising the change column
    unnoticed = read(plant, tmp_path / "out", **options)
    assert "unchanged by the number of rows and the largest `at`" in unnoticed.notes[0]
    plant.execute("UPDATE t SET v = 7, at = 10 WHERE id = 1")
    noticed = read(plant, tmp_path / "out", **options)
    assert pq.read_table(noticed.path)["v"].to_pylist() == [7, 0.2, None]


def test_a_renamed_column_is_noticed_beside_a_change_column(plant, tmp_path):
    options = {"table": "t", "changed_by": "column", "change_column": "at"}
    read(plant, tmp_path / "out", **options)
    plant.execute("ALTER TABLE t RENAME COLUMN v TO speed")  # no row changes
    rows = pq.read_table(read(plant, tmp_path / "out", **options).path)
    assert rows.column_names == ["id", "day", "speed", "at"]


def test_a_change_column_may_not_be_missing(plant, tmp_path):
    plant.execute("UPDATE t SET at = NULL WHERE id = 1")
    with pytest.raises(InputError, match="`at` is NULL in 1 rows"):
        read(plant, tmp_path / "out", table="t", changed_by="column", change_column="at")


def test_the_times_of_a_file_count_only_when_it_has_rested(plant, tmp_path):
    options = {"table": "t", "changed_by": "statistics"}
    read(plant, tmp_path / "out", **options)
    assert read(plant, tmp_path / "out", **options).notes[0].endswith("read and unchanged")


def test_the_latest_span_is_read_without_a_window(plant, tmp_path):
    options = {"query": "SELECT * FROM t WHERE day = {DATE}", "order_by": ("id",)}
    options |= {"spans": "SELECT DISTINCT day FROM t"}
    extract = read(plant, tmp_path / "out", **options)
    files = sorted(path.name for path in Path(extract.path).parent.glob("*.parquet"))
    assert files == ["day-2026-05-02.parquet"]


def test_a_window_reads_its_spans_and_drops_those_that_are_gone(plant, tmp_path):
    options = {"query": "SELECT * FROM t WHERE id = {SPAN}", "order_by": ("id",), "window": 2}
    options |= {"spans": "SELECT id FROM t"}
    folder = Path(read(plant, tmp_path / "out", **options).path).parent
    assert sorted(p.name for p in folder.glob("*.parquet")) == ["span-2.parquet", "span-3.parquet"]
    plant.execute("DELETE FROM t WHERE id = 3")
    read(plant, tmp_path / "out", **options)
    assert sorted(p.name for p in folder.glob("*.parquet")) == ["span-1.parquet", "span-2.parquet"]
    assert sorted(read_record(folder).files) == ["span-1.parquet", "span-2.parquet"]


def test_a_span_that_is_not_there_is_named_as_a_day(plant, tmp_path):
    options = {"query": "SELECT * FROM t WHERE day = {DATE}", "order_by": ("id",)}
    options |= {"spans": "SELECT DISTINCT day FROM t"}
    number = (date(2026, 4, 1) - date(1970, 1, 1)).days
    with pytest.raises(InputError, match="no span from 2026-04-01 to 2026-04-01; its spans are"):
        read(plant, tmp_path / "out", last_span=number, **options)
    # Written as a date, the number is beyond all days, and every span would be before it.
    with pytest.raises(InputError, match=r"data.last_span is 20260503.*2026-05-03 is 20576"):
        read(plant, tmp_path / "out", last_span=20260503, window=2, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "tt"}, "has no table `tt`.*Did you mean `t`"),
        ({"query": "SELECT nope FROM t", "order_by": ("nope",)}, "failed: no such column: nope"),
        ({"query": "SELECT * FROM t WHERE id > 9", "order_by": ("id",)}, "gives no rows for:"),
        ({"query": "SELECT * FROM t", "order_by": ("day",)}, "rows 2 and 3 have both day ="),
        ({"query": "SELECT id FROM t", "order_by": ("v",)}, "order_by names `v`"),
        ({"table": "t", "lists": ("wave",)}, "data.sql.lists names `wave`"),
    ],
)
def test_what_cannot_be_read_says_why_and_leaves_no_file(options, message, plant, tmp_path):
    with pytest.raises(InputError, match=message):
        read(plant, tmp_path / "out", **options)
    files = [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert [name for name in files if name != ".lock"] == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "t.db").write_text("id,v\n1,2\n" * 200, encoding="utf-8")
    server = DatabaseServer(url=f"sqlite:///{tmp_path / 't.db'}", environ={})
    with pytest.raises(InputError, match="Check that it is an SQLite file"):
        read(server, tmp_path / "out", table="t")


def test_reading_does_not_write_to_the_file(plant, tmp_path):
    os.utime(plant.database.name, (LONG_AGO, LONG_AGO))
    read(plant, tmp_path / "out", table="t")
    assert Path(plant.database.name).stat().st_mtime == LONG_AGO
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "plant.db"]


def test_what_a_killed_reading_has_left_is_removed(plant, tmp_path):
    path = Path(read(plant, tmp_path / "out", table="t").path)
    (path.parent / ".0123.parquet").write_bytes(b"half")
    read(plant, tmp_path / "out", table="t")
    assert sorted(p.name for p in path.parent.iterdir()) == [".lock", "_database.json", path.name]


def test_the_rows_of_earlier_queries_are_removed_except_the_latest(plant, tmp_path):
    for number in range(5):
        query = f"SELECT * FROM t WHERE {number} >= 0"  # noqa: S608
        read(plant, tmp_path / "out", query=query, order_by=("id",))
    folders = list((tmp_path / "out").iterdir())
    queries = sorted(r.query[-6:] for f in folders for r in read_record(f).files.values())
    assert queries == ["2 >= 0", "3 >= 0", "4 >= 0"]

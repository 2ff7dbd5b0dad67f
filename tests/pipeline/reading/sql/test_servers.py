"""Reading real PostgreSQL and MariaDB: snapshots, failures, changes, passwords."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.database import PASSWORD_ENV, parse_url
from pipeline.reading.sql.extraction import extract
from pipeline.reading.sql.extraction import rows as reading
from pipeline.reading.sql.extraction.extract import Extract, extract_rows
from pipeline.reading.sql.extraction.writing import write_rows
from pipeline.reading.sql.retries import read_again
from pipeline.reading.sql.streams import stream_batches
from tests.pipeline.reading.sql.servers import DatabaseServer

pytestmark = pytest.mark.e2e

MANY_ROWS = {
    "postgresql": "SELECT i AS id, repeat('x', 300) AS t FROM generate_series(1, 1000000) AS i",
    "mariadb": "SELECT seq AS id, repeat('x', 300) AS t FROM seq_1_to_1000000",
}


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request) -> DatabaseServer:
    return request.getfixturevalue(request.param)


@pytest.fixture
def table(server: DatabaseServer) -> DatabaseServer:
    """A server with a table `readings` of 50 rows."""
    server.execute(
        "DROP TABLE IF EXISTS readings",
        "CREATE TABLE readings (id int PRIMARY KEY, pressure decimal(8, 3), maker varchar(9))",
    )
    server.insert("readings", [(i, i / 4, "abc"[i % 3]) for i in range(50)])
    return server


def read(server: DatabaseServer, folder: Path, *, last: int | None = None, **options) -> Extract:
    data = Data(sql=Sql(url=server.url, **options), last_span=last)
    return extract_rows(data, folder=Path(), target=folder, environ=server.environ)


def test_a_query_sees_no_change_that_is_made_while_it_is_read(table, tmp_path):
    # A thousand times the rows, so that most of them are still to be sent at the change.
    big = "SELECT r.id + 50 * n.i AS id, r.pressure, r.maker FROM readings r CROSS JOIN ({}) n"
    numbers = {
        "postgresql": "SELECT generate_series(0, 4999) AS i",
        "mariadb": "SELECT seq AS i FROM seq_0_to_4999",
    }[table.database.kind]
    connect(table.database, table.environ).close()
    stream = stream_batches(
        table.database, big.format(numbers), environ=table.environ, batch_rows=5_000
    )
    first = next(stream)
    table.execute("UPDATE readings SET maker = 'z'", "DELETE FROM readings WHERE id < 25")
    rest = list(stream)
    assert first.num_rows + sum(batch.num_rows for batch in rest) == 250_000
    assert {text for batch in rest for text in batch.column(2).unique().to_pylist()} == set("abc")


@pytest.fixture
def killing(server: DatabaseServer, monkeypatch) -> Callable[[int], None]:
    """Kills the connection of the first so many readings after their first batch."""

    def kill(times: int) -> None:
        left = [None] * times

        def write_and_kill(path: Path, batches: Iterator[pa.RecordBatch]) -> int:
            first = next(batches)
            if left:
                left.pop()
                kill_readers(server)
            return write_rows(path, chain([first], batches))

        monkeypatch.setattr(reading, "write_rows", write_and_kill)
        monkeypatch.setattr(extract, "read_again", partial(read_again, waits_s=(0,)))

    return kill


def test_rows_are_read_again_when_the_connection_is_lost(server, tmp_path, killing):
    killing(1)
    query = MANY_ROWS[server.database.kind]
    found = read(server, tmp_path, query=query, order_by=("id",))
    ids = pq.read_table(found.path, columns=["id"])["id"].to_numpy()
    assert np.array_equal(ids, np.arange(1, 1_000_001))
    assert "was lost while rows were read" in found.notes[0]
    assert "1,000,000 rows read" in found.notes[1]
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()].count(".parquet") == 1


def test_a_connection_that_is_lost_each_time_leaves_nothing(server, tmp_path, killing):
    killing(2)
    query = MANY_ROWS[server.database.kind]
    with pytest.raises(InputError, match=r"was lost while rows were read: .*attempt 2 of 2"):
        read(server, tmp_path, query=query, order_by=("id",))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def kill_readers(server: DatabaseServer) -> None:
    """Kills the connection that is sending the rows; 300 MB do not fit into its buffers."""
    find, kill = {
        "postgresql": (
            "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%'",
            "SELECT pg_terminate_backend({})",
        ),
        "mariadb": (
            "SELECT id FROM information_schema.processlist WHERE command = 'Execute'",
            "KILL {}",
        ),
    }[server.database.kind]
    [(number,)] = server.execute(find)
    server.execute(kill.format(number))


def test_a_query_that_fails_in_the_midst_says_the_servers_words(postgresql, tmp_path):
    query = "SELECT i AS id, 1 / (i - 90000) AS d FROM generate_series(1, 100000) AS i"
    with pytest.raises(InputError, match=r"failed: division by zero\. Nothing was kept"):
        read(postgresql, tmp_path, query=query, order_by=("id",))


def test_a_failing_query_says_the_servers_words(table, tmp_path):
    with pytest.raises(InputError, match=r"The query of .* failed: .*presure"):
        read(table, tmp_path, query="SELECT presure FROM readings", order_by=("presure",))


def test_an_unknown_table_suggests_near_names(table, tmp_path):
    with pytest.raises(InputError, match=r"has no table `reading` .*Did you mean `readings`"):
        read(table, tmp_path, table="reading")


def test_a_schema_and_a_name_with_a_dot_are_told_apart(server, tmp_path):
    schema = {"mariadb": "runs", "postgresql": "public"}[server.database.kind]
    dotted = {"mariadb": f"`{schema}.t`", "postgresql": f'"{schema}.t"'}[server.database.kind]
    server.execute(
        f"DROP TABLE IF EXISTS {dotted}, t",
        f"CREATE TABLE {dotted} (id int PRIMARY KEY)",
        "CREATE TABLE t (id int PRIMARY KEY)",
        f"INSERT INTO {dotted} VALUES (1)",  # noqa: S608
        "INSERT INTO t VALUES (2)",
    )
    plain = read(server, tmp_path, table=f"{schema}.t")
    quoted = read(server, tmp_path, table=f'"{schema}.t"')
    assert pq.read_table(plain.path)["id"].to_pylist() == [2]
    assert pq.read_table(quoted.path)["id"].to_pylist() == [1]


def test_a_wrong_password_is_refused_and_not_shown(server):
    with pytest.raises(InputError, match=f"the password in {PASSWORD_ENV}") as caught:
        connect(server.database, {PASSWORD_ENV: "wrong-password"})
    assert "wrong-password" not in str(caught.value)


def test_no_password_says_where_to_put_one(server, tmp_path):
    with pytest.raises(InputError, match=f"Set {PASSWORD_ENV}, or put it into"):
        connect(server.database, {"HOME": str(tmp_path)})


def test_the_password_file_of_the_servers_own_programs_is_read(server, tmp_path):
    database = server.database
    own = {
        "postgresql": (".pgpass", f"*:{database.port}:*:faultline:{server.password}\n"),
        "mariadb": (".my.cnf", f"[client]\nuser = other\npassword = '{server.password}'\n"),
    }
    name, text = own[database.kind]
    (tmp_path / name).touch(mode=0o600)
    (tmp_path / name).write_text(text, encoding="utf-8")
    connect(database, {"HOME": str(tmp_path)}).close()


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"Cannot connect to postgresql://me@127\.0\.0\.1:9/plant"):
        connect(parse_url("postgresql://me@127.0.0.1:9/plant"), {PASSWORD_ENV: "x"})


def test_a_read_only_connection_cannot_write(table):
    connection = connect(table.database, table.environ)
    with pytest.raises(Exception, match=r"(?i)read.only transaction"):
        connection.cursor().execute("DELETE FROM readings")
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda server: server.execute("INSERT INTO readings VALUES (50, 1, 'a')"),
        lambda server: server.execute("DELETE FROM readings WHERE id = 49"),
        lambda server: server.execute("UPDATE readings SET maker = 'z' WHERE id = 3"),
    ],
    ids=["insert", "delete", "update"],
)
def test_a_change_gives_another_file(change: Callable[[DatabaseServer], object], table, tmp_path):
    first = read(table, tmp_path, table="readings")
    assert read(table, tmp_path, table="readings").path == first.path
    change(table)
    assert read(table, tmp_path, table="readings").path != first.path


def test_statistics_of_postgresql_notice_an_update(postgresql, tmp_path):
    postgresql.execute(
        "DROP TABLE IF EXISTS s", "CREATE TABLE s (id int PRIMARY KEY, v int)",
        "INSERT INTO s SELECT i, i FROM generate_series(1, 9) AS i",
    )  # fmt: skip
    options = {"table": "s", "changed_by": "statistics"}
    first = read(postgresql, tmp_path, **options)
    same = read(postgresql, tmp_path, **options)
    assert same.notes[0].endswith("9 rows unchanged by the table's statistics, not read again")
    postgresql.execute("ALTER TABLE s RENAME COLUMN v TO w", "ALTER TABLE s RENAME COLUMN id TO v")
    renamed = read(postgresql, tmp_path, **options)
    assert pq.read_table(renamed.path).column_names == ["v", "w"]
    postgresql.execute("ALTER TABLE s RENAME COLUMN v TO id", "ALTER TABLE s RENAME COLUMN w TO v")
    # A backend reports its counts when it ends.
    postgresql.execute("UPDATE s SET v = 0 WHERE id = 1")
    changed = _until_another(lambda: read(postgresql, tmp_path, **options), first.path)
    assert pq.read_table(changed.path)["v"].to_pylist() == [0, *range(2, 10)]


def _until_another(again: Callable[[], Extract], path: str) -> Extract:
    for _ in range(200):
        if (found := again()).path != path:
            return found
    raise AssertionError("The change was not noticed.")


def test_spans_are_read_by_day(table, tmp_path):
    table.execute(
        "DROP TABLE IF EXISTS days", "CREATE TABLE days (id int PRIMARY KEY, day date)",
        "INSERT INTO days VALUES (1, '2026-05-01'), (2, '2026-05-02'), (3, '2026-05-02')",
    )  # fmt: skip
    found = read(
        table, tmp_path, query="SELECT * FROM days WHERE day = {DATE}", order_by=("id",),
        spans="SELECT DISTINCT day FROM days",
    )  # fmt: skip
    assert found.path.endswith("day-{DATE}.parquet")
    [newest] = tmp_path.rglob("day-*.parquet")
    assert newest.name == "day-2026-05-02.parquet"
    assert pq.read_table(newest)["id"].to_pylist() == [2, 3]


def test_spans_are_days_whatever_the_style_of_dates(postgresql, tmp_path):
    postgresql.execute("ALTER ROLE CURRENT_USER SET datestyle TO 'German, DMY'")
    try:
        found = read(
            postgresql,
            tmp_path,
            query="SELECT 1 AS id, {DATE} AS day",
            spans="SELECT DATE '2026-04-05'",
            order_by=("id",),
        )
    finally:
        postgresql.execute("ALTER ROLE CURRENT_USER RESET datestyle")
    [path] = tmp_path.rglob("*.parquet")
    assert "{DATE}" in found.path
    assert pq.read_table(path)["day"].to_pylist() == ["2026-04-05"]


def test_rows_that_the_collation_cannot_order_are_ordered_by_their_bytes(mariadb, tmp_path):
    mariadb.execute(
        "DROP TABLE IF EXISTS ties",
        "CREATE TABLE ties (name varchar(9) COLLATE utf8mb4_general_ci, number int)",
        "INSERT INTO ties VALUES ('b', 1), ('a', 2), ('A', 3)",
    )
    first = read(mariadb, tmp_path, table="ties", order_by=("name",))
    # "A" is byte 65 and "a" byte 97, in whatever order the rows were inserted.
    assert pq.read_table(first.path)["number"].to_pylist() == [3, 2, 1]


def test_a_limit_of_rows_of_the_server_cuts_nothing_off(mariadb, tmp_path):
    mariadb.execute(
        "DROP TABLE IF EXISTS many",
        "CREATE TABLE many (number int PRIMARY KEY)",
        "INSERT INTO many VALUES (1), (2), (3)",
        "SET GLOBAL sql_select_limit = 2",
    )
    try:
        path = read(mariadb, tmp_path, table="many").path
    finally:
        mariadb.execute("SET GLOBAL sql_select_limit = DEFAULT")
    assert pq.read_table(path)["number"].to_pylist() == [1, 2, 3]


def test_the_password_is_in_no_file_log_or_message(table, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    read(table, tmp_path, table="readings")
    query = f"SELECT '{table.password}' FROM nowhere"  # noqa: S608
    with pytest.raises(InputError) as caught:
        read(table, tmp_path, query=query, order_by=("a",))
    output = capfd.readouterr()
    texts = [str(caught.value), caplog.text, output.out, output.err]
    texts += [path.read_bytes().decode("latin1") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) > 5
    assert [text for text in texts if table.password in text] == []


def test_a_password_may_have_any_characters(server):
    odd = 'p@s:/w%2F r?d#&=+\u00e9"'
    change = {
        "postgresql": "ALTER ROLE faultline PASSWORD '{}'",
        "mariadb": "SET PASSWORD = PASSWORD('{}')",
    }[server.database.kind]
    server.execute(change.format(odd))
    changed = replace(server, environ={PASSWORD_ENV: odd}, password=odd)
    try:
        connect(server.database, changed.environ).close()
        [batch] = stream_batches(server.database, "SELECT 1 AS a", environ=changed.environ)
        assert batch.num_rows == 1
    finally:
        changed.execute(change.format(server.password))


def test_a_date_that_is_none_is_a_text_that_no_time_is(mariadb, tmp_path):
    mariadb.execute(
        "DROP TABLE IF EXISTS zero", "SET SESSION sql_mode = ''",
        "CREATE TABLE zero (id int PRIMARY KEY, day date, at datetime)",
        "INSERT INTO zero VALUES (1, '0000-00-00', '0000-00-00')",
    )  # fmt: skip
    rows = pq.read_table(read(mariadb, tmp_path, table="zero").path)
    assert rows["day"].to_pylist() == ["0000-00-00"]
    assert rows["at"].to_pylist() == ["0000-00-00 00:00:00"]


def test_wide_and_special_numbers_of_postgresql_keep_their_values(postgresql, tmp_path):
    query = (
        "SELECT 1 AS id, 12345678901234567890.123456789::numeric AS n, 'NaN'::numeric AS nan, "
        "'infinity'::timestamptz AS t, '-infinity'::float8 AS f, (-32768)::int2 AS i"
    )
    rows = pq.read_table(read(postgresql, tmp_path, query=query, order_by=("id",)).path)
    [row] = rows.to_pylist()
    assert row.pop("f") == float("-inf")
    assert row == {
        "id": 1,
        "n": "12345678901234567890.123456789",
        "nan": "NaN",
        "t": "infinity",
        "i": -32768,
    }

"""The order of rows."""

import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.ordering import (
    check_order_columns,
    check_table,
    checked_order,
    primary_key,
)
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database


def batches(*parts: list[tuple[int | None, float]]) -> list[pa.RecordBatch]:
    return [
        pa.RecordBatch.from_arrays(
            [pa.array([key for key, _ in part], pa.int64()), pa.array([v for _, v in part])],
            names=["k", "v"],
        )
        for part in parts
    ]


def test_batches_in_one_order_pass_unchanged():
    parts = batches([(1, 0.1), (2, 0.1)], [(3, 0.1)])
    assert list(checked_order(parts, ["k"])) == parts


def test_neighbours_across_batches_that_only_other_columns_tell_apart_are_refused():
    parts = batches([(1, 0.1), (2, 0.1)], [(2, 0.2)])
    with pytest.raises(InputError, match=r"rows 2 and 3 have both k = 2 and differ in `v`"):
        list(checked_order(parts, ["k"]))


def test_missing_keys_are_equal_to_each_other():
    with pytest.raises(InputError, match="rows 1 and 2 have both k = None"):
        list(checked_order(batches([(None, 0.1), (None, 0.2)]), ["k"]))


def test_equal_rows_may_change_places():
    parts = batches([(1, float("nan")), (1, float("nan"))], [(1, float("nan"))])
    assert len(list(checked_order(parts, ["k"]))) == 2


def test_an_unknown_column_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"order_by names `idd`.*did you mean `id`"):
        check_order_columns(["idd"], ["id", "v"])


def test_the_primary_key_is_in_its_own_order(tmp_path):
    server = sqlite_database(tmp_path / "t.db")
    server.execute("CREATE TABLE t (a, b, v, PRIMARY KEY (b, a))")
    assert primary_key(connect(server.database, {}), server.database, "t") == ("b", "a")


def test_a_table_without_a_primary_key_needs_an_order(tmp_path):
    server = sqlite_database(tmp_path / "t.db")
    server.execute("CREATE TABLE t (a)")
    with pytest.raises(InputError, match=r"no primary key.*order_by"):
        primary_key(connect(server.database, {}), server.database, "t")


@pytest.fixture
def dotted(tmp_path) -> DatabaseServer:
    server = sqlite_database(tmp_path / "t.db")
    server.execute('CREATE TABLE "a.b" (id INTEGER PRIMARY KEY)', "CREATE TABLE b (v)")
    return server


def test_a_table_whose_name_has_a_dot_is_named_in_quotes(dotted):
    connection = connect(dotted.database, {})
    check_table(connection, dotted.database, '"a.b"')
    assert primary_key(connection, dotted.database, '"a.b"') == ("id",)


def test_a_name_with_a_dot_is_a_schema_and_a_table(dotted):
    with pytest.raises(InputError, match=r'has no table `a\.b` .*Did you mean `"a\.b"`\?'):
        check_table(connect(dotted.database, {}), dotted.database, "a.b")


def test_an_unknown_schema_is_noticed(dotted):
    check_table(connect(dotted.database, {}), dotted.database, "main.b")
    with pytest.raises(InputError, match=r"has no table `mein\.b`"):
        check_table(connect(dotted.database, {}), dotted.database, "mein.b")

"""Columns of SQLite, which has types for values and none for columns."""

import pytest

from common.errors import InputError
from pipeline.reading.sql.columns import describe
from pipeline.reading.sql.connections import connect
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database


@pytest.fixture
def server(tmp_path) -> DatabaseServer:
    return sqlite_database(tmp_path / "t.db")


def forms(server: DatabaseServer, query: str, **options) -> dict[str, tuple[str, str]]:
    connection = connect(server.database, {})
    columns = describe(connection, server.database, query, **options)
    connection.close()
    return {column.name: (column.form, column.sentinel) for column in columns}


def test_the_values_give_the_types_whatever_is_declared(server):
    query = "SELECT 1 AS i, 0.5 AS r, 'a' AS t, x'00' AS b, NULL AS n "
    query += "UNION ALL SELECT 2, 1, '', x'', NULL"
    assert forms(server, query) == {
        "i": ("value", "0"),
        "r": ("value", "0.0"),  # whole numbers among fractions are numbers
        "t": ("text", "''"),
        "b": ("value", "x''"),
        "n": ("text", "''"),
    }


def test_a_column_of_mixed_types_names_the_first_row_of_the_rare_one(server):
    server.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    server.insert("t", [(3, "broken"), (1, 0.5), (2, 0.7), (4, 0.1)])
    message = r"`v` mixes types, .*: 3 real, 1 text\. The first text is in row 3: 'broken'"
    with pytest.raises(InputError, match=message):
        forms(server, "SELECT * FROM t", order_by=("id",))


def test_whole_numbers_that_a_float_cannot_hold_do_not_mix_with_fractions(server):
    # 2 ** 53 + 1 would become 2 ** 53.
    with pytest.raises(InputError, match="1 integer, 1 real"):
        forms(server, "SELECT 9007199254740993 AS v UNION ALL SELECT 0.5")


def test_two_columns_of_one_name_are_refused(server):
    with pytest.raises(InputError, match="several columns named `a`"):
        forms(server, "SELECT 1 AS a, 2 AS a")


def test_json_lists_must_be_named(server):
    query = "SELECT '[1]' AS a, '[1]' AS b"
    assert forms(server, query, lists=("b",)) == {"a": ("text", "''"), "b": ("list", "''")}

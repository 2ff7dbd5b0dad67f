"""The layout of a table of predictions, and tables that cannot take them."""

import pytest

from common.errors import InputError
from pipeline.prediction.tables.dialects.sqlite import SQLite
from pipeline.prediction.tables.layout import (
    check_existing,
    check_id_name,
    parse_table_name,
    shown_name,
)
from tests.pipeline.prediction.tables.answers import LAYOUT, open_sqlite


def test_a_table_may_be_named_with_its_schema():
    assert parse_table_name("plant.results", option="--into") == ("plant", "results")


def test_a_name_with_a_dot_stands_in_quotes_and_is_shown_so():
    assert parse_table_name('plant."a.b"', option="--into") == ("plant", "a.b")
    assert shown_name(("plant", "a.b")) == 'plant."a.b"'


@pytest.mark.parametrize("name", ["", "a.b.c", 'a"; DROP TABLE b; --', "50%", ".results", "a`b"])
def test_a_name_that_quoting_would_not_contain_is_refused(name):
    with pytest.raises(InputError, match=r"--into .*TABLE or SCHEMA.TABLE"):
        parse_table_name(name, option="--into")


def test_an_id_with_the_name_of_another_column_is_refused():
    with pytest.raises(InputError, match=r"--id names the column `Decision`.*SELECT … AS id"):
        check_id_name("Decision")


def problems(tmp_path, create):
    cursor = open_sqlite(tmp_path).cursor()
    cursor.execute(create)
    existing = SQLite().describe(cursor, ("results",))
    with pytest.raises(InputError) as caught:
        check_existing(LAYOUT, existing, create="CREATE TABLE …")
    return [line.strip() for line in str(caught.value).splitlines() if line.startswith("  ")]


def test_missing_ill_typed_and_needed_columns_are_all_named(tmp_path):
    create = """
    CREATE TABLE results (id INTEGER PRIMARY KEY, probability TEXT, decision INTEGER, run_id TEXT,
                          predicted_at TEXT, plant TEXT NOT NULL, note TEXT)
    """
    assert problems(tmp_path, create) == [
        "column `probability` is TEXT, expected double",
        "column `model_version` (integer) is missing",
        "column `plant` must have a value in each row and has no default",
    ]


COLUMNS = (
    "probability REAL, decision INTEGER, model_version INTEGER, run_id TEXT, predicted_at TEXT"
)


@pytest.mark.parametrize(
    "create",
    [
        f"CREATE TABLE results (id INTEGER, {COLUMNS})",
        f"CREATE TABLE results (id INTEGER, {COLUMNS}, PRIMARY KEY (id, run_id))",
    ],
)
def test_a_table_without_a_key_of_the_id_alone_is_refused(create, tmp_path):
    assert problems(tmp_path, create) == ["column `id` alone is no primary key or unique key"]


def test_a_collation_that_takes_different_ids_for_one_is_refused(tmp_path):
    cursor = open_sqlite(tmp_path).cursor()
    cursor.execute(f"CREATE TABLE results (id TEXT COLLATE NOCASE PRIMARY KEY, {COLUMNS})")
    existing = SQLite().describe(cursor, ("results",))
    layout = type(LAYOUT)(table=("results",), id_column="id", id_kind="text")
    with pytest.raises(InputError, match="takes different ids for one: its collation is NOCASE"):
        check_existing(layout, existing, create="")


def test_a_table_that_is_not_there_is_not_described(tmp_path):
    assert SQLite().describe(open_sqlite(tmp_path).cursor(), ("results",)) is None


def test_names_that_the_database_gave_are_quoted_whatever_they_hold(tmp_path):
    cursor = open_sqlite(tmp_path).cursor()
    cursor.execute(f"CREATE TABLE results (id INTEGER, {COLUMNS})")
    cursor.execute('CREATE UNIQUE INDEX "by ""id""" ON results (id)')
    existing = SQLite().describe(cursor, ("results",))
    check_existing(LAYOUT, existing, create="")

"""Texts of SQL statements."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.reading.sql.statements import (
    check_query,
    fill_query,
    literal,
    placeholder_of,
    quote_name,
    quote_table,
    show_table,
    subquery,
    table_parts,
)


def test_a_table_may_have_a_schema():
    assert quote_table("plant.readings", "postgresql") == '"plant"."readings"'


def test_a_name_with_a_dot_stands_in_quotes():
    assert quote_table('"a.b"', "mariadb") == "`a.b`"
    assert quote_table('`a.b`."c"', "postgresql") == '"a.b"."c"'


@pytest.mark.parametrize("table", ["", "a.", ".a", "a.b.c", '"a.b'])
def test_what_is_no_name_of_a_table_is_refused(table):
    with pytest.raises(InputError, match=r"must be TABLE or SCHEMA\.TABLE"):
        table_parts(table)


@given(st.none() | st.text(min_size=1), st.text(min_size=1))
def test_a_shown_name_is_read_as_what_it_shows(schema, name):
    assert table_parts(show_table(schema, name)) == (schema, name)


@given(st.text(min_size=1))
def test_a_quoted_name_ends_only_at_its_end(name):
    inner = quote_name(name, "sqlite")[1:-1]
    assert inner.replace('""', "") == name.replace('"', "")


def test_a_literal_with_a_backslash_is_refused():
    with pytest.raises(ValueError, match="cannot be written"):
        literal("a\\")


@pytest.mark.parametrize(
    ("kind", "text"), [("postgresql", "DATE '2026-05-01'"), ("sqlite", "'2026-05-01'")]
)
def test_a_day_becomes_a_literal(kind, text):
    assert fill_query("SELECT {DATE}", date(2026, 5, 1), kind) == f"SELECT {text}"


def test_a_span_becomes_a_number():
    assert fill_query("SELECT {SPAN}", 7, "mariadb") == "SELECT 7"


def test_a_placeholder_is_found():
    assert placeholder_of("SELECT 1 FROM t WHERE d = {DATE}", key="q") == "{DATE}"
    assert placeholder_of("SELECT '{\"a\": 1}'::json", key="q") is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM t WHERE d = '{DATE}'", r"\{DATE\} inside quotes or a comment"),
        ("SELECT 1 -- {SPAN}", "inside quotes or a comment"),
        ("SELECT {SPAN}, {DATE}", "one or the other"),
        ("SELECT {DAY}", r"has \{DAY\}; known placeholders"),
    ],
)
def test_other_placeholders_are_refused(query, message):
    with pytest.raises(InputError, match=message):
        placeholder_of(query, key="data.sql.query")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM t", "one SELECT, got one that begins with `DELETE`"),
        ("", "got one that begins with `nothing`"),
        ("SELECT 1; DROP TABLE t", "several statements"),
    ],
)
def test_only_one_select_is_a_query(query, message):
    with pytest.raises(InputError, match=message):
        check_query(query, key="q")


def test_semicolons_in_quotes_and_at_the_end_are_no_second_statement():
    assert check_query("SELECT ';' -- a;b\n;", key="q") == "SELECT ';' -- a;b"


def test_a_comment_at_the_end_does_not_hide_what_follows():
    assert subquery("SELECT 1 -- one").endswith("\n) AS q")

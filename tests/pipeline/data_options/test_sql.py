"""The options of `data.sql`."""

import pytest

from pipeline.config import Data
from pipeline.data_options.sql import Sql

URL = "postgresql://ada@db/plant"
DAYS = "SELECT DISTINCT day FROM t"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of `table` and `query`"),
        ({"table": "t", "query": "SELECT 1", "order_by": ("a",)}, "exactly one of"),
        ({"query": "SELECT 1 AS a"}, "a `query` needs `order_by`"),
        ({"query": "SELECT {DATE}", "order_by": ("a",)}, "needs `spans`"),
        ({"table": "t", "spans": DAYS}, "`spans` needs {SPAN} or {DATE}"),
        ({"table": "t", "changed_by": "column"}, "go together"),
        ({"table": "t", "change_column": "at"}, "go together"),
        (
            {"query": "SELECT 1 AS a", "order_by": ("a",), "changed_by": "statistics"},
            "needs a `table`",
        ),
        ({"table": "t", "url": "postgresql://ada:lovelace@db/plant"}, "must not hold a password"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Sql(**{"url": URL} | options)


def test_data_come_from_one_source():
    with pytest.raises(ValueError, match="exactly one of `path`, `sql` and `dataset`"):
        Data(path="t.csv", sql=Sql(url=URL, table="t"))


def test_options_of_files_do_not_go_with_a_database():
    with pytest.raises(ValueError, match="`delimiter` describes files"):
        Data(sql=Sql(url=URL, table="t"), delimiter=";")

"""Batches of a stream with one type for each column."""

import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.reading.sql.columns import Form, SqlColumn
from pipeline.reading.sql.selects import is_json_lists, select_exactly, typed_batches


def typed(array: pa.Array, form: Form, *, kind="mariadb") -> pa.Array:
    stream = [pa.RecordBatch.from_arrays([array], names=["v"])]
    column = SqlColumn(name="v", expression="q.v", form=form)
    [batch] = typed_batches(stream, [column], kind)
    return batch.column(0)


@pytest.mark.parametrize(
    ("array", "form", "expected"),
    [
        (pa.array([1, None], pa.int8()), "value", pa.array([1, None], pa.int64())),
        (pa.array([2**64 - 1], pa.uint64()), "value", pa.array([2**64 - 1], pa.uint64())),
        (pa.array([True]), "value", pa.array([True])),
        (pa.array([b"a"], pa.binary()), "value", pa.array([b"a"], pa.large_binary())),
        (pa.array(["FF00", None]), "hex", pa.array([b"\xff\x00", None], pa.large_binary())),
        (pa.array(["é".encode(), None], pa.large_binary()), "text", pa.array(["é", None])),
    ],
)
def test_a_column_has_one_type(array, form, expected):
    assert typed(array, form).equals(expected)


def test_json_lists_become_signals():
    texts = pa.array(["[1, 2.5]", None, "[ null,\n-1e3 ]", "[]"])
    assert typed(texts, "list").to_pylist() == [[1.0, 2.5], None, [None, -1000.0], []]


@pytest.mark.parametrize("text", ["1, 2", '["a"]', "[[1]]", "[1] [2]", "{}", "[1"])
def test_a_text_that_is_no_list_of_numbers_is_named_with_its_row(text):
    assert not is_json_lists(pa.array([text]))
    with pytest.raises(InputError, match="Column `v`, row 2: expected a JSON list of numbers"):
        typed(pa.array(["[1]", text]), "list")


def test_a_text_that_is_not_utf8_is_named_with_its_row():
    with pytest.raises(InputError, match="Column `v`, row 2: the text is not UTF-8"):
        typed(pa.array([b"a", b"\xff"], pa.binary()), "text")


def test_texts_that_a_collation_takes_for_equal_are_ordered_by_their_bytes():
    columns = [
        SqlColumn(name="id", expression="q.`id`"),
        SqlColumn(name="name", expression="CAST(q.`name` AS CHAR)", is_collated=True),
        SqlColumn(name="other", expression="CAST(q.`other` AS CHAR)", is_collated=True),
    ]
    select = select_exactly("SELECT * FROM t", columns, ("name", "id"), "mariadb")
    assert select.endswith("ORDER BY q.`name`, q.`id`, BINARY q.`name`")


def test_the_rows_are_ordered_by_the_columns_and_not_by_their_texts():
    column = SqlColumn(name="n", expression='q."n"::text', form="text")
    select = select_exactly("SELECT n FROM t", [column], ["n"], "postgresql")
    assert select.endswith('ORDER BY q."n"')

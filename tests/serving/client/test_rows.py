"""Encoding of dicts, DataFrames and Arrow tables: the same arrays and errors."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client.errors import InputMismatchError, RowError
from serving.client.rows import encode_examples, encode_rows
from serving.client.signatures import TensorSpec
from serving.client.values import MISSING_INT


def specs(**inputs) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(name=name, dtype=np.dtype(dtype), shape=(-1, *shape))
        for name, (dtype, *shape) in inputs.items()
    }


INPUTS = specs(
    volts=("float32",), count=("int64",), name=("object",), wave=("float32", 3), flag=("bool",)
)
ROWS = [
    {"volts": 1.5, "count": 3, "name": "a", "wave": [1.0, 2.0, 3.0], "flag": True, "id": "x1"},
    {"volts": None, "count": None, "name": None, "wave": None, "flag": False, "id": "x2"},
    {"volts": 2.0, "count": -1, "name": "ü", "wave": [4.0, None, 6.0], "flag": True, "id": "x3"},
]
FORMS = {
    "dicts": lambda rows: rows,
    "pandas": pd.DataFrame,
    "arrow table": pa.Table.from_pylist,
    "arrow batch": pa.RecordBatch.from_pylist,
    "two chunks": lambda rows: pa.concat_tables(
        [pa.Table.from_pylist(rows[:1]), pa.Table.from_pylist(rows[1:])], promote_options="default"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rows_gives_the_same_arrays(form):
    arrays = encode_rows(FORMS[form](ROWS), INPUTS)
    nan = np.nan
    np.testing.assert_array_equal(arrays["volts"], np.float32([1.5, nan, 2.0]))
    assert arrays["count"].tolist() == [3, MISSING_INT, -1]
    assert arrays["name"].tolist() == [b"a", b"", "ü".encode()]
    expected = np.float32([[1, 2, 3], [nan, nan, nan], [4, nan, 6]])
    np.testing.assert_array_equal(arrays["wave"], expected)
    assert arrays["flag"].tolist() == [True, False, True]
    assert {name: array.dtype for name, array in arrays.items()} == {
        name: spec.dtype for name, spec in INPUTS.items()
    }


def test_columns_that_are_no_input_stay_at_home():
    assert list(encode_rows(ROWS, specs(volts=("float32",)))) == ["volts"]


@pytest.mark.parametrize("form", FORMS)
def test_a_column_that_no_row_has_is_named_with_the_nearest_one(form):
    with pytest.raises(InputMismatchError, match=r"needs `vots` \(did you mean `volts`\?\)"):
        encode_rows(FORMS[form](ROWS), specs(vots=("float32",)))


def test_a_missing_column_is_sent_as_null_in_json_and_as_none_in_python():
    with pytest.raises(InputMismatchError, match=r"missing, send null \(None in Python\)\."):
        encode_rows(ROWS, specs(absent=("float32",)))


def test_a_key_that_some_rows_lack_is_a_missing_value():
    arrays = encode_rows([{"a": 1.0}, {}], specs(a=("float32",)))
    assert np.isnan(arrays["a"]).tolist() == [False, True]


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_of_the_wrong_length_is_named_in_every_form(form):
    rows = [*ROWS, ROWS[0] | {"wave": [1.0, 2.0]}]
    with pytest.raises(RowError, match="found 2 values, expected a list of 3 values") as caught:
        encode_rows(FORMS[form](rows), INPUTS)
    assert (caught.value.row, caught.value.column) == (3, "wave")


@pytest.mark.parametrize("form", ["dicts", "pandas"])
def test_text_among_numbers_is_named_by_its_row(form):
    rows = [{"volts": 1.5}, {"volts": "high"}]
    with pytest.raises(RowError, match=r"Row 1 .*column `volts`: found the text 'high'"):
        encode_rows(FORMS[form](rows), specs(volts=("float32",)))


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        (pa.array([1, None], pa.int8()), "float32", [1.0, np.nan]),
        (pa.array([2**53 + 1]), "float64", [2.0**53]),
        (pa.array([2**63 - 1], pa.uint64()), "int64", [2**63 - 1]),
        (pa.array([1.0, None, 3.0]), "int64", [1, MISSING_INT, 3]),
        (pa.array(["a", None, "a"]).dictionary_encode(), "object", [b"a", b"", b"a"]),
        (pa.array([0, 86_400_000], pa.timestamp("ms")), "int64", [0, 86_400]),
        (pa.array([None, None]), "float32", [np.nan, np.nan]),
        (pa.array([b"\xff"]), "object", [b"\xff"]),
        (pa.array([1, 2], pa.int64()), "int32", [1, 2]),
        (pa.array([np.inf]), "float32", [np.inf]),
    ],
    ids=str,
)
def test_arrow_types_become_the_type_of_the_input(column, dtype, expected):
    table = pa.table({"c": column})
    encoded = encode_rows(table, specs(c=(dtype,)))["c"]
    assert encoded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(encoded, np.array(expected, dtype))


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([2**63], pa.uint64()), "int64"),
        (pa.array([300]), "uint8"),
        (pa.array([None], pa.int32()), "int32"),
        (pa.array(["1"]), "float32"),
        (pa.array([1.5]), "int64"),
        (pa.array([1]), "object"),
        (pa.array([1e300]), "float32"),
    ],
    ids=str,
)
def test_arrow_values_that_do_not_fit_are_refused_by_row(column, dtype):
    with pytest.raises(RowError, match=r"Row 0 .*column `c`"):
        encode_rows(pa.table({"c": column}), specs(c=(dtype,)))


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, lambda v: pa.list_(v, 2)])
def test_every_arrow_list_is_a_signal(kind):
    column = pa.array([[1.0, 2.0], None, [3.0, 4.0]], kind(pa.float64()))
    encoded = encode_rows(pa.table({"c": column}), specs(c=("float32", 2)))["c"]
    nan = np.nan
    np.testing.assert_array_equal(encoded, np.float32([[1, 2], [nan, nan], [3, 4]]))
    free = encode_rows(pa.table({"c": column.drop_null()}), specs(c=("float32", -1)))["c"]
    assert free.tolist() == [[1, 2], [3, 4]]


def test_a_frame_may_be_a_slice_with_an_index_of_its_own():
    frame = pd.DataFrame({"volts": [1.0, 2.0, 3.0]}, index=[7, 5, 3]).iloc[1:]
    assert encode_rows(frame, specs(volts=("float32",)))["volts"].tolist() == [2.0, 3.0]
    assert encode_rows(frame.iloc[:0], specs(volts=("float32",)))["volts"].shape == (0,)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"volts": [1.0]}, "Rows must be a list of dicts, .* got dict"),
        ("text", "got str"),
        ([{"volts": 1.0}, 3], "Row 1 .* is int, expected a dict"),
    ],
)
def test_invalid_rows_are_refused(rows, words):
    with pytest.raises(InputMismatchError, match=words):
        encode_rows(rows, specs(volts=("float32",)))


def test_examples_go_into_the_one_text_input():
    assert encode_examples([b"a", b""], specs(examples=("object",)))["examples"].tolist() == [
        b"a",
        b"",
    ]
    with pytest.raises(InputMismatchError, match=r"takes \['volts'\], not serialised"):
        encode_examples([b"a"], specs(volts=("float32",)))
    with pytest.raises(InputMismatchError, match=r"Example 1 .* is str"):
        encode_examples([b"a", "b"], specs(examples=("object",)))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "volts": st.one_of(st.none(), st.floats(width=32)),
                "count": st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1)),
                "name": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
                "wave": st.one_of(st.none(), st.lists(st.floats(width=32), min_size=3, max_size=3)),
            }
        ),
        min_size=1,
    )
)
def test_dicts_and_arrow_agree_on_any_rows(rows):
    inputs = {name: spec for name, spec in INPUTS.items() if name != "flag"}
    schema = pa.schema(
        [
            ("volts", pa.float32()),
            ("count", pa.int64()),
            ("name", pa.string()),
            ("wave", pa.list_(pa.float32())),
        ]
    )
    by_dicts = encode_rows(rows, inputs)
    by_arrow = encode_rows(pa.Table.from_pylist(rows, schema=schema), inputs)
    for name in inputs:
        np.testing.assert_array_equal(by_dicts[name], by_arrow[name])

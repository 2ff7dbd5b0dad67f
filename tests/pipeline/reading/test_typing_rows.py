import numpy as np
import pyarrow as pa
import pytest

from pipeline.column_format import ColumnFormat
from pipeline.reading.columns import Column
from pipeline.reading.files.pieces import RawBatch
from pipeline.reading.ingest_spec import canonical_label
from pipeline.reading.typing_rows import type_batch, unwrap
from tests.pipeline.reading.specs import spec

LABEL = Column(name="y", type="label")


def typed(columns, data, **changes: object):
    batch = pa.record_batch(data)
    raw = RawBatch(batch=batch, rows=np.arange(1, batch.num_rows + 1))
    return type_batch(raw, columns, spec(**changes), path="a.csv")


@pytest.mark.parametrize(
    ("positive", "label", "expected"),
    [
        ("1", pa.array([b"1", b"0", b"1.0", b" 1 "]), [1, 0, 1, 1]),
        ("1", pa.array([True, False]), [1, 0]),
        ("1", pa.array([b"true", b"False"]), [1, 0]),
        ("faulty", pa.array(["faulty", "ok", "other"]), [1, 0, 0]),
        ("2", pa.array([2.0, 1.0]), [1, 0]),
    ],
)
def test_the_label_becomes_0_or_1(positive, label, expected):
    batch = typed([LABEL], {"y": label}, positive=positive)
    assert batch.batch.column("y").to_pylist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", "1"), ("1.0", "1"), (" True ", "1"), ("false", "0"), ("0.5", "0.5"), ("bad", "bad")],
)
def test_a_labels_spellings_are_one(text, expected):
    assert canonical_label(text) == expected


def test_the_bytes_of_a_file_are_kept_as_they_are_and_an_empty_file_is_missing():
    # Blanks at both ends, a missing mark, and bytes that are no UTF-8.
    files = pa.array([b" \x00\xff\n", b"NA", b"", None], pa.binary())
    column = Column(name="sound", type="media")
    batch = typed([column, LABEL], {"sound": files, "y": [1, 0, 1, 0]}, missing_values=("NA",))
    assert batch.bad_rows == []
    assert batch.batch.column("sound").to_pylist() == [b" \x00\xff\n", b"NA", None, None]


@pytest.mark.parametrize(("needed", "num_bad"), [(True, 1), (False, 0)])
def test_a_name_that_lost_its_leading_zeros_is_a_bad_row_where_the_model_needs_it(needed, num_bad):
    form = ColumnFormat(type="text", digits=3)
    column = Column(name="site", type="bytes", form=form, needed=needed)
    batch = typed([column, LABEL], {"site": pa.array(["007", "7"]), "y": [1, 0]})
    assert len(batch.bad_rows) == num_bad
    for bad in batch.bad_rows:
        assert "`7` found, expected a name of 3 digits" in str(bad)


@pytest.mark.parametrize(
    "label",
    [
        pa.array([b"1", None]),
        pa.array([1.0, float("nan")]),
        pa.array([b"1", b"  "]),
        pa.array([b"1", b"nan"]),
        pa.array([b"1", b"NA"]),
        pa.array([True, None]),
        pa.array(["1", None]).dictionary_encode(),
    ],
)
def test_a_row_without_a_label_is_kept_apart_and_is_no_bad_row(label):
    batch = typed([Column(name="a", type="int"), LABEL], {"a": range(1, 3), "y": label[:2]})
    assert batch.bad_rows == []
    assert batch.unlabelled.to_pydict() == {"a": [2]}
    assert list(batch.rows) == [1]


@pytest.mark.parametrize("names", [("a", "y"), ("y", "a")])
def test_an_unreadable_row_without_a_label_is_a_bad_row(names):
    columns = {"a": Column(name="a", type="int"), "y": LABEL}
    batch = typed([columns[name] for name in names], {"a": [b"x", b"2"], "y": [b"", b"1"]})
    assert [(bad.row, bad.column) for bad in batch.bad_rows] == [(1, "a")]
    assert batch.unlabelled.num_rows == 0


def test_a_mark_of_the_labels_own_column_means_that_it_is_not_known():
    marks = {"y": ColumnFormat(type="text", missing=("unknown",))}
    data = pa.record_batch({"a": [1, 2], "y": ["faulty", "unknown"]})
    columns = [Column(name="a", type="int"), LABEL]
    settings = spec(positive="faulty", columns=marks)
    batch = type_batch(RawBatch(batch=data, rows=np.array([1, 2])), columns, settings, path="a.csv")
    assert batch.bad_rows == []
    assert batch.batch.column("y").to_pylist() == [1]
    assert batch.unlabelled.to_pydict() == {"a": [2]}


def test_a_row_without_a_label_needs_no_group():
    columns = [Column(name="g", type="bytes"), LABEL]
    data = {"g": [None, None], "y": [b"1", b""]}
    batch = typed(columns, data, strategy="group", split_column="g")
    assert [(bad.row, bad.reason) for bad in batch.bad_rows] == [(1, "has no group")]
    assert batch.unlabelled.to_pydict() == {"g": [None]}


def test_a_bad_value_is_named_with_its_row_its_column_and_what_was_expected():
    columns = [Column(name="a", type="float"), LABEL]
    batch = typed(columns, {"a": [b"1.5", b"x", None], "y": [b"1", b"0", b"0"]})
    [bad] = batch.bad_rows
    assert str(bad) == "a.csv, row 2, column `a`: `x` found, expected a number"
    assert batch.batch.to_pydict() == {"a": [1.5, None], "y": [1, 0]}


def test_a_row_that_is_bad_twice_is_reported_once():
    columns = [Column(name="a", type="int"), Column(name="b", type="int"), LABEL]
    batch = typed(columns, {"a": [b"x"], "b": [b"x"], "y": [None]})
    assert [bad.column for bad in batch.bad_rows] == ["a"]
    assert batch.batch.num_rows == 0


def test_a_row_without_its_group_is_bad():
    columns = [Column(name="g", type="bytes"), LABEL]
    data = {"g": [b"a", None], "y": [b"1", b"0"]}
    batch = typed(columns, data, strategy="group", split_column="g")
    assert [bad.reason for bad in batch.bad_rows] == ["has no group"]


def test_an_unreadable_time_is_bad():
    columns = [Column(name="t", type="time"), LABEL]
    batch = typed(columns, {"t": [b"2026-01-31", b"soon"], "y": [b"1", b"0"]})
    assert batch.batch.column("t").to_pylist() == [1769817600]
    assert "expected a time such as 2026-01-31T12:00:00" in batch.bad_rows[0].reason


def test_an_invalid_value_of_a_column_that_nothing_uses_counts_as_missing():
    columns = [Column(name="order_no", type="int", needed=False), LABEL]
    batch = typed(columns, {"order_no": [b"1", b"A-2"], "y": [b"1", b"0"]})
    assert batch.bad_rows == []
    assert batch.batch.column("order_no").to_pylist() == [1, None]


def test_a_column_that_this_file_lacks_is_missing_in_every_row():
    batch = typed([Column(name="a", type="bytes"), LABEL], {"y": [b"1"]})
    assert batch.batch.to_pydict() == {"a": [None], "y": [1]}


def test_a_column_that_is_empty_over_the_whole_data_stays_empty():
    data = {"a": pa.array([None], pa.binary()), "y": [b"1"]}
    batch = typed([Column(name="a", type="empty"), LABEL], data)
    assert batch.batch.to_pydict() == {"a": [None], "y": [1]}


def test_wide_columns_are_stacked_and_a_text_among_them_is_bad():
    column = Column(name="s", type="float list", parts=("t0", "t1"))
    batch = typed([column, LABEL], {"t0": [b"1", b"2"], "t1": [b"3", b"x"], "y": [b"1", b"0"]})
    assert batch.batch.to_pydict() == {"s": [[1.0, 3.0]], "y": [1]}
    assert batch.bad_rows[0].column == "t1"


def test_single_values_of_examples_are_taken_out_of_their_lists():
    batch = pa.record_batch({"a": [[1], [], None], "b": [[1, 2], [3], []]})
    assert unwrap(batch).to_pydict() == {"a": [1, None, None], "b": [[1, 2], [3], []]}


def test_labels_found_are_counted_for_messages():
    batch = typed([LABEL], {"y": [b"ok", b"ok", b"bad", None]})
    assert batch.labels == {"ok": 2, "bad": 1}


TRUTHS = pa.array(["ja", "Nein", "1", "0", "true", "FALSE", "oui", "non"])


@pytest.mark.parametrize(
    ("positive", "values"),
    [("ja", ("ja", "nein")), ("1", ("0", "1")), ("true", ()), ("yes", ()), ("j", ("j", "n"))],
)
def test_a_label_of_truth_values_is_read_in_any_spelling(positive, values):
    batch = typed([LABEL], {"y": TRUTHS}, positive=canonical_label(positive), label_values=values)
    assert batch.batch.column("y").to_pylist() == [1, 0] * 4
    assert batch.bad_rows == []


@pytest.mark.parametrize("positive", ["f", "n"])
def test_letters_that_name_classes_are_no_truth_values(positive):
    label = pa.array(["t", "f", "n"])
    expected = [0, int(positive == "f"), int(positive == "n")]
    for values in ((), ("f", "n", "t")):
        batch = typed([LABEL], {"y": label}, positive=positive, label_values=values)
        assert batch.batch.column("y").to_pylist() == expected


def test_a_label_that_the_contract_lacks_is_a_bad_row_and_not_a_negative_one():
    label = pa.array(["broken", "ok", "defekt", None])
    batch = typed([LABEL], {"y": label}, positive="broken", label_values=("broken", "ok"))
    assert batch.batch.column("y").to_pylist() == [1, 0]
    assert batch.unlabelled.num_rows == 1
    assert [str(bad) for bad in batch.bad_rows] == [
        "a.csv, row 3, column `y`: `defekt` found, expected one of label.values: `broken`, `ok`",
    ]
    # Without label.values every other value is negative.
    batch = typed([LABEL], {"y": label}, positive="broken")
    assert batch.batch.column("y").to_pylist() == [1, 0, 0]


def test_a_number_with_another_decimal_mark_says_what_to_do():
    form = ColumnFormat(type="number", decimal=",", thousands=".", decimals=True)
    batch = typed(
        [LABEL, Column(name="p", type="float", form=form)],
        {"y": pa.array([b"1", b"0"]), "p": pa.array([b"1.234,5", b"72.470"])},
    )
    [bad] = batch.bad_rows
    assert (bad.row, bad.column) == (2, "p")
    assert bad.reason == (
        "`72.470` found, expected a number with decimal mark `,`, thousands separator `.`, and "
        "with decimals: without them, `.` may be the decimal mark of this file. Write its numbers "
        "as the contract says, or, if it means thousands, remove `decimals` from data.columns.p"
    )


@pytest.mark.parametrize(
    ("negative", "values", "labels", "expected"),
    [
        ("good", (), ["good", "crack", "hole", " good "], [0, 1, 1, 0]),
        ("good", ("crack", "good"), ["good", "crack", "hole"], [0, 1]),
        ("0", ("0", "1"), ["nein", "ja", "1", "False"], [0, 1, 1, 0]),
    ],
)
def test_every_value_but_the_negative_one_is_positive(negative, values, labels, expected):
    batch = typed([LABEL], {"y": labels}, negative=negative, label_values=values)
    assert batch.batch.column("y").to_pylist() == expected
    assert len(batch.bad_rows) == len(labels) - len(expected)

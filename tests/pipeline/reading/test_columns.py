import dataclasses

import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.reading import columns
from pipeline.reading.ingest_spec import WideColumns
from tests.pipeline.reading.specs import spec


def text_batch(**texts: object):
    return pa.record_batch(
        {
            name: pa.array([None if v is None else v.encode() for v in items], pa.binary())
            for name, items in texts.items()
        }
    )


def decide(*batches: object, csv=True, **changes: object):
    profile = columns.Profile()
    for batch in batches:
        profile.add_batch(batch, spec(**changes), csv=csv)
    return {c.name: c for c in columns.decide_columns(profile, spec(**changes))}


def types_of(*batches: object, csv=True, **changes: object):
    return {name: c.type for name, c in decide(*batches, csv=csv, **changes).items()}


def test_types_are_inferred_over_all_batches():
    first = text_batch(y=["0"], a=["1"], b=["1"], c=["1"], d=[None])
    second = text_batch(y=["1"], a=["2"], b=["1.5"], c=["x"], d=[None])
    found = {"a": "int", "b": "float", "c": "bytes", "d": "empty", "y": "label"}
    assert types_of(first, second) == found
    assert types_of(second, first) == found


def test_a_measurement_is_a_float_whatever_texts_are_in_it_and_even_if_all_are_whole():
    batch = text_batch(y=["0", "1"], whole=["1", "x"], fraction=["1.5", "x"], none=[None, None])
    found = types_of(batch, numbers=("whole", "fraction", "none"))
    assert found == {"whole": "float", "fraction": "float", "none": "float", "y": "label"}


def test_the_schemas_type_wins():
    batch = text_batch(y=["0"], code=["12"], number=["7"])
    found = types_of(batch, types={"code": "bytes", "number": "float"})
    assert found == {"code": "bytes", "number": "float", "y": "label"}


def test_a_declared_format_decides_the_type_and_is_kept():
    when = ColumnFormat(type="time", format="%d.%m.%Y")
    price = ColumnFormat(type="number", decimal=",")
    batch = text_batch(y=["0", "1"], t=["31.01.2026", "oops"], price=["1,5", "2"])
    found = decide(batch, columns={"t": when, "price": price}, thousands=".")
    assert (found["t"].type, found["t"].form) == ("time", when)
    # The table's thousands separator holds where the column has none of its own.
    assert found["price"].form == dataclasses.replace(price, thousands=".")


def test_times_in_a_format_that_nobody_declared_are_refused_with_the_line_to_write():
    batch = text_batch(y=["0", "1"], t=["31.01.2026", "01.02.2026"])
    with pytest.raises(
        InputError, match=r"data\.columns\.t: .*`format: \"%d\.%m\.%Y\"` \(reads 2\)"
    ):
        decide(batch, times=("t",))


def test_iso_times_and_seconds_need_no_declaration():
    batch = text_batch(y=["0", "1", "0"], t=["2026-01-31", "2026-01-31T10:00:00Z", "oops"])
    assert decide(batch, times=("t",))["t"].type == "time"


def test_arrow_types_are_kept():
    batch = pa.record_batch(
        {
            "y": pa.array([True]),
            "flag": pa.array([True]),
            "small": pa.array([1], pa.int8()),
            "real": pa.array([1.5]),
            "name": pa.array(["a"]),
            "when": pa.array([0], pa.timestamp("s")),
            "coded": pa.array(["a"]).dictionary_encode(),
            "signal": pa.array([[1.0]]),
            "counts": pa.array([[1]]),
            "nested": pa.array([{"a": 1}]),
        }
    )
    assert types_of(batch, csv=False) == {
        "y": "label",
        "flag": "bytes",
        "small": "int",
        "real": "float",
        "name": "bytes",
        "when": "time",
        "coded": "bytes",
        "signal": "float list",
        "counts": "int list",
    }


def test_a_stored_timestamp_that_the_schema_has_as_int_becomes_its_seconds():
    batch = pa.record_batch({"y": [0], "when": pa.array([90], pa.timestamp("s"))})
    assert types_of(batch, csv=False, types={"when": "int"})["when"] == "time"


def test_whole_numbers_in_one_file_and_fractions_in_another_are_fractions():
    first = pa.record_batch({"y": [0], "a": pa.array([1])})
    second = pa.record_batch({"y": [1], "a": pa.array([1.5])})
    assert types_of(first, second, csv=False)["a"] == "float"


def test_an_unused_column_of_lists_and_texts_is_left_out_and_a_used_one_refused():
    first = pa.record_batch({"y": [0], "log": pa.array([[1.0, 2.0]])})
    second = pa.record_batch({"y": [1], "log": pa.array(["none"])})
    assert set(types_of(first, second, csv=False)) == {"y"}
    with pytest.raises(InputError, match="`log` must hold lists of numbers, found"):
        decide(first, second, csv=False, needed=("y", "log"))


def test_wide_columns_become_one_signal_in_the_order_of_their_numbers():
    batch = text_batch(y=["0"], t10=["3"], t2=["2"], t1=["1"], t99=["9"])
    found = decide(batch, wide_signals={"s": WideColumns(first="t1", last="t10")})
    assert found["s"].parts == ("t1", "t2", "t10")
    assert set(found) == {"s", "t99", "y"}


def test_a_wide_signal_of_another_length_than_declared_is_an_error():
    batch = text_batch(y=["0"], t1=["1"], t2=["2"])
    with pytest.raises(InputError, match=r"`s` has 2 columns.*features\.s\.num_samples is 3"):
        decide(batch, wide_signals={"s": WideColumns(first="t1", last="t2")}, signals={"s": 3})


def test_a_signal_of_single_values_is_an_error():
    with pytest.raises(InputError, match="signal `s` must hold a list"):
        decide(text_batch(y=["0"], s=["1"]), signals={"s": 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "z", "required": ("z",)}, "label column `z` is not in"),
        ({"required": ("y", "prise")}, "column `prise` is not in .*did you mean `price`"),
        (
            {"strategy": "group", "split_column": "g", "required": ("y", "g")},
            "group column `g` is not in",
        ),
    ],
)
def test_a_missing_column_is_named_with_what_was_found(changes, message):
    with pytest.raises(InputError, match=f"(?s){message}.*Columns found: `y`, `price`"):
        columns.check_names(["y", "price"], spec(**changes))


def test_a_column_of_files_is_kept_as_bytes_whatever_the_schema_says():
    files = pa.record_batch({"y": [0, 1], "sound": pa.array([b"1", b"2"], pa.binary())})
    options = {"media": ("sound",), "types": {"sound": "bytes"}, "csv": False}
    assert types_of(files, **options) == {"y": "label", "sound": "media"}


def test_a_column_of_files_without_bytes_is_refused():
    paths = text_batch(y=["0"], sound=["a.wav"])
    with pytest.raises(InputError, match=r"`sound` must hold the bytes of a file .* found text"):
        decide(paths, media=("sound",))

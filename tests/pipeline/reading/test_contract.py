"""One rule for every command: what the values of a column mean."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.inputs import preprocessing
from pipeline.column_format import ColumnFormat
from pipeline.reading import contract
from pipeline.reading.contract import read_column

DEFAULT = ("NA", "nan")


def binary(*items: str | None) -> pa.Array:
    return pa.array([None if item is None else item.encode() for item in items], pa.binary())


def read(column: pa.Array, **form: object) -> tuple[list[object], list[int]]:
    """The values, and the places of those that do not fit."""
    values, bad = read_column(column, ColumnFormat(**form), default_marks=DEFAULT)
    return values.to_pylist(), np.flatnonzero(bad).tolist()


def test_plain_numbers_are_trimmed_and_marks_and_blanks_are_missing():
    column = binary("1.5", " 2 ", "NA", None, "", "  ", "1e3", "x", "1_0", "0x1F")
    assert read(column, type="number") == (
        [1.5, 2.0, None, None, None, None, 1000.0, None, None, None],
        [7, 8, 9],
    )


def test_marks_of_a_column_replace_the_default_ones_and_a_number_matches_by_value():
    column = binary("-", "-9999", "-9999.0", "3", "NA")
    form = {"type": "number", "missing": ("-", "-9999")}
    assert read(column, **form) == ([None, None, None, 3.0, None], [4])
    stored = pa.array([-9999.0, 3.0, None])
    assert read(stored, **form) == ([None, 3.0, None], [])


def test_a_decimal_comma_refuses_a_point_and_thousands_must_be_grouped():
    column = binary("1,5", "1.234,5", "1.234", "12.34", "1.23,4", "-,5")
    with_both = {"type": "number", "decimal": ",", "thousands": "."}
    assert read(column, **with_both) == ([1.5, 1234.5, 1234.0, None, None, -0.5], [3, 4])
    assert read(binary("1,5", "1.5"), type="number", decimal=",") == ([1.5, None], [1])
    assert read(binary("1,234.5", "1,23"), type="number", thousands=",") == ([1234.5, None], [1])
    assert read(binary("1 234", "1\u00a0234"), type="number", thousands=" ") == ([1234.0] * 2, [])


def test_another_unit_than_the_declared_one_does_not_fit():
    column = binary("12 bar", "3bar", "4.5", "7 psi")
    assert read(column, type="number", suffix="bar") == ([12.0, 3.0, 4.5, None], [3])


def test_codes_are_exact_and_whole():
    column = binary("7.0", "9.5", "1582218195625938945", "9223372036854775808")
    assert read(column, type="code") == ([7, None, 1582218195625938945, None], [1, 3])
    assert read(pa.array([2**63 + 5, 3], pa.uint64()), type="code") == ([None, 3], [0])


TRUTHS = [
    pa.array([True, False, None]),
    pa.array([1, 0, None]),
    pa.array([1.0, 0.0, None]),
    binary("True", "False", ""),
    binary("yes", "NO", "NA"),
    binary("1", "0.0", None),
    pa.array(["on", "off", None]).dictionary_encode(),
]


@pytest.mark.parametrize("column", TRUTHS)
def test_every_spelling_of_a_truth_value_is_one_value(column):
    assert read(column, type="truth") == ([b"true", b"false", None], [])


def test_what_is_no_truth_value_does_not_fit():
    assert read(binary("true", "maybe", "2"), type="truth")[1] == [1, 2]


def test_text_is_trimmed_and_booleans_of_any_storage_are_spelled_alike():
    assert read(binary(" a ", "True", "NA"), type="text") == ([b"a", b"true", None], [])
    assert read(pa.array([True, None]), type="text") == ([b"true", None], [])
    assert read(pa.array([7.0, 7.5]), type="text") == ([b"7", b"7.5"], [])
    assert read(pa.array([b"\xff", b"a"]), type="text") == ([None, b"a"], [0])


@pytest.mark.parametrize(
    "column",
    [pa.array(["007", "7", "1000", "A7", None]), pa.array([b"007", b"7.0", b"1000", b"A7", b""])],
)
def test_a_name_without_its_leading_zeros_does_not_fit(column):
    assert read(column, type="text", digits=3)[1] == [1]


@pytest.mark.parametrize("stored", [pa.int64(), pa.float64()])
def test_a_file_that_stores_names_as_numbers_has_lost_their_leading_zeros(stored):
    column = pa.array([7, 123, None]).cast(stored)
    assert read(column, type="text", digits=3) == ([b"7", b"123", None], [0])


def test_the_graph_knows_the_same_words_as_the_reading():
    assert set(preprocessing.TRUE_WORDS.split("|")) == set(contract.TRUE_WORDS)
    assert set(preprocessing.FALSE_WORDS.split("|")) == set(contract.FALSE_WORDS)


# 2026-01-31T12:00:00Z is 1769860800.
@pytest.mark.parametrize(
    ("form", "column"),
    [
        ({}, binary("1769860800")),
        ({}, binary("2026-01-31T12:00:00")),
        ({}, binary("2026-01-31 13:00+01:00")),
        ({}, pa.array([1769860800])),
        ({"unit": "ms"}, binary("1769860800123")),
        ({"unit": "us"}, pa.array([1769860800123456])),
        ({"unit": "ns"}, pa.array([1769860800123456789])),
        ({"format": "%d/%m/%Y %H:%M"}, binary("31/01/2026 12:00")),
        ({"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, binary("31.01.2026 13:00")),
        ({"zone": "Europe/Berlin"}, binary("2026-01-31T13:00")),
        ({"zone": "Europe/Berlin"}, binary("2026-01-31T12:00Z")),
        ({"format": "%d/%m/%Y"}, pa.array([pd.Timestamp("2026-01-31T12:00:00")])),
        ({"zone": "Europe/Berlin"}, pa.array([pd.Timestamp("2026-01-31T13:00:00")])),
        # What the served model itself takes: seconds.
        ({"format": "%d/%m/%Y"}, pa.array([1769860800])),
        ({}, pa.array([pd.Timestamp("2026-01-31T12:00:00.9", tz="UTC")])),
    ],
)
def test_one_time_in_every_declared_form(form, column):
    assert read(column, type="time", **form) == ([1769860800], [])


@pytest.mark.parametrize(
    ("form", "column"),
    [
        ({}, binary("1769860800123")),  # milliseconds, which nobody declared
        ({}, pa.array([1769860800123])),
        ({}, binary("20260131")),  # a compact date, or 1970-08-23
        ({}, binary("31/01/2026")),
        ({"format": "%d/%m/%Y"}, binary("2026-01-31")),
        ({"format": "%d/%m/%Y"}, binary("01/31/2026")),
        ({"format": "%d/%m/%Y"}, pa.array([1769860800123])),
        ({"unit": "s"}, binary("soon")),
        ({"format": "%d/%m/%Y"}, binary("0000-00-00")),
    ],
)
def test_a_time_in_another_form_is_never_guessed(form, column):
    assert read(column, type="time", **form) == ([None], [0])


def test_the_day_and_month_of_a_later_file_are_read_as_declared():
    # 2024-03-01 and 2024-03-12, although no value of this file says so.
    march = read(binary("01/03/2024", "12/03/2024"), type="time", format="%d/%m/%Y")
    assert march == ([1709251200, 1710201600], [])


def test_elapsed_times_keep_their_order_below_a_second():
    column = pa.array([0, 500_000_000, 1_000_000_001])
    assert read(column, type="time", unit="ns", elapsed=True)[0] == [0, 500_000, 1_000_000]
    assert read(binary("0.25", "1"), type="time", elapsed=True)[0] == [250_000, 1_000_000]


NUMBERS = st.lists(
    st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda x: round(x, 3))), min_size=1
)


@settings(deadline=None, max_examples=60)
@given(NUMBERS, st.sampled_from(",."), st.sampled_from([None, ".", ",", " ", "'"]), st.booleans())
def test_any_spelling_of_numbers_reads_as_the_numbers_themselves(numbers, decimal, thousands, unit):
    if thousands == decimal:
        thousands = None
    form = ColumnFormat(
        type="number", decimal=decimal, thousands=thousands, suffix="bar" if unit else ""
    )
    texts = [None if n is None else _spelled(n, form) for n in numbers]
    written, bad = read_column(binary(*texts), form, default_marks=DEFAULT)
    stored, _ = read_column(pa.array(numbers, pa.float64()), form, default_marks=DEFAULT)
    assert not bad.any()
    assert written.to_pylist() == stored.to_pylist()


def _spelled(number: float, form: ColumnFormat) -> str:
    text = f"{number:,.3f}" if form.thousands else f"{number:.3f}"
    swapped = text.replace(",", "T").replace(".", form.decimal or ".")
    return swapped.replace("T", form.thousands or "") + (f" {form.suffix}" if form.suffix else "")


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.one_of(st.none(), st.binary(max_size=6), st.text(max_size=6)), min_size=1, max_size=6
    )
)
def test_reading_never_fails_and_batches_agree_with_single_values(items):
    encoded = [item.encode() if isinstance(item, str) else item for item in items]
    for value_type in ("number", "code", "text", "truth", "time"):
        form = ColumnFormat(type=value_type)
        whole, bad = read_column(pa.array(encoded, pa.binary()), form, default_marks=DEFAULT)
        for place, item in enumerate(encoded):
            one, one_bad = read_column(pa.array([item], pa.binary()), form, default_marks=DEFAULT)
            assert whole[place].as_py() == one[0].as_py()
            assert bad[place] == one_bad[0]


def test_zero_width_characters_around_a_value_are_blanks():
    column = binary("\u200bacme", "acme\ufeff", "a\u200bc", "\u00a0 \u200b")
    assert read(column, type="text")[0] == [b"acme", b"acme", "a\u200bc".encode(), None]
    assert read(binary("\u200b4.5\u200b"), type="number") == ([4.5], [])


def test_the_minus_sign_of_typography_is_a_minus():
    assert read(binary("\u22122.5", "3", "\u2212"), type="number") == ([-2.5, 3.0, None], [2])
    assert read(binary("\u22121,5 bar"), type="number", decimal=",", suffix="bar") == ([-1.5], [])


@pytest.mark.parametrize("beside", ["2.5", "x"])
def test_a_number_that_float64_cannot_hold_does_not_fit_and_is_not_infinite(beside):
    column = binary("1e400", "-1e999", "inf", "-Infinity", beside)
    numbers, bad = read(column, type="number")
    assert numbers[:4] == [None, None, float("inf"), float("-inf")]
    assert bad == ([0, 1] if beside == "2.5" else [0, 1, 4])
    assert read(binary("1,5e400", "2,5"), type="number", decimal=",") == ([None, 2.5], [0])


@pytest.mark.parametrize(
    "column", [binary("1e308", "-1e39", "3e38"), pa.array([1e308, -1e39, 3e38], pa.float64())]
)
def test_a_number_that_float32_cannot_hold_does_not_fit(column):
    assert read(column, type="number") == ([None, None, 3e38], [0, 1])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2024-01-03 05:00:07,250", "ISO8601"),
        ("03.01.2024 05:00:07,250", "%d.%m.%Y %H:%M:%S.%f"),
    ],
)
def test_a_decimal_comma_before_the_fraction_of_a_second_is_read(text, form):
    # 2024-01-03T05:00:07Z is 1,704,258,007 s; whole seconds are kept.
    assert read(binary(text), type="time", format=form) == ([1_704_258_007], [])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("12. März 2024", "%d. %b %Y"),
        ("12-Mrz-2024", "%d-%b-%Y"),
        ("12 mars 2024", "%d %b %Y"),
        ("12 de marzo de 2024", "%d %B %Y"),
        ("March 12, 2024", "%B %d, %Y"),
        ("12. Ma\u0308rz. 2024", "%d. %b %Y"),  # a decomposed umlaut, and a full stop
        ("11.03.2024 24:00", "%d.%m.%Y %H:%M"),  # the end of the day before
        ("2024-03-11T24:00:00Z", "ISO8601"),
    ],
)
def test_months_by_name_and_the_end_of_a_day_are_read(text, form):
    # 2024-03-12T00:00:00Z is 1,710,201,600 s.
    assert read(binary(text), type="time", format=form) == ([1_710_201_600], [])


def test_the_end_of_a_day_of_23_hours_is_the_start_of_the_next():
    form = {"type": "time", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}
    end, _ = read(binary("31.03.2024 24:00"), **form)
    start, _ = read(binary("01.04.2024 00:00"), **form)
    assert end == start


def test_serial_dates_of_excel_are_read_to_the_second():
    # 45,123 is 2023-07-16; half a day later it is noon, 1,689,508,800 s.
    column = binary("45123.5", "45123,5", "45123.500001", "45,123", "1689508800")
    noon = 1_689_508_800
    assert read(column, type="time", unit="excel") == ([noon, noon, noon, None, None], [3, 4])
    assert read(pa.array([45_123.5, None]), type="time", unit="excel") == ([noon, None], [])


def test_a_date_that_is_a_mark_matches_stored_times_by_value():
    stored = pa.array(np.array(["1900-01-01", "2024-03-12", "9999-12-31"], "datetime64[us]"))
    form = {"type": "time", "missing": ("1900-01-01", "9999-12-31")}
    assert read(stored, **form) == ([None, 1_710_201_600, None], [])


def test_a_grouped_number_never_begins_with_zero():
    form = {"type": "number", "decimal": ",", "thousands": "."}
    assert read(binary("0.512", "012.345", "-0.512", "0,512"), **form)[1] == [0, 1, 2]


def test_the_part_of_a_text_that_the_contract_names_counts():
    form = ColumnFormat(type="text", part=r"^(.+)_[^_]+$")
    texts = [b"R01_S05_3", b"R01_S05_12", b" S06_1 ", b"S06", b"", None]
    values, bad = read_column(pa.array(texts), form, default_marks=())
    assert values.to_pylist() == [b"R01_S05", b"R01_S05", b"S06", None, None, None]
    assert bad.tolist() == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("part", "message"),
    [("^.+_", "one group in parentheses, got 0"), ("^(a)(b)", "got 2"), ("(", "regular expres")],
)
def test_a_part_is_a_regular_expression_with_one_group(part, message):
    with pytest.raises(ValidationError, match=message):
        ColumnFormat(type="text", part=part)

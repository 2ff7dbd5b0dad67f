"""How a new column is written: points and commas between thousands, truth values, dates."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.onboarding.profile.formats import DateOrder, TableFacts, Written, decide_formats
from pipeline.onboarding.profile.text_facts import TextFacts
from pipeline.reading.contract import read_column

MARKS = ("NA",)
COMMAS = [f"{n},5" for n in range(30)]  # a column that gives the table decimal commas


def binary(texts: Sequence[str]) -> pa.Array:
    return pa.array([text.encode() for text in texts], pa.binary())


def decide(
    texts: Sequence[str],
    *,
    name: str = "x",
    others: Sequence[str] = (),
    delimiter: str = ";",
    dates: DateOrder | None = None,
) -> Written:
    facts = {name: TextFacts(), "other": TextFacts()}
    facts[name].add(binary(texts), csv=True, default_marks=MARKS)
    facts["other"].add(binary(others), csv=True, default_marks=MARKS)
    table = TableFacts(default_marks=MARKS, delimiter=delimiter, dates=dates)
    return decide_formats(facts, table)[0][name]


def decided(texts: Sequence[str], **options: object) -> ColumnFormat:
    form = decide(texts, **options).form
    assert form is not None
    return form


def read(texts: Sequence[str], form: ColumnFormat) -> tuple[list[object], list[bool]]:
    values, bad = read_column(binary(texts), form, default_marks=MARKS)
    return values.to_pylist(), bad.tolist()


def fixed(number: float, num_decimals: int, decimal: str, thousands: str) -> str:
    text = f"{number:,.{num_decimals}f}"
    return text.replace(",", "T").replace(".", decimal).replace("T", thousands)


def shortest(number: float, decimal: str, thousands: str) -> str:
    """As locales write a number: grouped, without zeros at its end."""
    text = fixed(number, 3, decimal, thousands)
    return text.rstrip("0").rstrip(decimal)


GERMAN = [fixed(n, 2, ",", ".") for n in np.linspace(1.25, 9_876.54, 40)]


def test_a_decimal_point_in_a_later_file_does_not_fit_grouped_numbers_with_decimals():
    form = decided(GERMAN)
    assert form == ColumnFormat(type="number", decimal=",", thousands=".", decimals=True)
    later = ["72.470", "0.512", "1013.250", "72,47", "1.013,25", "95"]
    assert read(later, form)[1] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("decimal", "thousands"),
    [(".", ","), (".", " "), (".", "'"), (",", "."), (",", " "), (",", "'")],
)
def test_each_pair_of_a_decimal_mark_and_a_mark_between_thousands_is_read(decimal, thousands):
    numbers = np.linspace(1.25, 9_876.54, 40).round(2).tolist()
    texts = [fixed(number, 2, decimal, thousands) for number in numbers]
    assert read(texts, decided(texts)) == (numbers, [False] * 40)


def test_whole_numbers_between_numbers_with_decimals_stay_whole_numbers():
    texts = [*GERMAN, "1.200", "950"]
    form = decided(texts)
    assert not form.decimals
    assert read(["1.200", "3.450"], form) == ([1200.0, 3450.0], [False, False])


def test_numbers_that_only_a_decimal_point_puts_in_range_are_refused():
    low = [fixed(n, 2, ",", ".") for n in np.linspace(40, 1_100, 40)]
    with pytest.raises(InputError, match=r"`69\.910` have none.*Write all numbers in one way"):
        decide([*low, "72.470", "73.125", "69.910"])


def test_points_in_a_table_of_decimal_commas_are_between_thousands_where_all_may_be():
    texts = ["950", "1.200", "12.345", "880", "-1.050"] * 8
    form = decided(texts, others=COMMAS)
    assert read(texts[:3], form)[0] == [950.0, 1200.0, 12345.0]
    # 0.512 is never grouped, nor is 1950 beside 1.200: then the point is a decimal mark.
    for more in ("0.512", "7.25", "1950"):
        form = decided([*texts, more], others=COMMAS)
        assert read(["1.200", more], form)[0] == [1.2, float(more)]


MEASURED = st.lists(st.floats(-99_999, 99_999).map(lambda x: round(x, 3)), min_size=30, max_size=60)
STYLES = st.sampled_from([(",", "."), (".", ",")])


@settings(deadline=None, max_examples=12)
@given(MEASURED, MEASURED, STYLES, st.integers(1, 3))
def test_a_later_file_of_the_same_fixed_decimals_always_fits(first, later, style, num_decimals):
    delimiter = ";" if style[0] == "," else ","
    assume(any(abs(n) >= 1000 for n in first))
    form = decided([fixed(n, num_decimals, *style) for n in first], delimiter=delimiter)
    values, bad = read([fixed(n, num_decimals, *style) for n in later], form)
    assert not any(bad)
    assert values == pytest.approx([round(n, num_decimals) for n in later], abs=1e-9)


@settings(deadline=None, max_examples=12)
@given(MEASURED, MEASURED, STYLES)
def test_a_later_file_that_drops_zeros_fits_where_the_first_did(first, later, style):
    delimiter = ";" if style[0] == "," else ","
    # Some numbers are whole, as values of 1.200 and 950 are, and some are not.
    first = [round(n) if place % 3 else n for place, n in enumerate(first)]
    assume(any(abs(n) >= 1000 and n != round(n) for n in first))
    assume(any(abs(n) >= 1000 and n == round(n) for n in first))
    form = decided([shortest(n, *style) for n in first], delimiter=delimiter)
    later = [round(n) if place % 2 else n for place, n in enumerate(later)]
    values, bad = read([shortest(n, *style) for n in later], form)
    assert not any(bad)
    assert values == pytest.approx(later)


@settings(deadline=None, max_examples=12)
@given(MEASURED, st.lists(st.floats(-999, 999), min_size=1, max_size=20), STYLES)
def test_a_later_file_with_the_other_decimal_mark_and_three_decimals_never_fits(
    first, later, style
):
    delimiter = ";" if style[0] == "," else ","
    assume(any(abs(n) >= 1000 for n in first))
    form = decided([fixed(n, 2, *style) for n in first], delimiter=delimiter)
    assert all(read([fixed(n, 3, style[1], "") for n in later], form)[1])


@pytest.mark.parametrize(
    ("true", "false"),
    [
        *(("ja", "nein"), ("Oui", "Non"), ("s\u00ed", "no"), ("si", "no"), ("sim", "n\u00e3o")),
        *(("WAHR", "FALSCH"), ("vrai", "faux"), ("on", "off"), ("Y", "N"), ("J", "N")),
    ],
)
def test_truth_values_of_several_languages_are_truth_values_however_a_later_file_has_them(
    true, false
):
    form = decided([true, false] * 20)
    assert form == ColumnFormat(type="truth")
    assert read([true, false, "1", "0", "True", "maybe"], form) == (
        [b"true", b"false", b"true", b"false", b"true", None],
        [False] * 5 + [True],
    )


def test_points_of_the_compass_are_no_truth_values():
    assert decided(["O", "N", "S"] * 20).type == "text"
    assert decided(["O", "N"] * 20).type == "text"


DAYS = [f"{day:02d}.03.2024" for day in range(1, 32)]


@pytest.mark.parametrize("mark", ["31.12.9999", "01.01.1900", "01.01.1970", "01.01.0001"])
def test_a_placeholder_far_from_all_dates_is_a_missing_mark(mark):
    written = decide([*DAYS, *[mark] * 8])
    assert written.form == ColumnFormat(type="time", format="%d.%m.%Y")
    assert (written.marks, written.num_unfit) == ((mark,), 0)
    assert f"`{mark}` (8 rows) is no measured time" in written.reason
    values, bad = read_column(binary([mark, DAYS[0]]), written.given(MARKS), default_marks=MARKS)
    assert values.is_null().to_pylist() == [True, False]
    assert not bad.any()


AMBIGUOUS = [f"{a:02d}/{b:02d}/2024" for a in range(1, 13) for b in range(1, 13)]


def test_dates_that_may_be_day_first_or_month_first_are_asked_about():
    with pytest.raises(InputError, match="--dates day-first or --dates month-first"):
        decide(AMBIGUOUS)
    # One day above 12 in the last of 145 rows decides for all of them.
    assert decided([*AMBIGUOUS, "13/01/2024"]).format == "%d/%m/%Y"
    assert decided([*AMBIGUOUS, "01/13/2024"]).format == "%m/%d/%Y"


@pytest.mark.parametrize(
    ("dates", "seconds"),
    # 3 April and 4 March 2024.
    [("day-first", 1_712_102_400), ("month-first", 1_709_510_400)],
)
def test_the_order_of_day_and_month_that_the_person_gives_holds_for_later_files(dates, seconds):
    form = decided(AMBIGUOUS, dates=dates)
    assert read(["03/04/2024"], form) == ([seconds], [False])


COMPACT_DAYS = [f"2024{month:02d}{day:02d}" for month in range(1, 13) for day in range(1, 28)]


@pytest.mark.parametrize("bad", ["0", "00000000", "99999999", "20241345", "-"])
def test_one_bad_date_leaves_a_column_of_compact_dates_a_time(bad):
    written = decide([*COMPACT_DAYS, bad])
    assert written.form == ColumnFormat(type="time", format="%Y%m%d")
    assert written.num_unfit == 1
    assert read([bad], written.given(MARKS))[1] == [True]


def stored(numbers: Sequence[float | None], name: str) -> ColumnFormat | None:
    """How numbers of a Parquet file are written."""
    facts = TextFacts()
    facts.add(pa.array(numbers), csv=False, default_marks=MARKS)
    return decide_formats({name: facts}, TableFacts(default_marks=MARKS))[0][name].form


@pytest.mark.parametrize(
    ("clock", "time_format"),
    [
        ("", "%Y%m%d"),
        ("14", "%Y%m%d%H"),  # as seconds since 1970, an hour of 2034
        ("1430", "%Y%m%d%H%M"),
        ("143059", "%Y%m%d%H%M%S"),
    ],
)
def test_whole_numbers_that_are_dates_are_times_in_any_file(clock, time_format):
    texts = [f"202401{day}{clock}" for day in range(10, 30)]
    expected = ColumnFormat(type="time", format=time_format)
    assert decided(texts) == expected
    assert stored([int(text) for text in texts], "x") == expected


def test_dates_that_pandas_made_floats_because_one_is_missing_are_times():
    dates = [float(text) for text in COMPACT_DAYS]
    expected = ColumnFormat(type="time", format="%Y%m%d")
    assert decided([*map(str, dates), ""]) == expected
    for missing in (None, float("nan")):
        assert stored([*dates, missing], "day") == expected
    assert stored([*dates, 20240131.5], "day") == ColumnFormat(type="number")


def test_two_digits_of_a_year_are_a_date_in_a_column_that_is_named_so():
    numbers = [240110 + day for day in range(20)]
    assert stored(numbers, "test_date") == ColumnFormat(type="time", format="%y%m%d")
    assert stored(numbers, "part") == ColumnFormat(type="number")
    assert stored([*numbers[:15], *range(777777, 777782)], "date") == ColumnFormat(type="number")


@pytest.mark.parametrize("is_padded", [True, False])
def test_a_date_with_the_year_last_is_a_date_in_a_column_that_is_named_so(is_padded):
    texts = [f"{day:02d}032024" for day in range(1, 29)]
    texts = texts if is_padded else [text.lstrip("0") for text in texts]
    expected = ColumnFormat(type="time", format="%d%m%Y")
    assert decided(texts, name="test_date") == expected
    assert stored([int(text) for text in texts], "test_date") == expected
    assert stored([int(text) for text in texts], "part") == ColumnFormat(type="number")
    seconds = [1709251200 + 86_400 * day for day in range(28)]
    assert read(texts, expected) == (seconds, [False] * 28)
    numbers = pa.array([int(text) for text in texts])
    assert read_column(numbers, expected, default_marks=())[0].to_pylist() == seconds


def test_a_date_with_the_year_last_that_may_be_read_in_two_orders_is_asked_about():
    numbers = [int(f"{day:02d}032024") for day in range(1, 13)]
    with pytest.raises(InputError, match=r"%d%m%Y or %m%d%Y, and no value decides which"):
        stored(numbers, "date")


def test_seconds_since_1970_are_no_compact_dates():
    assert stored([1_706_000_000 + 3_600 * hour for hour in range(50)], "time") == ColumnFormat(
        type="number"
    )


def test_a_compact_placeholder_is_a_missing_mark():
    written = decide([*COMPACT_DAYS, "19000101"])
    assert (written.marks, written.num_unfit) == (("19000101",), 0)


@pytest.mark.parametrize("mark", ["0", "99991231", "99999999"])
def test_a_number_that_many_rows_have_in_place_of_a_date_is_a_missing_mark(mark):
    written = decide([*COMPACT_DAYS, *[mark] * 100])
    assert written.form == ColumnFormat(type="time", format="%Y%m%d")
    assert (written.marks, written.num_unfit) == ((mark,), 0)
    assert read([mark], written.given(MARKS)) == ([None], [False])


def test_more_compact_times_than_distinct_numbers_are_kept_are_times():
    stamps = np.datetime64("2024-01-01T00:00:00") + np.arange(6_000) * np.timedelta64(10, "m")
    texts = ["".join(c for c in str(stamp) if c.isdigit()) for stamp in stamps]
    assert decided(texts) == ColumnFormat(type="time", format="%Y%m%d%H%M%S")


def test_whole_numbers_of_which_only_some_look_like_dates_are_numbers():
    assert decided([*COMPACT_DAYS, *(str(n * 377_123) for n in range(60))]).type == "number"


def test_whole_numbers_with_leading_zeros_are_names():
    texts = [f"{n:05d}" for n in range(300)]
    written = decide(texts)
    assert written.form == ColumnFormat(type="text", digits=5)
    assert "leading zeros" in written.reason
    assert read(["00042"], decided(texts)) == ([b"00042"], [False])


@pytest.mark.parametrize("other", ["42", "-0042"])
def test_names_of_several_lengths_or_with_a_sign_promise_no_digits(other):
    texts = [*(f"{n:05d}" for n in range(300)), other]
    assert decide(texts).form == ColumnFormat(type="text")


def test_a_date_of_1970_among_others_of_its_time_is_a_date():
    years = [f"01.01.{year}" for year in range(1955, 1990)]
    assert decide([*years, *["01.01.1970"] * 5]).marks == ()


def test_a_placeholder_among_stored_times_is_a_missing_mark():
    days = np.arange("2024-03-01", "2024-03-20", dtype="datetime64[D]")
    stored = pa.array(np.append(days, np.datetime64("1900-01-01"))).cast(pa.timestamp("us"))
    facts = TextFacts()
    facts.add(stored, csv=False, default_marks=MARKS)
    table = TableFacts(default_marks=MARKS)
    written = decide_formats({"t": facts}, table)[0]["t"]
    assert written.marks == ("1900-01-01",)
    values, bad = read_column(stored, written.given(MARKS), default_marks=MARKS)
    assert values.null_count == 1
    assert values[19].as_py() is None
    assert not bad.any()


def test_month_names_of_several_languages_are_times():
    texts = ["12. M\u00e4rz 2024", "13. Okt. 2024", "14. December 2024", "1. Mai 2023"]
    written = decide(texts * 5)
    assert written.form == ColumnFormat(type="time", format="%d. %b %Y")
    assert written.num_unfit == 0


POINTS = [f"{n / 7:.2f}" for n in range(8, 48)]


def test_files_with_points_and_files_with_commas_are_refused():
    commas = [text.replace(".", ",") for text in POINTS]
    with pytest.raises(InputError, match=r"40 numbers such as `1\.14` have a decimal point"):
        decide([*POINTS, *commas])


def test_one_decimal_point_among_many_commas_is_a_bad_row():
    commas = [text.replace(".", ",") for text in POINTS]
    form = decided([*commas, "2.5"])
    assert read(["2.5", "2,5"], form) == ([None, 2.5], [True, False])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([*POINTS, "410 kPa"], "the unit `kPa` and some, .*, and they are of another size"),
        (["1.2k", "3.4k", "950", "780"], "the unit `k` and some, such as `950`, have none"),
        (["79 %", "12 %", "0.31"], "a per cent sign and some, such as `0.31`, have none"),
    ],
)
def test_numbers_of_which_only_some_have_a_unit_are_refused_if_they_are_of_another(texts, message):
    with pytest.raises(InputError, match=message):
        decide(texts)


def test_a_unit_that_only_some_cells_repeat_is_read():
    texts = [text if n % 2 else f"{text} bar" for n, text in enumerate(POINTS)]
    assert read(["4.5 bar", "4.5"], decided(texts)) == ([4.5, 4.5], [False, False])


@pytest.mark.parametrize(("text", "delimiter"), [("1.234", ";"), ("1,234", "\t"), ("1,234", "")])
def test_numbers_with_a_unit_and_three_digits_after_a_mark_are_refused(text, delimiter):
    with pytest.raises(InputError, match=rf"`{text} kg` have a decimal mark or a thousands sep"):
        decide([f"{text} kg"] * 30, delimiter=delimiter)
    # A column of decimal commas decides: 1.234 kg is 1234 kg, and 1,234 kg is not.
    form = decided([f"{text} kg"] * 30, others=COMMAS, delimiter=delimiter)
    assert read([f"{text} kg"], form) == ([1234.0 if "." in text else 1.234], [False])


@pytest.mark.parametrize("suffix", ["%", "k"])
def test_a_later_number_without_the_sign_that_scales_does_not_fit(suffix):
    form = decided([f"{text} {suffix}" for text in POINTS])
    assert read([f"12.5{suffix}", "0.125", "0"], form)[1] == [False, True, False]


@pytest.mark.parametrize("hidden", ["xx", "XX", "**"])
def test_a_name_with_hidden_digits_is_no_number_with_a_unit(hidden):
    assert decided([f"{area}{hidden}" for area in range(100, 160)]).type == "text"


def test_versions_are_names():
    texts = ["1.1", "1.10", "1.2", "2.0"] * 10
    facts = {"firmware": TextFacts(), "flow": TextFacts()}
    for one in facts.values():
        one.add(binary(texts), csv=True, default_marks=MARKS)
    written, _ = decide_formats(facts, TableFacts(default_marks=MARKS, delimiter=","))
    assert (written["firmware"].form, written["flow"].form) == (
        ColumnFormat(type="text"),
        ColumnFormat(type="number"),
    )


def test_many_states_of_a_logger_among_measurements_are_missing_marks():
    states = [f"State {chr(65 + n)}" for n in range(14)]
    numbers = [f"{n / 7:.4f}" for n in range(400)]
    assert set(decide([*numbers, *states]).marks) == set(states)


@pytest.mark.parametrize("per_second", [1, 1_000])
@pytest.mark.parametrize("placeholder", ["0", "-1"])
def test_zero_among_times_since_1970_is_missing(per_second, placeholder):
    texts = [str((1_700_000_000 + 3_600 * n) * per_second) for n in range(40)]
    assert decide([*texts, placeholder]).marks == (placeholder,)


def test_zero_among_counts_is_a_number():
    assert decide([str(1_000 * n) for n in range(40)]).marks == ()


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("31Jan2024", "%d%b%Y"),
        ("31JAN2024:06:30:00", "%d%b%Y:%H:%M:%S"),
        ("31/Jan/2024:07:30:00 +0100", "%d/%b/%Y:%H:%M:%S %z"),
        ("Wed, 31 Jan 2024 06:30:00 GMT", "%a, %d %b %Y %H:%M:%S GMT"),
        ("2024-01-31 06:30:00 UTC", "%Y-%m-%d %H:%M:%S UTC"),
        ("20240131T063000Z", "%Y%m%dT%H%M%SZ"),
        ("Jan 31 2024 06:30AM", "%b %d %Y %I:%M%p"),
        ("31.1.2024, 06:30:00", "%d.%m.%Y, %H:%M:%S"),
        ("1/31/2024, 6:30:00 AM", "%m/%d/%Y, %I:%M:%S %p"),
        ("2024/01/31T06:30:00", "%Y/%m/%dT%H:%M:%S"),
    ],
)
def test_times_of_programs_are_read(text, time_format):
    form = decided([text, text, text])
    assert form.format == time_format
    # 2024-01-31 is 1,706,659,200 s after 1970; half past six is 23,400 s later.
    clock = 0 if time_format == "%d%b%Y" else 23_400
    assert read([text], form) == ([1_706_659_200 + clock], [False])


@pytest.mark.parametrize(
    "write",
    [
        lambda n: f"'{n}.25",
        lambda n: f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d}" if n % 2 else f"{n % 28 + 1}.5.2024",
        lambda n: f"{n % 28 + 1:02d}.01.2024 {n % 24:02d}h{n % 60:02d}",
        lambda n: f"{n / 8:.3f}" if n % 3 else f"E{n}",
        lambda n: str([n / 8] * 16),
        lambda n: " ".join([str(n / 8)] * 16),
    ],
)
def test_texts_that_look_like_numbers_or_times_are_noticed(write):
    assert decide([write(n) for n in range(60)]).resembles


@pytest.mark.parametrize(
    "write",
    [
        lambda n: f"R{n}",
        lambda n: f"{n}-{n % 7}",
        lambda n: f"A {n}",
        lambda n: f"10.0.{n}.{n % 7}",
        lambda n: f"{n:02d}:1f:0a",
    ],
)
def test_codes_are_not_taken_for_unread_numbers(write):
    assert not decide([write(n) for n in range(60)]).resembles


EUROS = [fixed(n, 2, ",", ".") + " €" for n in np.linspace(5_000, 90_000, 40)]
THOUSANDS = [fixed(n, 0, ",", ".") for n in np.linspace(300, 38_000, 80)]


def test_numbers_with_a_unit_give_the_table_its_decimal_comma():
    # 1.234 beside 5.000,00 € is 1234, in any delimiter.
    for delimiter in (";", ","):
        form = decided(THOUSANDS, others=EUROS, delimiter=delimiter)
        assert read(["1.234", "950"], form) == ([1234.0, 950.0], [False, False])


def test_many_whole_numbers_beside_numbers_with_three_digits_after_a_point_are_thousands():
    assert read(["1.234"], decided(THOUSANDS))[0] == [1234.0]
    # Without one below 1,000, each may be a number with three decimals.
    with pytest.raises(InputError, match="a decimal point or a point between thousands"):
        decide([text for text in THOUSANDS if "." in text])


def test_numbers_with_a_unit_and_three_digits_after_a_comma_do_not_decide():
    weights = [f"{n},500 kg" for n in range(1, 40)]
    assert read(["1.5"], decided(["1.5", "2.25", "3.125"], others=weights))[0] == [1.5]


@pytest.mark.parametrize(
    ("written", "marks"),
    [("${:,.2f}", (None, ",")), ("CHF {:,.0f}", (None, "'")), ("€ {:.2f}", (None, None))],
)
def test_amounts_with_a_currency_before_them_are_numbers(written, marks):
    numbers = np.linspace(5, 98_765, 60).round(0)
    texts = [written.format(n).replace(",", marks[1] or ",") for n in numbers]
    form = decided(texts, delimiter=",")
    assert (form.decimal, form.thousands) == marks
    assert read(texts, form) == (numbers.tolist(), [False] * 60)
    sign = written.split("{")[0]
    assert read([f"-{sign}7", f"{sign}-7", "7"], form)[0] == [-7.0, -7.0, 7.0]
    # Another currency does not fit.
    assert read(["£7"], form)[1] == [True]


def test_amounts_of_two_currencies_are_no_numbers():
    assert decided([f"{'$€'[n % 2]}{n}.50" for n in range(60)]).type == "text"


def test_lists_of_codes_in_cells_are_no_numbers_with_decimal_commas():
    counties = ["19", "55", "6,17", "49,48,17,6", *(str(n) for n in range(1, 60))]
    facts = {"counties": TextFacts(), "latitude": TextFacts()}
    facts["counties"].add(binary(counties), csv=True, default_marks=MARKS)
    facts["latitude"].add(binary(["37.9", "34.6"] * 31), csv=True, default_marks=MARKS)
    table = TableFacts(default_marks=MARKS, delimiter=",")
    written, decimal = decide_formats(facts, table)
    assert decimal == "."
    assert written["counties"].form == ColumnFormat(type="text")
    assert written["latitude"].form == ColumnFormat(type="number")


def test_a_pair_of_identifiers_is_no_number_with_a_decimal_comma():
    plots = ["46,47", *(str(n) for n in range(1, 60))]
    assert decided(plots, name="plot_ID").type == "text"
    assert decided(plots, name="load").decimal == ","


def test_numbers_with_several_separators_are_no_lists():
    assert decided([f"{n},234,567" for n in range(1, 50)]).thousands == ","

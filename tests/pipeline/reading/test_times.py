import re
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.reading import times
from pipeline.reading.times import (
    PER_SECOND,
    TEXT_FORMATS,
    formats_that_read,
    outline_of,
    parse_texts,
    read_times,
)


@pytest.mark.parametrize(
    "texts",
    [
        ["25.11.2024 13:45:30,250", "3. März 2024", "01/02/03"],
        ["2024-11-25T24:00", "2024-11-25 13:45:30+02:00", "5-3-2021"],
        ["1.234,56", "20241125", "Nov. 3, 2024", "1er mars 2024", "25/Nov/2024:13:45:30 +0200"],
    ],
)
def test_every_format_that_reads_a_text_is_tried(texts):
    column = pa.array(texts)
    reading = [f for f in TEXT_FORMATS if parse_texts(column, f)[0].null_count < len(texts)]
    assert list(formats_that_read(column, np.ones(len(texts), np.int64))) == reading


def test_a_time_written_by_a_format_has_its_outline():
    written = datetime(2024, 3, 5, 9, 7, 30, 250_000, tzinfo=UTC)
    for time_format in TEXT_FORMATS[1:]:
        text = written.strftime(time_format.replace("%q", "1"))
        short, german = re.sub(r"\b0(\d)", r"\1", text), text.replace("Mar", "MÄRZ")
        matches = pc.match_substring_regex(pa.array([text, short, german]), outline_of(time_format))
        assert matches.to_pylist() == [True] * 3, time_format
        assert parse_texts(pa.array([text]), time_format)[0].null_count == 0


def test_each_format_that_init_knows_may_be_in_a_config():
    assert [ColumnFormat(type="time", format=one).format for one in TEXT_FORMATS] == [*TEXT_FORMATS]


def test_a_format_whose_parts_contradict_each_other_is_named():
    with pytest.raises(InputError, match=r"the format '%G-%m' of data.columns: .*%G"):
        parse_texts(pa.array(["2024-11"]), "%G-%m")


def test_texts_of_iso_8601_are_read_by_no_other_format():
    texts = pa.array(["2024-11-25", "2024-11-26T13:45"])
    assert formats_that_read(texts, np.array([1, 2])) == {"ISO8601": 3}


@pytest.mark.parametrize("time_format", ["ISO8601", "%Y-%m-%d", "%d.%m.%Y %H:%M"])
def test_words_for_the_present_are_no_times(time_format):
    times, unread = parse_texts(pa.array(["now", "today", None]), time_format)
    assert times.null_count == 3
    assert unread.tolist() == [True, True, False]


_SIX = 1_706_680_800  # 2024-01-31 06:00 UTC


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_an_offset_of_hours_as_postgresql_writes_it_holds_for_its_own_row(zone):
    texts = pa.array(["2024-01-31 07:00:00+01", "2024-01-31 06:00:00", "2024-01-31 08:00+02:00"])
    times, unread = parse_texts(texts, "ISO8601", zone)
    # Kolkata is 5.5 h ahead of UTC.
    bare = _SIX - (19_800 if zone == "Asia/Kolkata" else 0)
    assert times.to_pylist() == [_SIX, bare, _SIX]
    assert not unread.any()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("offset", ["-1", "+1:00", "+01:00:30", "+0100Z", " CET"])
def test_another_offset_is_no_time_of_iso_8601(offset, zone):
    texts = pa.array([f"2024-01-31 07:00:00{offset}", "2024-01-31 07:00:00"])
    assert parse_texts(texts, "ISO8601", zone)[1].tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2024-01-31 06:00:00 UTC", "%Y-%m-%d %H:%M:%S UTC"),
        ("Wed, 31 Jan 2024 06:00:00 GMT", "%a, %d %b %Y %H:%M:%S GMT"),
        ("20240131T060000Z", "%Y%m%dT%H%M%SZ"),
        ("2024-01-31 07:00 CET", "%Y-%m-%d %H:%M %Z"),
        ("31/Jan/2024:07:00:00 +0100", "%d/%b/%Y:%H:%M:%S %z"),
    ],
)
def test_a_zone_does_not_move_times_that_say_their_own(text, time_format):
    assert parse_texts(pa.array([text]), time_format, "Asia/Kolkata")[0].to_pylist() == [_SIX]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("31-JAN-24 06.00.00.000000 AM", "%d-%b-%y %I.%M.%S.%f %p"),
        ("20240131_060000", "%Y%m%d_%H%M%S"),
        ("20240131-060000", "%Y%m%d-%H%M%S"),
        ("2024\u5e741\u670831\u65e5 6:00", "%Y\u5e74%m\u6708%d\u65e5 %H:%M"),
    ],
)
def test_times_of_databases_loggers_and_east_asian_tables_are_found(text, time_format):
    texts = pa.array([text])
    assert time_format in formats_that_read(texts, np.ones(1, np.int64))
    assert parse_texts(texts, time_format)[0].to_pylist() == [_SIX]


@pytest.mark.parametrize(
    ("whole", "broken", "time_format"),
    [
        ("20240131", ["2024131", "202411", "2024-1-3"], "%Y%m%d"),
        ("20240131060000", ["2024013106000", "202413160"], "%Y%m%d%H%M%S"),
        ("20240131T060000", ["20240131T6000", "2024131T060000"], "%Y%m%dT%H%M%S"),
        ("31.1.24 0600", ["31.1.24 600"], "%d.%m.%y %H%M"),
    ],
)
def test_numbers_with_nothing_between_need_all_their_digits(whole, broken, time_format):
    times, _ = parse_texts(pa.array([whole, *broken]), time_format)
    midnight = 0 if time_format == "%Y%m%d" else 21_600
    assert times.to_pylist() == [_SIX - 21_600 + midnight, *[None] * len(broken)]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()])
@pytest.mark.parametrize("written", PER_SECOND)
@pytest.mark.parametrize("declared", PER_SECOND)
def test_a_time_in_another_unit_than_the_declared_one_is_bad_and_never_a_time_of_1970(
    declared, written, kind
):
    # 1980-06-01, 2024-03-01 and 2099-01-01; 0 is the start of 1970 in any unit.
    seconds = [328_665_600, 1_709_251_200, 4_070_908_800, 0]
    column = pa.array([one * PER_SECOND[written] for one in seconds], pa.int64()).cast(
        kind, safe=False
    )
    read, bad = read_times(column, ColumnFormat(type="time", unit=declared))
    if written == declared:
        assert (read.to_pylist(), bad.any()) == (seconds, False)
    else:
        assert (read.to_pylist(), bad.tolist()) == ([None, None, None, 0], [True] * 3 + [False])


def test_whole_numbers_are_read_by_the_digits_of_a_compact_format():
    # 2024-01-31 14:00 UTC; the hour 25 does not exist, and as seconds 2024013125 is of 2034.
    seconds, bad = read_times(
        pa.array([2024013114, None, 2024013125, 7]), ColumnFormat(type="time", format="%Y%m%d%H")
    )
    assert seconds.to_pylist()[:2] == [1706709600, None]
    assert bad.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([20240131.0, None, float("nan"), 20240230.0, 1706709600.0, 1.5]),
        pa.array(["20240131.0", None, None, "20240230.0", "2024-01-31", "1.5"]),
    ],
    ids=["floats", "texts"],
)
def test_floats_are_read_by_the_digits_of_a_compact_format(column):
    # pandas writes whole numbers as floats where one is missing: 2024-01-31, and no 30 February.
    seconds, bad = read_times(column, ColumnFormat(type="time", format="%Y%m%d"))
    assert seconds.to_pylist()[:4] == [1706659200, None, None, None]
    assert bad.tolist()[:4] == [False, False, False, True]
    assert bad.tolist()[5]


def test_seconds_stay_seconds_in_a_column_of_compact_dates():
    # A client of the served model sends seconds: 2024-01-31 14:00 UTC.
    seconds, bad = read_times(
        pa.array([1706709600, 20240131]), ColumnFormat(type="time", format="%Y%m%d")
    )
    assert seconds.to_pylist() == [1706709600, 1706659200]
    assert not bad.any()


def test_a_stored_mark_of_a_compact_date_is_missing():
    form = ColumnFormat(type="time", format="%Y%m%d", missing=("0",))
    seconds, bad = read_times(pa.array([20240131, 0]), form)
    assert seconds.to_pylist() == [1706659200, None]
    assert not bad.any()


@pytest.mark.parametrize(
    ("text", "time_format", "date"),
    [
        ("Dec-2011", "%b-%Y", "2011-12-01"),
        ("2011-12", "%Y-%m", "2011-12-01"),
        ("12/2011", "%m/%Y", "2011-12-01"),
        ("2011Q3", "%YQ%q", "2011-07-01"),
        ("Q4 2011", "Q%q %Y", "2011-10-01"),
    ],
)
def test_a_month_or_a_quarter_is_its_first_day(text, time_format, date):
    assert time_format in times.TEXT_FORMATS
    seconds, bad = times.parse_texts(pa.array([text, "Q5 2011", "2011Q0"]), time_format)
    assert seconds[0].as_py() == np.datetime64(date, "s").astype(int)
    assert bad.tolist() == [False, True, True]


def test_the_number_of_a_quarter_needs_its_letter():
    with pytest.raises(ValidationError, match="without a Q before it"):
        ColumnFormat(type="time", format="%Y-%q")

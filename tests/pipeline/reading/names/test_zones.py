import pyarrow as pa
import pytest

from pipeline.reading.names.zones import ambiguous_zone
from pipeline.reading.times import parse_texts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-07-01 12:00 UTC", 1_688_212_800),
        ("2023-07-01 12:00 CEST", 1_688_212_800 - 7_200),
        # In summer too, CET is one hour ahead.
        ("2023-07-01 12:00 CET", 1_688_212_800 - 3_600),
        ("2023-07-01 12:00 MESZ", 1_688_212_800 - 7_200),
    ],
)
def test_the_name_of_a_zone_is_one_offset(text, seconds):
    times, unread = parse_texts(pa.array([text]), "%Y-%m-%d %H:%M %Z", "Asia/Kolkata")
    assert times.to_pylist() == [seconds]
    assert not unread.any()


@pytest.mark.parametrize("zone", ["EST", "EDT", "IST", "XYZ", "UTC+2", ""])
def test_a_name_of_several_meanings_or_none_is_no_time(zone):
    texts = pa.array([f"2023-07-01 12:00 {zone}"])
    assert parse_texts(texts, "%Y-%m-%d %H:%M %Z")[1].tolist() == [True]


def test_an_hour_that_comes_twice_has_two_instants():
    texts = pa.array(["2023-10-29 02:30 CEST", "2023-10-29 02:30 CET"])
    first, second = parse_texts(texts, "%Y-%m-%d %H:%M %Z")[0].to_pylist()
    assert second - first == 3_600


@pytest.mark.parametrize(
    ("text", "zone"),
    [("01/02/2023 12:00 AM EST", "EST"), ("2023-07-01 12:00 CET", ""), ("ESTIMATE 3", "")],
)
def test_a_zone_with_several_meanings_is_named(text, zone):
    assert ambiguous_zone(text) == zone

import numpy as np
import pyarrow as pa
import pytest

from pipeline.reading.times import TEXT_FORMATS, formats_that_read, parse_texts


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


def test_texts_of_iso_8601_are_read_by_no_other_format():
    texts = pa.array(["2024-11-25", "2024-11-26T13:45"])
    assert formats_that_read(texts, np.array([1, 2])) == {"ISO8601": 3}


@pytest.mark.parametrize("time_format", ["ISO8601", "%Y-%m-%d", "%d.%m.%Y %H:%M"])
def test_words_for_the_present_are_no_times(time_format):
    times, unread = parse_texts(pa.array(["now", "today", None]), time_format)
    assert times.null_count == 3
    assert unread.tolist() == [True, True, False]

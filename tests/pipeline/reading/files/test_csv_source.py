import gzip
from dataclasses import replace

import pytest

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import csv_source, sources
from pipeline.reading.files.csv_header import read_header
from pipeline.reading.files.pieces import Piece


def whole(path):
    return Piece(index=0, path=str(path), format="csv")


def read_all(path, **layout: object):
    piece = replace(whole(path), layout=CsvLayout(**layout))
    batches = list(sources.read_piece(piece))
    rows = {name: [] for name in batches[0].batch.schema.names} if batches else {}
    for raw in batches:
        for name, values in raw.batch.to_pydict().items():
            rows[name] += values
    return rows, [bad for raw in batches for bad in raw.bad_rows], batches


def test_values_stay_text_and_only_empty_fields_become_null(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\n,NA\n")
    rows, bad, _ = read_all(path)
    assert rows == {"a": [b"1", None], "b": [b"x", b"NA"]}
    assert bad == []


def test_a_ragged_row_after_a_quoted_line_break_is_named_by_its_physical_line(tmp_path):
    path = tmp_path / "a.csv"
    # Lines: 1 header, 2 and 3 the first record, 4 blank, 5 the ragged one, 6 a good one.
    path.write_text('a,b\n1,"x\ny"\n\n2\n3,z\n')
    rows, bad, batches = read_all(path)
    assert rows["b"] == [b"x\ny", b"z"]
    assert list(batches[0].rows) == [1, 3]
    [located] = csv_source.with_lines(whole(path), bad)
    assert (located.row, located.line) == (2, 5)
    assert located.reason == "has 1 fields, the header has 2"


def test_a_gzipped_file_with_semicolons_is_read(tmp_path):
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wt") as text:
        text.write("a;b\n1;2\n")
    rows, _, _ = read_all(path)
    assert rows == {"a": [b"1"], "b": [b"2"]}


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_header(str(path)).names == ("a", "b")
    assert read_all(path)[0] == {"a": [b"1"], "b": [b"2"]}


@pytest.mark.parametrize("blank", [b"\n", b"\r\n \r\n", b"\xef\xbb\xbf\n"])
def test_blank_lines_before_the_header_do_not_make_it_a_row(tmp_path, blank):
    path = tmp_path / "a.csv"
    path.write_bytes(blank + b"a,b\n1,2\n3\n")
    rows, bad, _ = read_all(path)
    assert rows == {"a": [b"1"], "b": [b"2"]}
    [located] = csv_source.with_lines(whole(path), bad)
    assert (located.row, located.line, located.text) == (2, blank.count(b"\n") + 3, "3")


def test_a_column_without_a_name_gets_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",b\n0,2\n")
    assert read_all(path)[0] == {"unnamed_0": [b"0"], "b": [b"2"]}


def test_an_undecodable_byte_in_a_row_does_not_hide_the_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,\xff\n")
    assert read_all(path)[0]["b"] == [b"\xff"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,a\n1,2\n", "contains `a` more than once"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", "byte order mark of utf-16"),
        (b"a,\xff\n1,2\n", "not UTF-8 text"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_header(str(path))


def test_a_quote_that_is_never_closed_is_reported(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n"3,4\n5,6\n')
    _, bad, _ = read_all(path)
    [located] = csv_source.with_lines(whole(path), bad)
    assert located.line == 3

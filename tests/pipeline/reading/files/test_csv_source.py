import gzip
from dataclasses import replace

import pytest

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import csv_source, sources
from pipeline.reading.files.csv_header import first_cells, looks_like_data, read_header
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
        (b"a,a\n1,2\n", r"contains `a` more than once \(column 1 'a', column 2 'a'\)"),
        (b"a, a\n1,2\n", r"contains `a` more than once \(column 1 'a', column 2 ' a'\)"),
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


def test_blanks_around_column_names_are_trimmed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeff a ,\u00a0b\u200b,\tc d\n1,2,3\n", encoding="utf-8")
    assert read_all(path)[0] == {"a": [b"1"], "b": [b"2"], "c d": [b"3"]}


def test_a_given_delimiter_counts_and_a_quoted_one_in_the_header_does_not(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"a,b,c";d\n1,5;2\n')
    assert read_all(path)[0] == {"a,b,c": [b"1,5"], "d": [b"2"]}
    path.write_text("a~b,c\n1~2,3\n")
    assert read_all(path, delimiter="~")[0] == {"a": [b"1"], "b,c": [b"2,3"]}


@pytest.mark.parametrize("delimiter", ["§", '"', "\n"])
def test_a_delimiter_that_cannot_be_one_is_an_error(tmp_path, delimiter):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"data\.delimiter is "):
        read_all(path, delimiter=delimiter)


def test_a_file_without_a_header_takes_the_given_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n1,5;2,5\n3,5\n4,5;6,5\n")
    rows, bad, batches = read_all(path, header=("a", " b"))
    # Two names mean one delimiter in a row: the semicolon, though there are two commas.
    assert rows == {"a": [b"1,5", b"4,5"], "b": [b"2,5", b"6,5"]}
    assert list(batches[0].rows) == [1, 3]
    piece = replace(whole(path), layout=CsvLayout(header=("a", "b")))
    [located] = csv_source.with_lines(piece, bad)
    assert (located.row, located.line, located.text) == (2, 3, "3,5")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (("a", "b", "c"), "data.header has 3 names, .* has 2 fields, divided at ','. Give one"),
        (("a", "a "), "more than once"),
    ],
)
def test_given_names_that_do_not_fit_are_an_error(tmp_path, header, message):
    path = tmp_path / "a.csv"
    path.write_text("1,2\n")
    with pytest.raises(InputError, match=message):
        read_all(path, header=header)


def test_given_names_that_fit_another_delimiter_name_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1;2\n")
    with pytest.raises(
        InputError, match=r"2 names, .* 1 field, divided at ','\. Is its delimiter ';'"
    ):
        read_all(path, header=("a", "b"), delimiter=",")


@pytest.mark.parametrize("units", ["bar,K", "bar", "\n\nbar,K", '"bar\nabs",K'])
def test_a_row_of_units_is_skipped_and_rows_keep_their_numbers(tmp_path, units):
    path = tmp_path / "a.csv"
    path.write_text(f"a,b\n{units}\n1,2\n3\n5,6\n")
    rows, bad, batches = read_all(path, units_row=True)
    assert rows == {"a": [b"1", b"5"], "b": [b"2", b"6"]}
    assert list(batches[0].rows) == [2, 4]
    piece = replace(whole(path), layout=CsvLayout(units_row=True))
    [located] = csv_source.with_lines(piece, bad)
    assert (located.row, located.line) == (3, 4 + units.count("\n"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("4.02,310.5,1", True),
        ("2026-01-31 12:00:00,4.02", True),
        ("31.01.2026,12:30,-1e-3", True),
        ("ok,4.02,ok", True),  # no header has one name twice
        ("pressure,temperature", False),
        ("p1,310,t2", False),
        (",a", False),
        ("2026", False),
        ("time,2025,2026", False),
    ],
)
def test_a_first_line_of_numbers_times_or_repeats_looks_like_data(tmp_path, line, expected):
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\n1,2,3\n")
    assert looks_like_data(first_cells(str(path))) is expected


@pytest.mark.parametrize("opening", ['"ja', 'x;"ja;nein'])
def test_a_quote_left_open_is_refused_where_it_would_swallow_rows(tmp_path, opening):
    rows = ["1;2;3;a", f"4;5;{opening}" if ";" in opening else f"4;5;6;{opening}"]
    rows += [f"{n};8;9;b" for n in range(20)]
    path = tmp_path / "open.csv"
    path.write_text("\n".join(["p;q;r;s", *rows]) + "\n")
    with pytest.raises(InputError, match=r"open\.csv, row 2: a quote opens a field"):
        list(sources.read_batches(str(path), "csv"))


def test_a_text_of_several_lines_in_quotes_is_read(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text('p;q;r;s\n1;2;3;"one; two\nthree"\n4;5;6;b\n')
    [raw] = sources.read_batches(str(path), "csv")
    assert raw.batch.column("s").to_pylist() == [b"one; two\nthree", b"b"]


def _with_row(rows, place, text, *, num_replaced):
    return "\n".join([*rows[:place], text, *rows[place + num_replaced :]]) + "\n"


def _read_text(tmp_path, text):
    path = tmp_path / "notes.csv"
    path.write_text(text)
    batches = list(sources.read_batches(str(path), "csv"))
    return [bad for raw in batches for bad in raw.bad_rows], sum(len(raw.rows) for raw in batches)


@pytest.mark.parametrize(
    ("header", "row", "opening"),
    [
        # The next row closes the quote with its own, or by chance.
        ("id,note", "{n},fine", '6,"open\n7,"fine"'),
        ("id,note", "{n},fine", '6,"open\n7,closed"'),
        ("id,note,failed", "{n},fine,0", '6,"open,0\n7,"fine",1'),
        ("note,failed", "fine,{b}", '"open,0\nfine",1'),
        ("pressure,note", "{p},fine", '4.5,"open\n4.6,"fine"'),
        ("pressure,note,failed", "{p},fine,{b}", '4.5,"open,1\n4.6,closed",0'),
        # Two more rows.
        ("id,note,failed", "{n},fine,{b}", '6,"open,0\n7,fine,1\n8,closed",0'),
        # One row, of many columns.
        ("id,a,b,note,c", "{n},1,2,fine,3", '6,1,2,"open,3\n7,1,2,closed",3'),
    ],
)
def test_a_quote_that_swallows_a_row_puts_it_aside(tmp_path, header, row, opening):
    rows = [row.format(n=n, p=4 + n % 7 / 5, b=n % 2) for n in range(1, 31)]
    num_rows = 1 + opening.count("\n")
    text = header + "\n" + _with_row(rows, 5, opening, num_replaced=num_rows)
    [bad], num_read = _read_text(tmp_path, text)
    assert bad.row == 6
    assert bad.reason.startswith("a quoted field seems to hold the row after it; close the quote")
    assert bad.text.startswith("open")
    assert num_read == 30 - num_rows


@pytest.mark.parametrize(
    ("header", "row", "note"),
    [
        ("id,note", "{n},fine", '6,"Checked\n3,ok"'),  # 3 is not between 5 and 7
        ("id,note", "{n},fine", '6,"Flow\n6,5 bar"'),  # a decimal comma
        ("id,note", "{n},fine", '6,"He said\nok, ""fine"""'),
        ("id,note", "{n},fine", '6,"one\ntwo"'),
        ("note,failed", "fine,{b}", '"Pressure 3,5\nok",1'),
        ("note,failed", "fine,{b}", '"first,\nthen",1'),
        ("maker,note", "a,fine", 'a,"first\nthen, later"'),
        ("id,note,failed", "{n},fine,0", '6,"a, b\nc",0'),
        ("pressure,note", "{p},fine", '4.5,"Checked\n400,ok"'),
    ],
)
def test_a_note_of_several_lines_with_delimiters_is_read(tmp_path, header, row, note):
    rows = [row.format(n=n, p=4 + n % 7 / 5, b=n % 2) for n in range(1, 31)]
    text = header + "\n" + _with_row(rows, 5, note, num_replaced=1)
    assert _read_text(tmp_path, text) == ([], 30)


def test_a_row_of_other_units_than_the_features_have_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    layout = CsvLayout(units_row=True, units=(("a", "bar"), ("b", "°C")))
    path.write_text("a,b\n[bar],degC\n1,2\n")
    pieces = [replace(whole(path), layout=layout)]
    assert [raw.batch.num_rows for piece in pieces for raw in sources.read_piece(piece)] == [1]
    path.write_text("a,b\nkPa,degC\n100,2\n")
    with pytest.raises(InputError, match=r"column `a` is in kPa, and in bar by the first"):
        list(sources.read_piece(pieces[0]))


def test_a_row_that_repeats_the_header_is_set_aside(tmp_path):
    path = tmp_path / "a.csv"
    # As joined files have it; a row in which one value is a column's name is kept.
    path.write_text("a,b\n1,x\n\ufeffa, b\na,y\n", encoding="utf-8")
    rows, bad, batches = read_all(path)
    assert rows == {"a": [b"1", b"a"], "b": [b"x", b"y"]}
    assert list(batches[0].rows) == [1, 3]
    assert [(one.row, one.reason) for one in bad] == [(2, "repeats the header")]


def test_a_column_without_values_beside_a_text_of_several_lines_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n,"x\n1,"\n,y\n')  # the text may hold rows, so all columns are looked at
    rows, bad, _ = read_all(path)
    assert rows == {"a": [None, None], "b": [b"x\n1,", b"y"]}
    assert bad == []


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
def test_a_line_that_names_the_delimiter_is_no_header(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\na;b,c\n1;2,5\n3\n", encoding="utf-8")
    rows, bad, batches = read_all(path)
    assert rows == {"a": [b"1"], "b,c": [b"2,5"]}
    assert list(batches[0].rows) == [1]
    [located] = csv_source.with_lines(whole(path), bad)
    assert (located.row, located.line) == (2, 4)
    assert located.reason == "has 1 fields, the header has 2"


def test_a_line_may_name_a_tab_as_the_delimiter(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=\t\na\tb,c\n1\t2,5\n", encoding="utf-16")
    rows, bad, _ = read_all(path, encoding="utf-16")
    assert rows == {"a": [b"1"], "b,c": [b"2,5"]}
    assert bad == []


# The sum of 1.5 to 6.5 is 24, their mean is 4.
@pytest.mark.parametrize("total", ["Total,24.0,", "Summe:,24,6", "Mittelwert,4.00,1"])
def test_a_last_row_of_totals_is_set_aside(tmp_path, total):
    path = tmp_path / "a.csv"
    rows = "".join(f"r{n},{n + 0.5},1\n" for n in range(1, 7))
    path.write_text(f"name,p,y\n{rows}{total}\n")
    read, [bad], _ = read_all(path)
    assert len(read["p"]) == 6
    assert (bad.row, bad.reason) == (7, "holds totals of the rows above")


@pytest.mark.parametrize("last", ["Total,3.0,1", "Sum,,", "r7,24.0,6"])
def test_a_last_row_that_only_has_the_word_or_the_sum_is_data(tmp_path, last):
    path = tmp_path / "a.csv"
    rows = "".join(f"r{n},{n + 0.5},1\n" for n in range(1, 7))
    path.write_text(f"name,p,y\n{rows}{last}\n")
    read, bad, _ = read_all(path)
    assert (len(read["p"]), bad) == (7, [])

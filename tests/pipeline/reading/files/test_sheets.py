import re
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import sources
from pipeline.reading.files.listing import list_files
from pipeline.reading.files.pieces import Piece
from pipeline.reading.files.sheets import sheet_line
from tests.pipeline.spreadsheets import write_sheet, write_sheets


def plan(path, **layout: object):
    files = list_files(str(path))
    [piece] = sources.plan_pieces(files, sources.common_format(files))
    return replace(piece, layout=CsvLayout(**layout))


def test_numbers_dates_truths_and_texts_keep_their_types(tmp_path):
    path = tmp_path / "readings.XLSX"
    noon = datetime(2026, 1, 31, 12, 0)
    write_sheet(
        path,
        [" pressure ", "count", "at", "failed", "maker", "mixed"],
        [4.25, 7, noon, True, "a", 7],
        [None, None, None, None, None, None],
        [5, None, datetime(2026, 2, 1), False, " b", "n/a"],
    )
    piece = plan(path)
    [raw] = sources.read_piece(piece)
    assert raw.batch.to_pydict() == {
        "pressure": [4.25, 5.0],
        "count": [7, None],
        "at": [noon, datetime(2026, 2, 1)],
        "failed": [True, False],
        "maker": ["a", " b"],
        "mixed": ["7", "n/a"],
    }
    kinds = [pa.float64(), pa.int64(), pa.timestamp("us"), pa.bool_(), pa.string(), pa.string()]
    assert sources.read_schema(piece).types == kinds
    assert list(raw.rows) == [1, 3]
    [asked] = sources.read_piece(piece, columns=["at", "count"])
    assert asked.batch.schema.names == ["at", "count"]


def test_a_row_of_units_and_given_names_are_as_in_csv(tmp_path):
    write_sheet(tmp_path / "a.xlsx", ["p", "q"], ["bar", "K"], [1.5, 2])
    [raw] = sources.read_piece(plan(tmp_path / "a.xlsx", units_row=True))
    assert raw.batch.to_pydict() == {"p": [1.5], "q": [2]}
    assert list(raw.rows) == [2]
    write_sheet(tmp_path / "b.xlsx", [1.5, 2], [2.5, 3])
    [raw] = sources.read_piece(plan(tmp_path / "b.xlsx", header=("p", "q")))
    assert raw.batch.to_pydict() == {"p": [1.5, 2.5], "q": [2, 3]}
    with pytest.raises(InputError, match=r"data\.header has 1 names, .* 2 columns"):
        list(sources.read_piece(plan(tmp_path / "b.xlsx", header=("p",))))


def test_two_columns_of_one_name_are_an_error(tmp_path):
    write_sheet(tmp_path / "a.xlsx", ["p", "p "], [1, 2])
    with pytest.raises(InputError, match=r"a\.xlsx contains `p` more than once"):
        sources.read_schema(plan(tmp_path / "a.xlsx"))


def test_a_file_that_is_no_spreadsheet_or_empty_is_an_error(tmp_path):
    (tmp_path / "a.xlsx").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"a\.xlsx cannot be read as a spreadsheet"):
        sources.read_schema(plan(tmp_path / "a.xlsx"))
    write_sheet(tmp_path / "b.xlsx")
    with pytest.raises(InputError, match=r"b\.xlsx is empty"):
        sources.read_schema(plan(tmp_path / "b.xlsx"))


def test_the_file_that_excel_puts_beside_an_open_one_is_hidden(tmp_path):
    write_sheet(tmp_path / "a.xlsx", ["p"], [1])
    (tmp_path / "~$a.xlsx").write_bytes(b"owner")
    assert list_files(str(tmp_path)) == [f"{tmp_path}/a.xlsx"]


def test_a_row_of_units_is_checked_as_in_a_csv_file(tmp_path):
    path = tmp_path / "a.xlsx"
    write_sheet(path, ["p", "t"], ["bar", "K"], [4.5, 300])
    piece = replace(plan(path), layout=CsvLayout(units_row=True, units=(("p", "bar"),)))
    [raw] = sources.read_piece(piece)
    assert raw.batch.to_pydict() == {"p": [4.5], "t": [300]}
    write_sheet(path, ["p", "t"], ["kPa", "K"], [450, 300])
    with pytest.raises(InputError, match=r"`p` is in kPa, and in bar by the first"):
        list(sources.read_piece(piece))
    write_sheet(path, ["p", "t"], [4.5, 300], [4.6, 301])
    with pytest.raises(InputError, match=r"holds units, but column `p` has '4\.5' there"):
        list(sources.read_piece(piece))


def test_a_last_row_of_totals_is_set_aside(tmp_path):
    path = tmp_path / "a.xlsx"
    write_sheet(path, ["name", "p"], *[[f"r{n}", n + 0.5] for n in range(6)], ["Total", 18])
    [raw] = sources.read_piece(plan(path))
    assert raw.batch.num_rows == 6
    assert [(bad.row, bad.reason) for bad in raw.bad_rows] == [
        (7, "holds totals of the rows above")
    ]


def test_the_line_of_the_header_below_titles_is_that_of_the_sheet(tmp_path):
    write_sheet(tmp_path / "a.xlsx", [None], ["Pump 7"], [None], ["x", " failed "], [1, 0])
    piece = Piece(index=0, path=str(tmp_path / "a.xlsx"), format="sheet")
    assert (sheet_line(piece, "failed"), sheet_line(piece, "broken")) == (4, 0)


def test_tables_in_several_sheets_are_refused_with_their_columns(tmp_path):
    path = write_sheets(
        tmp_path / "labels.xlsx",
        may=[["file", "ok"], ["a.wav", 1]],
        june=[["file", "ok", "by", "at", "why"], ["b.wav", 0]],
    )
    expected = (
        "has tables in several sheets: `may` with the columns file, ok; `june` with the columns "
        "file, ok, by, at, …. It is not clear which one counts"
    )
    with pytest.raises(InputError, match=re.escape(expected)):
        sources.read_schema(plan(path))


@pytest.mark.parametrize("first", [[], [["Readings of line 2"], ["by J. Doe"]]])
def test_the_only_sheet_with_a_table_is_read_wherever_it_is(tmp_path, first):
    path = write_sheets(tmp_path / "a.xlsx", cover=first, data=[["p", "q"], [1, 2]], notes=[["x"]])
    [raw] = sources.read_piece(plan(path))
    assert raw.batch.to_pydict() == {"p": [1], "q": [2]}

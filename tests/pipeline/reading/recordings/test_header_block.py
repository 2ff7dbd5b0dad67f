"""Lines that instruments write before a table: where the table starts, and reading from there."""

import pytest

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files.csv_source import read_csv, with_lines
from pipeline.reading.files.pieces import Piece
from pipeline.reading.recordings.evidence.header_block import (
    find_block,
    find_common_block,
    start_of,
)
from pipeline.reading.recordings.raw.tables import own_layout

ROWS = [f"{number / 10},{number * 2}" for number in range(12)]
TABS = [row.replace(",", "\t") for row in ROWS]
DECIMAL_COMMAS = [f"{number},5;{number},25" for number in range(12)]
STAMPED = [f"2024-01-01 10:00:{number:02},1.5,OK" for number in range(12)]
SCOPE = ["Model,MSO4", "Interval,4e-9", "", "TIME,CH1"]


@pytest.mark.parametrize(
    ("lines", "skip_rows", "header", "names"),
    [
        ([*SCOPE, *ROWS], 3, None, ("TIME", "CH1")),
        (["WS424,7,Waveform", "#1,24-Aug-2012 12:00:00,0", "Time,Ampl", *ROWS], 2, None,
         ("Time", "Ampl")),
        (["Device: 9", "", "Zeit;p", *DECIMAL_COMMAS], 2, None, ("Zeit", "p")),
        (["Logger,9", "Date,p,state", *STAMPED], 1, None, ("Date", "p", "state")),
        (["Model,X", "Interval,1e-6", "CH1", *[f"{number}.5" for number in range(12)]], 2, None,
         ("CH1",)),
        # A mark is no part of a name, and a column for remarks has no values.
        (["# device: 7", "# t,a", *ROWS], 2, ("t", "a"), ("t", "a")),
        (["Writer\t2", "***End_of_Header***\t", "X_Value\tA\tComment", *TABS], 3, ("X_Value", "A"),
         ("X_Value", "A")),
        # These have no block.
        (["t,a", *ROWS], 0, None, ("t", "a")),
        (["t,a,", *[f"{row}," for row in ROWS]], 0, None, ("t", "a", "unnamed_2")),
        ([",a", *ROWS], 0, None, ("unnamed_0", "a")),
        (["#,a", *ROWS], 0, None, ("#", "a")),
    ],
)  # fmt: skip
def test_the_names_are_in_the_line_above_the_rows(lines, skip_rows, header, names):
    start = start_of(lines)
    assert (start.skip_rows, start.header, start.names) == (skip_rows, header, names)
    assert start.units == {}


@pytest.mark.parametrize(
    ("above", "skip_rows", "units"),
    [
        (["Model,MSO4", "TIME,CH1", "s,V"], 1, {"TIME": "s", "CH1": "V"}),
        (["Model,MSO4", "Freq,Mag", "[Hz],[dB]"], 1, {"Freq": "Hz", "Mag": "dB"}),
        (["t,a", "s,V"], 0, {"t": "s", "a": "V"}),
        (["# t,a", "# s,V"], 2, {"t": "s", "a": "V"}),
        # `t` and `a` are also units, but of these lines only the second names a time.
        (["Model,MSO4", "t,a"], 1, {}),
    ],
)
def test_a_row_of_units_is_no_row_of_names(above, skip_rows, units):
    start = start_of([*above, *ROWS])
    assert (start.skip_rows, start.units) == (skip_rows, units)


def test_a_line_may_have_names_of_values_too_as_rigols_files_do():
    above = ["X,CH1,Start,Increment,", "Sequence,Volt,-1.0,1e-6,"]
    start = start_of([*above, *ROWS])
    assert (start.skip_rows, start.header) == (2, ("X", "CH1"))
    assert start.units == {"CH1": "V"}
    longer = start_of([*above, *(f"{row},," for row in ROWS)])
    assert longer.header == ("X", "CH1", "Start", "Increment")


def test_four_lines_of_a_campbell_logger_have_names_and_units():
    above = [
        '"TOA5","CR1000","plant 3","1234"',
        '"TIMESTAMP","Temp_Avg"',
        '"TS","Deg C"',
        '"","Avg"',
    ]
    start = start_of([*above, *ROWS])
    assert (start.skip_rows, start.header) == (4, ("TIMESTAMP", "Temp_Avg"))


@pytest.mark.parametrize(
    "above",
    [
        ["X,CH1,Start,Increment", "Sequence,Volt,-1.0,none"],  # names of more than the columns
        ["Model,X", "t,x,y,z"],  # more names than columns
        ["Model,X", "t"],  # fewer: R does not name its numbers of rows
        ["Model,X", "x,x"],
    ],
)
def test_lines_that_do_not_name_each_column_have_no_names(above, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([*above, *ROWS, ""]))
    assert start_of([*above, *ROWS]).names == ()
    with pytest.raises(InputError, match=r"a\.csv begins with 2 lines .* no line with the names"):
        find_block(str(path))


@pytest.mark.parametrize(
    "lines", [[], ["t,a", "0,1"], ROWS, ["name,x", *["pump,1"] * 12], ["a text"] * 20]
)
def test_a_file_without_a_table_of_numbers_has_no_start(lines):
    assert start_of(lines) is None


def test_missing_values_are_values():
    assert start_of([*SCOPE, "0.0,NaN", "0.1,", *ROWS]).skip_rows == 3


def write(folder, **texts):
    paths = [folder / f"{name}.csv" for name in texts]
    for path, lines in zip(paths, texts.values(), strict=True):
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return [str(path) for path in paths]


def test_files_of_one_layout_have_one_block(tmp_path):
    files = write(tmp_path, a=[*SCOPE, *ROWS], b=["Model,Y", "Interval,1", "", *SCOPE[3:], *ROWS])
    assert find_common_block([*files, *write(tmp_path, empty=[])]).skip_rows == 3


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (["u,v", *ROWS], r"b\.csv has 0 lines .*u, v.*a\.csv has 3 lines"),
        (["More,1", *SCOPE, "s,V", *ROWS], r"b\.csv has a row of units .*, and .*a\.csv has none"),
        (["# x", "", "", "# TIME,CH1", *ROWS], r"b\.csv has 4 lines before the rows"),
    ],
)
def test_a_file_of_another_layout_is_named(tmp_path, other, words):
    with pytest.raises(InputError, match=words):
        find_common_block(write(tmp_path, a=[*SCOPE, *ROWS], b=other))


@pytest.mark.parametrize("other", [[*SCOPE[3:], *ROWS], ["More,1", *SCOPE, *ROWS]])
def test_the_names_may_be_in_different_lines(tmp_path, other):
    files = write(tmp_path, a=[*SCOPE, *ROWS], b=other)
    block = find_common_block(files)
    assert block.header_row == ("TIME", "CH1")
    layout = block.layout("utf-8")
    assert layout.skip_rows == 0
    lines = [own_layout(file, layout, block.header_row).skip_rows for file in files]
    assert lines == [3, other.index("TIME,CH1")]
    for file in files:
        batch = read(file, skip_rows=lines[files.index(file)]).batch
        assert (batch.schema.names, batch.num_rows) == (["TIME", "CH1"], len(ROWS))


def test_names_in_different_lines_are_those_that_all_files_begin_with(tmp_path):
    wider = [f"{row},1" for row in ROWS]
    files = write(tmp_path, a=[*SCOPE, *ROWS], b=["TIME,CH1,CH2", *wider])
    assert find_common_block(files).header_row == ("TIME", "CH1")


def test_a_file_without_the_names_is_refused(tmp_path):
    [path] = write(tmp_path, a=["u,v", *ROWS])
    with pytest.raises(InputError, match=r"lines begins with the names `TIME`, `CH1` of"):
        own_layout(path, CsvLayout(), ("TIME", "CH1"))


def read(path, **layout):
    return next(read_csv(Piece(index=0, path=path, format="csv", layout=CsvLayout(**layout))))


def test_a_table_is_read_from_behind_its_block(tmp_path):
    [path] = write(tmp_path, a=['Quote,"open', *SCOPE[1:], "s,V", "0.0,1", "0.1,2", "0.2", "0.3,4"])
    raw = read(path, skip_rows=3, units_row=True)
    assert raw.batch.to_pydict() == {"TIME": [b"0.0", b"0.1", b"0.3"], "CH1": [b"1", b"2", b"4"]}
    piece = Piece(index=0, path=path, format="csv", layout=CsvLayout(skip_rows=3, units_row=True))
    [bad] = with_lines(piece, raw.bad_rows)
    assert (bad.line, bad.text) == (8, "0.2")


def test_names_are_given_where_their_line_has_a_mark(tmp_path):
    [path] = write(tmp_path, a=["# device: 7", "# t,a", "0.0,1", "0.1,2"])
    raw = read(path, skip_rows=2, header=("t", "a"))
    assert raw.batch.to_pydict() == {"t": [b"0.0", b"0.1"], "a": [b"1", b"2"]}


def test_a_line_that_repeats_words_before_the_rows_is_no_row(tmp_path):
    # As the fourth line of TOA5, which names how values were aggregated.
    [path] = write(tmp_path, a=['"t","n","a"', '"","Smp","Smp"', "0.0,1,2", "0.1,2,3"])
    raw = read(path, skip_rows=2, header=("t", "n", "a"))
    assert raw.batch.to_pydict()["a"] == [b"2", b"3"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["# t,a", "0.0,1", "0.1,2"], r"the last of these lines in .* is a row: '0.0,1'"),
        (["# device: 7", "# a,t", "0.0,1", "0.1,2"], "has the columns a, t, and data.header says"),
    ],
)
def test_a_file_whose_block_differs_from_the_layout_is_refused(tmp_path, lines, words):
    [path] = write(tmp_path, a=lines)
    with pytest.raises(InputError, match=words):
        read(path, skip_rows=2, header=("t", "a"))


@pytest.mark.parametrize(("units", "words"), [("ms,V", "`TIME` in ms, .* in s"), ("s,mV", "in mV")])
def test_files_of_other_units_are_refused(tmp_path, units, words):
    for name, row in (("a.csv", "s,V"), ("b.csv", units)):
        (tmp_path / name).write_text("\n".join(["TIME,CH1", row, *ROWS, ""]))
    with pytest.raises(InputError, match=words):
        find_common_block([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")])

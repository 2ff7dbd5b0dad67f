"""How raw tables of recordings are written, as `init` finds it."""

import pytest

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.onboarding.profile.table import ReadOptions
from pipeline.onboarding.recordings.raw_formats import find_raw_formats
from pipeline.reading.recordings.forms.request import Discovery
from pipeline.recording_options import Recordings, RowsOfFile, Window
from tests.pipeline.spreadsheets import write_sheet

TIME = "t"


def formats(folder, *files, dates=None, data=None, encoding="utf-8", **options):
    """Writes each text as a file `NN.csv` below `runs`; returns the formats that are found."""
    (folder / "runs").mkdir()
    for number, text in enumerate(files):
        (folder / "runs" / f"{number:02}.csv").write_text(text, encoding=encoding)
    discovery = Discovery(
        path=str(folder / "runs"),
        recordings=Recordings(**{"form": "files", "time_column": TIME} | options),
        label="fault",
        data=data or {},
    )
    return find_raw_formats(discovery, ReadOptions(dates=dates))


def table(times, values=None, *, header="t,value", sep=","):
    values = values or range(len(times))
    rows = [f"{time}{sep}{value}" for time, value in zip(times, values, strict=True)]
    return "\n".join([header, *rows, ""])


def test_plain_tables_need_no_declaration(tmp_path):
    text = table(["0.00", "0.01", "0.02"], ["1.234", "2.345", "3.456"])
    assert formats(tmp_path, text, text).data == {}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["31/01/2026 08:00", "31/01/2026 08:01", "31/01/2026 08:02"],
         ColumnFormat(type="time", format="%d/%m/%Y %H:%M")),
        (["1700000000000", "1700000000010", "1700000000020"],
         ColumnFormat(type="time", unit="ms")),
    ],
)  # fmt: skip
def test_times_that_are_neither_seconds_nor_iso_are_declared(tmp_path, times, expected):
    assert formats(tmp_path, table(times)).data == {"columns": {"t": expected}}


def test_another_file_decides_the_order_of_day_and_month(tmp_path):
    # The first 16 of 18 files are probed: only file 17 has a day above 12.
    files = [table([f"0{n % 9 + 1}/03/2026 08:0{k}" for k in range(3)]) for n in range(17)]
    files.append(table([f"20/03/2026 08:0{k}" for k in range(3)]))
    [form] = formats(tmp_path, *files).data["columns"].values()
    assert form.format == "%d/%m/%Y %H:%M"


def test_the_person_says_the_order_of_day_and_month_where_no_file_decides(tmp_path):
    text = table([f"04/03/2026 08:0{k}" for k in range(3)])
    with pytest.raises(InputError, match=r"--dates day-first or --dates month-first"):
        formats(tmp_path, text)
    (tmp_path / "runs" / "00.csv").unlink()
    (tmp_path / "runs").rmdir()
    [form] = formats(tmp_path, text, dates="month-first").data["columns"].values()
    assert form.format == "%m/%d/%Y %H:%M"


def test_a_unit_in_the_name_is_that_of_times_since_the_start(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "0.csv").write_text(table([0, 10, 20], header="t_ms,value"))
    options = Recordings(form="files", time_column="t_ms")
    discovery = Discovery(path=str(tmp_path / "runs"), recordings=options, label="fault")
    forms = find_raw_formats(discovery, ReadOptions()).data["columns"]
    assert forms == {"t_ms": ColumnFormat(type="time", unit="ms", elapsed=True)}


def test_a_unit_in_the_name_is_declared_of_sheets_too_and_a_damaged_one_is_passed_over(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "0.xlsx").write_bytes(b"PK damaged")
    write_sheet(tmp_path / "runs" / "1.xlsx", ["t_ms", "value"], [0, 1.5], [10, 2.5], [20, 0.5])
    options = Recordings(form="files", time_column="t_ms")
    discovery = Discovery(path=str(tmp_path / "runs"), recordings=options, label="fault")
    forms = find_raw_formats(discovery, ReadOptions()).data["columns"]
    assert forms == {"t_ms": ColumnFormat(type="time", unit="ms", elapsed=True)}


def test_marks_between_thousands_and_units_are_declared(tmp_path):
    values = ["1.234,50", "-2.345,60", "12,00", "950,25"]
    text = table(["0,0", "0,1", "0,2", "0,3"], values, header="t;value", sep=";")
    result = formats(tmp_path, text, data={"decimal": ","})
    form = result.data["columns"]["value"]
    assert (form.thousands, form.decimal) == (".", ",")
    assert result.notes == ("`value` is written as numbers with `.` between thousands",)


def test_a_number_far_outside_that_means_missing_is_declared(tmp_path):
    values = [f"{n / 7:.3f}" if n % 9 else "-9999" for n in range(90)]
    found = formats(tmp_path, table(range(90), values))
    [(name, form)] = found.data["columns"].items()
    # The other texts that mean missing still do.
    assert (name, form.missing) == ("value", (*ReadOptions().default_marks, "-9999"))
    assert found.notes == ("`value` is written as numbers, where `-9999` means missing",)


def test_a_row_of_units_and_an_old_encoding_are_declared(tmp_path):
    text = table(["s", "0.0", "0.1", "0.2"], ["°C", "1.5", "2.5", "3.5"])
    result = formats(tmp_path, text, encoding="cp1252")
    assert result.data == {"encoding": "cp1252", "units_row": True}


def test_files_without_a_header_are_refused(tmp_path):
    files = ["0.0,1.5\n0.1,2.5\n", "0.0,3.5\n0.1,4.5\n"]
    with pytest.raises(InputError, match=r"looks like data, not like column names: 0\.0, 1\.5"):
        formats(tmp_path, *files)


def test_channels_may_be_called_by_numbers(tmp_path):
    text = table([0.0, 0.1, 0.2], header="1,2")
    assert formats(tmp_path, text, text).data == {}


def test_times_of_events_are_declared_where_they_differ(tmp_path):
    events = tmp_path / "events.csv"
    events.write_text("recording,start,end\n" + "0,31.01.2026 08:00,31.01.2026 09:00\n" * 3)
    text = table([f"2026-01-31 08:0{k}:00" for k in range(3)])
    options = {"form": "stream", "window": Window(num_samples=8), "events": str(events)}
    columns = formats(tmp_path, text, **options).data["columns"]
    day_first = ColumnFormat(type="time", format="%d.%m.%Y %H:%M")
    assert columns == {"start": day_first, "end": day_first}


def test_another_spelling_of_a_channel_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has the column `.alue` instead of `.alue`"):
        # The 18th file is none of the 16 whose values are probed.
        formats(tmp_path, *[table([0, 1, 2])] * 17, table([0, 1, 2], header="t,Value"))


SCOPE = "Model,MSO4\nInterval,1e-3\n\nt,value\n"
SAMPLES = "".join(f"{number},{number}.5\n" for number in range(9))


def test_lines_before_the_table_and_its_units_are_declared(tmp_path):
    text = f"{SCOPE}ms,V\n{SAMPLES}"
    result = formats(tmp_path, text, text)
    of_times = {"t": ColumnFormat(type="time", unit="ms", elapsed=True)}
    assert result.data == {"skip_rows": 3, "units_row": True, "columns": of_times}
    assert result.units == {"t": "ms", "value": "V"}


def test_names_behind_a_mark_are_declared(tmp_path):
    text = f"# device: 7\n# t,value\n# s,V\n{SAMPLES}"
    result = formats(tmp_path, text, text)
    assert result.data == {"skip_rows": 3, "header": ("t", "value")}
    assert result.units == {"t": "s", "value": "V"}


def test_a_file_with_other_lines_before_the_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"01\.csv has 4 lines before the names"):
        formats(tmp_path, SCOPE + SAMPLES, f"Serial,9\n{SCOPE.replace('t,', 'u,')}{SAMPLES}")


def test_names_in_different_lines_are_declared_by_the_first_of_them(tmp_path):
    first, second = (f"{SCOPE}ms,V\n{SAMPLES}", f"Serial,9\n{SCOPE}ms,V\n{SAMPLES}")
    result = formats(tmp_path, first, second)
    of_times = {"t": ColumnFormat(type="time", unit="ms", elapsed=True)}
    assert result.data == {"units_row": True, "columns": of_times}
    assert result.header_row == ("t", "value")
    assert "the first one that begins with `t`, `value` has them" in " ".join(result.notes)


def test_tables_of_several_recordings_need_one_number_of_lines(tmp_path):
    options = {"form": "long", "id_column": "value", "time_column": "t"}
    with pytest.raises(InputError, match="Tables of several recordings need one number"):
        formats(tmp_path, SCOPE + SAMPLES, f"Serial,9\n{SCOPE}{SAMPLES}", **options)


def test_text_with_a_recording_in_each_line_has_no_columns(tmp_path):
    # Their first lines have values twice, and differ.
    for name in ("a.tsv", "b.tsv"):
        (tmp_path / name).write_text(f"1\t0.5\t0.5\t{name == 'a.tsv':d}\n-1\t0.1\t0.2\t0.3\n")
    rows = Recordings(form="rows", rows=RowsOfFile(label_at="first", num_samples=3))
    found = Discovery(path=str(tmp_path / "*.tsv"), recordings=rows, label="label")
    assert find_raw_formats(found, ReadOptions()).data == {}


def test_times_with_decimal_commas_have_the_unit_of_the_row_of_units(tmp_path):
    rows = "".join(f"{number * 0.5:.1f};{number},25\n".replace(".", ",") for number in range(12))
    found = formats(tmp_path, f"t;value\n(ms);(V)\n{rows}", data={"decimal": ","})
    assert found.data["columns"] == {TIME: ColumnFormat(type="time", unit="ms", elapsed=True)}


@pytest.mark.parametrize(
    ("unit", "time"), [("Second", "Source"), ("(μs)", "Source"), ("V", None), ("Hz", None)]
)
def test_the_first_column_has_times_if_its_unit_says_so(tmp_path, unit, time):
    rows = "".join(f"{number * 0.5},0.{number}\n" for number in range(12))
    found = formats(tmp_path, f"Source,CH1\n{unit},Volt\n{rows}", time_column=None)
    assert found.time_column == time
    form = ColumnFormat(type="time", unit="us", elapsed=True)
    assert found.data.get("columns", {}) == ({"Source": form} if unit == "(μs)" else {})


def test_times_of_unknown_words_in_the_row_of_units_keep_their_unit(tmp_path):
    rows = "".join(f"{number * 20},0.{number}\n" for number in range(12))
    found = formats(tmp_path, f"t,value\nmsec,V\n{rows}")
    assert found.data["columns"] == {TIME: ColumnFormat(type="time", unit="ms", elapsed=True)}


@pytest.mark.parametrize("name", ["time (min)", "t_h", "Time [h]", "elapsed_hours"])
def test_times_in_minutes_or_hours_are_refused(tmp_path, name):
    rows = "".join(f"{number},{number}\n" for number in range(12))
    with pytest.raises(InputError, match=r"seem to be in .*; expected s, ms, us or ns"):
        formats(tmp_path, f"{name},value\n{rows}", time_column=name)

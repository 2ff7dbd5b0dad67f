"""Raw files that no reader takes as they are: what `init` says of them."""

import pytest

from common.errors import InputError
from pipeline.reading.recordings.discovery import discover
from pipeline.recording_options import Recordings

ROWS = [f"{number},{number * 2}" for number in range(12)]


def write_files(folder, lines, *, num=4, suffix=".csv"):
    for number in range(num):
        path = folder / ("ok" if number % 2 else "fault") / f"r{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))


def find(folder, **options):
    return discover(str(folder), **{"labels": None, "label": None} | options)


@pytest.mark.parametrize(
    ("lines", "time"),
    [
        (["Model,X,1", "", "Scale,1e-6,s", "TIME,CH1", *ROWS], "TIME"),
        (["# sensor 7", "# t,a", *ROWS], "t"),
        (["Writer\t2", "***End_of_Header***", "X_Value\tA\tComment",
          *[row.replace(",", "\t") for row in ROWS]], "X_Value"),
    ],
)  # fmt: skip
def test_lines_about_the_recording_before_the_names_are_skipped(tmp_path, lines, time):
    write_files(tmp_path, lines)
    assert find(tmp_path).recordings == Recordings(
        form="files", label_from="folder", time_column=time
    )


def test_lines_about_the_recording_without_names_of_columns_are_refused(tmp_path):
    write_files(tmp_path, ["Model,X", "1;2;3", *ROWS])
    with pytest.raises(InputError, match=r"begins with 2 lines .* no line with the names of"):
        find(tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        ["t,x", *ROWS],
        ["t;x", *[row.replace(",", ",5;") for row in ROWS]],  # decimal commas
        ["t,x,", *[f"{row}," for row in ROWS]],
        ["t,x", "[s],[V]", *ROWS],
    ],
)
def test_rows_below_their_names_are_no_lines_about_the_recording(tmp_path, lines):
    write_files(tmp_path, lines)
    assert find(tmp_path).recordings.label_from == "folder"


def test_a_table_that_names_files_of_a_kind_that_is_not_read_is_refused(tmp_path):
    write_files(tmp_path, ["t,x", *ROWS], suffix=".log")
    rows = [f"{'ok' if n % 2 else 'fault'}/r{n}.log,{n % 2}" for n in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,fault", *rows]))
    with pytest.raises(InputError, match=r"`file` of .*\.log files are not read: expected .bmp"):
        find(tmp_path)


def test_files_whose_columns_of_times_have_several_names_are_refused(tmp_path):
    write_files(tmp_path, ["t_s,x", *ROWS])
    (tmp_path / "ok/r3.csv").write_text("\n".join(["t_ms,x", *ROWS]))
    with pytest.raises(InputError, match=r"`t_s` of .*no such column: it has `t_ms`, `x`"):
        find(tmp_path)


def test_files_that_lack_the_label_that_others_have_are_named(tmp_path):
    header, rows = "t,x,fault", [f"{row},{number % 2}" for number, row in enumerate(ROWS)]
    write_files(tmp_path, [header, *rows])
    (tmp_path / "ok/r3.csv").write_text("\n".join(["t,x", *ROWS]))
    for label in ("fault", None):
        with pytest.raises(InputError, match=r"1 file such as .*r3.csv have no column `fault`"):
            find(tmp_path, label=label)


def test_the_index_of_a_data_frame_names_no_files(tmp_path):
    # It counts from 0, and the files from 1: each label would be that of another file.
    for number in range(1, 9):
        (tmp_path / f"{number}.wav").write_text("x")
    rows = [f"{number},{number % 2}" for number in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join([",label", *rows]))
    with pytest.raises(InputError, match="no label was found"):
        find(tmp_path)


def test_units_with_exponents_are_no_values(tmp_path):
    write_files(tmp_path, ["t,x", "[s],[m/s2]", *ROWS])
    assert find(tmp_path).recordings.time_column == "t"


def test_text_that_holds_tables_is_read_by_the_glob_of_its_suffix(tmp_path):
    write_files(tmp_path, ["Writer\t2", "X_Value\tA", *[row.replace(",", "\t") for row in ROWS]],
                suffix=".lvm")  # fmt: skip
    (tmp_path / "notes.txt").write_text("about the recordings")
    found = find(tmp_path)
    assert (found.path, found.recordings.label_from) == (f"{tmp_path}/**/*.lvm", "folder")


def test_notes_are_no_tables(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("about the recordings\n" * 20)
    assert find(tmp_path) is None


def test_a_table_of_labels_names_files_of_text(tmp_path):
    write_files(tmp_path, ["t,x", *ROWS], suffix=".txt")
    rows = [f"{'ok' if n % 2 else 'fault'}/r{n}.txt,{n % 2}" for n in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,fault", *rows]))
    found = find(tmp_path)
    assert found.path == f"{tmp_path}/**/*.txt"
    assert (found.recordings.labels, found.label) == (str(tmp_path / "labels.csv"), "fault")


def test_tdms_files_are_refused_with_what_to_write(tmp_path):
    (tmp_path / "a.tdms").write_bytes(b"TDSm")
    (tmp_path / "labels.csv").write_text("file,fault\na.tdms,1\n")
    for path in (tmp_path, tmp_path / "a.tdms"):
        with pytest.raises(InputError, match=r"a\.tdms: TDMS files .* not read. Write a CSV or"):
            discover(str(path), labels=None, label=None)

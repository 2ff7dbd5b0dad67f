"""Columns that number the samples, such as `cycle`: they order them and are no times."""

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from pipeline.reading.recordings.discovery import discover
from pipeline.reading.recordings.evidence.series import time_column
from pipeline.recording_options import Recordings
from tests.pipeline.reading.recordings.raw_files import assembled, rows, write_csv

OPTIONS = {"form": "files", "label_from": "folder", "index_column": "cycle"}


def write(folder, header="cycle,acc", step=1, first=0, num=12):
    for number in range(4):
        state = "bad" if number == 0 else "ok"
        lines = [f"{first + step * n},{(n * n + number) % 7}" for n in range(num)]
        write_csv(folder / state / f"r{number}.csv", [header, *lines])


def find(folder):
    return discover(str(folder), labels=None, label=None)


@pytest.mark.parametrize("name", ["cycle", "sample", "Step", "sample_number_steps", "Sample No."])
def test_whole_numbers_in_steps_of_1_are_no_times(tmp_path, name):
    write(tmp_path, f"{name},acc", first=100)
    found = find(tmp_path)
    assert found.recordings == Recordings(form="files", label_from="folder", index_column=name)
    words = f"`{name}` numbers the samples and is no time"
    assert any(note.startswith(words) for note in found.notes)


@pytest.mark.parametrize(
    ("name", "step"), [("time", 1), ("t_s", 1), ("cycle", 0.5), ("tick", 10), ("cycle_time", 1)]
)
def test_times_and_other_steps_are_times(tmp_path, name, step):
    write(tmp_path, f"{name},acc", step=step)
    found = find(tmp_path)
    assert found.recordings.time_column == name
    is_said = any("is read as times in s, since its steps are not 1" in n for n in found.notes)
    assert is_said == (name in ("cycle", "tick"))


def test_times_count_before_numbers(tmp_path):
    write(tmp_path, "sample,acc,time")
    for file in tmp_path.rglob("*.csv"):
        header, *lines = file.read_text().splitlines()
        timed = [f"{line},{n / 10}" for n, line in enumerate(lines)]
        file.write_text("\n".join([header, *timed, ""]))
    found = find(tmp_path).recordings
    assert (found.time_column, found.index_column) == ("time", None)


def test_numbers_of_samples_give_no_rate(tmp_path):
    write(tmp_path / "raw")
    read = rows(assembled(tmp_path, "raw", **OPTIONS))
    assert sorted(read[0]) == ["acc", "recording", "state"]
    assert len(read[0]["acc"]) == 12


def test_a_stated_rate_is_that_of_the_samples(tmp_path):
    write(tmp_path / "raw", "cycle,acc,fs")
    for file in tmp_path.rglob("*.csv"):
        header, *lines = file.read_text().splitlines()
        file.write_text("\n".join([header, *(f"{line},50" for line in lines), ""]))
    read = rows(assembled(tmp_path, "raw", **OPTIONS))
    assert {row["sampling_rate_hz"] for row in read} == {50.0}


def test_a_gap_in_the_numbers_is_seen(tmp_path):
    write(tmp_path / "raw")
    file = tmp_path / "raw/ok/r1.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:4], *lines[10:], ""]))  # 0 1 2, then 9 10 11
    read = rows(assembled(tmp_path, "raw", **OPTIONS))
    samples = next(row for row in read if row["recording"] == "r1")["acc"]
    assert np.flatnonzero(np.isnan(samples)).tolist() == [3, 4, 5, 6, 7, 8]


def test_numbers_that_go_back_or_rise_by_more_are_bad(tmp_path):
    write(tmp_path / "raw")
    file = tmp_path / "raw/ok/r1.csv"
    good = file.read_text()
    header, first, second, *rest = good.splitlines()
    file.write_text("\n".join([header, second, first, *rest, ""]))
    with pytest.raises(InputError, match=r"r1\.csv: its times go backwards"):
        assembled(tmp_path, "raw", **OPTIONS)
    file.write_text("\n".join([header, *good.splitlines()[1::2], ""]))
    with pytest.raises(InputError, match=r"r1\.csv: the numbers .* in `cycle` rise by 2; expected"):
        assembled(tmp_path, "raw", **OPTIONS)


def test_the_numbers_of_a_long_table_order_its_recordings(tmp_path):
    places = [(unit, n) for unit in range(9) for n in range(12)]
    lines = [f"{unit},{n + 1},{(n * unit) % 5},{int(unit > 6)}" for unit, n in places]
    write_csv(tmp_path / "long.csv", ["unit,cycle,acc,fault", *lines])
    found = find(tmp_path / "long.csv")
    assert found.recordings == Recordings(form="long", id_column="unit", index_column="cycle")
    assert found.notes[1].startswith("`cycle` numbers the samples and is no time")
    read = rows(assembled(tmp_path, "long.csv", label=None, **vars(found.recordings)))
    assert sorted(read[0]) == ["acc", "fault", "recording"]


def test_streams_with_numbers_say_that_a_sample_counts_as_a_second(tmp_path):
    flags = [int(n % 200 > 150) for n in range(800)]
    lines = [f"{n},{(n * 7) % 11 + 5 * flag},{flag}" for n, flag in enumerate(flags)]
    write_csv(tmp_path / "a.csv", ["sample,value,label", *lines])
    found = find(tmp_path)
    assert (found.recordings.form, found.recordings.index_column) == ("stream", "sample")
    assert found.recordings.time_column is None
    assert any("one sample counts as 1 s in delays and false alarms" in n for n in found.notes)
    write_csv(tmp_path / "events.csv", ["recording,start,end", "a,10,40", "a,300,340"])
    by_events = discover(str(tmp_path / "a.csv"), labels=str(tmp_path / "events.csv"), label=None)
    assert by_events.recordings.time_column == "sample"
    assert any("the events are given by `sample`, which numbers" in n for n in by_events.notes)


@pytest.mark.parametrize("header", ["t,n,acc,RECORD", "t,#,acc,No."])
def test_a_counter_beside_times_is_no_channel(tmp_path, header):
    for number in range(3):
        lines = [f"{n / 10},{n},{n % 4},{number + n}" for n in range(12)]
        write_csv(tmp_path / "raw/ok" / f"r{number}.csv", [header, *lines])
    options = OPTIONS | {"index_column": None, "time_column": "t"}
    read = rows(assembled(tmp_path, "raw", label=None, **options))
    assert sorted(read[0]) == ["acc", "recording", "sampling_rate_hz"]


def test_a_number_that_repeats_is_no_time():
    frame = pd.DataFrame({"cycle": np.arange(200) // 10, "a": np.sin(np.arange(200))})
    assert time_column(frame) is None

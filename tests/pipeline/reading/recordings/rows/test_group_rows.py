"""HDF5 files of which each group is a recording."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from common.errors import InputError
from pipeline.reading.recordings.discovery import discover
from pipeline.recording_options import RowsOfFile
from tests.pipeline.reading.recordings.raw_files import assembled, rows

LABELS = ["bad", "ok", "ok", "bad", "ok", "ok", "ok"]
BY_ATTRIBUTE = RowsOfFile(groups=True, label="fault")


def write(path: Path, prefix: str = "run_", **attributes: Any) -> None:
    """Groups of 20, 21, ... samples, of which the first is the number of the group."""
    with h5py.File(path, "w") as file:
        file.attrs["site"] = "north"
        for place, label in enumerate(LABELS):
            group = file.create_group(f"{prefix.format(label=label)}{place}")
            group["acc"] = place + np.sin(np.arange(20 + place) / 5)
            group["temp"] = np.full(20 + place, 7.0)
            group.attrs.update({"fault": label, "fs": 100.0, **attributes})


def test_groups_with_an_attribute_for_the_label_are_found(tmp_path: Path):
    write(tmp_path / "a.h5", load=3)
    found = discover(str(tmp_path / "a.h5"), labels=None, label=None)
    assert found is not None
    assert (found.recordings.rows, found.label, found.positive) == (BY_ATTRIBUTE, "fault", "bad")
    assert found.notes[-1] == "channels `acc`, `temp`, 20 to 26 samples in each group"


def test_each_group_is_a_recording(tmp_path: Path):
    write(tmp_path / "a.h5", load=3)
    read = rows(assembled(tmp_path, "a.h5", form="rows", rows=BY_ATTRIBUTE))
    assert [row["recording"] for row in read] == [f"a_run_{place}" for place in range(7)]
    assert [row["state"] for row in read] == LABELS
    assert [len(row["acc"]) for row in read] == list(range(20, 27))
    assert [row["acc"][0] for row in read] == list(range(7))
    assert {(row["load"], row["site"], row["sampling_rate_hz"]) for row in read} == {
        (3, "north", 100.0)
    }
    assert "fault" not in read[0]


def test_the_groups_around_recordings_may_be_the_classes(tmp_path: Path):
    write(tmp_path / "a.h5", prefix="{label}/run_")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for label in {*LABELS}:
            for group in file[label].values():
                del group.attrs["fault"]
    found = discover(str(tmp_path / "a.h5"), labels=None, label=None)
    assert found is not None
    assert found.recordings.rows == RowsOfFile(groups=True, label_at="group")
    read = rows(assembled(tmp_path, "a.h5", form="rows", rows=found.recordings.rows))
    assert sorted(row["state"] for row in read) == sorted(LABELS)
    assert read[0]["recording"] == "a_bad_run_0"


def test_the_groups_around_recordings_are_context_beside_a_label(tmp_path: Path):
    write(tmp_path / "a.h5", prefix="motor_1/run_")
    read = rows(assembled(tmp_path, "a.h5", form="rows", rows=BY_ATTRIBUTE))
    assert {row["group"] for row in read} == {"motor_1"}


def test_groups_without_a_label_are_refused(tmp_path: Path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for group in file.values():
            del group.attrs["fault"]
    with pytest.raises(InputError, match=r"7 groups .* nothing says .*`site`, `fs`\."):
        discover(str(tmp_path / "a.h5"), labels=None, label=None)


def test_a_group_that_is_no_recording_is_named(tmp_path: Path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["run_1/temp"]
        file["run_1/temp"] = np.zeros(5)
        del file["run_2/temp"]
        file["run_3"].attrs["fs"] = -1
    result = assembled(tmp_path, "a.h5", form="rows", rows=BY_ATTRIBUTE, data={"max_bad_rows": 2})
    assert [str(bad).partition(": ")[2] for bad in result.bad] == [
        "its data sets differ in their number of samples: `acc` has 21, `temp` has 5",
        "its sampling rate `fs` is '-1'; expected a number above 0, in Hz, or with its unit, "
        "such as 2 kHz",
    ]
    lacking = next(row for row in rows(result) if row["recording"] == "a_run_2")
    assert np.isnan(lacking["temp"]).all()
    assert len(lacking["temp"]) == 22


def test_groups_of_which_none_is_a_recording_are_refused_with_the_reason(tmp_path: Path):
    write(tmp_path / "a.h5", fs="2 min")
    with pytest.raises(InputError, match=r"none of its 7 .* first is `run_0`: .* is '2 min'"):
        discover(str(tmp_path / "a.h5"), labels=None, label=None)


@pytest.mark.parametrize(
    ("name", "value", "rate_hz"),
    [
        ("fs", "2 kHz", 2000.0),
        ("fs", np.bytes_("50 kS/s"), 50_000.0),
        ("sampling_rate_khz", 2.5, 2500.0),
        ("Fs_MHz", 1, 1e6),
        ("fs_khz", "8000 Hz", 8000.0),  # the unit beside the number counts first
        ("sample_rate (kHz)", 0.1, 100.0),
    ],
)
def test_a_rate_is_read_with_its_unit(tmp_path: Path, name: str, value: Any, rate_hz: float):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        for group in file.values():
            del group.attrs["fs"]
            group.attrs[name] = value
    read = rows(assembled(tmp_path, "a.h5", form="rows", rows=BY_ATTRIBUTE))
    assert {row["sampling_rate_hz"] for row in read} == {rate_hz}
    assert name not in read[0]

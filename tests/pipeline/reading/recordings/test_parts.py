"""An assembly in parts: any partition, and any engine, makes the same table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.config import Label
from pipeline.reading.recordings.assembling import Assembled, Target
from pipeline.reading.recordings.parts import assembly
from pipeline.reading.recordings.raw import tables
from tests.pipeline.reading.recordings.raw_files import LABEL as STATE
from tests.pipeline.reading.recordings.raw_files import assembled, rows, table, write_csv

FAULT = Label(column="fault", positive=1)


def in_parts(folder: Path, path: str, part_bytes: int, **options: Any) -> Assembled:
    """Assembles to a folder of its own for each size of the parts."""
    target = Target(folder=folder / f"parts-{part_bytes}", part_bytes=part_bytes)
    return assembled(folder, path, target=target, **options)


def assert_same(one: Assembled, other: Assembled) -> None:
    assert table(one).schema == table(other).schema
    assert repr(rows(one)) == repr(rows(other))  # NaN is not equal to itself
    assert (one.bad, one.notes) == (other.bad, other.notes)
    assert one.num_recordings == other.num_recordings
    assert one.num_unnamed == other.num_unnamed


# What is wrong with a file.
FILES = ("fine", "fine", "fine", "fine", "fine", "no number", "dates", "one channel", "empty")


def _write_files(folder: Path, kinds: list[str]) -> None:
    for number, kind in enumerate(kinds):
        begin = "2026-01-01T00:00:0" if kind == "dates" else ""
        num_samples = 0 if kind == "empty" else 3 + number % 3
        lines = [
            f"{begin}{place / 10:.1f},{number + place},{place % 3}" for place in range(num_samples)
        ]
        header = "t,acc,vib"
        if kind == "one channel":
            header, lines = "t,acc", [line.rpartition(",")[0] for line in lines]
        if kind == "no number":
            lines[-1] = lines[-1].replace(",", ",?", 1)
        write_csv(folder / f"raw/{number:02}.csv", [header, *lines])
    # One is not labelled, and one of the table does not exist.
    labels = [f"{n:02},{'bad' if n % 4 else 'ok'},{n}" for n in (*range(1, len(kinds)), 99)]
    write_csv(folder / "labels.csv", ["file,state,load", *labels])


@settings(max_examples=15, deadline=None)
@given(kinds=st.permutations(FILES), part_bytes=st.integers(1, 200), is_cut=st.booleans())
def test_any_partition_of_files_makes_the_same_table(
    tmp_path_factory, kinds: list[str], part_bytes: int, is_cut: bool
):
    folder = tmp_path_factory.mktemp("files")
    _write_files(folder, kinds)
    options: dict[str, Any] = {
        "form": "files",
        "time_column": "t",
        "channels": ("acc", "vib"),
        "labels": "labels.csv",
        "id_column": "file",
        "data": {"max_bad_rows": 10},
        "window": {"num_samples": 2} if is_cut else None,
    }
    whole = in_parts(folder, "raw", 10**9, **options)
    assert len(whole.files) == 1
    assert_same(whole, in_parts(folder, "raw", part_bytes, **options))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), part_bytes=st.integers(1, 400), range_bytes=st.integers(20, 200)
)
def test_any_partition_of_a_long_table_makes_the_same_table(
    tmp_path_factory, seed: int, part_bytes: int, range_bytes: int
):
    folder = tmp_path_factory.mktemp("long")
    generator = np.random.default_rng(seed)
    ids = [f"m{number}" for number in generator.permutation(6)]
    # Rows of all recordings are mixed; those of one are in the order of time.
    owners = generator.permutation(np.repeat(np.arange(6), generator.integers(1, 9, 6)))
    places = [int((owners[:row] == owner).sum()) for row, owner in enumerate(owners)]
    lines = [
        f"{ids[owner]},{place / 10},{_value(generator)},{owner % 2}"
        for owner, place in zip(owners, places, strict=True)
    ]
    lines.insert(3, ",0.5,1,0")  # a row of no recording
    write_csv(folder / "long.csv", ["id,t,acc,state", *lines])
    options: dict[str, Any] = {
        "form": "long",
        "id_column": "id",
        "time_column": "t",
        "channels": ("acc",),
        "data": {"max_bad_rows": 10},
        "label": Label(column="state", positive=1),
    }
    with pytest.MonkeyPatch.context() as patch:
        whole = in_parts(folder, "long.csv", 10**9, **options)
        patch.setattr(tables, "_RANGE_BYTES", range_bytes)
        assert_same(whole, in_parts(folder, "long.csv", part_bytes, **options))
    assert [path.name for path in sorted(whole.folder.iterdir())] == [
        "_recordings.json",
        "recordings.parquet",
    ]


def _value(generator: np.random.Generator) -> str:
    return "oops" if generator.random() < 0.05 else f"{generator.normal():.3f}"


def _write_streams(folder: Path, num_streams: int = 3) -> None:
    for number in range(num_streams):
        lines = [f"{place},{place % 7 + number}" for place in range(20)]
        write_csv(folder / f"raw/s{number}.csv", ["t,value", *lines])
    events = [f"s{number},{2 + number},{4 + number}" for number in range(num_streams)]
    write_csv(folder / "events.csv", ["recording,start,end", *events])


STREAMS = {
    "form": "stream",
    "time_column": "t",
    "events": "events.csv",
    "window": {"num_samples": 4, "history": 2},
    "label": FAULT,
}


def test_streams_with_a_table_of_events_may_be_in_parts(tmp_path: Path):
    _write_streams(tmp_path)
    whole = in_parts(tmp_path, "raw", 10**9, **STREAMS)
    parts = in_parts(tmp_path, "raw", 1, **STREAMS)
    assert [Path(file).name for file in parts.files] == [
        f"recordings-{number:06d}.parquet" for number in range(3)
    ]
    assert_same(whole, parts)
    assert sum(row["fault"] == "1" for row in rows(parts)) > 0


def test_the_files_of_a_table_and_not_only_the_first_are_checked(tmp_path: Path):
    _write_streams(tmp_path)
    first = in_parts(tmp_path, "raw", 1, **STREAMS)
    Path(first.files[1]).unlink()
    again = in_parts(tmp_path, "raw", 1, **STREAMS)
    assert len(again.files) == 3
    assert again.table == first.table


def test_an_event_outside_its_recording_is_refused_from_any_part(tmp_path: Path):
    _write_streams(tmp_path)
    write_csv(tmp_path / "events.csv", ["recording,start,end", "s2,50,60", "s1,30,40"])
    with pytest.raises(InputError, match="event of `s1` from 30 s to 40 s is outside"):
        in_parts(tmp_path, "raw", 1, **STREAMS)


def _write_long_stream(folder: Path, labels: list[str]) -> None:
    lines = [f"m{row % 2},{row // 2},{row},{label}" for row, label in enumerate(labels)]
    write_csv(folder / "long.csv", ["id,t,value,fault", *lines])


LONG_STREAM = {
    "form": "stream",
    "id_column": "id",
    "time_column": "t",
    "window": {"num_samples": 2},
    "label": Label(column="fault", positive=1, values=(0, 1)),
}


def test_labels_of_samples_stay_with_their_rows_in_parts(tmp_path: Path, monkeypatch):
    _write_long_stream(tmp_path, [*"00001100", *"11000000"])
    whole = in_parts(tmp_path, "long.csv", 10**9, **LONG_STREAM)
    monkeypatch.setattr(tables, "_RANGE_BYTES", 20)
    parts = in_parts(tmp_path, "long.csv", 1, **LONG_STREAM)
    assert len(parts.files) == 2
    assert_same(whole, parts)
    # m0 has the even rows: 0, 0, 1, 0 and 1, 0, 0, 0; half of a window in an event is positive.
    assert [row["fault"] for row in rows(parts) if row["recording"] == "m0"] == list("0110")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("0000 0 1", r"long\.csv: 2 samples without a label, first row 5\. Label each"),
        ("0000x011", r"long\.csv: the label of row 5 is `x`; expected one of label.values: `0`"),
    ],
)
def test_the_row_of_a_wrong_label_is_that_of_the_file(
    tmp_path: Path, monkeypatch, labels: str, message: str
):
    _write_long_stream(tmp_path, [label.strip() for label in labels])
    monkeypatch.setattr(tables, "_RANGE_BYTES", 20)
    with pytest.raises(InputError, match=message):
        in_parts(tmp_path, "long.csv", 1, **LONG_STREAM)


def test_dates_and_seconds_in_files_of_one_long_table_are_refused(tmp_path: Path):
    write_csv(
        tmp_path / "raw/a.csv", ["id,t,acc", "a,2026-01-01T00:00:00,1", "a,2026-01-01T00:00:01,2"]
    )
    write_csv(tmp_path / "raw/b.csv", ["id,t,acc", "b,0,1", "b,1,2"])
    options = {"form": "long", "id_column": "id", "time_column": "t", "label": None}
    with pytest.raises(InputError, match=r"are dates in .*a\.csv and seconds since .*b\.csv"):
        assembled(tmp_path, "raw", **options)


def test_a_file_of_a_long_table_without_the_times_is_named(tmp_path: Path):
    write_csv(tmp_path / "raw/a.csv", ["id,t,acc", "a,0,1", "a,1,2"])
    write_csv(tmp_path / "raw/b.csv", ["id,acc", "b,1", "b,2"])
    options = {"form": "long", "id_column": "id", "time_column": "t", "label": None}
    with pytest.raises(InputError, match=r"b\.csv has no column `t` with the times"):
        assembled(tmp_path, "raw", **options)


def test_a_long_table_of_dates_may_have_a_range_without_times(tmp_path: Path):
    lines = [f"a,2026-01-01T00:00:0{place},{place}" for place in range(3)]
    write_csv(tmp_path / "raw/a.csv", ["id,t,acc", *lines])
    write_csv(tmp_path / "raw/b.csv", ["id,t,acc", "b,,1", "b,,2"])
    options = {"form": "long", "id_column": "id", "time_column": "t", "label": None}
    result = assembled(
        tmp_path, "raw", window={"num_samples": 2}, data={"max_bad_rows": 1}, **options
    )
    assert [row["window_start"].isoformat() for row in rows(result)] == [
        "2026-01-01T00:00:00+00:00"
    ]
    assert [str(bad.reason) for bad in result.bad] == ["2 samples without a time, first sample 1"]


def test_few_files_are_one_part_and_many_are_several(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(assembly, "_MAX_PART_FILES", 2)
    for number in range(5):
        write_csv(tmp_path / f"raw/{number}_ok.csv", ["acc", "1", "2"])
    result = assembled(tmp_path, "raw", form="files", label_pattern="_(ok)", label=STATE)
    assert [table(result)["recording"].to_pylist()] == [[f"{n}_ok" for n in range(5)]]
    assert len(result.files) == 3


@pytest.mark.e2e
def test_workers_of_a_beam_runner_make_the_same_files(tmp_path: Path, monkeypatch):
    from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

    workers = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    monkeypatch.setattr(tables, "_RANGE_BYTES", 20)
    _write_streams(tmp_path)
    _write_long_stream(tmp_path, [*"00001100", *"11000000"])
    for path, options in (("raw", STREAMS), ("long.csv", LONG_STREAM)):
        here = in_parts(tmp_path, path, 1, **options)
        beam_args = (*LOCAL_BEAM_ARGS, *workers)
        target = Target(folder=tmp_path / "beam", beam_args=beam_args, part_bytes=1)
        there = assembled(tmp_path, path, target=target, **options)
        for one, other in zip(there.files, here.files, strict=True):
            assert Path(one).read_bytes() == Path(other).read_bytes()
        assert (there.bad, there.notes) == (here.bad, here.notes)
        assert there.folder.name == here.folder.name


@pytest.mark.e2e
def test_what_a_worker_finds_wrong_is_said_as_here(tmp_path: Path):
    from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

    _write_streams(tmp_path)
    write_csv(tmp_path / "events.csv", ["recording,start,end", "s2,50,60", "s1,30,40"])
    target = Target(folder=tmp_path / "beam", beam_args=LOCAL_BEAM_ARGS, part_bytes=1)
    with pytest.raises(InputError, match=r"^data.recordings.events: an event of `s1` from 30 s"):
        assembled(tmp_path, "raw", target=target, **STREAMS)
    assert [path.name for path in target.folder.iterdir()] == [".lock"]

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import soundfile
from filelock import FileLock
from PIL import Image

from common.digests import digest_files
from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.config import Label
from pipeline.reading.recordings import assembling
from pipeline.reading.recordings.assembling import raw_recordings
from pipeline.recording_options import Recordings
from tests.pipeline.reading.recordings.raw_files import (
    LABEL,
    assembled,
    rows,
    sine,
    table,
    write_csv,
    write_signals,
)


def test_files_with_a_table_of_labels_become_one_row_each_with_its_context(tmp_path: Path):
    write_signals(tmp_path / "raw", ["m1.csv", "m2.csv"])
    write_csv(
        tmp_path / "labels.csv",
        ["file,state,load,site,since", "m1.csv,ok,1.5,north,2026-01-31", "m2.csv,bad,2,,"],
    )
    result = assembled(
        tmp_path,
        "raw",
        form="files",
        time_column="t",
        labels="labels.csv",
        id_column="file",
        data={"columns": {"since": {"type": "time"}}},
    )
    whole = table(result)
    assert whole.schema.field("acc").type == pa.list_(pa.float32())
    assert whole.schema.field("since").type == pa.timestamp("us", tz="UTC")
    first, second = rows(result)
    # Four samples in 0.3 s are three periods: 10 Hz.
    assert first["acc"] == [0, 1, 2, 3]
    assert (first["recording"], first["sampling_rate_hz"], first["state"]) == ("m1", 10, "ok")
    assert (first["load"], first["site"], first["since"].isoformat()) == (
        1.5,
        "north",
        "2026-01-31T00:00:00+00:00",
    )
    assert (second["acc"], second["state"], second["load"]) == ([1, 2, 3, 4], "bad", 2)
    assert (second["site"], second["since"]) == (None, None)


@pytest.mark.parametrize(
    "ids", [("a/7.csv", "b/7.csv"), ("a/7", "b/7"), ("raw/a/7", "raw/b/7.csv")]
)
def test_ids_of_files_may_have_folders_and_a_suffix(tmp_path: Path, ids: tuple[str, str]):
    write_signals(tmp_path / "raw", ["a/7.csv", "b/7.csv"])
    write_csv(tmp_path / "labels.csv", ["id,state", f"{ids[0]},ok", f"{ids[1]},bad"])
    result = assembled(tmp_path, "raw", form="files", labels="labels.csv", id_column="id")
    assert [(row["recording"], row["state"]) for row in rows(result)] == [
        ("a/7", "ok"),
        ("b/7", "bad"),
    ]


def test_the_name_of_the_folder_is_the_label(tmp_path: Path):
    write_signals(tmp_path / "raw", ["ok/1.csv", "bad/1.csv", "bad/2.csv"])
    result = assembled(tmp_path, "raw", form="files", label_from="folder", time_column="t")
    assert [(row["recording"], row["state"]) for row in rows(result)] == [
        ("bad/1", "bad"),
        ("2", "bad"),
        ("ok/1", "ok"),
    ]


def test_a_pattern_finds_the_label_in_the_name(tmp_path: Path):
    write_signals(tmp_path / "raw", ["m1_ok.csv", "m1_bad.csv"])
    result = assembled(tmp_path, "raw", form="files", label_pattern=r"_(ok|bad)\.")
    assert [row["state"] for row in rows(result)] == ["bad", "ok"]


def test_what_is_constant_within_each_file_is_its_label_and_context(tmp_path: Path):
    for name, state, load in (("1", "ok", 2), ("2", "bad", 3)):
        samples = [f"{value},{state},{load},{value}x" for value in (1, 2)]
        write_csv(tmp_path / f"raw/{name}.csv", ["acc,state,load,note", *samples])
    result = assembled(tmp_path, "raw", form="files")
    assert rows(result) == [
        {"recording": "1", "acc": [1, 2], "load": 2, "state": "ok"},
        {"recording": "2", "acc": [1, 2], "load": 3, "state": "bad"},
    ]
    assert result.notes[0] == (
        "left out, since no channel and not constant within a recording: `note`"
    )


def _write_arrays(folder: Path, suffix: str, number: int) -> None:
    samples = np.arange(5, dtype=np.float32) + number
    path = folder / f"{number}{suffix}"
    if suffix == ".npy":
        np.save(path, samples)
    elif suffix == ".npz":
        np.savez(path, signal=samples, fs=50.0)
    elif suffix == ".mat":
        scipy.io.savemat(path, {"signal": samples[:, None], "fs": np.array([[50.0]])})
    elif suffix == ".parquet":
        pq.write_table(pa.table({"signal": samples, "fs": [50.0] * 5}), path)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("run/signal", data=samples)
            file.attrs["fs"] = 50.0


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".mat", ".parquet"])
def test_files_of_arrays_are_read_with_the_rate_that_they_give(tmp_path: Path, suffix: str):
    for number, state in ((1, "ok"), (2, "bad")):
        (tmp_path / "raw" / state).mkdir(parents=True)
        _write_arrays(tmp_path / "raw" / state, suffix, number)
    result = assembled(tmp_path, "raw", form="files", label_from="folder")
    [bad, ok] = rows(result)
    assert (bad["recording"], bad["signal"], bad["state"]) == ("2", [2, 3, 4, 5, 6], "bad")
    assert ok["signal"] == [1, 2, 3, 4, 5]
    assert [row.get("sampling_rate_hz") for row in (bad, ok)] == (
        [None, None] if suffix == ".npy" else [50, 50]
    )


def test_attributes_that_differ_between_data_sets_have_their_names(tmp_path: Path):
    (tmp_path / "raw").mkdir()
    with h5py.File(tmp_path / "raw/1_bad.h5", "w") as file:
        for name, gain in (("acc", 2), ("mic", 5)):
            dataset = file.create_dataset(f"run/{name}", data=np.arange(4.0))
            dataset.attrs.update({"gain": gain, "bits": 16})
    [row] = rows(assembled(tmp_path, "raw", form="files", label_pattern="_(bad)"))
    assert (row["acc_gain"], row["mic_gain"], row["bits"]) == (2, 5, 16)
    assert "gain" not in row


def test_a_long_table_becomes_one_row_for_each_id_wherever_its_rows_are(tmp_path: Path):
    write_csv(
        tmp_path / "long.csv",
        [
            "motor,t,acc,rpm,state,plant",
            *("b,0.0,1,10,bad,west", "a,0.0,5,20,ok,east", "b,0.5,2,11,bad,west"),
            *("a,0.5,6,21,ok,east", "b,1.0,3,12,bad,west"),
        ],
    )
    result = assembled(tmp_path, "long.csv", form="long", id_column="motor", time_column="t")
    assert rows(result) == [
        {"recording": "b", "acc": [1, 2, 3], "rpm": [10, 11, 12], "sampling_rate_hz": 2,
         "plant": "west", "state": "bad"},
        {"recording": "a", "acc": [5, 6], "rpm": [20, 21], "sampling_rate_hz": 2,
         "plant": "east", "state": "ok"},
    ]  # fmt: skip


def test_the_labels_of_a_long_table_may_be_in_a_table_beside_it(tmp_path: Path):
    write_csv(tmp_path / "long.csv", ["id,acc", "007,1", "007,2", "8,3", "8,4"])
    write_csv(tmp_path / "labels.csv", ["id,state,load", "8,bad,1", "007,ok,2"])
    result = assembled(tmp_path, "long.csv", form="long", id_column="id", labels="labels.csv")
    assert rows(result) == [
        {"recording": "007", "acc": [1, 2], "load": 2, "state": "ok"},
        {"recording": "8", "acc": [3, 4], "load": 1, "state": "bad"},
    ]


def test_a_long_table_of_many_ranges_equals_one_of_one_range(tmp_path: Path, monkeypatch):
    samples = [f"{number // 50},{number}" for number in range(1_000)]
    write_csv(tmp_path / "long.csv", ["id,acc", *samples])
    whole = table(assembled(tmp_path, "long.csv", label=None, form="long", id_column="id"))
    monkeypatch.setattr("pipeline.reading.recordings.raw.tables._RANGE_BYTES", 500)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "long.csv").rename(other / "long.csv")
    parts = table(assembled(other, "long.csv", label=None, form="long", id_column="id"))
    assert whole.num_rows == 20
    assert parts.equals(whole)


def test_numbers_and_times_are_read_by_the_contract_of_the_data(tmp_path: Path):
    for state in ("ok", "bad"):
        write_csv(
            tmp_path / f"raw/{state}.csv",
            [
                "zeit;acc",
                "31.01.2026 10:00:00,5;1,25",
                "31.01.2026 10:00:01,0;-",
                "31.01.2026 10:00:01,5;3,5",
            ],
        )
    result = assembled(
        tmp_path,
        "raw",
        form="files",
        time_column="zeit",
        label_pattern="(.*).csv",
        data={
            "decimal": ",",
            "missing_values": ("-",),
            "columns": {"zeit": {"type": "time", "format": "%d.%m.%Y %H:%M:%S.%f"}},
        },
    )
    [bad, _] = rows(result)
    assert bad["sampling_rate_hz"] == 2
    np.testing.assert_array_equal(bad["acc"], [1.25, np.nan, 3.5])


def test_predictions_need_no_labels_and_have_no_label_column(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1.csv"])
    result = assembled(
        tmp_path, "raw", label=None, form="files", labels="absent.csv", id_column="file"
    )
    assert list(rows(result)[0]) == ["recording", "t", "acc"]


def test_a_recording_with_an_empty_label_is_kept_without_one(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1.csv", "2.csv"], num_samples=4)
    write_csv(tmp_path / "labels.csv", ["id,state", "1,bad", "2,"])
    for window in (None, {"num_samples": 4}):
        result = assembled(
            tmp_path, "raw", form="files", labels="labels.csv", id_column="id", window=window
        )
        assert [row["state"] for row in rows(result)] == ["bad", None]


@pytest.mark.parametrize(("stated", "is_bad"), [("1000", True), ("1", False), ("1.2", False)])
def test_a_rate_that_contradicts_the_times_is_refused(tmp_path: Path, stated: str, is_bad: bool):
    # The times count milliseconds, but nothing says so: read as seconds, they are 1 Hz.
    write_csv(tmp_path / "raw/a.csv", ["time,acc", "0,1", "1,3", "2,2"])
    write_csv(tmp_path / "raw/b.csv", ["time,acc", "0,2", "1,1", "2,5"])
    write_csv(tmp_path / "labels.csv", ["file,state,fs", f"a,ok,{stated}", "b,bad,1"])
    result = assembled(
        tmp_path,
        "raw",
        form="files",
        labels="labels.csv",
        id_column="file",
        time_column="time",
        data={"max_bad_rows": 1},
    )
    reasons = [bad.reason for bad in result.bad]
    expected = (
        "its times are 1 s apart, which is 1 Hz, but `fs` is 1000 Hz; declare the unit of the "
        "times, or correct the rate"
    )
    assert reasons == ([expected] if is_bad else [])
    assert [row["sampling_rate_hz"] for row in rows(result)] == [1] * (1 if is_bad else 2)


def test_recordings_of_another_rate_are_resampled_without_aliases(tmp_path: Path):
    for name, rate_hz in (("slow", 1_000), ("fast", 3_000)):
        (tmp_path / "raw").mkdir(exist_ok=True)
        # 1,200 Hz is above half of the nominal rate: taking every third sample would show it as
        # 200 Hz.
        noise = sine(rate_hz, rate_hz, 1_200) if name == "fast" else 0
        np.savez(tmp_path / f"raw/{name}.npz", x=sine(rate_hz, rate_hz, 50) + noise, fs=rate_hz)
    result = assembled(
        tmp_path, "raw", form="files", label_pattern="(slow|fast)", rates={"x": 1_000.0}
    )
    fast, slow = rows(result)
    assert (len(fast["x"]), fast["sampling_rate_hz"]) == (1_000, 1_000)
    # The filter's ends are less exact.
    difference = np.abs(np.subtract(fast["x"], slow["x"]))[100:-100]
    assert difference.max() < 0.01
    assert "1 recording resampled to the nominal rate" in result.notes


@pytest.mark.parametrize(("rates", "has_note"), [({}, True), ({"acc": 10.0}, False)])
def test_recordings_of_several_rates_that_are_not_resampled_are_named(
    tmp_path: Path, rates: dict[str, float], has_note: bool
):
    for name, step in (("1_ok.csv", 0.1), ("2_bad.csv", 0.05)):
        samples = [f"{place * step:g},{place}" for place in range(8)]
        write_csv(tmp_path / "raw" / name, ["t,acc", *samples])
    options = {"form": "files", "time_column": "t", "label_pattern": "_(ok|bad)"}
    notes = assembled(tmp_path, "raw", rates=rates, **options).notes
    assert any("recordings of 10 to 20 Hz are not resampled" in n for n in notes) == has_note


def test_a_channel_that_few_recordings_lack_is_missing_there(tmp_path: Path):
    for name in ("1", "2", "3"):
        write_csv(tmp_path / f"raw/{name}_ok.csv", ["a,b", "1,2", "2,3"])
    write_csv(tmp_path / "raw/4_ok.csv", ["a", "1", "2"])
    result = assembled(tmp_path, "raw", form="files", label_pattern="_(ok)")
    assert np.isnan(rows(result)[3]["b"]).all()
    assert result.notes[0] == "channel `b` is absent in 1 of 4 recordings"


def test_sounds_become_wav_files_of_16_bit(tmp_path: Path):
    folder = tmp_path / "raw/ok"
    folder.mkdir(parents=True)
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    soundfile.write(folder / "a.wav", samples, 8_000, subtype="PCM_16")
    soundfile.write(folder / "b.flac", samples, 44_100, subtype="PCM_16")
    result = assembled(tmp_path, "raw", form="files", media="audio", label_from="folder")
    for row, rate in zip(rows(result), (8_000, 44_100), strict=True):
        assert row["sampling_rate_hz"] == rate
        # The canonical header has 44 bytes and says PCM, then the samples follow as they were.
        assert row["sound"][20:22] == b"\x01\x00"
        assert row["sound"][44:] == samples.tobytes()


def test_pictures_are_kept_as_they_are(tmp_path: Path):
    folder = tmp_path / "raw/bad"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.jpg", "c.bmp", "d.gif"):
        Image.new("RGB", (9, 7), (200, 10, 10)).save(folder / name)
    result = assembled(tmp_path, "raw", form="files", media="image", label_from="folder")
    assert [row["image"] for row in rows(result)] == [
        file.read_bytes() for file in sorted(folder.iterdir())
    ]


def test_windows_of_labelled_recordings_have_their_label(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_bad.csv"], num_samples=5)
    result = assembled(
        tmp_path,
        "raw",
        form="files",
        time_column="t",
        label_pattern="_(ok|bad)",
        window={"num_samples": 2},
    )
    # Five samples are two windows of two.
    assert [(r["recording"], r["acc"], r["window_start"], r["state"]) for r in rows(result)] == [
        ("1_ok", [0, 1], 0, "ok"),
        ("1_ok", [2, 3], 0.2, "ok"),
        ("2_bad", [1, 2], 0, "bad"),
        ("2_bad", [3, 4], 0.2, "bad"),
    ]


def test_a_stream_has_windows_labelled_by_their_samples(tmp_path: Path):
    samples = [f"{place},{place},{int(place in (4, 5))}" for place in range(8)]
    write_csv(tmp_path / "raw/pump.csv", ["t,acc,fault", *samples])
    result = assembled(
        tmp_path,
        "raw",
        label=Label(column="fault"),
        form="stream",
        time_column="t",
        window={"num_samples": 2},
    )
    assert [row["fault"] for row in rows(result)] == ["0", "0", "1", "0"]


def test_streams_that_are_shorter_than_a_window_are_refused_with_the_reason(tmp_path: Path):
    write_csv(tmp_path / "raw/pump.csv", ["t,acc,fault", "0,1,0", "1,2,1", "2,3,0"])
    message = r"of raw give no window:\n.*\n  1 of 1 recordings are shorter than a window\n"
    with pytest.raises(InputError, match=message):
        assembled(
            tmp_path,
            "raw",
            label=Label(column="fault"),
            form="stream",
            time_column="t",
            window={"num_samples": 4},
        )


@pytest.mark.parametrize("name", ["pump", "pump.csv"])
def test_a_stream_has_windows_labelled_by_a_table_of_events(tmp_path: Path, name: str):
    times = [f"2026-01-31 10:00:0{place},{place}" for place in range(8)]
    write_csv(tmp_path / "raw/pump.csv", ["t,acc", *times])
    write_csv(
        tmp_path / "events.csv",
        ["recording,start,end,kind", f"{name},2026-01-31 10:00:04,2026-01-31 10:00:05,leak"],
    )
    result = assembled(
        tmp_path,
        "raw",
        form="stream",
        time_column="t",
        events="events.csv",
        window={"length_s": 2},
    )
    # The events' label has no values but the positive one.
    assert [row["state"] == "bad" for row in rows(result)] == [False, False, True, False]
    assert rows(result)[2]["window_start"].isoformat() == "2026-01-31T10:00:04+00:00"


@pytest.mark.parametrize(("name", "unit"), [("t_ms", "ms"), ("time_us", "us"), ("zeit_ms", "ms")])
def test_numeric_times_whose_name_has_a_unit_need_its_declaration(
    tmp_path: Path, name: str, unit: str
):
    for file in ("1_ok.csv", "2_bad.csv"):
        write_csv(tmp_path / "raw" / file, [f"{name},acc", *(f"{20 * i},{i}" for i in range(4))])
    options = {"form": "files", "time_column": name, "label_pattern": "_(ok|bad)"}
    with pytest.raises(InputError, match=f"`{name}` are numbers.*in {unit}. Declare the unit"):
        assembled(tmp_path, "raw", **options)
    form = {"type": "time", "unit": unit, "elapsed": True}
    result = assembled(tmp_path, "raw", data={"columns": {name: ColumnFormat(**form)}}, **options)
    # A sample every 20 ms or us.
    assert rows(result)[0]["sampling_rate_hz"] == {"ms": 50, "us": 50_000}[unit]


def test_times_whose_name_has_a_unit_may_be_dates(tmp_path: Path):
    seconds = [f"{1_700_000_000 + i},{i}" for i in range(4)]
    write_csv(tmp_path / "raw/1_bad.csv", ["t_ms,acc", *seconds])
    options = {"form": "files", "time_column": "t_ms", "label_pattern": "_(ok|bad)"}
    assert rows(assembled(tmp_path, "raw", **options))[0]["sampling_rate_hz"] == 1


def _with_offsets(tmp_path: Path, sample: str, event: str, **columns: ColumnFormat) -> list[bool]:
    """Assembles samples of 10:00:00 to 10:00:07 and an event from 10:00:04 to 10:00:05."""
    samples = [f"2026-01-31 10:00:0{place}{sample},{place}" for place in range(8)]
    write_csv(tmp_path / "raw/pump.csv", ["t,acc", *samples])
    ends = ",".join(f"2026-01-31 10:00:0{place}{event}" for place in (4, 5))
    write_csv(tmp_path / "events.csv", ["recording,start,end", f"pump,{ends}"])
    result = assembled(
        tmp_path,
        "raw",
        form="stream",
        time_column="t",
        events="events.csv",
        window={"num_samples": 2},
        data={"columns": columns},
    )
    return [row["state"] == "bad" for row in rows(result)]


@pytest.mark.parametrize(
    ("sample", "event", "have"), [("+02:00", "", "`t`"), ("", "-0530", "`start` in ")]
)
def test_offsets_of_only_the_samples_or_only_the_events_are_refused(
    tmp_path: Path, sample: str, event: str, have: str
):
    with pytest.raises(InputError, match=f"The times in {have}.* have offsets from UTC.*zone"):
        _with_offsets(tmp_path, sample, event)


@pytest.mark.parametrize(
    ("sample", "event"), [("+02:00", "+02:00"), ("Z", ""), ("+00:00", ""), ("", "Z")]
)
def test_offsets_of_both_or_of_zero_are_taken(tmp_path: Path, sample: str, event: str):
    assert _with_offsets(tmp_path, sample, event) == [False, False, True, False]


def test_a_declared_zone_is_that_of_events_without_an_offset(tmp_path: Path):
    form = ColumnFormat(type="time", zone="Europe/Berlin")  # +01:00 in January
    positive = _with_offsets(tmp_path, "+01:00", "", start=form, end=form)
    assert positive == [False, False, True, False]


def test_unchanged_files_are_not_assembled_again(tmp_path: Path, monkeypatch):
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_bad.csv"])
    options = {"form": "files", "label_pattern": "_(ok|bad)"}
    first = assembled(tmp_path, "raw", **options)
    written = Path(first.pattern).stat().st_mtime_ns
    again = assembled(tmp_path, "raw", **options)
    assert again == first
    assert Path(again.pattern).stat().st_mtime_ns == written
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_bad.csv"], num_samples=5)
    changed = assembled(tmp_path, "raw", **options)
    assert changed.folder != first.folder
    assert len(rows(changed)[0]["acc"]) == 5
    other_options = assembled(tmp_path, "raw", **options, time_column="t")
    assert other_options.folder not in (first.folder, changed.folder)


def test_a_change_of_the_code_assembles_again(tmp_path: Path, monkeypatch):
    write_signals(tmp_path / "raw", ["1_ok.csv"])
    code = tmp_path / "code.py"
    monkeypatch.setattr(assembling, "CODE", (code,))
    folders = []
    for text in ("a = 1", "a = 2"):
        code.write_text(text, encoding="utf-8")
        folders.append(assembled(tmp_path, "raw", form="files", label_pattern="_(ok)").folder)
    assert folders[0] != folders[1]


def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch):
    write_signals(tmp_path / "raw", ["1_ok.csv"])

    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.reading.recordings.writing.TableWriter.add_recording", interrupt)
    with pytest.raises(KeyboardInterrupt):
        assembled(tmp_path, "raw", form="files", label_pattern="_(ok)")
    assert [path.name for path in (tmp_path / "output").iterdir()] == [".lock"]


@pytest.mark.parametrize("is_unchanged", [True, False])
def test_the_draft_of_a_killed_process_is_removed(tmp_path: Path, is_unchanged: bool):
    write_signals(tmp_path / "raw", ["1_ok.csv"])
    options = {"form": "files", "label_pattern": "_(ok)"}
    draft = tmp_path / "output" / ".recordings-0123456789abcdef"
    if is_unchanged:
        assembled(tmp_path, "raw", **options)
    write_csv(draft / "recordings.parquet", ["half a file"])
    assembled(tmp_path, "raw", **options)
    assert not draft.exists()


def test_a_draft_that_is_being_written_is_kept_and_waited_for(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1_ok.csv"])
    draft = tmp_path / "output" / ".recordings-0123456789abcdef"
    write_csv(draft / "recordings.parquet", ["half a file"])
    options = {"form": "files", "label_pattern": "_(ok)"}
    with ThreadPoolExecutor() as pool:
        with FileLock(tmp_path / "output/.lock"):
            waiting = pool.submit(assembled, tmp_path, "raw", **options)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            assert draft.exists()
        assert waiting.result(timeout=30).num_recordings == 1


def test_a_table_that_was_only_half_removed_is_assembled_again(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1_ok.csv"])
    options = {"form": "files", "label_pattern": "_(ok)"}
    first = assembled(tmp_path, "raw", **options)
    (first.folder / "_recordings.json").unlink()
    again = assembled(tmp_path, "raw", **options)
    assert again == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "recordings.parquet").write_bytes(b"PAR1"),
        lambda folder: (folder / "recordings.parquet").unlink(),
        lambda folder: pq.write_table(
            pq.read_table(folder / "recordings.parquet").slice(1), folder / "recordings.parquet"
        ),
        lambda folder: (folder / "_recordings.json").write_text(""),
        lambda folder: (folder / "_recordings.json").write_text('{"raw": []}'),
    ],
    ids=["cut short", "removed", "rows removed", "empty record", "record of another release"],
)
def test_a_table_that_is_not_as_it_was_written_is_assembled_again(tmp_path: Path, damage):
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_ok.csv"])
    options = {"form": "files", "label_pattern": "_(ok)"}
    first = assembled(tmp_path, "raw", **options)
    damage(first.folder)
    again = assembled(tmp_path, "raw", **options)
    assert again == first
    assert [row["recording"] for row in rows(again)] == ["1_ok", "2_ok"]


def test_the_record_names_the_raw_files_and_what_was_left_out(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_ok.csv", "3_what.csv"])
    result = assembled(
        tmp_path, "raw", form="files", label_pattern="_(ok|bad)", data={"max_bad_rows": 1}
    )
    record = json.loads((result.folder / "_recordings.json").read_text())
    assert record["raw"]["names"] == ["1_ok.csv", "2_ok.csv", "3_what.csv"]
    assert record["raw_path"] == "raw"
    [bad] = result.bad
    assert (bad.name, bad.path) == ("3_what", str(tmp_path / "raw/3_what.csv"))
    assert "does not match data.recordings.label_pattern" in bad.reason
    with pytest.raises(
        InputError, match=r"1 recording cannot be used, more than data.max_bad_rows"
    ):
        assembled(tmp_path, "raw", form="files", label_pattern="_(ok|bad)")


@pytest.mark.parametrize("label", [LABEL, None])
def test_only_a_run_points_to_the_record_of_bad_recordings(tmp_path: Path, label: Label | None):
    # Predictions assemble in a temporary folder, which is gone when the message is read.
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_ok.csv"])
    (tmp_path / "raw/1_ok.csv").write_text("")
    with pytest.raises(InputError) as caught:
        assembled(tmp_path, "raw", label=label, form="files", label_pattern="_(ok)")
    assert ("All of them are in" in str(caught.value)) == (label is not None)


def test_lineage_gets_the_raw_files_not_the_table(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1_ok.csv", "2_ok.csv"])
    result = assembled(tmp_path, "raw", form="files", label_pattern="_(ok)")
    recorded = raw_recordings(str(result.folder))
    assert recorded == result
    assert recorded.properties() == {
        "raw_path": "raw",
        "raw_digest": digest_files(
            [str(tmp_path / "raw/1_ok.csv"), str(tmp_path / "raw/2_ok.csv")], str(tmp_path / "raw")
        ).digest,
        "num_raw_files": 2,
        "raw_files": '["1_ok.csv", "2_ok.csv"]',
    }
    assert raw_recordings(str(tmp_path)) is None


def test_only_the_latest_tables_of_a_use_case_are_kept(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1_ok.csv"], num_samples=8)
    for size in (2, 3, 4, 5):
        result = assembled(
            tmp_path, "raw", form="files", label_pattern="_(ok)", window={"num_samples": size}
        )
    kept = list((tmp_path / "output").glob("recordings-*"))
    assert len(kept) == 3
    assert result.folder in kept


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__", "index", "row_id"])
def test_a_column_that_numbers_the_rows_is_no_channel(tmp_path: Path, name: str):
    # What pandas writes of the rows that it took from one table: it tells when they were.
    for number in range(2):
        rows_of = [f"{40 * number + place},{place % 3}" for place in range(4)]
        write_csv(tmp_path / f"raw/{number}_ok.csv", [f"{name},acc", *rows_of])
    result = assembled(tmp_path, "raw", form="files", label_pattern="_(ok)")
    assert table(result).column_names == ["recording", "acc", "state"]
    [note] = result.notes[:1]
    assert note.startswith("left out, since no channel")


def test_a_column_named_as_an_index_that_is_measured_is_a_channel(tmp_path: Path):
    write_csv(tmp_path / "raw/1_ok.csv", ["index,acc", "3,1", "1,2", "2,3"])
    result = assembled(tmp_path, "raw", form="files", label_pattern="_(ok)")
    assert rows(result)[0]["index"] == [3, 1, 2]


def test_numbers_that_mean_missing_do_not_make_a_channel_text(tmp_path: Path):
    write_csv(tmp_path / "raw/1_ok.csv", ["acc", "-9999", "1", "2", "-9999"])
    missing = ColumnFormat(type="number", missing=("-9999",))
    result = assembled(
        tmp_path, "raw", form="files", label_pattern="_(ok)", data={"columns": {"acc": missing}}
    )
    np.testing.assert_equal(rows(result)[0]["acc"], [np.nan, 1, 2, np.nan])


@pytest.mark.parametrize(
    ("names", "labels"),
    [(["1_ok", "2_ok", "3_bad"], ", 1 of them with another label"), (["1_ok", "2_ok"], "")],
)
def test_copies_of_recordings_are_told(tmp_path: Path, names: list[str], labels: str):
    for name in names:
        write_csv(tmp_path / f"raw/{name}.csv", ["acc", "1", "2"])
    write_csv(tmp_path / "raw/4_ok.csv", ["acc", "1", "2", "3"])
    result = assembled(tmp_path, "raw", form="files", label_pattern="_(ok|bad)")
    noun = "1 recording" if len(names) == 2 else "2 recordings"
    assert result.notes == (
        f"{noun} with the same content as an earlier one{labels}: `2_ok` is a copy of `1_ok`; "
        "remove copies, which may be in train and in test",
    )


def test_a_pattern_with_a_slash_finds_the_label_in_the_path(tmp_path):
    for name in ("m1/ok/d1/a", "m1/bad/d1/b", "m2/ok/d2/c"):
        write_csv(tmp_path / f"raw/{name}.csv", ["x", "1", "2", "3"])
    result = assembled(tmp_path, "raw", form="files", label_pattern=r"([^/]+)(?:/[^/]+){2}$")
    assert [(row["recording"], row["state"]) for row in rows(result)] == [
        ("b", "bad"),
        ("a", "ok"),
        ("c", "ok"),
    ]
    with pytest.raises(InputError, match="its path does not match"):
        assembled(tmp_path, "raw", form="files", label_pattern="^(other)/")


def test_columns_come_from_the_paths_of_files(tmp_path: Path):
    write_signals(tmp_path / "raw", ["m1/ok/1.csv", "m2/bad/2.csv", "3.csv"])
    options = Recordings(form="files", label_pattern="(1|2|3)", from_path={"machine": "^([^/]+)/"})
    result = assembled(tmp_path, "raw", data={"max_bad_rows": 1}, **vars(options))
    machines = [(row["recording"], row["machine"]) for row in rows(result)]
    assert machines == [("1", "m1"), ("2", "m2")]
    assert "3.csv: its path does not match data.recordings.from_path.machine" in str(result.bad[0])
    # A file to predict may be anywhere.
    predicted = rows(assembled(tmp_path, "raw", label=None, **vars(options)))
    assert [row["machine"] for row in predicted] == [None, "m1", "m2"]


def test_several_rows_of_one_label_are_one_recording(tmp_path: Path):
    write_signals(tmp_path / "raw", ["1.csv", "2.csv"])
    table = ["file,machine,kind,state", "1,m1,crack,bad", "1.csv,m1,rust,bad", "1,m1,dent,bad",
             "2,m2,,ok", "2,m2,,ok"]  # fmt: skip
    write_csv(tmp_path / "labels.csv", table)
    result = assembled(tmp_path, "raw", form="files", labels="labels.csv", id_column="file")
    context = [(row["machine"], row["kind"], row["state"]) for row in rows(result)]
    assert context == [("m1", None, "bad"), ("m2", None, "ok")]
    assert [note.partition(" of ")[0] for note in result.notes][:1] == ["1 row"]
    assert (
        "1 recording with several rows in data.recordings.labels (labels.csv) and one label: "
        "`kind` is missing where they differ" in result.notes
    )

"""What `init` concludes from folders, names and a few samples."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.reading.recordings.discovery import discover
from pipeline.reading.recordings.evidence.labels import label_column
from pipeline.reading.recordings.evidence.listing import read_frame
from tests.pipeline.reading.recordings.raw_files import write_csv
from tests.pipeline.spreadsheets import write_sheet


def write(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(path, **options):
    return discover(str(path), **{"labels": None, "label": None} | options)


def samples(num, *, positive=(), start="2026-01-01", step="5min", **columns):
    """A table of samples at a regular step; those at `positive` have label 1."""
    frame = pd.DataFrame({"timestamp": pd.date_range(start, periods=num, freq=step)})
    frame["value"] = np.sin(np.arange(num) / 7).round(3)
    for name, value in columns.items():
        frame[name] = value
    frame["label"] = np.isin(np.arange(num), list(positive)).astype(int)
    return frame


def write_frame(path, frame):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return path


def test_streams_beside_an_index_without_labels_have_a_label_for_each_sample(tmp_path):
    for name in "abcdef":
        write_frame(tmp_path / "recordings" / f"{name}.csv", samples(800, positive=range(300, 400)))
    write(tmp_path / "index.csv", "recording,rows\n" + "\n".join(f"{n},800" for n in "abcdef"))
    discovery = found(tmp_path)
    options = discovery.recordings
    assert (options.form, options.time_column) == ("stream", "timestamp")
    assert (discovery.path, discovery.label) == (str(tmp_path / "recordings"), "label")
    assert discovery.positive == "1"
    assert discovery.notes[0] == "6 recordings of 1 channel (`value`), 5 min apart, 4,800 samples"
    # Sixty stretches are wanted, ten of each stream; 800 samples have room for fewer than three of
    # ten windows, and three are the least.
    assert options.window.num_stretches == 3


def test_windows_are_a_round_time_near_the_median_event(tmp_path):
    # Events of 70 samples of 5 min are 350 min; 6 h are 72 samples. Each of the 60 events fills
    # one window at least half, since its length is nearly the window's.
    events = [place for start in range(100, 20_000, 330) for place in range(start, start + 70)]
    write_frame(tmp_path / "stream.csv", samples(20_000, positive=events))
    window = found(tmp_path / "stream.csv").recordings.window
    assert window.num_samples == 72
    assert window.num_stretches == 27  # of ten windows of 72 samples


def test_streams_of_several_rates_get_windows_of_one_duration_at_the_median_rate(tmp_path):
    for name, step in (("a", "5min"), ("b", "5min"), ("c", "10min")):
        events = [place for start in range(100, 5_000, 330) for place in range(start, start + 70)]
        frame = samples(5_000, positive=events, step=step)
        write_frame(tmp_path / "streams" / f"{name}.csv", frame)
    discovery = found(tmp_path / "streams")
    # The median event has 70 samples of 5 min, 350 min; 6 h is the nearest round time.
    window = discovery.recordings.window
    assert (window.num_samples, window.length_s) == (None, 21_600)
    assert discovery.rate_hz == 1 / 300
    assert any("steps of 5 min to 10 min: all are resampled to 5 min" in n for n in discovery.notes)


def test_twenty_streams_with_events_are_enough_to_split_by_recording(tmp_path):
    for number in range(20):
        frame = samples(600, positive=range(300, 340))
        write_frame(tmp_path / "recordings" / f"r{number}.csv", frame)
    assert found(tmp_path).recordings.window.num_stretches is None


def test_windows_shrink_until_thirty_are_positive(tmp_path):
    # Two events of 240 samples: windows of 240 give two or four positives, of 15 about 32.
    events = [*range(1_000, 1_240), *range(3_000, 3_240)]
    write_frame(tmp_path / "stream.csv", samples(5_000, positive=events))
    assert found(tmp_path / "stream.csv").recordings.window.num_samples <= 16


def test_rows_with_labels_at_random_are_examples(tmp_path):
    rng = np.random.default_rng(0)
    positive = np.flatnonzero(rng.random(2_000) < 0.05)
    write_frame(tmp_path / "rows.csv", samples(2_000, positive=positive))
    assert found(tmp_path / "rows.csv", label="label") is None


def test_rows_with_texts_are_examples(tmp_path):
    frame = samples(2_000, positive=range(300, 400), operator="ann")
    write_frame(tmp_path / "rows.csv", frame)
    assert found(tmp_path / "rows.csv", label="label") is None


def test_a_person_may_say_that_rows_are_examples(tmp_path):
    write_frame(tmp_path / "rows.csv", samples(2_000, positive=range(300, 400)))
    assert found(tmp_path / "rows.csv", label="label", rows="examples") is None
    assert found(tmp_path / "rows.csv", label="label") is not None


def test_sounds_beside_a_table_take_its_label_and_keep_its_other_columns(tmp_path):
    rows = ["file,speaker,is_four"]
    for number in range(12):
        write(tmp_path / "sounds" / f"{number}.wav")
        rows.append(f"{number}.wav,ann,{int(number == 4)}")
    write(tmp_path / "labels.csv", "\n".join(rows))
    discovery = found(tmp_path)
    options = discovery.recordings
    assert (options.form, options.media, options.id_column) == ("files", "audio", "file")
    assert options.labels == str(tmp_path / "labels.csv")
    assert (discovery.label, discovery.positive) == ("is_four", "1")
    assert discovery.path == str(tmp_path / "sounds")
    # The folder of the sounds, and the table itself, mean the same.
    assert found(tmp_path / "sounds").recordings.id_column == "file"
    assert found(tmp_path / "labels.csv").path == str(tmp_path / "sounds")


def test_pictures_in_folders_by_class_take_the_folders_name(tmp_path):
    for place, kind in enumerate(["ok", "ok", "ok", "crack"]):
        write(tmp_path / "parts" / kind / f"{place}.PNG")
    discovery = found(tmp_path / "parts")
    assert (discovery.recordings.media, discovery.recordings.label_from) == ("image", "folder")
    assert (discovery.label, discovery.positive) == ("label", "crack")
    assert discovery.notes[1] == "the folder's name is the label: `crack` (1), `ok` (3)"


def test_names_with_a_word_for_a_class_hold_the_label(tmp_path):
    for number in range(4):
        write(tmp_path / f"part{number}_{'nok' if number == 2 else 'ok'}.png")
    discovery = found(tmp_path)
    assert discovery.recordings.label_pattern is not None
    assert discovery.positive == "nok"


def test_names_of_persons_are_no_classes(tmp_path):
    for name in ("ann_1", "ann_2", "bob_1"):
        write(tmp_path / f"{name}.wav")
    with pytest.raises(InputError, match=r"3 sounds.* no label was found.*--labels"):
        found(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".mat"])
def test_arrays_are_recordings(tmp_path, suffix):
    for number in range(4):
        write(tmp_path / "runs" / f"{number}{suffix}")
    write(tmp_path / "labels.csv", "id,fault\n0,1\n1,0\n2,0\n3,0\n")
    options = found(tmp_path).recordings
    assert (options.form, options.media, options.id_column) == ("files", "table", "id")


def test_a_table_for_each_recording_takes_the_label_of_the_table_beside(tmp_path):
    for number in range(4):
        frame = samples(20).drop(columns="label")
        write_frame(tmp_path / "runs" / f"r{number}.csv", frame)
    table = "id,motor,failed\n" + "".join(f"r{n},m{n % 2},{int(n == 1)}\n" for n in range(4))
    labels = write(tmp_path / "elsewhere" / "table.csv", table)
    discovery = found(tmp_path / "runs", labels=str(labels), label="failed")
    options = discovery.recordings
    assert (options.form, options.id_column, options.time_column) == ("files", "id", "timestamp")
    assert discovery.label == "failed"


def test_a_table_of_labels_that_names_no_file_is_refused(tmp_path):
    for number in range(4):
        write_frame(tmp_path / "runs" / f"r{number}.csv", samples(20))
    labels = write(tmp_path / "table.csv", "id,failed\nx,1\ny,0\n")
    with pytest.raises(InputError, match=r"no column names the files, such as r0.csv"):
        found(tmp_path / "runs", labels=str(labels), label="failed")


def test_an_unknown_label_is_refused_with_a_suggestion(tmp_path):
    for number in range(4):
        write(tmp_path / "sounds" / f"{number}.wav")
    write(tmp_path / "labels.csv", "file,faulty\n0,1\n1,0\n2,0\n3,0\n")
    with pytest.raises(InputError, match=r"no column `fault`. Did you mean `faulty`"):
        found(tmp_path, label="fault")


def long_table(num_ids=8, *, constant=True):
    parts = [
        samples(20).assign(unit=number, label=int(number == 3) if constant else [0, 1] * 10)
        for number in range(num_ids)
    ]
    return pd.concat(parts)


def test_a_long_table_with_a_constant_label_has_a_recording_for_each_id(tmp_path):
    file = write_frame(tmp_path / "long.csv", long_table())
    options = found(file, label="label").recordings
    assert (options.form, options.id_column, options.time_column) == ("long", "unit", "timestamp")


def test_a_long_table_takes_labels_from_a_table_with_its_ids(tmp_path):
    file = write_frame(tmp_path / "long.csv", long_table().drop(columns="label"))
    labels = write(
        tmp_path / "labels.csv", "unit,worn\n" + "".join(f"{n},{n % 2}\n" for n in range(8))
    )
    discovery = found(file, labels=str(labels), label="worn")
    assert (discovery.recordings.form, discovery.recordings.labels) == ("long", str(labels))


def test_a_label_that_changes_within_ids_makes_no_long_table(tmp_path):
    file = write_frame(tmp_path / "long.csv", long_table(constant=False))
    assert found(file, label="label") is None


def test_a_table_with_start_and_end_lists_the_events_of_streams(tmp_path):
    for name in ("a", "b"):
        frame = samples(3_000).drop(columns="label")
        write_frame(tmp_path / "streams" / f"{name}.csv", frame)
    events = write(
        tmp_path / "events.csv",
        "recording,start,end\na,2026-01-02 00:00:00,2026-01-02 08:00:00\n",
    )
    discovery = found(tmp_path / "streams", labels=str(events))
    options = discovery.recordings
    assert (options.form, options.events) == ("stream", str(events))
    assert (discovery.label, discovery.positive) == ("label", "1")
    assert "1 event in" in discovery.notes[1]


def test_decimal_commas_are_noticed(tmp_path):
    for number in range(4):
        rows = "".join(f"{i / 10:.1f};{i},5\n".replace(".", ",") for i in range(20))
        write(tmp_path / ("ok" if number else "fault") / f"{number}.csv", f"time;u\n{rows}")
    discovery = found(tmp_path)
    assert discovery.data == {"decimal": ","}
    assert discovery.recordings.time_column == "time"


def test_folders_that_name_a_column_are_an_ordinary_table(tmp_path):
    for value in (0, 1):
        write(tmp_path / f"fault={value}" / "a.csv", "x,z\n1,2\n")
        write(tmp_path / f"fault={value}" / "b.csv", "x,z\n1,2\n")
    assert found(tmp_path, label="fault") is None


def test_a_file_that_is_no_table_is_left_to_the_reader_of_tables(tmp_path):
    assert found(write(tmp_path / "a.parquet", "no parquet"), label="y") is None


def test_two_columns_of_one_name_are_left_to_the_reader_of_tables(tmp_path):
    values = pa.array([0.5, 1.5])
    doubled = pa.Table.from_arrays([values, values, values], names=["v", "label", "v"])
    pq.write_table(doubled, tmp_path / "t.parquet")
    assert found(tmp_path / "t.parquet", label="label") is None
    # Blanks around names do not count.
    assert found(write(tmp_path / "t.csv", "v,label, v\n1,0,2\n"), label="label") is None


def test_a_time_with_the_name_of_a_zone_causes_no_warning(tmp_path):
    frame = samples(20)
    frame["timestamp"] = frame["timestamp"].astype(str) + " CET"
    assert found(write_frame(tmp_path / "t.csv", frame), label="label") is None


def test_names_of_files_in_a_table_may_differ_in_case(tmp_path):
    for number in range(4):
        write(tmp_path / "sounds" / f"REC{number}.WAV")
    rows = [f"rec{number}.wav,{int(number == 1)}" for number in range(4)]
    write(tmp_path / "labels.csv", "\n".join(["file,fault", *rows]))
    assert found(tmp_path).recordings.id_column == "file"


@pytest.mark.parametrize("suffixes", [(".png", ".jpg"), (".csv", ".csv")])
def test_a_table_of_labels_in_the_folder_of_the_recordings_is_none_of_them(tmp_path, suffixes):
    rows = ["file,fault"]
    for number in range(6):
        name = f"part{number}{suffixes[number % 2]}"
        write_frame(tmp_path / "parts" / name, samples(20).drop(columns="label"))
        rows.append(f"{name},{int(number == 1)}")
    labels = write(tmp_path / "parts" / "labels.csv", "\n".join(rows))
    discovery = found(tmp_path / "parts")
    assert discovery.path == str(tmp_path / "parts")
    assert discovery.recordings.labels == str(labels)


def test_a_table_may_name_files_by_their_paths_on_another_machine(tmp_path):
    rows = ["file,fault"]
    for number in range(4):
        frame = samples(20).drop(columns="label")
        write_frame(tmp_path / "data" / f"day{number}" / "rec.csv", frame)
        rows.append(f"C:\\machine\\data\\day{number}\\rec.csv,{int(number == 1)}")
    write(tmp_path / "labels.csv", "\n".join(rows))
    assert found(tmp_path).recordings.id_column == "file"


@pytest.mark.parametrize("mask", ["ground_truth/crack/3.png", "masks/3.png", "crack/3_mask.png"])
def test_masks_beside_pictures_are_refused(tmp_path, mask):
    for place, kind in enumerate(["ok", "ok", "ok", "crack"]):
        write(tmp_path / kind / f"{place}.png")
    write(tmp_path / mask)
    with pytest.raises(InputError, match=rf"1 mask among 5 pictures, such as .*{mask}"):
        found(tmp_path)


def test_a_class_of_the_name_mask_is_no_mask(tmp_path):
    for name in ("mask/1.png", "mask/2.png", "no_mask/3.png", "no_mask/4_mask.png"):
        write(tmp_path / name)
    assert found(tmp_path).recordings.label_from == "folder"


def test_files_of_other_kinds_beside_recordings_are_counted(tmp_path):
    for number in range(40):
        suffix = "png" if number < 36 else "webp"
        write(tmp_path / ("ok" if number else "crack") / f"{number}.{suffix}")
    write(tmp_path / "ok" / "sound.wav")
    expected = "not used: 5 files of other kinds (4 .webp, 1 .wav)"
    assert expected in found(tmp_path).notes


def test_the_table_of_labels_is_no_unused_file(tmp_path):
    rows = ["file,fault"]
    for number in range(4):
        write(tmp_path / f"r{number}.npy")
        write_frame(tmp_path / f"r{number}.csv", samples(20))
        rows.append(f"r{number}.npy,{int(number == 1)}")
    write(tmp_path / "labels.csv", "\n".join(rows))
    assert "not used: 4 files of other kinds (4 .csv)" in found(tmp_path).notes


def test_kinds_that_are_not_read_are_refused_with_those_that_are(tmp_path):
    for number in range(4):
        write(tmp_path / ("ok" if number else "crack") / f"{number}.TIF")
    with pytest.raises(InputError, match=r"4 files such as .*\.TIF, and \.tif is not read\..*PNG"):
        found(tmp_path)


def test_numeric_events_are_in_the_unit_of_the_samples_times(tmp_path):
    frame = samples(3_000).drop(columns=["label", "timestamp"])
    frame.insert(0, "t_ms", np.arange(3_000) * 20)
    write_frame(tmp_path / "streams" / "a.csv", frame)
    # From 10 s to 12 s every 20 ms: 101 samples.
    events = write(tmp_path / "events.csv", "recording,start,end\na,10000,12000\n")
    notes = found(tmp_path / "streams", labels=str(events)).notes
    assert any("the median of 1 events is 101 samples" in note for note in notes)


def test_events_name_their_recordings_with_suffix(tmp_path):
    rows = ["recording,start,end"]
    for name in ("a", "b"):
        write_frame(tmp_path / "streams" / f"{name}.csv", samples(3_000).drop(columns="label"))
        rows += [f"{name}.csv,2026-01-0{day} 00:00:00,2026-01-0{day} 08:00:00" for day in (2, 5)]
    events = write(tmp_path / "events.csv", "\n".join(rows))
    notes = found(tmp_path / "streams", labels=str(events)).notes
    # From 0:00 to 8:00 every 5 min: 97 samples.
    assert any("the median of 4 events is 97 samples" in note for note in notes)


def test_times_from_the_last_to_the_first_are_times_and_no_channel(tmp_path):
    rows = ["file,fault"]
    for number in range(4):
        frame = pd.DataFrame({"time": np.arange(20)[::-1] / 10, "value": np.arange(20)})
        write_frame(tmp_path / "runs" / f"r{number}.csv", frame)
        rows.append(f"r{number},{int(number == 1)}")
    write(tmp_path / "labels.csv", "\n".join(rows))
    assert found(tmp_path).recordings.time_column == "time"


def write_labelled_runs(folder, frame, *, num_files=4, table="labels.csv", **options):
    """Writes one table for each recording below `runs`, and a table of their labels."""
    rows = ["file,fault"]
    for number in range(num_files):
        path = folder / "runs" / f"r{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False, **options)
        rows.append(f"r{number},{int(number == 1)}")
    return write(folder / table, "\n".join(rows))


def test_tables_without_rows_are_recordings_that_the_reader_counts(tmp_path):
    write_labelled_runs(tmp_path, samples(20).drop(columns="label"), num_files=6)
    write(tmp_path / "runs" / "r4.csv", "")
    write(tmp_path / "runs" / "r5.csv", "timestamp,value\n")
    discovery = found(tmp_path)
    assert discovery.recordings.id_column == "file"
    assert discovery.path == str(tmp_path / "runs")


def test_a_table_that_names_none_of_the_tables_below_is_refused(tmp_path):
    write_labelled_runs(tmp_path, samples(20).drop(columns="label"))
    write(tmp_path / "labels.csv", "file,fault\nx,1\ny,0\n")
    with pytest.raises(InputError, match=r"r0\.csv, and .*labels\.csv, of which no column names"):
        found(tmp_path)


def test_lines_before_the_header_are_skipped(tmp_path):
    write_labelled_runs(tmp_path, samples(20).drop(columns="label"))
    for path in (tmp_path / "runs").iterdir():
        path.write_text("Device: 7\nOperator: ann\n\n" + path.read_text())
    assert found(tmp_path).recordings.time_column == "timestamp"


def test_a_drawing_beside_tables_makes_them_no_pictures(tmp_path):
    write_labelled_runs(tmp_path, samples(20).drop(columns="label"))
    write(tmp_path / "plot.png")
    assert found(tmp_path).recordings.media == "table"


def test_units_below_the_header_are_no_samples(tmp_path):
    numbers = {"time": ["s", *[f"{n / 10:.1f}" for n in range(20)]], "value": ["mm", *range(20)]}
    write_labelled_runs(tmp_path, pd.DataFrame(numbers).astype(str))
    assert found(tmp_path).recordings.time_column == "time"


def test_a_header_may_have_letters_of_an_old_encoding(tmp_path):
    frame = samples(20).drop(columns="label").rename(columns={"value": "Öl"})
    write_labelled_runs(tmp_path, frame, encoding="cp1252")
    assert found(tmp_path).recordings.time_column == "timestamp"


@pytest.mark.parametrize(
    ("name", "first", "step", "words"),
    [
        ("timestamp", 1_700_000_000_000, 60_000, "1 min"),
        ("t_ms", 0, 10, "10 ms"),
        ("t", 0, 10, "10 s"),
    ],
)
def test_numbers_are_times_in_the_unit_of_their_size_or_name(tmp_path, name, first, step, words):
    frame = samples(2_000, positive=range(500, 600))
    frame["timestamp"] = first + step * np.arange(2_000)
    write_frame(tmp_path / "stream.csv", frame.rename(columns={"timestamp": name}))
    notes = found(tmp_path / "stream.csv", rows="samples").notes
    assert notes[0] == f"1 recording of 1 channel (`value`), {words} apart, 2,000 samples"


def test_labels_may_be_in_a_spreadsheet(tmp_path):
    names = [f"r{number}" for number in range(4)]
    for name in names:
        write_frame(tmp_path / "runs" / f"{name}.csv", samples(20).drop(columns="label"))
    rows = [["file", "fault"], *([name, int(name == "r1")] for name in names)]
    write_sheet(tmp_path / "labels.xlsx", *rows)
    discovery = found(tmp_path)
    assert discovery.recordings.labels == str(tmp_path / "labels.xlsx")
    assert (discovery.label, discovery.positive) == ("fault", "1")


@pytest.mark.parametrize("order", ["interleaved", "shuffled"])
def test_a_long_table_may_have_its_rows_in_any_order(tmp_path, order):
    frame = pd.concat(
        [
            samples(20).assign(run=f"run {run}", label=int(run == 2)).drop(columns="value")
            for run in range(8)
        ]
    )
    frame["value"] = np.arange(len(frame)) / 7
    by_time = frame.sort_values("timestamp", kind="stable")
    write_frame(
        tmp_path / "all.csv",
        by_time if order == "interleaved" else by_time.sample(frac=1, random_state=0),
    )
    options = found(tmp_path / "all.csv").recordings
    assert (options.form, options.id_column) == ("long", "run")
    assert options.time_column == "timestamp"


def test_dates_that_go_back_at_the_end_of_summer_time_are_times(tmp_path):
    frame = samples(800, positive=range(300, 400))
    zone = "Europe/Berlin"
    local = pd.date_range("2026-10-24", periods=800, freq="5min", tz="UTC").tz_convert(zone)
    frame["timestamp"] = local.strftime("%Y-%m-%d %H:%M")
    write_frame(tmp_path / "stream.csv", frame)
    options = found(tmp_path / "stream.csv").recordings
    assert (options.form, options.time_column) == ("stream", "timestamp")


@pytest.mark.parametrize(
    ("names", "is_noted"),
    [
        (["torn/day1", "torn/day2", "whole parts/day1", "whole parts/day2"], True),
        (["train/ok", "train/crack", "test/ok", "test/crack"], False),
        (["motor 1/ok", "motor 1/worn", "motor 2/ok", "motor 2/worn"], False),
        (["train/whole", "train/torn", "test/whole", "test/torn"], False),
    ],
)
def test_folders_above_those_of_days_are_named_as_unused(tmp_path, names, is_noted):
    for number, name in enumerate(names):
        write(tmp_path / name / f"{number}.wav")
    notes = found(tmp_path).notes
    assert ("(`torn`, `whole parts`) are not the label" in "; ".join(notes)) is is_noted
    assert any("the folders above" in note for note in notes) is is_noted


@pytest.mark.parametrize(
    ("names", "shared"),
    [
        (["id_00/normal", "id_00/abnormal", "id_02/normal", "id_02/abnormal"], "`id_00`, `id_02`"),
        (["ok/m1", "ok/m2", "ok/m3", "fault/m1", "fault/m2"], "`m1`, `m2`"),
        (["id_00/normal", "id_00/fault", "id_02/normal"], "`id_00`"),
        (["ok/m1", "ok/m2", "ok/m3", "fault/m4", "fault/m2"], None),
        (["train/ok", "train/crack", "test/ok", "test/crack"], None),
        (["ok", "fault"], None),
    ],
)
def test_folders_with_files_of_several_classes_may_be_machines(tmp_path, names, shared):
    for number, name in enumerate(names):
        write(tmp_path / name / f"{number}.wav")
    notes = "; ".join(found(tmp_path).notes)
    assert ("the same one is in train and in test" in notes) is (shared is not None)
    assert shared is None or f"folders such as {shared} have files" in notes
    assert not found(tmp_path).recordings.from_path


@pytest.mark.parametrize(
    ("pattern", "column", "expression"),
    [
        ("machine_{}/{}", "machine", r"([^/]+)(?:/[^/]+){2}$"),
        ("id_{}/{}", "unit", r"([^/]+)(?:/[^/]+){2}$"),
        ("{1}/M{0}", "unit", r"([^/]+)/[^/]+$"),
        ("plant/Speaker {}/{}", "speaker", r"([^/]+)(?:/[^/]+){2}$"),
    ],
)
def test_folders_of_three_machines_make_a_column(tmp_path, pattern, column, expression):
    for number in range(6):
        name = pattern.format(number // 2, "fault" if number % 2 else "ok")
        write(tmp_path / name / f"{number}.wav")
    discovery = found(tmp_path)
    assert discovery.recordings.from_path == {column: expression}
    assert f"makes the column `{column}` of their names" in "; ".join(discovery.notes)


def test_a_table_of_ids_beside_a_long_table_has_the_labels(tmp_path):
    runs = [samples(20).assign(run=run).drop(columns="label") for run in range(8)]
    write_frame(tmp_path / "samples.csv", pd.concat(runs))
    labels = pd.DataFrame({"run": range(8), "fault": [0, 0, 1, 0, 0, 0, 1, 0]})
    write_frame(tmp_path / "labels.csv", labels)
    discovery = found(tmp_path)
    assert discovery.path == str(tmp_path / "samples.csv")
    assert discovery.recordings.labels == str(tmp_path / "labels.csv")
    assert (discovery.recordings.form, discovery.recordings.id_column) == ("long", "run")
    assert (discovery.label, discovery.positive) == ("fault", "1")


def test_a_table_of_events_without_samples_is_refused(tmp_path):
    path = write(tmp_path / "events.csv", "start,end\n1,2\n")
    with pytest.raises(InputError, match="no table of samples beside it"):
        found(path, labels=str(path))


@pytest.mark.parametrize(
    ("header", "row", "remedy"),
    [
        ("recording,onset,offset", "a,2,4", "Rename `onset` to `start`, and `offset` to `end`"),
        ("recording,Start,duration_s", "a,2,4", "Rename `Start` to `start`, and write a column"),
    ],
)
def test_a_table_of_events_with_other_names_is_told_from_one_of_labels(
    tmp_path, header, row, remedy
):
    for name in "abcd":
        write_csv(tmp_path / f"runs/{name}.csv", ["time,x", *(f"{n},{n % 3}" for n in range(50))])
    write_csv(tmp_path / "events.csv", [header, row])
    with pytest.raises(InputError, match=f"seems to list events, .*{remedy}"):
        discover(str(tmp_path / "runs"), labels=str(tmp_path / "events.csv"), label=None)


def test_folders_of_a_person_s_own_splits_are_said_to_be_no_splits(tmp_path):
    for split in ("train", "test"):
        for name in ("ok", "bad"):
            for number in range(3):
                path = tmp_path / split / name / f"{split}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
    found = discover(str(tmp_path), labels=None, label=None)
    expected = "the folders `test`, `train` are not used as splits: all files are divided anew"
    assert expected in found.notes


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (
            ["p1/hot fault/2024-01-01/1.png", "pump2/normal/2024-01-02/2.png"],
            "hot fault, normal",
        ),
        (["ok/line 1/1.png", "ok/line 2/2.png", "nok/line 1/3.png"], "nok, ok"),
        (["train/ok/day/a/b/1.png", "test/crack/2.png"], "crack, ok"),
    ],
)
def test_folders_with_a_word_such_as_ok_are_the_classes_at_any_level(tmp_path, paths, classes):
    for path in paths:
        write(tmp_path / path)
    discovery = found(tmp_path)
    note = next(note for note in discovery.notes if "name is the label" in note)
    assert re.sub(r" \(\d\)", "", note.partition(": ")[2]) == ", ".join(
        f"`{name}`" for name in classes.split(", ")
    )
    pattern = discovery.recordings.label_pattern
    assert {re.search(pattern, path)[1] for path in paths} == set(classes.split(", "))


@pytest.mark.parametrize("folders", [("train", "test"), ("2024-01-01", "2024-01-02")])
def test_folders_of_splits_and_days_are_no_classes(tmp_path, folders):
    for folder in folders:
        for name in ("normal", "anomaly"):
            write(tmp_path / folder / f"section_00_{name}_{folder}_1.wav")
    pattern = found(tmp_path).recordings.label_pattern
    assert re.search(pattern, "section_00_anomaly_test_7.wav")[1] == "anomaly"


@pytest.mark.parametrize("folders", [("train", "test"), ("2024-01-01", "2024-01-02")])
def test_folders_of_splits_and_days_alone_give_no_label(tmp_path, folders):
    for folder in folders:
        write(tmp_path / folder / "1.wav")
    with pytest.raises(InputError, match="no label was found"):
        found(tmp_path)


def test_times_of_which_some_have_fractions_of_seconds_and_offsets_are_times(tmp_path):
    times = ["2026-03-28T23:59:59+01:00", "2026-03-28T23:59:59.500000+01:00"]
    for name in ("1_ok", "2_nok", "3_ok"):
        write_csv(tmp_path / f"{name}.csv", ["when,x", *[f"{time},1" for time in times]])
    assert found(tmp_path).recordings.time_column == "when"


def write_runs(folder, *, steps_ms=(10,), constant=True, as_index=False):
    """Eight files of 20 samples; `fault` is 1 in two of them."""
    folder.mkdir(exist_ok=True)
    for number in range(8):
        step = f"{steps_ms[number % len(steps_ms)]}ms"
        frame = pd.DataFrame({"when": pd.date_range("2026-01-01", periods=20, freq=step)})
        frame["x"] = np.arange(20.0)
        frame["mode"] = "a"
        frame["fault"] = int(number < 2) if constant else np.arange(20) % 2
        frame = frame.set_index("when") if as_index else frame
        frame.to_parquet(folder / f"{number}.parquet")
    return folder


@pytest.mark.parametrize("as_index", [False, True])
def test_files_with_one_label_each_and_regular_times_are_recordings(tmp_path, as_index):
    discovery = found(write_runs(tmp_path, as_index=as_index))
    assert (discovery.recordings.form, discovery.recordings.time_column) == ("files", "when")
    assert any("`--rows examples` takes rows as examples" in note for note in discovery.notes)


def test_files_whose_label_varies_from_row_to_row_are_an_ordinary_table(tmp_path):
    assert found(write_runs(tmp_path, constant=False)) is None


def write_long(path, *, ids, steps_s=(1.0,)):
    """A long table of 12 runs of 20 samples, named by the columns `ids`; two are faulty."""
    parts = []
    for number in range(12):
        part = pd.DataFrame({"time": np.arange(20) * steps_s[number % len(steps_s)]})
        part["x"], part["fault"] = np.sin(np.arange(20.0) + number), int(number in (1, 7))
        names = {"machine": f"M{number % 4}", "cycle": number // 4, "run": number}
        parts.append(part.assign(**{name: names[name] for name in ids}))
    return write_frame(path, pd.concat(parts))


def test_recordings_of_a_long_table_may_have_steps_of_their_own(tmp_path):
    path = write_long(tmp_path / "long.csv", ids=["run"], steps_s=(1.0, 0.5))
    options = found(path).recordings
    assert (options.form, options.id_column, options.time_column) == ("long", "run", "time")


def test_recordings_that_two_columns_name_together_are_refused(tmp_path):
    path = write_long(tmp_path / "long.csv", ids=["machine", "cycle"])
    with pytest.raises(InputError, match=r"`machine` and `cycle` name together.*such as `M0_0`"):
        found(path)
    assert found(path, rows="examples") is None


def test_a_single_value_in_each_file_of_arrays_may_be_the_label(tmp_path):
    for number, state in enumerate(("ok", "worn", "ok", "ok")):
        np.savez(tmp_path / f"{number}.npz", x=np.arange(10.0), fs=100.0, state=state, fault=state)
    discovery = found(tmp_path)
    assert (discovery.label, discovery.positive) == ("fault", "worn")
    assert discovery.recordings.has_label_column
    assert discovery.notes[1] == "`fault` in each file is the label: `ok` (3), `worn` (1)"
    assert found(tmp_path, label="state").label == "state"


def test_one_file_with_all_recordings_as_an_array_without_labels_is_refused(tmp_path):
    np.savez(tmp_path / "all.npz", X=np.zeros((20, 50)), z=np.arange(20) % 2)
    with pytest.raises(InputError, match=r"one file of arrays.*Groups of an HDF5 file are"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("header", "values", "label"),
    [
        ("Befund", ("io", "nio"), "Befund"),  # the only other column
        ("machine,status", ("a,PASS", "b,FAIL"), "status"),  # the only one with words of classes
    ],
)
def test_the_label_of_a_table_without_such_a_name_is_known_by_its_values(
    tmp_path, header, values, label
):
    rows = [f"file,{header}"]
    for number in range(6):
        write(tmp_path / f"{number}.wav")
        rows.append(f"{number}.wav,{values[number % 2]}")
    write(tmp_path / "table.csv", "\n".join(rows))
    assert found(tmp_path).label == label


def test_a_stream_may_have_more_states_than_two_if_the_positive_one_is_named(tmp_path):
    state = np.array(["NORMAL", "BROKEN", "RECOVERING"])[np.arange(3_000) // 50 % 6 % 3]
    pd.DataFrame({
        "time": pd.date_range("2026-01-01", periods=3_000, freq="1min"),
        "speed": np.arange(3_000) % 7.5,
        "state": state,
    }).to_csv(tmp_path / "pump.csv", index=False)  # fmt: skip
    assert found(tmp_path / "pump.csv", label="state") is None
    discovery = found(tmp_path / "pump.csv", label="state", positive="BROKEN")
    # Runs of 50 samples; each third of the 60 runs is broken.
    assert any("20 events" in note for note in discovery.notes)
    assert discovery.notes[-1] == "samples whose `state` is `NORMAL`, `RECOVERING` count as healthy"


def test_german_words_for_good_and_bad_are_classes(tmp_path):
    for number in range(6):
        path = tmp_path / f"Teil_{number}_{'NIO' if number % 3 else 'IO'}.csv"
        write_frame(path, samples(20).drop(columns="label"))
    assert found(tmp_path).notes[-1] == "the file's name holds the label: `IO` (2), `NIO` (4)"
    rows = pd.DataFrame({"Teil": [f"{n}.wav" for n in range(6)], "Urteil": ["i.O.", "n.i.O."] * 3})
    assert label_column(rows, wanted=None, not_label=("Teil",), where="t.csv") == "Urteil"


def test_many_pictures_of_kinds_that_are_not_read_are_refused(tmp_path):
    for number in range(40):
        suffix = ".tif" if number % 5 == 0 else ".png"
        write(tmp_path / ("ok" if number % 2 else "bad") / f"{number}{suffix}", "")
    with pytest.raises(InputError, match=r"8 files such as .*0.tif, and .tif is not read"):
        found(tmp_path)


def test_events_with_another_name_for_their_end_are_no_labels(tmp_path):
    for name in ("P-0", "P-1", "P-2"):
        write_frame(tmp_path / "data" / f"{name}.csv", samples(800).drop(columns="label"))
    rows = "P-0,2026-01-01 01:00,2026-01-01 02:00,jam\nP-0,2026-01-02,2026-01-03,leak\n"
    write(tmp_path / "faults.csv", "machine,begin,finish,type\n" + rows + rows.replace("-0", "-1"))
    with pytest.raises(InputError, match="Rename `begin` to `start`, and `finish` to `end`"):
        found(tmp_path)


def test_a_table_among_others_that_cannot_be_read_is_a_bad_recording(tmp_path):
    for number in range(10):
        path = tmp_path / ("ok" if number % 2 else "fault") / f"{number}.csv"
        write_frame(path, samples(20).drop(columns="label"))
    write(tmp_path / "ok" / "11.csv", "timestamp,value\n2026-01-01,1\n2026-01-02,2,3\n")
    discovery = found(tmp_path)
    assert discovery.notes[-1] == "the folder's name is the label: `fault` (5), `ok` (5)"
    # The reader sees the file too, and counts it.
    assert discovery.path == str(tmp_path)


def test_nan_in_capitals_is_a_missing_number_as_loggers_write_it(tmp_path):
    (tmp_path / "a.csv").write_text("t,a\n0,1\n1,NAN\n")
    assert read_frame(str(tmp_path / "a.csv"))["a"].isna().tolist() == [False, True]

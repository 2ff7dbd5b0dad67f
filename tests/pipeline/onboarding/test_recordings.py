"""`init` of recordings and sounds: from raw files to a config that the loader accepts."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
from PIL import Image as PillowImage

from common.errors import InputError
from models.features import Audio, Image, Signal
from pipeline.components.anomaly_gate.pictures import count_pictures, judge_pictures
from pipeline.config_loading import load_config
from pipeline.onboarding import initialise
from pipeline.onboarding.initialising import print_report
from pipeline.onboarding.recordings.media import audio_feature, image_feature
from pipeline.onboarding.recordings.nominal_rate import choose_rate
from pipeline.reading.ingest_spec import nominal_rates


def init(folder, data, **options):
    defaults = {"label": None, "positive": None, "name": "case", "force": False}
    return initialise(str(data), project_dir=folder, **(defaults | options))


def write_streams(folder, num=3, *, num_samples=6_000, steps=("1s",)):
    """Streams of one channel with ten events of 50 samples each."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(num):
        fault = (np.arange(num_samples) % 600 >= 300) & (np.arange(num_samples) % 600 < 350)
        step = steps[number % len(steps)]
        pd.DataFrame({
            "time": pd.date_range("2026-01-01", periods=num_samples, freq=step),
            "speed": rng.normal(size=num_samples).round(3) + 2 * fault,
            "fault": fault.astype(int),
        }).to_csv(folder / f"s{number}.csv", index=False)  # fmt: skip
    return folder


def write_sounds(folder):
    """Sounds of 0.5 s of two speakers, each fifth of them positive, beside a table of labels."""
    rng = np.random.default_rng(0)
    (folder / "sounds").mkdir(parents=True)
    rows = ["file,speaker,faulty"]
    for number in range(200):
        name = f"{number}.wav"
        soundfile.write(folder / "sounds" / name, 0.1 * rng.normal(size=2_000), 4_000)
        rows.append(f"{name},{'ann' if number % 2 else 'bob'},{int(number // 2 % 5 == 0)}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def streams_report(tmp_path_factory):
    """What `init` writes and proposes for three streams of one rate."""
    folder = tmp_path_factory.mktemp("case")
    return init(folder, write_streams(folder / "streams"))


def test_streams_become_windows_that_are_split_by_stretch(streams_report):
    config = load_config(streams_report.config_path)
    assert config.data.recordings.form == "stream"
    assert config.data.recordings.window.num_samples == 60  # a minute, near 50 samples
    assert (config.split.strategy, config.split.column) == ("group", "stretch")
    assert isinstance(config.features["speed"], Signal)
    assert config.data.recordings.window.history == 12
    history = {f"speed_past_{what}" for what in ("distance", "shift", "spread")}
    assert set(config.features) == {"speed"} | history
    # Windows with gaps are no surprise, but nothing is known of an event before it is over.
    assert "it leaks the label" in streams_report.proposal.left_out["event"]


def test_streams_of_several_rates_are_resampled_by_the_config(tmp_path):
    streams = write_streams(tmp_path / "streams", steps=("1s", "1s", "2s"))
    config = load_config(init(tmp_path, streams).config_path)
    assert config.data.recordings.window.length_s == 60
    speed = config.features["speed"]
    assert (speed.num_samples, speed.sampling_rate_hz, speed.rate_column) == (60, 1.0, None)
    assert nominal_rates(config) == {"speed": 1.0}


@pytest.mark.parametrize(
    ("steps_ms", "expected_hz"),
    [
        ((10, 5), 100.0),  # equally common: the lower one
        ((5, 5, 10), 200.0),
        ((10,), 100.0),
    ],
)
def test_files_of_several_rates_are_resampled_by_the_config(tmp_path, steps_ms, expected_hz):
    rng = np.random.default_rng(0)
    for number in range(100):
        step_ms = steps_ms[number % len(steps_ms)]
        path = tmp_path / "runs" / ("fault" if number % 5 == 0 else "ok") / f"{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        times = np.arange(0, 1_000, step_ms) / 1_000
        pd.DataFrame({"t": times, "x": rng.normal(size=len(times))}).to_csv(path, index=False)
    config = load_config(init(tmp_path, tmp_path / "runs").config_path)
    signal = config.features["x"]
    assert (signal.sampling_rate_hz, signal.num_samples) == (expected_hz, expected_hz)
    # With a column of rates, recordings would be stretched instead of resampled.
    assert (signal.rate_column is None) == (len(steps_ms) > 1)
    assert signal.lengths is None


@pytest.mark.parametrize(
    ("rates_hz", "expected_hz"),
    [
        ([100.0, 200.0, 100.0, 100.5], 100.0),
        ([93.0, 99.6, 100.4, 101.2, 109.0], 100.0),  # none is common: the median 100.4, rounded
        ([100.0, 100.5], None),
        ([0.01, 100.0], None),  # too far apart to resample
    ],
)
def test_the_rate_of_all_recordings_is_the_commonest_else_the_median(rates_hz, expected_hz):
    assert choose_rate(np.array(rates_hz)) == expected_hz


def test_the_schema_of_windows_has_the_columns_that_are_no_features(streams_report):
    for name in ("window_start", "window_end", "event", "recording", "stretch"):
        assert f'name: "{name}"' in streams_report.schema_text


def test_two_speakers_are_kept_apart_in_test(tmp_path):
    report = init(tmp_path, write_sounds(tmp_path / "case"))
    config = load_config(report.config_path)
    assert config.data.recordings.labels == "../case/labels.csv"
    assert config.label.column == "faulty"
    sound = config.features["sound"]
    assert isinstance(sound, Audio)
    assert (sound.sampling_rate_hz, sound.duration_s) == (4_000.0, 0.5)
    assert (config.split.column, config.split.eval_within_groups) == ("speaker", True)
    assert set(config.features) == {"sound"}
    # Half of the 40 positives are of the speaker of test.
    assert report.proposal.split.num_test_positives == 20


def test_the_rate_of_sounds_is_no_feature_that_a_client_would_have_to_send(tmp_path):
    folder = write_sounds(tmp_path / "data")
    for number in range(0, 200, 3):
        soundfile.write(folder / f"sounds/{number}.wav", np.full(4_000, 0.1), 8_000)
    report = init(tmp_path, folder)
    config = load_config(report.config_path)
    assert list(config.features) == ["sound"]
    assert "sampling_rate_hz: the files hold it" in report.config_text
    assert 'name: "sampling_rate_hz"' in report.schema_text


def test_a_dry_run_of_sounds_writes_nothing(tmp_path):
    init(tmp_path, write_sounds(tmp_path / "case"), dry_run=True)
    assert not (tmp_path / "configs").exists()


def test_a_table_without_recordings_needs_a_label(tmp_path):
    (tmp_path / "a.csv").write_text("x,z\n" + "1,0\n2,1\n" * 20)
    with pytest.raises(InputError, match=r"its label is not known. Name its column with --label"):
        init(tmp_path, tmp_path / "a.csv")


def test_a_table_of_labels_needs_recordings(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "1,0\n2,1\n" * 20)
    (tmp_path / "b.csv").write_text("x,y\n1,0\n")
    with pytest.raises(InputError, match="holds no recordings that it could name"):
        init(tmp_path, tmp_path / "a.csv", labels=str(tmp_path / "b.csv"), label="y")


def test_many_broken_sounds_are_refused_with_the_reason(tmp_path):
    folder = write_sounds(tmp_path / "case")
    for number in range(20):
        (folder / "sounds" / f"{number}.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match="20 of 200 recordings cannot be used"):
        init(tmp_path, folder)


def write_pictures(folder, names):
    """Different grey pictures."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(60, 48, "L", shade=number))
    return folder


@pytest.mark.parametrize("name", ["{label}/{number:03d}.png", "{label}_{number:03d}.png"])
def test_names_that_begin_with_the_label_are_no_order_of_recording(tmp_path, name):
    labels = ["ok"] * 100 + ["bad"] * 40
    names = [name.format(label=label, number=n) for n, label in enumerate(labels)]
    report = init(tmp_path, write_pictures(tmp_path / "tiles", names))
    assert report.proposal.split.split.strategy == "stratified"
    assert report.proposal.split.warning == ""


def test_the_order_of_recordings_in_a_table_of_labels_is_judged(tmp_path):
    names = [f"{n:03d}.png" for n in range(140)]
    write_pictures(tmp_path / "tiles", names)
    rows = [f"{name},{int(20 <= n < 60)}" for n, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,faulty", *rows]))
    report = init(tmp_path, tmp_path / "tiles")
    assert "the rows form 3 runs of equal labels" in report.proposal.split.warning


def sound(duration_s, rate=8_000):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(round(duration_s * rate)), rate, format="WAV")
    return buffer.getvalue()


def test_sounds_are_heard_whole_in_all_but_one_of_twenty():
    feature, reason = audio_feature([sound(0.32)] * 39 + [sound(3.0)])
    assert feature == Audio(sampling_rate_hz=8_000.0, duration_s=0.4)
    assert reason.startswith("40 sounds of 0.32 to 3 s, all at 8,000 Hz; 98 % are heard whole")


def picture(width, height, mode="RGB", shade=0):
    buffer = io.BytesIO()
    color = shade if mode == "L" else (shade,) * 3
    PillowImage.new(mode, (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        # The longest side becomes 96; 480 / 640 of it are 72.
        ("RGB", (640, 480), Image(height=72, width=96, channels=3)),
        ("L", (64, 64), Image(height=64, width=64, channels=1)),
        # The shorter side keeps 8 of its 10 pixels.
        ("RGB", (1_000, 10), Image(height=8, width=800, channels=3)),
        ("L", (60, 48), Image(height=48, width=60, channels=1)),
    ],
)
def test_pictures_keep_their_shape_and_colours(mode, size, expected):
    feature, _ = image_feature([picture(*size, mode)] * 3, 3)
    assert feature == expected


@pytest.mark.parametrize(
    "sizes",
    [
        [(60, 48)] * 20,
        [(20, 12)] * 20,
        [(97, 31)] * 20,
        [(640, 480)] * 18 + [(500, 375)] * 22,
        [(75, 57)] * 10 + [(50, 38)] * 10,
    ],
)
def test_the_gate_does_not_warn_of_a_proposed_size(sizes):
    files = [picture(*size) for size in sizes]
    feature, _ = image_feature(files, len(files))
    rows = pa.array([[file] for file in files], pa.list_(pa.binary()))
    counts = count_pictures([pa.record_batch({"image": rows})], {"image": feature})
    assert list(judge_pictures(counts, {"image": feature}, "train")) == []


def test_a_single_thumbnail_does_not_make_all_pictures_small():
    feature, _ = image_feature([picture(100, 75)] * 99 + [picture(10, 9)], 100)
    assert (feature.width, feature.height) == (96, 72)


def test_the_frames_that_are_not_seen_are_said():
    frames = [PillowImage.new("L", (20, 16), shade) for shade in (0, 200)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    _, reason = image_feature([file.getvalue(), picture(20, 16)], 2)
    assert reason.endswith("; 1 are animated, and only their first frame counts")


def test_a_folder_for_each_machine_is_a_group(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(120):
        state = "fault" if number % 4 == 0 else "ok"
        path = tmp_path / "raw" / f"machine_{number // 4 % 5}" / state / f"{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"x": rng.normal(size=20).round(3)}).to_csv(path, index=False)
    config = load_config(init(tmp_path, tmp_path / "raw").config_path)
    assert config.data.recordings.label_from == "folder"
    assert list(config.data.recordings.from_path) == ["machine"]
    assert (config.split.strategy, config.split.column) == ("group", "machine")
    assert list(config.features) == ["x"]


def _write_wavs(folder, rate_of_faults, num=60):
    rng = np.random.default_rng(0)
    for number in range(num):
        is_fault = number % 4 == 0
        path = folder / ("fault" if is_fault else "ok") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        rate = rate_of_faults if is_fault else 4_000
        soundfile.write(path, 0.1 * rng.normal(size=rate // 10), rate)


@pytest.mark.parametrize(("rate", "is_told"), [(8_000, True), (4_000, False)])
def test_a_sampling_rate_that_tells_the_label_is_a_warning(tmp_path, rate, is_told, capsys):
    _write_wavs(tmp_path / "raw", rate)
    report = init(tmp_path, tmp_path / "raw")
    print_report(report)
    wanted = "Warning: the sampling rate tells the label: 8000 Hz in 15 of 15 positives and in 0 of"
    assert (wanted in capsys.readouterr().out) is is_told
    assert ("Warning: the sampling rate tells the label" in report.config_text) is is_told


def test_a_length_that_tells_the_label_is_a_warning(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        path = tmp_path / "raw" / ("ok" if number % 4 else "fault") / f"{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 40 if number % 4 else 30
        pd.DataFrame({"x": rng.normal(size=size).round(3)}).to_csv(path, index=False)
    [warning] = init(tmp_path, tmp_path / "raw").proposal.origin.warnings
    assert warning.startswith("the number of samples tells the label: 30 in 15 of 15 positives")
    report = init(tmp_path, tmp_path / "raw", negative="ok", name="negative")
    assert report.proposal.origin.warnings == (warning,)


def test_the_encoding_of_the_raw_files_tells_the_label(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        suffix = "wav" if number % 4 else "flac"
        path = tmp_path / "raw" / ("ok" if number % 4 else "fault") / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.normal(size=400), 4_000)
    [warning] = init(tmp_path, tmp_path / "raw").proposal.origin.warnings
    assert warning.startswith("the encoding tells the label: FLAC Signed 16 bit PCM in 15 of 15")


def write_sized_pictures(folder, sizes):
    """Grey pictures of these sizes; each fifth is in the folder `bad`, the others in `good`."""
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(sizes):
        path = folder / ("good" if number % 5 else "bad") / f"{3 * number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, size=(height, width), dtype=np.uint8)
        PillowImage.fromarray(pixels).save(path)
    return folder


def test_two_tiny_pictures_of_sixty_do_not_make_all_small(tmp_path):
    parts = write_sized_pictures(tmp_path / "parts", [(48, 48)] * 78 + [(1, 1), (3, 90)])
    report = init(tmp_path, parts)
    image, reason = report.proposal.features["image"]
    assert (image.width, image.height) == (48, 48)
    assert reason.endswith("2 are smaller, and are enlarged")


def test_the_number_in_a_file_s_name_is_no_feature(tmp_path):
    # 0.png, 3.png, 6.png, ...: not every whole number of the range.
    report = init(tmp_path, write_sized_pictures(tmp_path / "parts", [(16, 16)] * 80))
    assert set(report.proposal.features) == {"image"}
    assert report.proposal.left_out["recording"] == "the names of the recordings"


def write_machines(folder, states, num_each, num_machines=4):
    """Tables of machines in a folder each, with the states in the folders below."""
    rng = np.random.default_rng(0)
    for machine in range(num_machines):
        for state, number in zip(states, num_each, strict=True):
            path = folder / f"mill {machine}" / state
            path.mkdir(parents=True)
            for one in range(number):
                rows = pd.DataFrame({"t": np.arange(20) / 10, "x": rng.normal(size=20)})
                rows.to_csv(path / f"{one}.csv", index=False)
    return folder


def test_machines_above_folders_of_states_without_known_words_are_groups(tmp_path):
    mills = write_machines(tmp_path / "mills", ["calm", "wild", "odd"], [10, 5, 5])
    config = load_config(init(tmp_path, mills, positive="wild").config_path)
    # Of four machines with five positives each, test gets one.
    assert (config.split.strategy, config.split.column) == ("group", "unit")
    assert set(config.features) == {"x"}


def test_groups_that_do_not_divide_into_quarters_get_larger_splits(tmp_path):
    # Test needs 5 of the 20 positives, so two of the five machines: 0.35 of the rows are nearer to
    # two of them than to one, 0.3 are not.
    mills = write_machines(tmp_path / "mills", ["ok", "fault"], [12, 4], num_machines=5)
    report = init(tmp_path, mills)
    split = load_config(report.config_path).split
    assert (split.strategy, split.column, split.eval, split.test) == ("group", "unit", 0.35, 0.35)
    assert "whole groups must give each enough positives" in report.proposal.split.reason


def test_an_unclear_label_says_where_it_is_from(tmp_path):
    mills = write_machines(tmp_path / "mills", ["calm", "wild", "odd"], [4, 4, 4])
    with pytest.raises(InputError, match=r"--positive(.|\n)*Found: the folder's name is the label"):
        init(tmp_path, mills)


def test_the_corners_of_boxes_are_no_features(tmp_path):
    parts = write_sized_pictures(tmp_path / "parts", [(16, 16)] * 80)
    rows = ["file,maker,class,xmin"]
    for number in range(80):
        label = "bolt" if number % 5 else "rust"
        row = f"{3 * number}.png,{'ab'[number % 2]},{label}"
        rows += [f"{row},{number + box}" for box in range(1 + number % 3)]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    report = init(tmp_path, parts, labels=str(tmp_path / "boxes.csv"), label="class")
    assert set(report.proposal.features) == {"image", "maker"}
    assert "as annotations do" in report.proposal.left_out["xmin"]


def test_infinite_samples_cause_no_warning(tmp_path):
    mills = write_machines(tmp_path / "mills", ["ok", "fault"], [12, 4], num_machines=5)
    (mills / "mill 0" / "ok" / "0.csv").write_text("t,x\n0,inf\n0.1,inf\n0.2,1\n")
    assert "x" in init(tmp_path, mills).proposal.features


def test_channels_that_were_written_with_the_label_are_no_features(tmp_path):
    streams = write_streams(tmp_path / "streams")
    for path in streams.glob("*.csv"):
        frame = pd.read_csv(path)
        frame["changepoint"] = frame["fault"].diff().abs().fillna(0)
        frame["kind"] = 7 * frame["fault"]
        frame["valve"] = np.arange(len(frame)) // 400 % 2  # a state that the fault does not follow
        frame.to_csv(path, index=False)
    report = init(tmp_path, streams, label="fault")
    used = {name.partition("_past_")[0] for name in report.proposal.features}
    assert used == {"speed", "valve"}
    assert "`kind` was written with it" in report.proposal.left_out["kind"]


def test_categories_of_data_frames_are_read(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(80):
        path = tmp_path / "runs" / ("ok" if number % 5 else "fault") / f"{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({
            "t": np.arange(20) / 10,
            "x": rng.normal(size=20),
            "mode": pd.Categorical(["a", "b"] * 10),
            "maker": pd.Categorical(["ab"[number % 2]] * 20),
        }).to_parquet(path)  # fmt: skip
    report = init(tmp_path, tmp_path / "runs")
    assert {"x", "maker"} <= {*report.proposal.features, *report.proposal.left_out}
    long = pd.concat(
        pd.read_parquet(path).assign(unit=path.stem, failed=path.parent.name == "fault")
        for path in (tmp_path / "runs").rglob("*.parquet")
    )
    long.astype({"unit": "category"}).to_parquet(tmp_path / "long.parquet")
    report = init(tmp_path, tmp_path / "long.parquet", name="long")
    assert "x" in report.proposal.features


@pytest.mark.parametrize(("name", "per_second"), [("t", 1), ("time", 1), ("t_ms", 1_000)])
def test_an_array_of_times_is_no_channel(tmp_path, name, per_second):
    rng = np.random.default_rng(0)
    for number in range(80):
        path = tmp_path / "runs" / ("ok" if number % 5 else "fault") / f"{number}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        times = np.arange(40) / 10 * (2 if number % 4 == 0 else 1)  # 5 or 10 Hz
        np.savez(path, **{name: times * per_second, "x": rng.normal(size=40)})
    config = load_config(init(tmp_path, tmp_path / "runs").config_path)
    assert config.data.recordings.time_column == name
    assert set(config.features) == {"x"}
    assert config.features["x"].sampling_rate_hz == 10

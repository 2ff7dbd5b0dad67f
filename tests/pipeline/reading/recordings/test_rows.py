"""Files with many recordings: arrays with labels, and text without names of columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from common.errors import InputError
from pipeline.reading.recordings.discovery import discover
from pipeline.recording_options import Recordings, RowsOfFile
from tests.pipeline.reading.recordings.raw_files import assembled, rows

NUM, LENGTH = 12, 40
LABELS = [int(place % 3 == 0) for place in range(NUM)]


def signals(num: int = NUM, length: int = LENGTH) -> np.ndarray[Any, Any]:
    """Smooth recordings, float64 [num, length]; the first sample of each is its place."""
    return np.arange(num)[:, None] + np.sin(np.arange(length) / 5)


def write_text(path: Path, delimiter: str = "\t", *, label_at: int = 0) -> None:
    lines = []
    for label, samples in zip(LABELS, signals(), strict=True):
        cells = [f"{x:.4f}" for x in samples]
        cells.insert(label_at if label_at == 0 else len(cells), f"{1 - 2 * label}")
        lines.append(delimiter.join(cells))
    path.write_text("\n".join([*lines, ""]))


def _npz(path: Path) -> None:
    np.savez(path, X=signals(), y=LABELS, subject=np.arange(NUM) // 4, fs=100.0)


def _npz_channels(path: Path) -> None:
    np.savez(path, X=np.stack([signals(), -signals()], axis=2), label=np.array(LABELS) == 1)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["runs"] = signals().T
        file["fault"] = np.array([b"bad" if label else b"ok" for label in LABELS])


def _mat(path: Path) -> None:
    scipy.io.savemat(path, {"data": signals(), "target": np.array(LABELS)[None]})


@pytest.mark.parametrize(
    ("name", "write", "expected", "label", "positive"),
    [
        ("a.npz", _npz, {"array": "X", "label": "y"}, "y", "1"),
        ("a.npz", _npz_channels, {"array": "X", "label": "label"}, "label", "1"),
        ("a.h5", _hdf5, {"array": "runs", "label": "fault", "axis": "last"}, "fault", "bad"),
        ("a.mat", _mat, {"array": "data", "label": "target"}, "target", "1"),
        ("a.tsv", write_text, {"label_at": "first", "num_samples": 40}, "label", "-1"),
        ("a.txt", lambda path: write_text(path, "  "), {"label_at": "first", "num_samples": 40},
         "label", "-1"),
        ("a.csv", lambda path: write_text(path, ",", label_at=-1),
         {"label_at": "last", "num_samples": 40}, "label", "-1"),
    ],
)  # fmt: skip
def test_one_file_with_all_recordings_is_found(
    tmp_path: Path,
    name: str,
    write: Callable[[Path], None],
    expected: dict[str, Any],
    label: str,
    positive: str,
):
    write(tmp_path / name)
    found = discover(str(tmp_path / name), labels=None, label=None)
    assert found is not None
    assert found.recordings == Recordings(form="rows", rows=RowsOfFile(**expected))
    assert (found.path, found.label, found.positive) == (str(tmp_path / name), label, positive)


def test_labels_of_an_array_are_in_a_file_beside_it(tmp_path: Path):
    np.save(tmp_path / "X.npy", signals())
    np.save(tmp_path / "y.npy", LABELS)
    found = discover(str(tmp_path), labels=None, label=None)
    expected = Recordings(
        form="rows", labels=str(tmp_path / "y.npy"), rows=RowsOfFile(array="signal")
    )
    assert found is not None
    assert (found.path, found.recordings) == (str(tmp_path / "X.npy"), expected)
    (tmp_path / "t.csv").write_text(
        "nr,faulty\n" + "".join(f"{n},{y}\n" for n, y in enumerate(LABELS))
    )
    by_table = discover(str(tmp_path / "X.npy"), labels=str(tmp_path / "t.csv"), label=None)
    assert by_table is not None
    assert (by_table.label, by_table.recordings.labels) == ("faulty", str(tmp_path / "t.csv"))


def test_a_table_of_examples_without_a_header_is_no_file_of_recordings(tmp_path: Path):
    scales = 10.0 ** (np.arange(LENGTH) % 4)
    values = np.random.default_rng(0).normal(size=(NUM, LENGTH)) * scales
    lines = [",".join([str(y), *map(str, own)]) for y, own in zip(LABELS, values, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert discover(str(tmp_path / "a.csv"), labels=None, label=None) is None


@pytest.mark.parametrize("suffix", [".ts", ".arff"])
def test_files_of_other_kinds_are_refused_with_what_to_write(tmp_path: Path, suffix: str):
    (tmp_path / f"a{suffix}").write_text("@data")
    with pytest.raises(InputError, match=rf"{suffix} files are not read. Write an NPZ file"):
        discover(str(tmp_path / f"a{suffix}"), labels=None, label=None)


def test_each_row_of_an_array_is_a_recording(tmp_path: Path):
    _npz(tmp_path / "a.npz")
    result = assembled(tmp_path, "a.npz", form="rows", rows=RowsOfFile(array="X", label="y"))
    first, *_, last = rows(result)
    assert result.num_rows == NUM
    assert (first["recording"], first["state"], first["subject"]) == ("a_1", "1", 0)
    assert (last["recording"], last["state"], last["subject"]) == ("a_12", "0", 2)
    assert first["sampling_rate_hz"] == 100.0
    assert last["X"] == pytest.approx(signals()[-1], rel=1e-6)


def test_channels_of_an_array_are_numbered(tmp_path: Path):
    _npz_channels(tmp_path / "a.npz")
    result = assembled(tmp_path, "a.npz", form="rows", rows=RowsOfFile(array="X", label="label"))
    row = rows(result)[5]
    assert (row["X_1"][0], row["X_2"][0], row["state"]) == (5.0, -5.0, "0")


def test_recordings_on_the_last_axis_are_turned(tmp_path: Path):
    _hdf5(tmp_path / "a.h5")
    options = RowsOfFile(array="runs", label="fault", axis="last")
    result = assembled(tmp_path, "a.h5", form="rows", rows=options)
    assert [row["runs"][0] for row in rows(result)] == list(range(NUM))
    assert [row["state"] for row in rows(result)][:2] == ["bad", "ok"]


def test_rows_are_resampled_to_the_nominal_rate(tmp_path: Path):
    _npz(tmp_path / "a.npz")
    options = RowsOfFile(array="X", label="y")
    result = assembled(tmp_path, "a.npz", form="rows", rows=options, rates={"X": 50.0})
    assert {len(row["X"]) for row in rows(result)} == {LENGTH // 2}


def test_labels_by_order_must_be_as_many_as_recordings(tmp_path: Path):
    np.save(tmp_path / "X.npy", signals())
    np.save(tmp_path / "y.npy", LABELS[:-1])
    options: dict[str, Any] = {"form": "rows", "labels": "y.npy"}
    with pytest.raises(InputError, match=r"it has 12 recordings, and .* has 11 labels"):
        assembled(tmp_path, "X.npy", rows=RowsOfFile(array="signal"), **options)
    np.save(tmp_path / "y.npy", LABELS)
    result = assembled(tmp_path, "X.npy", rows=RowsOfFile(array="signal"), **options)
    assert [row["state"] for row in rows(result)] == [str(label) for label in LABELS]


TEXT = RowsOfFile(label_at="first", num_samples=LENGTH)


def test_wrong_lines_of_text_are_named(tmp_path: Path):
    write_text(tmp_path / "a.tsv")
    lines = (tmp_path / "a.tsv").read_text().splitlines()
    lines[1] = lines[1].rpartition("\t")[0]
    lines[2] = lines[2].rpartition("\t")[0] + "\tx"
    lines[3] = lines[3].rpartition("\t")[0] + "\tNaN"
    (tmp_path / "a.tsv").write_text("\n".join(lines))
    result = assembled(tmp_path, "a.tsv", form="rows", rows=TEXT, data={"max_bad_rows": 2})
    assert [bad.reason for bad in result.bad] == [
        "line 2 has 40 values; expected 41",
        "sample 40: `x` found, expected a number",
    ]
    row = rows(result)[1]
    assert (row["recording"], row["state"], row["signal"][0]) == ("a_4", "-1", 3.0)
    assert np.isnan(row["signal"][-1])


def test_lines_to_predict_may_lack_the_label(tmp_path: Path):
    write_text(tmp_path / "a.tsv")
    lines = (tmp_path / "a.tsv").read_text().splitlines()
    lines[0] = lines[0].partition("\t")[2]
    (tmp_path / "a.tsv").write_text("\n".join(lines))
    result = assembled(tmp_path, "a.tsv", label=None, form="rows", rows=TEXT)
    assert [row["signal"][0] for row in rows(result)] == list(range(NUM))
    assert "state" not in rows(result)[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"array": "Z", "label": "y"}, r"no array `Z`; it has `X` \(12, 40\)"),
        ({"array": "y", "label": "X"}, r"`y` is \(12,\) of int64; expected numbers"),
        ({"array": "X", "label": "X"}, "`X` has 480 labels, and `X` 12 recordings"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, str], words: str):
    _npz(tmp_path / "a.npz")
    with pytest.raises(InputError, match=words):
        assembled(tmp_path, "a.npz", form="rows", rows=RowsOfFile(**options))


def test_two_files_are_read_together(tmp_path: Path):
    for name in ("A_TRAIN.tsv", "A_TEST.tsv"):
        write_text(tmp_path / name)
    found = discover(str(tmp_path), labels=None, label=None)
    assert found is not None
    assert found.notes[0].startswith("24 recordings in the lines of ")
    assert found.notes[-1] == "files are not used as splits: all recordings are divided anew"
    result = assembled(tmp_path, "*.tsv", form="rows", rows=TEXT)
    names = [row["recording"] for row in rows(result)]
    assert (names[0], names[-1], len(names)) == ("A_TEST_1", "A_TRAIN_12", 24)


def test_an_empty_text_is_named(tmp_path: Path):
    write_text(tmp_path / "a.tsv")
    (tmp_path / "b.tsv").write_text("\n")
    result = assembled(tmp_path, "*.tsv", form="rows", rows=TEXT, data={"max_bad_rows": 1})
    assert [str(bad) for bad in result.bad] == [f"{tmp_path}/b.tsv: it is empty"]


def test_columns_whose_means_increase_are_no_samples(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(60, 13)) + 10 * np.arange(13)
    lines = [f"{n % 2}," + ",".join(f"{x:.3f}" for x in own) for n, own in enumerate(values)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert discover(str(tmp_path / "a.csv"), labels=None, label=None) is None


def test_a_mark_of_the_encoding_is_no_part_of_the_first_label(tmp_path: Path):
    write_text(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.tsv").read_bytes())
    assert [row["state"] for row in rows(assembled(tmp_path, "a.tsv", form="rows", rows=TEXT))] == [
        str(1 - 2 * label) for label in LABELS
    ]


def test_a_delimiter_at_the_end_of_all_lines_is_no_sample(tmp_path: Path):
    write_text(tmp_path / "a.csv", ",")
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text().replace("\n", ",\n"))
    found = discover(str(tmp_path / "a.csv"), labels=None, label=None)
    assert found is not None
    assert found.recordings.rows == TEXT


def test_a_label_that_may_be_first_or_last_is_asked_for(tmp_path: Path):
    lines = [
        ",".join([str(label), *(f"{100 * x:.0f}" for x in own), str(n % 2)])
        for n, (label, own) in enumerate(zip(LABELS, signals(), strict=True))
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"first as well as the last .*label_at: last, num_samp"):
        discover(str(tmp_path / "a.csv"), labels=None, label=None)


def test_a_group_beside_the_label_is_no_sample(tmp_path: Path):
    lines = [
        ",".join([str(label), str(n % 4), *(f"{x:.3f}" for x in own)])
        for n, (label, own) in enumerate(zip(LABELS, signals(), strict=True))
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="the first number beside the label is whole in all lines"):
        discover(str(tmp_path / "a.csv"), labels=None, label=None)
    assert discover(str(tmp_path / "a.csv"), labels=None, label=None, rows="samples") is not None


def test_texts_in_cells_of_matlab_are_labels(tmp_path: Path):
    words = np.array(["bad" if label else "ok" for label in LABELS], object)
    scipy.io.savemat(tmp_path / "a.mat", {"X": signals(), "state": words})
    options = RowsOfFile(array="X", label="state")
    result = assembled(tmp_path, "a.mat", form="rows", rows=options)
    assert [row["state"] for row in rows(result)] == list(words)


def test_other_arrays_of_the_same_recordings_are_named(tmp_path: Path):
    np.savez(tmp_path / "a.npz", acc=signals(), gyro=-signals(), y=LABELS, t=np.arange(LENGTH))
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert found.notes[-1].startswith("not used: `acc` (12, 40); if they are channels")


def test_labels_by_order_must_not_be_numbered_in_another_order(tmp_path: Path):
    np.save(tmp_path / "X.npy", signals())
    lines = [f"{place},{LABELS[place]}" for place in reversed(range(NUM))]
    (tmp_path / "t.csv").write_text("\n".join(["index,faulty", *lines]))
    with pytest.raises(InputError, match="its column `index` numbers its rows in another order"):
        discover(str(tmp_path / "X.npy"), labels=str(tmp_path / "t.csv"), label=None)


def test_each_recording_of_an_array_has_its_own_rate(tmp_path: Path):
    rates = np.where(np.arange(NUM) % 2, 100.0, 200.0)
    np.savez(tmp_path / "a.npz", X=signals(), y=LABELS, fs=rates)
    options = RowsOfFile(array="X", label="y")
    result = assembled(tmp_path, "a.npz", form="rows", rows=options)
    assert [row["sampling_rate_hz"] for row in rows(result)] == list(rates)


@pytest.mark.parametrize(
    "rates",
    [{"fs_khz": 0.2}, {"fs": "0.2 kHz"}, {"fs": b"200 Hz"}, {"sampling_rate_kHz": [0.2] * NUM}],
)
def test_the_rate_of_arrays_is_read_with_its_unit(tmp_path: Path, rates: dict[str, Any]):
    np.savez(tmp_path / "a.npz", X=signals(), y=LABELS, **rates)
    options = RowsOfFile(array="X", label="y")
    read = rows(assembled(tmp_path, "a.npz", form="rows", rows=options))
    assert {row["sampling_rate_hz"] for row in read} == {200.0}
    assert not {*rates} & {*read[0]}


def test_the_rate_of_a_file_of_arrays_is_read_with_its_unit(tmp_path: Path):
    (tmp_path / "raw/ok").mkdir(parents=True)
    np.savez(tmp_path / "raw/ok/1.npz", x=signals()[0], fs_khz=2.0)
    np.savez(tmp_path / "raw/ok/2.npz", x=signals()[0], fs_khz="500 Hz")
    read = rows(assembled(tmp_path, "raw", form="files", label_from="folder"))
    assert [row["sampling_rate_hz"] for row in read] == [2000.0, 500.0]


def test_the_axis_of_the_samples_is_told(tmp_path: Path):
    np.savez(tmp_path / "a.npz", X=np.zeros((NUM, 10, 16)), y=LABELS)
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert "10 channels with 16 samples in each: the longer axis has the samples" in found.notes


def square(num: int = 40) -> np.ndarray[Any, Any]:
    """Recordings with phases of their own, float64 [num, num]; sorted by their level."""
    phases = np.random.default_rng(0).uniform(0, 6, size=num)
    return np.arange(num)[:, None] + np.sin(phases[:, None] + np.arange(num) / 5)


@pytest.mark.parametrize(
    ("array", "axis", "words"),
    [
        (square(), "first", "on the first one, since neighbours are alike along the last one"),
        (square().T, "last", "on the last one, since neighbours are alike along the first one"),
        (np.stack([square()] * 2, axis=1), "first", "on the first one, since neighbours"),
        (np.stack([square().T] * 2, axis=1), "last", "on the last one, since neighbours"),
        (np.zeros((40, 50, 40)), "first", "taken to be on the first one, as is usual"),
    ],
)
def test_of_a_square_array_the_axis_of_the_recordings_is_told(
    tmp_path: Path, array: np.ndarray[Any, Any], axis: str, words: str
):
    np.savez(tmp_path / "a.npz", X=array, y=np.arange(40) % 2)
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert found.recordings.rows is not None
    assert found.recordings.rows.axis == axis
    [note] = [note for note in found.notes if "on the first axis and on the last" in note]
    assert words in note


NOISE = np.random.default_rng(0).normal(size=(40, 40))


@pytest.mark.parametrize(
    ("array", "remedy"),
    [
        (NOISE, "`X[:, :, None]` if"),
        (NOISE.cumsum(axis=0).cumsum(axis=1), "`X.T[:, :, None]` if"),  # smooth along both
        (np.sin(np.arange(40) / 5) + np.arange(40)[:, None], "`X[:, :, None]` if"),  # all alike
        (np.stack([NOISE] * 2, axis=1), "`X.transpose(0, 2, 1)` if"),
    ],
)
def test_a_square_array_of_which_either_axis_may_have_the_recordings_is_refused(
    tmp_path: Path, array: np.ndarray[Any, Any], remedy: str
):
    labels = np.arange(40) % 2
    np.savez(tmp_path / "a.npz", X=array, y=labels)
    with pytest.raises(InputError, match="which one has the recordings is not certain") as error:
        discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert remedy in str(error.value)
    # What is to be done helps.
    turned = array[:, :, None] if array.ndim == 2 else array.transpose(0, 2, 1)
    np.savez(tmp_path / "a.npz", X=turned, y=labels)
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert found.recordings.rows == RowsOfFile(array="X", label="y")


def test_an_array_that_may_be_a_table_of_features_is_told(tmp_path: Path):
    features = np.random.default_rng(0).normal(size=(NUM, 20)) * 10.0 ** (np.arange(20) % 4)
    features[0, 0] = np.inf
    for name, array in (("a.npz", features), ("b.npz", signals())):
        np.savez(tmp_path / name, X=array, y=LABELS)
    notes = [discover(str(tmp_path / n), labels=None, label=None) for n in ("a.npz", "b.npz")]
    told = ["may be a table of features" in str(found and found.notes) for found in notes]
    assert told == [True, False]

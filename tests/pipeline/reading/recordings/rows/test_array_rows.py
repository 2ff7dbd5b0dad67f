"""Arrays in parts such as `X_train` and `X_test`, and labels that are one-hot."""

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

TRAIN, TEST = [1, 0, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 1]
PARTS = {"train": TRAIN, "test": TEST}
OPTIONS = RowsOfFile(array="X", label="y", parts=("train", "test"))


def signals(num: int, first: int = 0) -> np.ndarray[Any, Any]:
    """Smooth recordings, float64 [num, 16]; the first sample of each is its number."""
    return first + np.arange(num)[:, None] + np.sin(np.arange(16) / 5)


def arrays(x: str, y: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of both parts by patterns of their names; those of `test` begin at 100."""
    found = {}
    for part, labels in PARTS.items():
        names = {"part": part, "Part": part.capitalize()}
        found[x.format(**names)] = signals(len(labels), 100 * (part == "test"))
        found[y.format(**names)] = np.array(labels)
    return found


@pytest.mark.parametrize(
    ("x", "y", "array", "label"),
    [
        ("X_{part}", "y_{part}", "X", "y"),
        ("{part}_x", "{part}_y", "x", "y"),
        ("X{Part}", "Y{Part}", "X", "Y"),
        ("X{part}", "y{part}", "X", "y"),
        ("signals_{part}", "labels_{part}", "signals", "labels"),
    ],
)
def test_arrays_in_parts_are_found_by_their_names(tmp_path: Path, x, y, array, label):
    np.savez(tmp_path / "a.npz", **arrays(x, y))
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert found.recordings.rows == RowsOfFile(array=array, label=label, parts=("train", "test"))
    assert found.label == label
    assert any("not used as splits: all recordings are divided anew" in n for n in found.notes)


@pytest.mark.parametrize("suffix", ["npz", "mat", "h5"])
def test_the_recordings_of_all_parts_are_read_with_their_part(tmp_path: Path, suffix: str):
    path = tmp_path / f"a.{suffix}"
    if suffix == "npz":
        np.savez(path, fs=50.0, subject_train=np.arange(7), **arrays("X_{part}", "y_{part}"))
    elif suffix == "mat":
        scipy.io.savemat(path, arrays("X_{part}", "y_{part}"))
    else:
        with h5py.File(path, "w") as file:  # the parts are groups of different sizes
            for name, array in arrays("{part}/X", "{part}/y").items():
                file[name] = array
    read = rows(assembled(tmp_path, path.name, form="rows", rows=OPTIONS))
    assert [row["state"] for row in read] == [str(label) for label in (*TRAIN, *TEST)]
    assert [row["part"] for row in read] == ["train"] * 7 + ["test"] * 6
    assert [round(row["X"][0]) for row in read] == [*range(7), *range(100, 106)]
    assert (read[0]["recording"], read[-1]["recording"]) == ("a_train_1", "a_test_6")
    if suffix == "npz":
        assert {row["sampling_rate_hz"] for row in read} == {50.0}
        assert [row["subject"] for row in read] == [*range(7), *[None] * 6]


def test_a_part_without_labels_is_not_used_and_said_so(tmp_path: Path):
    own = arrays("X_{part}", "y_{part}")
    del own["y_test"]
    np.savez(tmp_path / "a.npz", **own)
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert found.recordings == Recordings(
        form="rows", rows=RowsOfFile(array="X", label="y", parts=("train",))
    )
    assert found.notes[-1] == "not used: `X` of test, without the labels `y`"


def test_parts_that_differ_are_refused(tmp_path: Path):
    own = arrays("X_{part}", "y_{part}")
    own["X_test"] = own["X_test"].T
    np.savez(tmp_path / "a.npz", **own)
    with pytest.raises(InputError, match=r"parts that differ: of `train`, `X` .* on one axis"):
        discover(str(tmp_path / "a.npz"), labels=None, label=None)


@pytest.mark.parametrize(
    ("test_labels", "words"),
    [
        (np.eye(3)[TEST], "one-hot labels of 2 classes, `test` has one-hot labels of 3 classes"),
        (np.array(TEST) + 1, "one-hot labels of 2 classes, `test` has numbers"),
        (np.array(["ok", "bad"])[TEST], "one-hot labels of 2 classes, `test` has texts"),
    ],
)
def test_labels_of_parts_in_several_ways_are_refused(tmp_path: Path, test_labels, words: str):
    own = arrays("X_{part}", "y_{part}")
    np.savez(tmp_path / "a.npz", **own | {"y_train": np.eye(2)[TRAIN], "y_test": test_labels})
    with pytest.raises(InputError, match=f"several ways: `train` has {words}. Write them in one"):
        discover(str(tmp_path / "a.npz"), labels=None, label=None)


def test_a_file_without_a_part_of_the_training_is_bad(tmp_path: Path):
    np.savez(tmp_path / "a.npz", X_train=signals(7), y_train=TRAIN)
    with pytest.raises(InputError, match="no array `X` of the part `test`"):
        assembled(tmp_path, "a.npz", form="rows", rows=OPTIONS)


@pytest.mark.parametrize(
    ("name", "recording"), [("X", "a_1"), ("X_test", "a_test_1"), ("X_val", "a_val_1")]
)
def test_a_file_to_predict_has_any_part_or_none(tmp_path: Path, name: str, recording: str):
    np.savez(tmp_path / "a.npz", **{name: signals(7)})
    read = rows(assembled(tmp_path, "a.npz", label=None, form="rows", rows=OPTIONS))
    assert (read[0]["recording"], len(read)) == (recording, 7)
    assert "state" not in read[0]


@pytest.mark.parametrize("turned", [False, True])
def test_a_one_hot_array_gives_the_number_of_the_class(tmp_path: Path, turned: bool):
    y = np.eye(3)[[0, 1, 2, 0, 0, 1, 0]]
    np.savez(tmp_path / "a.npz", X=signals(7), y=y.T if turned else y)
    found = discover(str(tmp_path / "a.npz"), labels=None, label=None)
    assert found is not None
    assert found.notes[-1] == "`y` is one-hot: the label is the number of the class, from 0"
    read = rows(assembled(tmp_path, "a.npz", form="rows", rows=RowsOfFile(array="X", label="y")))
    assert [row["state"] for row in read] == ["0", "1", "2", "0", "0", "1", "0"]


def test_an_array_with_two_ones_in_a_row_is_no_label(tmp_path: Path):
    y = np.eye(2)[TRAIN]
    y[0] = 1
    np.savez(tmp_path / "a.npz", X=signals(7), y=y)
    with pytest.raises(InputError, match="`y` has 14 labels, and `X` 7 recordings"):
        assembled(tmp_path, "a.npz", form="rows", rows=RowsOfFile(array="X", label="y"))


def test_one_hot_labels_may_be_in_a_file_beside_the_recordings(tmp_path: Path):
    np.save(tmp_path / "X.npy", signals(7))
    np.save(tmp_path / "y.npy", np.eye(2)[TRAIN])
    found = discover(str(tmp_path), labels=None, label=None)
    assert found is not None
    assert found.recordings.labels == str(tmp_path / "y.npy")
    assert found.notes[1].endswith("`0` (5), `1` (2)")
    options = {"form": "rows", "rows": RowsOfFile(array="signal"), "labels": "y.npy"}
    read = rows(assembled(tmp_path, "X.npy", **options))
    assert [row["state"] for row in read] == [str(label) for label in TRAIN]


def test_arrays_of_parts_in_files_of_their_own_are_refused_with_what_to_write(tmp_path: Path):
    for name, array in arrays("X_{part}", "y_{part}").items():
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(InputError, match=r"`np\.savez\('all\.npz', X_test=np\.load\('X_test\.npy"):
        discover(str(tmp_path), labels=None, label=None)

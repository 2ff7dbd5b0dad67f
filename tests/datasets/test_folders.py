import csv

import pytest

from datasets import materialise
from datasets.folders import MANIFEST
from datasets.micrographs import MicrographOptions

SMALL = {
    "micrographs": {"num_healthy": 5, "num_faulty": 3, "size_px": 32},
    "sounds": {"num_healthy": 5, "num_faulty": 4},
}
FOLDERS = {"micrographs": "pictures", "sounds": "recordings"}


@pytest.fixture(params=SMALL)
def name(request):
    return request.param


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_labels(folder):
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_has_a_file_for_each_row_of_the_table_of_labels(name, tmp_path):
    files = materialise(name, tmp_path, SMALL[name])
    rows = read_labels(tmp_path)

    assert files == str(tmp_path / FOLDERS[name])
    assert [row["file"] for row in rows] == sorted(read_files(tmp_path / FOLDERS[name]))
    num_faulty = SMALL[name]["num_faulty"]
    assert [row["is_faulty"] for row in rows].count("1") == num_faulty
    assert [row["is_faulty"] for row in rows].count("0") == 5
    assert all((row["fault_kind"] == "none") == (row["is_faulty"] == "0") for row in rows)


def test_equal_options_give_equal_bytes_and_another_seed_others(name, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        materialise(name, folder, SMALL[name] | {"seed": seed})
    first, second, other = (read_files(folder / FOLDERS[name]) for folder in folders)

    assert first == second
    assert read_labels(folders[0]) == read_labels(folders[1])
    assert all(first[file] != other[file] for file in first)


def test_a_matching_folder_is_untouched_and_foreign_files_stay(tmp_path):
    materialise("sounds", tmp_path, SMALL["sounds"])
    mine = tmp_path / "notes.txt"
    mine.write_text("keep me")
    before = (tmp_path / "recordings").stat().st_ino
    materialise("sounds", tmp_path, SMALL["sounds"])
    assert (tmp_path / "recordings").stat().st_ino == before

    materialise("sounds", tmp_path, SMALL["sounds"] | {"num_healthy": 2})
    assert len(list((tmp_path / "recordings").iterdir())) == 6
    assert mine.read_text() == "keep me"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("damage", ["labels.csv", "manifest.json", "recordings/s00003.wav"])
def test_a_damaged_folder_is_written_again(damage, tmp_path):
    materialise("sounds", tmp_path, SMALL["sounds"])
    path = tmp_path / damage
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    materialise("sounds", tmp_path, SMALL["sounds"])

    assert path.read_bytes() == whole


def test_an_interrupted_folder_has_no_manifest_and_is_written_again(tmp_path, monkeypatch):
    materialise("sounds", tmp_path, SMALL["sounds"])

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("datasets.sounds._encode", stop)
    with pytest.raises(KeyboardInterrupt):
        materialise("sounds", tmp_path, SMALL["sounds"] | {"seed": 9})
    monkeypatch.undo()
    assert not (tmp_path / MANIFEST).exists()
    assert not list(tmp_path.glob(".*"))

    materialise("sounds", tmp_path, SMALL["sounds"] | {"seed": 9})
    assert (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("micrographs", {"sed": 1}, "micrographs: unknown option 'sed'. Did you mean 'seed'"),
        ("micrographs", {"size_px": 8}, "micrographs: size_px: .* greater than .* 32, got 8"),
        ("micrographs", {"num_faulty": True}, "micrographs: num_faulty: .* integer, got True"),
        ("sounds", {"num_healthy": -1}, "sounds: num_healthy: .* 0, got -1"),
        ("sounds", {"duration_s": 0.5}, "sounds: duration_s: .* 1, got 0.5"),
        ("sounds", {"num_healthy": 0, "num_faulty": 0}, "num_healthy \\+ num_faulty must be > 0"),
    ],
)
def test_wrong_options_are_refused_with_their_name_and_value(name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        materialise(name, tmp_path, options)
    assert list(tmp_path.iterdir()) == []


def test_the_digest_depends_on_every_option_and_on_the_version():
    options = MicrographOptions()
    others = [MicrographOptions(**{name: 40}) for name in MicrographOptions.model_fields]
    digests = {options.digest(1), options.digest(2), *(other.digest(1) for other in others)}

    assert len(digests) == 2 + len(others)

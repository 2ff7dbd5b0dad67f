"""Which files of a folder are predicted: the training folder itself, and new folders like it."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.features import Signal
from pipeline.config import Config, Data, Label
from pipeline.prediction.files.raw_recordings import rows_of
from pipeline.prediction.files.raw_sources import find_raw_source
from pipeline.reading.ingest_spec import make_ingest_spec
from pipeline.recording_options import Recordings

FILES = Recordings(form="files", labels="../clips/labels.csv", id_column="file")


def use_case(folder: Path, path: str, recordings: Recordings = FILES) -> Config:
    return Config(
        name="clips",
        folder=folder / "configs",
        data=Data(path=path, recordings=recordings),
        label=Label(column="fault"),
        features={"x": Signal(num_samples=3)},
    )


def write_folder(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n0.5\n1.5\n2.5\n", encoding="utf-8")


def write_table(path: Path) -> None:
    path.write_text("file,fault\n1.csv,0\n2.csv,1\n", encoding="utf-8")


def predicted(data: Path, config: Config) -> tuple[list[str], list[str]]:
    """Returns the recordings that are predicted, and what is noted of unread files."""
    with rows_of(str(data), make_ingest_spec(config), config) as rows:
        names = pq.read_table(rows.data)["recording"].to_pylist()
        return names, [note for note in rows.notes if note.startswith("not read")]


@pytest.mark.parametrize("path", ["../clips", "../clips/*.csv"])
def test_the_table_of_labels_in_the_training_folder_is_no_recording(tmp_path, path):
    write_folder(tmp_path / "clips", "1.csv", "2.csv")
    write_table(tmp_path / "clips" / "labels.csv")
    assert predicted(tmp_path / "clips", use_case(tmp_path, path)) == (["1", "2"], [])


@pytest.mark.parametrize("path", ["../clips/runs", "../clips/**/r*.csv"])
def test_the_training_folder_is_read_by_the_pattern_of_the_config(tmp_path, path):
    write_folder(tmp_path / "clips", "runs/r1.csv", "runs/r2.csv")
    write_table(tmp_path / "clips" / "index.csv")
    recordings = Recordings(form="files")
    names, notes = predicted(tmp_path / "clips", use_case(tmp_path, path, recordings))
    assert names == ["r1", "r2"]
    assert notes == [
        f"not read: 1 file of {tmp_path}/clips that data.path of the config does not name, such as "
        f"{tmp_path}/clips/index.csv"
    ]


def test_a_table_of_a_new_folder_named_as_that_of_training_is_no_recording(tmp_path):
    write_folder(tmp_path / "new", "7.csv")
    write_table(tmp_path / "new" / "labels.csv")
    assert predicted(tmp_path / "new", use_case(tmp_path, "../clips")) == (["7"], [])


def test_a_file_is_predicted_as_it_is_named(tmp_path):
    write_folder(tmp_path / "clips", "runs/r1.csv", "runs/r2.csv")
    config = use_case(tmp_path, "../clips/runs")
    one = str(tmp_path / "clips" / "runs" / "r2.csv")
    assert find_raw_source(one, config, FILES).path == one


def test_a_built_in_data_set_has_no_path_to_compare(tmp_path):
    (tmp_path / "sounds").mkdir()
    config = use_case(tmp_path, "-")
    config = replace(config, data=Data(dataset="sounds", recordings=FILES))
    assert find_raw_source(str(tmp_path / "sounds"), config, FILES).path == str(tmp_path / "sounds")


def test_files_of_text_are_predicted_if_the_pattern_names_their_suffix(tmp_path):
    write_folder(tmp_path / "new", "runs/7.txt", "8.csv")
    config = use_case(tmp_path, "../clips/**/*.txt", Recordings(form="files"))
    assert predicted(tmp_path / "new", config) == (["7"], [])

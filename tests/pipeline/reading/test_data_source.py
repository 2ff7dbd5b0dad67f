import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from models.features import Numeric, Signal
from pipeline.config import Config, Data, Label
from pipeline.data_options.sql import Sql
from pipeline.reading.data_source import find_source
from pipeline.reading.files.locations import source_files
from pipeline.reading.recordings import assembling
from pipeline.reading.recordings.assembling import raw_recordings
from pipeline.reading.recordings.parts import assembly
from pipeline.reading.recordings.parts.spreading import Spread
from pipeline.reading.recordings.raw.tables import in_order


def _config(tmp_path, **data: object) -> Config:
    return Config(
        name="pumps",
        label=Label(column="failed"),
        data=Data(**data),
        features={"x": Numeric()},
        folder=tmp_path,
    )


def test_a_path_is_relative_to_the_configs_folder(tmp_path):
    (tmp_path / "a.csv").write_text("x,failed\n1,0\n")
    source = find_source(_config(tmp_path, path="a.csv"), OutputFolder(tmp_path / "out"))
    assert (source.base, list(source.patterns.values())) == (str(tmp_path), ["a.csv"])


def test_a_path_with_nothing_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        find_source(_config(tmp_path, path="nowhere.csv"), OutputFolder(tmp_path / "out"))


def test_simulated_data_are_written_below_the_output_folder(tmp_path):
    options = {"num_healthy": 30, "num_faulty": 6}
    config = _config(tmp_path, dataset="signals", options=options)
    source = find_source(config, OutputFolder(tmp_path / "out"))
    assert source.base.startswith(str(tmp_path / "out" / "data" / "pumps"))
    assert list((tmp_path / "out").rglob("*.parquet"))


def test_a_wrong_option_of_a_built_in_data_set_names_the_key(tmp_path):
    config = _config(tmp_path, dataset="signals", options={"num_faulti": 6})
    with pytest.raises(InputError, match=r"data\.dataset, data\.options: .*num_faulty"):
        find_source(config, OutputFolder(tmp_path / "out"))


@pytest.mark.parametrize("beam_args", [None, "local"])
def test_recordings_in_several_parts_are_one_data_set_in_order(tmp_path, monkeypatch, beam_args):
    monkeypatch.setattr(assembly, "_MAX_PART_FILES", 1)
    spread = []
    monkeypatch.setattr(
        assembling,
        "choose_spread",
        lambda args, _: spread.append(args) or Spread(pieces=in_order, parts=map),
    )
    (tmp_path / "raw").mkdir()
    for name in ("1_ok.csv", "2_bad.csv", "3_ok.csv"):
        (tmp_path / "raw" / name).write_text(f"acc\n1\n{name[0]}5\n")
    recordings = {"form": "files", "label_pattern": "_(ok|bad)"}
    config = _config(tmp_path, path="raw", recordings=recordings)
    source = find_source(config, OutputFolder(tmp_path / "out"), beam_args=beam_args)
    tables = [pq.read_table(file) for file in source_files(source)]
    assert [table["recording"].to_pylist() for table in tables] == [["1_ok"], ["2_bad"], ["3_ok"]]
    raw = raw_recordings(source.base)
    assert (raw.num_recordings, len(raw.raw.names)) == (3, 3)
    assert spread == [beam_args]


def test_recordings_are_assembled_below_the_output_folder(tmp_path):
    for name in ("1_ok.csv", "2_bad.csv"):
        (tmp_path / "raw").mkdir(exist_ok=True)
        (tmp_path / "raw" / name).write_text("t,acc\n0,1\n0.5,2\n1,3\n")
    recordings = {"form": "files", "time_column": "t", "label_pattern": "_(ok|bad)"}
    config = _config(tmp_path, path="raw", recordings=recordings)
    source = find_source(config, OutputFolder(tmp_path / "out"))
    folder = Path(source.base)
    assert folder.parent == tmp_path / "out" / "data" / "pumps"
    assert folder.name.startswith("recordings-")
    assert pq.read_table(source_files(source)[0])["acc"].to_pylist() == [[1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize(
    ("signal", "num_samples"),
    [({"sampling_rate_hz": 2.0}, 500), ({"sampling_rate_hz": 1.0}, 250), ({}, 1_000)],
)
def test_recordings_are_resampled_to_the_rate_of_their_feature_if_it_is_set(
    tmp_path, signal, num_samples
):
    (tmp_path / "raw").mkdir()
    np.savez(tmp_path / "raw/1_ok.npz", acc=np.arange(1_000.0), fs=4.0)
    config = replace(
        _config(tmp_path, path="raw", recordings={"form": "files", "label_pattern": "_(ok)"}),
        features={"acc": Signal(num_samples=500, **signal)},
    )
    [file] = source_files(find_source(config, OutputFolder(tmp_path / "out")))
    assert len(pq.read_table(file)["acc"][0]) == num_samples


def test_the_labels_of_a_built_in_data_set_are_beside_its_files(tmp_path):
    config = _config(
        tmp_path,
        dataset="micrographs",
        options={"num_healthy": 3, "num_faulty": 1, "size_px": 64},
        recordings={"form": "files", "media": "image", "labels": "labels.csv", "id_column": "file"},
    )
    config = replace(config, label=Label(column="is_faulty"))
    [file] = source_files(find_source(config, OutputFolder(tmp_path / "out")))
    assert sorted(pq.read_table(file)["is_faulty"].to_pylist()) == ["0", "0", "0", "1"]


def test_a_signal_is_a_channel_even_where_all_recordings_hold_it_constant(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "1_ok.csv").write_text("acc,rpm\n1,5\n2,5\n")
    config = replace(
        _config(tmp_path, path="raw", recordings={"form": "files", "label_pattern": "_(ok)"}),
        features={"rpm": Signal(num_samples=2)},
    )
    [file] = source_files(find_source(config, OutputFolder(tmp_path / "out")))
    assert pq.read_table(file)["rpm"].to_pylist() == [[5, 5]]


def test_the_spans_of_a_database_are_read_below_the_output_folder(tmp_path):
    connection = sqlite3.connect(tmp_path / "plant.db")
    connection.execute("CREATE TABLE t (x INTEGER PRIMARY KEY, day TEXT, failed INTEGER)")
    days = ["2026-05-01", "2026-05-02", "2026-05-03"]
    connection.executemany("INSERT INTO t VALUES (?, ?, 0)", list(enumerate(days)))
    connection.commit()
    connection.close()
    sql = Sql(
        url="sqlite:///plant.db",
        query="SELECT * FROM t WHERE day = {DATE}",
        spans="SELECT day FROM t",
        order_by=("x",),
    )
    source = find_source(_config(tmp_path, sql=sql, window=2), OutputFolder(tmp_path / "out"))
    # The number of a day is its days since 1970-01-01.
    assert source.window == (20_575, 20_576)
    assert [Path(file).name for file in source_files(source)] == ["day-2026-05-03.parquet"]
    assert len(source.notes) == 2
    assert source.notes[1].endswith("1 row of span 2026-05-03 read")

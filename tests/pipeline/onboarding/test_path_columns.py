"""`init` of tables whose columns hold the paths of files."""

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import InputError
from models.features import Audio, Image, Numeric, Signal
from pipeline.config_loading import load_config
from pipeline.onboarding import initialise
from pipeline.onboarding.decisions import Decisions
from pipeline.prediction.files.embedded_rows import embedded_rows, has_paths
from pipeline.reading.ingest_spec import make_ingest_spec, nominal_rates
from tests.pipeline.reading.path_columns.mixed_table import COLUMNS, edit, write_mixed


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    path = write_mixed(folder, 100)
    edit(path, "photos/7.png", "")
    edit(path, "traces/9.csv", "")
    (folder / "sounds/11.wav").write_bytes(b"RIFF")
    return path


def init(folder, data, **options):
    defaults = {"label": None, "positive": None, "name": "parts", "force": False}
    return initialise(str(data), project_dir=folder, **(defaults | options))


def test_paths_become_a_feature_of_their_kind_beside_the_numbers(table, tmp_path):
    config = load_config(init(tmp_path, table).config_path)

    assert config.label.column == "faulty"
    assert config.data.path_columns == COLUMNS
    assert config.features["photo"] == Image(height=12, width=16, channels=1)
    assert config.features["sound"] == Audio(sampling_rate_hz=4_000, duration_s=0.2)
    assert config.features["trace"] == Signal(num_samples=10, sampling_rate_hz=10)
    assert isinstance(config.features["temp"], Numeric)
    assert config.data.max_bad_rows == 1  # the damaged sound
    assert nominal_rates(config) == {"trace": 10}


def test_what_is_missing_and_what_is_damaged_is_said(table, tmp_path):
    report = init(tmp_path, table, dry_run=True)

    notes = " ".join(report.proposal.origin.notes)
    assert "1 of 100 rows have no file in `photo`" in notes
    assert "1 of 100 rows have no file in `trace`" in notes
    assert "parts.csv, row 12, column `sound`: `sounds/11.wav`: it is not a readable" in notes
    assert "1 row with a file that cannot be used" in report.config_text
    schema = text_format.Parse(report.schema_text, schema_pb2.Schema())
    presence = {one.name: one.presence.min_fraction for one in schema.feature}
    # A part of the rows may lack a photo, as one does here; none lacks a sound.
    assert 0 < presence["photo"] < 1
    assert presence["sound"] == 1


def test_a_folder_with_such_a_table_is_the_same(table, tmp_path):
    config = load_config(init(tmp_path, table.parent).config_path)
    assert config.data.path_columns == COLUMNS


def test_a_column_of_paths_may_be_left_out(table, tmp_path):
    config = load_config(
        init(tmp_path, table, decisions=Decisions(leave_out=("sound",))).config_path
    )
    assert list(config.data.path_columns) == ["photo", "trace"]
    assert "sound" not in config.features


def test_many_missing_files_are_refused_with_row_and_column(tmp_path):
    path = write_mixed(tmp_path, 100)
    for number in range(6):
        (tmp_path / f"photos/{number}.png").unlink()
    with pytest.raises(InputError, match=r"6 of 100 rows cannot be used: parts\.csv, row 1, "):
        init(tmp_path, path)


def test_numbers_of_samples_are_neither_times_nor_channels(tmp_path):
    path = write_mixed(tmp_path, 100)
    for file in (tmp_path / "traces").iterdir():
        _, *rows = file.read_text().splitlines()
        numbered = [f"{n};{row.partition(';')[2]}" for n, row in enumerate(rows)]
        file.write_text("\n".join(["cycle;x", *numbered, ""]))
    config = load_config(init(tmp_path, path).config_path)
    assert config.data.path_columns["trace"].time_column is None
    assert config.data.path_columns["trace"].channels == COLUMNS["trace"].channels


def test_traces_of_several_rates_get_the_median_one(tmp_path):
    path = write_mixed(tmp_path / "data", 100, step_s=0.1)
    for number in range(10):
        rows = [f"{place * 0.05:.3f};{place}" for place in range(20)]
        (path.parent / f"traces/{number}.csv").write_text("\n".join(["t;x", *rows]) + "\n")

    config = load_config(init(tmp_path, path).config_path)

    assert config.features["trace"] == Signal(num_samples=10, sampling_rate_hz=10)


def test_rows_to_predict_are_read_by_the_model_s_contract(table, tmp_path):
    config = load_config(init(tmp_path, table).config_path)
    spec = make_ingest_spec(config)
    new = write_mixed(tmp_path / "new", 4)

    assert has_paths(str(new), spec.path_columns)
    with embedded_rows(str(new), spec) as rows:
        assert not has_paths(rows.data, spec.path_columns)
        assert str(new) in rows.sources


def test_one_column_that_names_each_picture_once_is_a_table_of_labels(tmp_path):
    path = write_mixed(tmp_path / "data", 100)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(f"{row[2]},{row[5]}" for row in rows))

    config = load_config(init(tmp_path, path).config_path)

    assert not config.data.path_columns
    assert config.data.recordings.id_column == "photo"


def test_file_names_without_files_are_an_ordinary_column(tmp_path):
    path = write_mixed(tmp_path / "data", 100)
    for folder in ("photos", "sounds"):
        for file in (tmp_path / "data" / folder).iterdir():
            file.unlink()

    config = load_config(init(tmp_path, path).config_path)

    assert list(config.data.path_columns) == ["trace"]

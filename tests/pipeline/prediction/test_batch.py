"""`faultline predict --batch`: the same answers as the server's, without one."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from commands.command_line import main
from pipeline.components.statistics_gen.profiles import ColumnProfile
from pipeline.components.trainer.reference import REFERENCE_FILE, Reference
from tests.pipeline.prediction.readings import (
    DECISIONS,
    PROBABILITIES,
    ROWS,
    WRITERS,
    write_json_lines,
    write_parquet,
)

pytestmark = pytest.mark.tensorflow


def predict(data, config, *more):
    arguments = ["predict", str(data), "--config", str(config), *map(str, more)]
    return CliRunner().invoke(main, arguments)


def read(folder):
    return pq.read_table(folder).to_pandas().sort_values("id").reset_index(drop=True)


@pytest.mark.parametrize("input_format", WRITERS)
def test_the_batch_gives_what_the_server_gives(input_format, pushed, server, config, tmp_path):
    data = WRITERS[input_format](tmp_path / f"data.{input_format}")
    one, other = tmp_path / "out.parquet", tmp_path / "batch"
    served = predict(data, config, "--server", server["grpc"], "--id", "id", "--output-file", one)
    assert served.exit_code == 0, served.output
    arguments = ("--batch", "--output", pushed, "--id", "id", "--output-file", other)
    done = predict(data, config, *arguments)
    assert done.exit_code == 0, done.output
    assert "3 rows predicted by readings version 7" in done.output
    by_server, by_beam = read(one), read(other)
    assert by_beam["probability"].tolist() == pytest.approx(PROBABILITIES, abs=1e-6)
    assert by_beam["decision"].tolist() == DECISIONS
    assert abs(by_beam["probability"] - by_server["probability"]).max() < 1e-6
    # Same columns in any order: a Session and a server name outputs as they like.
    assert (
        by_beam[by_server.columns]
        .drop(columns="probability")
        .equals(by_server.drop(columns="probability"))
    )


def test_several_files_give_shards_with_all_rows(pushed, config, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for part in range(3):
        start = 1_577_836_800
        rows = [ROWS[0] | {"id": 1000 * part + n, "seconds": start + n} for n in range(1000)]
        write_parquet(folder / f"{part}.parquet", rows)
    output = tmp_path / "batch"
    arguments = ("--batch", "--output", pushed, "--id", "id", "--output-file", output, "--json")
    done = predict(folder, config, *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["num_rows"] == 3000
    assert read(output)["id"].tolist() == list(range(3000))
    assert all(path.name.startswith("predictions-0000") for path in output.iterdir())


def test_bad_rows_end_a_batch_and_leave_no_folder(pushed, config, tmp_path):
    rows = [ROWS[0], ROWS[1] | {"volts": "high"}, ROWS[2] | {"volts": "low"}]
    data = write_json_lines(tmp_path / "data.jsonl", rows)
    done = predict(data, config, "--batch", "--output", pushed, "--output-file", tmp_path / "batch")
    assert done.exit_code == 2
    assert "2 rows cannot be read, more than data.max_bad_rows = 1" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "readings.yaml"]


def test_a_signal_of_the_wrong_length_ends_a_batch_by_row(pushed, config, tmp_path):
    data = write_parquet(tmp_path / "data.parquet", [ROWS[0], ROWS[1] | {"wave": [1.0]}])
    done = predict(data, config, "--batch", "--output", pushed, "--output-file", tmp_path / "batch")
    assert done.exit_code == 2
    assert "row 2, column `wave`: found 1 value" in done.output
    assert not (tmp_path / "batch").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.PARQUET", "out.csv.gz", "out.jsonl"])
def test_the_name_of_a_file_is_no_folder_for_a_batch(pushed, config, tmp_path, name):
    data, output = write_parquet(tmp_path / "data.parquet"), tmp_path / name
    done = predict(data, config, "--batch", "--output", pushed, "--output-file", output)
    assert done.exit_code == 2
    assert f"{name} names a file, and --batch writes a folder of Parquet files." in done.output
    assert f"Name a folder, such as {tmp_path / 'out'}," in done.output
    assert not output.exists()


def test_a_folder_that_is_there_already_is_left_alone(pushed, config, tmp_path):
    data, output = write_parquet(tmp_path / "data.parquet"), tmp_path / "batch"
    output.mkdir()
    done = predict(data, config, "--batch", "--output", pushed, "--output-file", output)
    assert done.exit_code == 2
    assert "already exists" in done.output


def _with_reference(pushed, folder, *, missing):
    """A copy of the output folder whose model was trained with this many of 1,000 volts missing."""
    copy = folder / "pushed"
    shutil.copytree(pushed, copy)
    reference = Reference(
        split="train",
        num_rows=1_000,
        columns={"volts": ColumnProfile(num_missing=missing)},
        num_test=100,
        num_test_alarms=3,
    )
    path = copy / "serving" / "readings" / "7" / REFERENCE_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(reference.to_json())
    return copy


def test_rows_that_differ_from_training_are_said_and_with_strict_refused(pushed, config, tmp_path):
    rows = [ROWS[0] | {"id": n, "volts": None} for n in range(300)]
    data = write_parquet(tmp_path / "data.parquet", rows)
    output = tmp_path / "batch"
    pushed = _with_reference(pushed, tmp_path, missing=10)
    arguments = ("--batch", "--output", pushed, "--output-file", output)
    done = predict(data, config, *arguments, "--strict")
    assert done.exit_code == 2, done.output
    assert "`volts`: missing 100.0%, 1.0% in training" in done.output
    assert not output.exists()
    done = predict(data, config, *arguments)
    assert done.exit_code == 0, done.output
    assert "differs from the 1,000 rows of the model's train split" in done.output
    assert "Warning: `volts` is missing in every row." in done.output
    assert output.exists()

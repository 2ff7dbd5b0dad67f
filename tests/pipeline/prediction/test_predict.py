"""`faultline predict` against the embedded server: every format in and out, and what goes wrong."""

import json
import socket

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from commands.command_line import main
from pipeline.prediction.by_server import count_decisions
from tests.pipeline.prediction.readings import (
    CONFIG,
    DECISIONS,
    PROBABILITIES,
    ROWS,
    WRITERS,
    write_config,
    write_json_lines,
    write_parquet,
)

pytestmark = pytest.mark.tensorflow


def predict(data, config, *more):
    arguments = ["predict", str(data), "--config", str(config), *map(str, more)]
    return CliRunner().invoke(main, arguments)


def read(path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False)
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pandas()
    return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])


@pytest.mark.parametrize("output_format", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("input_format", WRITERS)
@pytest.mark.parametrize("wire", ["grpc", "rest"])
def test_every_format_gives_the_same_predictions_beside_the_ids(
    wire, input_format, output_format, server, config, tmp_path
):
    data = WRITERS[input_format](tmp_path / f"data.{input_format}")
    output = tmp_path / f"out.{output_format}"
    done = predict(data, config, "--server", server[wire], "--id", "id", "--output-file", output)
    assert done.exit_code == 0, done.output
    assert "3 rows predicted by readings" in done.output
    assert "decision  0: 1, 1: 2" in done.output
    frame = read(output)
    assert frame["id"].tolist() == ["a", "b", "c"]
    assert frame["probability"].tolist() == pytest.approx(PROBABILITIES, abs=1e-6)
    assert frame["decision"].tolist() == DECISIONS
    assert frame["seconds"].tolist() == [row["seconds"] for row in ROWS]
    assert frame["name"].tolist() == ["é", "", "x,y"]
    version = [str(found) for found in frame["model_version"]]
    silent = {"csv": "", "parquet": "nan", "jsonl": "None"}[output_format]
    assert version == (["7"] * 3 if wire == "grpc" else [silent] * 3)


def test_without_an_id_rows_have_their_number_and_of_several_files_the_name(
    server, config, tmp_path
):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("one", "two"):
        write_parquet(folder / f"{name}.parquet")
    output = tmp_path / "out.csv"
    arguments = ("--server", server["grpc"], "--output-file", output)
    assert predict(folder / "one.parquet", config, *arguments).exit_code == 0
    assert read(output)["row"].tolist() == [1, 2, 3]
    assert predict(folder, config, *arguments).exit_code == 0
    frame = read(output)
    assert frame["file"].tolist() == ["one.parquet"] * 3 + ["two.parquet"] * 3
    assert frame["row"].tolist() == [1, 2, 3, 1, 2, 3]


def test_many_rows_go_in_many_requests_and_come_back_in_order(server, config, tmp_path):
    start = 1_577_836_800
    rows = [ROWS[0] | {"id": number, "seconds": start + number} for number in range(5000)]
    output = tmp_path / "out.parquet"
    done = predict(
        write_parquet(tmp_path / "data.parquet", rows),
        config,
        *("--server", server["grpc"], "--id", "id", "--output-file", output),
    )
    assert done.exit_code == 0, done.output
    frame = read(output)
    assert frame["id"].tolist() == (frame["seconds"] - start).tolist() == list(range(5000))


def test_json_is_one_document_on_standard_output(server, config, tmp_path):
    data, output = write_parquet(tmp_path / "data.parquet"), tmp_path / "out.csv"
    done = predict(data, config, "--server", server["grpc"], "--output-file", output, "--json")
    document = json.loads(done.stdout)
    assert document["num_rows"] == 3
    assert document["versions"] == [7]
    assert document["decisions"] == {"0": 1, "1": 2}
    assert document["output"] == str(output)
    assert "3 rows predicted" in done.stderr


def test_a_file_without_rows_gives_a_file_without_rows(server, config, tmp_path):
    schema = pq.read_schema(write_parquet(tmp_path / "data.parquet"))
    pq.write_table(schema.empty_table(), tmp_path / "data.parquet")
    (tmp_path / "data.csv").write_text("id,volts,t0,t1,t2,seconds,name\n")
    for data in ("data.parquet", "data.csv"):
        output = tmp_path / "out.csv"
        done = predict(tmp_path / data, config, "--server", server["grpc"], "--output-file", output)
        assert done.exit_code == 0, done.output
        names = {"row", "probability", "decision", "seconds", "name", "model_version"}
        assert set(output.read_text().strip().replace('"', "").split(",")) == names
        output.unlink()


def test_rows_that_cannot_be_read_are_left_out_as_far_as_the_config_allows(
    server, config, tmp_path
):
    rows = [ROWS[0], ROWS[1] | {"volts": "high"}, ROWS[2]]
    data, output = write_json_lines(tmp_path / "data.jsonl", rows), tmp_path / "out.csv"
    arguments = ("--server", server["grpc"], "--output-file", output)
    done = predict(data, config, *arguments)
    assert done.exit_code == 0, done.output
    assert "1 unreadable row skipped" in done.output
    assert read(output)["row"].tolist() == [1, 3]
    [left] = (tmp_path / "out.csv.left_out").iterdir()
    assert json.loads(left.read_text())["reason"] == "`high` found, expected a number"


def test_more_rows_that_cannot_be_read_end_it_and_nothing_is_written(server, config, tmp_path):
    rows = [ROWS[0], ROWS[1] | {"volts": "high"}, ROWS[2] | {"volts": "low"}]
    data, output = write_json_lines(tmp_path / "data.jsonl", rows), tmp_path / "out.csv"
    done = predict(data, config, "--server", server["grpc"], "--output-file", output)
    assert done.exit_code == 2
    assert "2 rows cannot be read, more than data.max_bad_rows = 1" in done.output
    assert "row 2, column `volts`: `high` found, expected a number" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "readings.yaml"]


def test_a_signal_of_the_wrong_length_is_named_by_file_and_row(server, config, tmp_path):
    data = write_parquet(tmp_path / "data.parquet", [ROWS[0], ROWS[1] | {"wave": [1.0]}])
    done = predict(data, config, "--server", server["grpc"], "--output-file", tmp_path / "o.csv")
    assert done.exit_code == 2
    assert "data.parquet, row 2, column `wave`: found 1 value, expected a list of 3" in done.output
    assert not (tmp_path / "o.csv").exists()


def test_an_older_result_stays_when_a_prediction_fails(server, config, tmp_path):
    data = write_parquet(tmp_path / "data.parquet", [ROWS[0] | {"wave": [1.0]}])
    output = tmp_path / "out.csv"
    output.write_text("old")
    done = predict(data, config, "--server", server["grpc"], "--output-file", output)
    assert done.exit_code == 2
    assert output.read_text() == "old"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"volts": "voltz"}, "needs the column `volts`, which is not in"),
        ({"volts": "voltz"}, "did you mean `voltz`?"),
        ({"id": "key"}, "--id names the column `id`, which is not in"),
        ({"id": "x", "volts": "id", "name": "volts", "x": "name"}, "`volts`"),
    ],
)
def test_columns_that_are_not_there_are_named(change, words, server, config, tmp_path):
    rows = [{change.get(name, name): value for name, value in row.items()} for row in ROWS]
    data = write_parquet(tmp_path / "data.parquet", rows)
    arguments = ("--server", server["grpc"], "--id", "id", "--output-file", tmp_path / "o.csv")
    done = predict(data, config, *arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_a_server_that_is_not_there_ends_with_what_to_start(config, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"grpc://127.0.0.1:{probe.getsockname()[1]}"
    done = predict(write_parquet(tmp_path / "data.parquet"), config, "--server", address)
    assert done.exit_code == 1
    assert f"Error: No model server answers at {address}. Check that it is running" in done.output


def test_a_model_that_is_not_served_is_bad_input(server, config, tmp_path):
    data = write_parquet(tmp_path / "data.parquet")
    done = predict(data, config, "--server", server["grpc"], "--model", "radings")
    assert done.exit_code == 2
    assert "does not serve the model `radings`" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--server", "localhost"), "--server: `localhost` is not the address of a model server"),
        (("--output-file", "out.xlsx"), "expected a name ending in .csv, .parquet, .jsonl"),
        (("--output-file", "absent/out.csv"), "is in a folder that does not exist"),
        (("--batch", "--output", "nowhere"), "No model was pushed to"),
    ],
)
def test_bad_arguments_are_told_at_once(arguments, words, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = predict(write_parquet(tmp_path / "data.parquet"), config, *arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_the_data_is_never_replaced_by_its_predictions(config, tmp_path):
    data = write_parquet(tmp_path / "data.parquet")
    before = data.read_bytes()
    done = predict(data, config, "--output-file", data)
    assert done.exit_code == 2
    assert "is the input data itself" in done.output
    assert data.read_bytes() == before


def test_a_config_that_names_no_wide_signal_reads_none(server, tmp_path):
    text = CONFIG.replace("  wide_signals:\n    wave: {first: t0, last: t2}\n", "")
    config = write_config(tmp_path, text)
    data = WRITERS["csv"](tmp_path / "data.csv")
    done = predict(data, config, "--server", server["grpc"], "--output-file", tmp_path / "o.csv")
    assert done.exit_code == 2
    assert "needs the column `wave`" in done.output


def test_decisions_are_counted_where_there_are_any():
    assert count_decisions({"y": [1]}) == {}

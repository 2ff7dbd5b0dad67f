"""What a served model is asked by `predict`, and what the written examples hold: the same truth."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from click.testing import CliRunner

from commands.command_line import main
from common.example_files import read_batches, split_files
from pipeline.components.arrow_example_gen.ingest import ingest
from pipeline.config import SPLITS, Config
from pipeline.config_loading import load_config
from pipeline.onboarding import ReadOptions, initialise
from pipeline.reading.files.listing import list_files
from pipeline.reading.ingest_spec import make_ingest_spec
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from serving.options import ServerOptions
from serving.server import ModelServer
from tests.pipeline.tables import (
    EXPECTED,
    NUMBERS,
    Style,
    as_read,
    expected_values,
    make_style,
    make_truth,
    write_table,
)
from tests.serving.tiny_models import SERVING, signature, write

pytestmark = pytest.mark.e2e

_LAYOUTS = ("two", "parquet", "sheet", "headerless", "gzip")


@pytest.fixture(params=_LAYOUTS)
def table(request, tmp_path) -> tuple[pd.DataFrame, Style, Path, Config]:
    """A truth, its style, its file, and the config that `init` wrote for it."""
    rng = np.random.default_rng(_LAYOUTS.index(request.param))
    style, truth = replace(make_style(rng), layout=request.param), make_truth(rng)
    style = replace(style, units_row=False, date_format="%Y-%m-%d %H:%M:%S")
    data = write_table(truth, style, tmp_path)
    report = initialise(
        str(data),
        label="failed",
        positive=None,
        name="t",
        project_dir=tmp_path,
        force=False,
        reading=ReadOptions(header=style.header),
    )
    return truth, style, data, load_config(report.config_path)


def test_the_written_examples_are_the_truth(table, tmp_path):
    truth, style, data, config = table
    spec = replace(make_ingest_spec(config), strategy="stratified", split_column=None)
    ingest(
        list_files(str(data)),
        spec,
        uri=str(tmp_path / "examples"),
        reports_dir=str(tmp_path),
        make_pipeline=lambda: beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGS))),
    )
    rows = [
        row
        for split in SPLITS
        for batch in read_batches(*split_files(str(tmp_path / "examples"), split))
        for row in batch.to_pylist()
    ]
    rows.sort(key=lambda row: row["when"][0])
    assert len(rows) == len(truth)
    for name in EXPECTED:
        read = [as_read(row[name][0]) if row[name] else None for row in rows]
        assert read == expected_values(truth, name, style), name


def write_echo(path: Path, kinds: dict[str, Any]) -> None:
    """A model that answers with what it is asked."""

    def build() -> dict[str, Any]:
        inputs = {
            name: tf.compat.v1.placeholder(kind, [None], name) for name, kind in kinds.items()
        }
        outputs = {name: tf.identity(tensor) for name, tensor in inputs.items()}
        return {SERVING: signature(inputs, outputs)}

    write(path, build)


@pytest.mark.parametrize("wire", ["grpc", "http"])
def test_a_served_model_is_asked_the_truth(table, wire, tmp_path):
    truth, style, data, config = table
    kinds = dict.fromkeys(NUMBERS, tf.float32) | {"door_open": tf.string, "maker": tf.string}
    asked = {name: kind for name, kind in kinds.items() if name in config.features}
    assert asked.keys() == kinds.keys()
    write_echo(tmp_path / "models" / "1", kinds)
    options = ServerOptions(
        model_name="t", model_base_path=str(tmp_path / "models"), port=0, rest_api_port=-1
    )
    with ModelServer(options) as server:
        port = server.grpc_port if wire == "grpc" else server.rest_port
        done = CliRunner().invoke(
            main,
            [
                *("predict", str(data), "--config", str(tmp_path / "configs" / "t.yaml")),
                *("--server", f"{wire}://127.0.0.1:{port}", "--output", str(tmp_path / "output")),
                *("--output-file", str(tmp_path / "out.parquet")),
            ],
        )
    assert done.exit_code == 0, done.output
    answers = pd.read_parquet(tmp_path / "out.parquet")
    for name in kinds:
        read = [as_read(_as_bytes(value)) for value in answers[name].tolist()]
        expected = [as_read(value) for value in expected_values(truth, name, style)]
        assert read == expected, name


def _as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value

"""ArrowExampleGen in TFX: its driver, its launcher, and the same examples as CsvExampleGen."""

import os
from collections import Counter
from importlib import metadata as package_metadata
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline

from common.errors import InputError
from models.features import Numeric
from pipeline.components.arrow_example_gen.component import ArrowExampleGen
from pipeline.config import Config, Data, Label
from pipeline.reading.files.locations import resolve_source
from pipeline.running import runner
from pipeline.running.steps import StepState
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

pytestmark = pytest.mark.e2e

TAXI = "tfx/examples/chicago_taxi_pipeline/data/big_tipper_label/data.csv"


def run_pipeline(tmp_path, component, run_id="run-1"):
    """Runs one component and returns its step's result."""
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))
    pipeline = tfx_pipeline.Pipeline(
        "test",
        str(tmp_path / "artifacts"),
        metadata_connection_config=connection,
        components=[component],
        enable_cache=True,
        beam_pipeline_args=list(LOCAL_BEAM_ARGS),
    )
    compiled = runner.compile_pipeline(pipeline, run_id)
    [result] = list(runner.run_steps(compiled, connection, on_start=lambda _: None))
    return result


def arrow_example_gen(tmp_path, path, **data: object):
    config = Config(
        name="test",
        label=Label(column="y"),
        data=Data(path=path, **data),
        features={"a": Numeric()},
        folder=tmp_path,
    )
    source = resolve_source(path, folder=tmp_path, data=config.data)
    return ArrowExampleGen(
        config, source, code_digest="code", reports_dir=str(tmp_path / "reports")
    )


def write_span(tmp_path, span, start):
    folder = tmp_path / f"span-{span}"
    folder.mkdir()
    rows = [f"{i},{int(i % 2 == 0)}" for i in range(start, start + 100)]
    (folder / "x.csv").write_text("\n".join(["a,y", *rows]) + "\n")


def properties_of(result):
    properties = result.outputs["examples"][0].custom_properties
    return {key: getattr(value, value.WhichOneof("value")) for key, value in properties.items()}


def features_of(result):
    """Counts the examples of all splits, each as its features with type and values."""
    files = [str(file) for file in Path(result.outputs["examples"][0].uri).glob("Split-*/*")]
    records = tf.data.TFRecordDataset(sorted(files), "GZIP").as_numpy_iterator()
    return Counter(_features(tf.train.Example.FromString(record)) for record in records)


def _features(example):
    found = []
    for name, feature in sorted(example.features.feature.items()):
        kind = feature.WhichOneof("kind")
        found.append((name, kind, tuple(getattr(feature, kind).value) if kind else ()))
    return tuple(found)


def test_the_taxi_file_gives_the_same_examples_as_csv_example_gen(tmp_path):
    file = Path(str(package_metadata.distribution("tfx").locate_file(TAXI)))
    config = Config(
        name="taxi",
        label=Label(column="big_tipper"),
        data=Data(path=str(file)),
        features={"trip_miles": Numeric()},
    )
    source = resolve_source(str(file), folder=tmp_path, data=config.data)
    ours = ArrowExampleGen(config, source, code_digest="", reports_dir=str(tmp_path / "reports"))
    stock = CsvExampleGen(input_base=str(file.parent))
    found = features_of(run_pipeline(tmp_path, ours))
    expected = features_of(run_pipeline(tmp_path, stock, run_id="run-2"))
    assert found.total() == 15_002
    assert found == expected


def test_the_driver_takes_the_latest_span_and_the_cache_follows_the_data(tmp_path):
    write_span(tmp_path, 1, start=0)
    write_span(tmp_path, 2, start=1000)
    first = run_pipeline(tmp_path, arrow_example_gen(tmp_path, "span-{SPAN}/*.csv"))
    assert first.state == StepState.RAN
    assert properties_of(first)["span"] == 2
    assert properties_of(first)["num_rows"] == 100
    assert properties_of(first)["num_positives_train"] == 37

    component = arrow_example_gen(tmp_path, "span-{SPAN}/*.csv")
    again = run_pipeline(tmp_path, component, run_id="run-2")
    assert again.state == StepState.CACHED

    write_span(tmp_path, 3, start=2000)
    component = arrow_example_gen(tmp_path, "span-{SPAN}/*.csv")
    newer = run_pipeline(tmp_path, component, run_id="run-3")
    assert newer.state == StepState.RAN
    assert properties_of(newer)["span"] == 3


def test_the_cache_follows_the_content_whatever_the_times_say(tmp_path):
    folder = tmp_path / "line [A]"
    folder.mkdir()
    file = folder / "READINGS.CSV"
    rows = [f"{i},{int(i % 2 == 0)}" for i in range(100)]
    file.write_text("\n".join(["a,y", *rows]) + "\n")
    states, positives = [], []

    def run(number):
        component = arrow_example_gen(tmp_path, "line [A]")
        result = run_pipeline(tmp_path, component, run_id=f"run-{number}")
        states.append(result.state)
        positives.append(properties_of(result)["num_positives_train"])

    run(1)
    file.write_text(file.read_text())  # new times, equal content
    run(2)
    times = file.stat()
    file.write_text(file.read_text().replace("\n1,0\n", "\n1,1\n"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    run(3)
    ran, cached = StepState.RAN, StepState.CACHED
    # 75 % of 50 rows of each class are 37.5: train gets 37 positives and 38 others. Of 51: 38.25.
    assert (states, positives) == ([ran, cached, ran], [37, 37, 38])


def test_of_a_window_the_newest_span_is_read(tmp_path):
    for span in (1, 2, 3):
        write_span(tmp_path, span, start=1000 * span)
    component = arrow_example_gen(tmp_path, "span-{SPAN}/*.csv", first_span=1, last_span=2)
    properties = properties_of(run_pipeline(tmp_path, component))
    assert (properties["span"], properties["num_rows"]) == (2, 100)


def test_bad_input_leaves_the_launcher_as_an_input_error(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,0\n")
    with pytest.raises(InputError, match="one class only"):
        run_pipeline(tmp_path, arrow_example_gen(tmp_path, "a.csv"))


def test_a_training_option_is_no_part_of_the_cache_key(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,0\n")
    component = arrow_example_gen(tmp_path, "a.csv")
    assert "learning_rate" not in component.spec.exec_properties["ingest_spec"]

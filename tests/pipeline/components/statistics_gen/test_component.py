"""StatisticsGen in TFX: the same statistics as TFX's own executor, on real data."""

import gzip
import json
from importlib import metadata as package_metadata
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.statistics_gen import executor as tfx_executor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import Channel, standard_artifacts
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from common.errors import InputError
from pipeline.components.statistics_gen.component import StatisticsGen
from pipeline.components.statistics_gen.executor import Executor
from pipeline.components.statistics_gen.profiles import DataProfile
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.example_files import write_split

pytestmark = pytest.mark.e2e

TAXI = "tfx/examples/chicago_taxi_pipeline/data/big_tipper_label/data.csv"


def examples_artifact(folder: Path, **batches: pa.RecordBatch):
    """Examples with one gzip TFRecord file for each split."""
    for split, batch in batches.items():
        write_split(folder, split, RecordBatchToExamplesEncoder().encode(batch))
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.span = 3
    artifact.split_names = json.dumps(list(batches))
    artifact.set_string_custom_property("file_format", "tfrecords_gzip")
    artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    return artifact


def run(executor_class, examples, folder: Path):
    """What an executor writes, by split."""
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(LOCAL_BEAM_ARGS), tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    properties = {"exclude_splits": "null", "sample_rate_by_split": "null"}
    executor_class(context).Do({"examples": [examples]}, {"statistics": [statistics]}, properties)
    parse = statistics_pb2.DatasetFeatureStatisticsList.FromString
    return statistics, {
        split: parse((folder / f"Split-{split}" / "FeatureStats.pb").read_bytes()).datasets[0]
        for split in json.loads(statistics.split_names)
    }


def taxi_rows(start: int, count: int) -> pa.RecordBatch:
    path = package_metadata.distribution("tfx").locate_file(TAXI)
    table = csv.read_csv(path).slice(start, count).combine_chunks()
    columns = {}
    for name in table.column_names:
        values = table.column(name).combine_chunks()
        if pa.types.is_floating(values.type):
            values = values.cast(pa.float32())
        if pa.types.is_string(values.type):
            values = values.cast(pa.binary())
        offsets = list(accumulate((int(value.is_valid) for value in values), initial=0))
        columns[name] = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), values.drop_null(), mask=values.is_null()
        )
    return pa.record_batch(columns)


def figures(feature):
    """What TFDV says of a column, its moments apart, for they depend on the order of sums."""
    copy = type(feature).FromString(feature.SerializeToString())
    moments = (copy.num_stats.mean, copy.num_stats.std_dev) if copy.HasField("num_stats") else ()
    if moments:
        copy.num_stats.mean = copy.num_stats.std_dev = 0
    return copy, moments


def test_the_taxi_statistics_are_those_of_tfx(tmp_path):
    examples = examples_artifact(
        tmp_path / "examples", train=taxi_rows(0, 1500), test=taxi_rows(1500, 500)
    )
    artifact, ours = run(Executor, examples, tmp_path / "ours")
    _, theirs = run(tfx_executor.Executor, examples, tmp_path / "theirs")
    assert (artifact.span, list(ours)) == (3, ["train", "test"])
    for split in ours:
        assert ours[split].num_examples == theirs[split].num_examples
        expected = {feature.path.step[0]: figures(feature) for feature in theirs[split].features}
        found = {feature.path.step[0]: figures(feature) for feature in ours[split].features}
        assert {k: v[0] for k, v in found.items()} == {k: v[0] for k, v in expected.items()}
        for name, (_, moments) in found.items():
            assert moments == pytest.approx(expected[name][1], rel=1e-9)


def test_each_split_gets_a_profile(tmp_path):
    examples = examples_artifact(tmp_path / "examples", train=taxi_rows(0, 50))
    run(Executor, examples, tmp_path / "ours")
    text = (tmp_path / "ours" / "Split-train" / "profile.json").read_text()
    profile = DataProfile.from_json(text)
    assert profile.num_rows == 50
    assert sum(profile.columns["payment_type"].counts.values()) == 50


def test_rows_without_a_label_get_statistics_and_are_no_split(tmp_path):
    examples = examples_artifact(
        tmp_path / "examples", train=taxi_rows(0, 50), unlabelled=taxi_rows(50, 20)
    )
    examples.split_names = '["train"]'
    artifact, _ = run(Executor, examples, tmp_path / "ours")
    assert artifact.split_names == '["train"]'
    text = (tmp_path / "ours" / "Split-unlabelled" / "profile.json").read_text()
    assert DataProfile.from_json(text).num_rows == 20


def test_a_split_without_examples_is_an_error(tmp_path):
    examples = examples_artifact(tmp_path / "examples", train=taxi_rows(0, 5))
    empty = tmp_path / "examples" / "Split-eval" / "data_tfrecord-00000-of-00001.gz"
    empty.parent.mkdir()
    empty.write_bytes(gzip.compress(b""))
    examples.split_names = '["train", "eval"]'
    with pytest.raises(InputError, match="No examples in split eval"):
        run(Executor, examples, tmp_path / "statistics")


def test_the_cache_key_holds_a_digest_of_the_code():
    component = StatisticsGen(
        examples=Channel(type=standard_artifacts.Examples), code_digest="code"
    )
    assert component.exec_properties["code_digest"] == "code"

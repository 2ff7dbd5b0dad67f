"""ExampleValidator in TFX: what TFX's own writes, and drift."""

from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.components.example_validator import executor as tfx_executor
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import (
    ExampleAnomalies,
    ExampleStatistics,
    ExampleValidationMetrics,
    Schema,
)

from pipeline.components.example_validator.executor import Executor, describe_comparison
from pipeline.components.statistics_gen.statistics import StatisticsCombineFn

PLAIN = 'feature { name: "maker" type: BYTES string_domain { value: "a" value: "b" } }'
COMPARED = (
    'feature { name: "maker" type: BYTES drift_comparator { infinity_norm { threshold: 0.3 } } }'
)
SPLITS = ("train", "eval")


def _statistics(folder: Path, makers: str) -> ExampleStatistics:
    """Statistics of both splits, each with one maker a row."""
    combine = StatisticsCombineFn()
    combine.setup()
    batch = pa.record_batch({"maker": pa.array([[maker.encode()] for maker in makers])})
    output = combine.extract_output(combine.add_input(combine.create_accumulator(), batch))
    artifact = ExampleStatistics()
    artifact.uri, artifact.id = str(folder), 5
    artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
    artifact.set_string_custom_property("tfx_version", "1.21.0")
    for split in SPLITS:
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(output.SerializeToString())
    return artifact


def _schema(folder: Path, text: str) -> Schema:
    folder.mkdir()
    message = text_format.Parse(text, schema_pb2.Schema())
    (folder / "schema.pbtxt").write_text(text_format.MessageToString(message))
    artifact = Schema()
    artifact.uri = str(folder)
    return artifact


def _validate(
    folder: Path, executor, makers: str, schema: str, *, earlier: str = ""
) -> tuple[ExampleAnomalies, dict[str, anomalies_pb2.Anomalies]]:
    folder.mkdir()
    inputs = {
        "statistics": [_statistics(folder / "now", makers)],
        "schema": [_schema(folder / "schema", schema)],
        "earlier_statistics": [_statistics(folder / "earlier", earlier)] if earlier else [],
        "earlier_report": [],
    }
    if earlier:
        report = ExampleValidationMetrics()
        report.set_int_custom_property("data_span", 8)
        inputs["earlier_report"] = [report]
    anomalies = ExampleAnomalies()
    anomalies.uri = str(folder / "anomalies")
    properties = {"exclude_splits": "[]", "has_spans": 1, "code_digest": ""}
    executor().Do(inputs, {"anomalies": [anomalies]}, properties)
    return anomalies, {
        split: anomalies_pb2.Anomalies.FromString(
            (folder / "anomalies" / f"Split-{split}" / "SchemaDiff.pb").read_bytes()
        )
        for split in SPLITS
    }


@pytest.mark.parametrize("makers", ["aabb", "abbc"], ids=["clean", "anomalous"])
def test_without_an_earlier_span_it_writes_what_tfx_does(tmp_path, makers):
    ours, found = _validate(tmp_path / "ours", Executor, makers, PLAIN)
    theirs, expected = _validate(tmp_path / "theirs", tfx_executor.Executor, makers, PLAIN)
    assert found == expected
    assert ours.split_names == theirs.split_names
    blessed = ours.get_json_value_custom_property("blessed")
    assert blessed == theirs.get_json_value_custom_property("blessed")
    assert blessed == dict.fromkeys(SPLITS, int(makers == "aabb"))


def test_train_alone_is_compared_with_the_earlier_span(tmp_path):
    # The share of `a` falls from 4/4 to 2/4.
    anomalies, found = _validate(tmp_path / "x", Executor, "aabb", COMPARED, earlier="aaaa")
    [reason] = found["train"].anomaly_info["maker"].reason
    assert reason.type == anomalies_pb2.AnomalyInfo.COMPARATOR_L_INFTY_HIGH
    [measured] = found["train"].drift_skew_info[0].drift_measurements
    assert (measured.value, measured.threshold) == pytest.approx((0.5, 0.3))
    assert not found["eval"].anomaly_info
    assert anomalies.get_json_value_custom_property("blessed") == {"train": 0, "eval": 1}
    assert anomalies.get_string_custom_property("drift") == "drift checked against span 8"


def test_a_distance_below_the_threshold_is_no_anomaly(tmp_path):
    _, found = _validate(tmp_path / "x", Executor, "aaab", COMPARED, earlier="aaaa")
    assert not found["train"].anomaly_info


def test_the_statistics_that_were_judged_are_noted(tmp_path):
    anomalies, _ = _validate(tmp_path / "x", Executor, "aabb", COMPARED)
    assert anomalies.get_int_custom_property("statistics_id") == 5


@pytest.mark.parametrize(
    ("schema", "has_spans", "earlier_span", "words"),
    [
        (COMPARED, False, None, "drift not checked: the data have no spans"),
        (PLAIN, True, 1, "drift not checked: the schema has no drift comparators"),
        (COMPARED, True, None, "drift not checked: no earlier span was accepted"),
        (COMPARED, True, 0, "drift checked against span 0"),
        (
            "dataset_constraints { num_examples_drift_comparator { min_fraction_threshold: 0.5 } }",
            True,
            1,
            "drift checked against span 1",
        ),
    ],
)
def test_it_says_whether_drift_was_checked(schema, has_spans, earlier_span, words):
    parsed = text_format.Parse(schema, schema_pb2.Schema())
    assert describe_comparison(parsed, has_spans=has_spans, earlier_span=earlier_span) == words

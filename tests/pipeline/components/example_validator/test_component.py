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

from models.features import Categorical
from pipeline.components.example_validator.drift import DriftOptions, DriftReport
from pipeline.components.example_validator.executor import Executor, describe_no_comparison
from pipeline.components.statistics_gen.profiling import ProfileAccumulator
from pipeline.components.statistics_gen.statistics import StatisticsCombineFn

PLAIN = 'feature { name: "maker" type: BYTES string_domain { value: "a" value: "b" } }'
COMPARED = (
    'feature { name: "maker" type: BYTES drift_comparator { infinity_norm { threshold: 0.3 } } }'
)
SPLITS = ("train", "eval")
OPTIONS = DriftOptions(features={"maker": Categorical()}, label="y", has_spans=True)


def _statistics(folder: Path, makers: str) -> ExampleStatistics:
    """Statistics of both splits, each with one maker a row."""
    combine = StatisticsCombineFn()
    combine.setup()
    batch = pa.record_batch({"maker": pa.array([[maker.encode()] for maker in makers])})
    profile = ProfileAccumulator()
    profile.add(batch)
    output = combine.extract_output(combine.add_input(combine.create_accumulator(), batch))
    artifact = ExampleStatistics()
    artifact.uri, artifact.id = str(folder), 5
    artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
    artifact.set_string_custom_property("tfx_version", "1.21.0")
    for split in SPLITS:
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(output.SerializeToString())
        (folder / f"Split-{split}" / "profile.json").write_text(profile.profile().to_json())
    return artifact


def _schema(folder: Path, text: str) -> Schema:
    folder.mkdir()
    message = text_format.Parse(text, schema_pb2.Schema())
    (folder / "schema.pbtxt").write_text(text_format.MessageToString(message))
    artifact = Schema()
    artifact.uri = str(folder)
    return artifact


def _validate(
    folder: Path, executor, makers: str, schema: str, *, earlier: str = "", unlabelled: str = ""
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
    if unlabelled:
        _statistics(folder / "others", unlabelled)
        (folder / "others" / "Split-train").rename(folder / "now" / "Split-unlabelled")
    anomalies = ExampleAnomalies()
    anomalies.uri = str(folder / "anomalies")
    properties = {
        "exclude_splits": "[]",
        "drift_options": OPTIONS.to_json(),
        "code_digest": "",
    }
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
    assert anomalies.get_string_custom_property("drift") == (
        "drift checked on 1 of 1 columns against span 8"
    )


def test_a_distance_below_the_threshold_is_no_anomaly(tmp_path):
    _, found = _validate(tmp_path / "x", Executor, "aaab", COMPARED, earlier="aaaa")
    assert not found["train"].anomaly_info


def test_the_statistics_that_were_judged_are_noted(tmp_path):
    anomalies, _ = _validate(tmp_path / "x", Executor, "aabb", COMPARED)
    assert anomalies.get_int_custom_property("statistics_id") == 5


def _drift(folder: Path) -> DriftReport:
    return DriftReport.from_json((folder / "anomalies" / "Split-train" / "drift.json").read_text())


def test_without_a_comparator_in_the_schema_the_sizes_decide(tmp_path):
    # From 50 % to 100 % of 4 rows is chance, of 400 rows it is not.
    few, _ = _validate(tmp_path / "few", Executor, "aaaa", PLAIN, earlier="aabb")
    assert few.get_json_value_custom_property("blessed") == {"train": 1, "eval": 1}
    many, _ = _validate(tmp_path / "many", Executor, "a" * 400, PLAIN, earlier="ab" * 200)
    assert many.get_json_value_custom_property("blessed") == {"train": 0, "eval": 1}
    [categories, missing] = _drift(tmp_path / "many").comparisons
    assert (categories.measure, categories.distance) == ("categories", pytest.approx(0.5))
    assert categories.alarm
    assert not missing.alarm
    assert many.get_string_custom_property("drift") == (
        "drift checked on 1 of 1 columns against span 8"
    )


def test_a_comparator_in_the_schema_is_all_that_judges_its_column(tmp_path):
    _, found = _validate(tmp_path / "x", Executor, "a" * 400, COMPARED, earlier="aaab" * 100)
    assert not found["train"].anomaly_info  # 0.25, below the schema's 0.3
    assert [one.measure for one in _drift(tmp_path / "x").comparisons] == ["missing share"]


@pytest.mark.parametrize(("makers", "is_alarm"), [("b", True), ("ab", False)])
def test_rows_without_a_label_are_compared_with_train(tmp_path, makers, is_alarm):
    anomalies, _ = _validate(
        tmp_path / "x", Executor, "ab" * 200, PLAIN, unlabelled=makers * (200 // len(makers))
    )
    path = tmp_path / "x" / "anomalies" / "Split-unlabelled" / "drift.json"
    [categories, _] = DriftReport.from_json(path.read_text()).comparisons
    assert categories.alarm is is_alarm
    if is_alarm:
        assert categories.text in (
            "`a` 50.00% in train, 0.00% without a label",
            "`b` 50.00% in train, 100.00% without a label",
        )
    # The splits are no worse for it.
    assert anomalies.get_json_value_custom_property("blessed") == {"train": 1, "eval": 1}
    text = "drift not checked: no earlier span was accepted; 200 rows without a label compared"
    assert anomalies.get_string_custom_property("drift").startswith(text)


def test_without_earlier_data_nothing_is_compared(tmp_path):
    anomalies, _ = _validate(tmp_path / "x", Executor, "aabb", PLAIN)
    assert _drift(tmp_path / "x").comparisons == ()
    text = "drift not checked: no earlier span was accepted"
    assert anomalies.get_string_custom_property("drift") == text


@pytest.mark.parametrize(
    ("has_spans", "is_accepted", "words"),
    [
        (True, False, "drift not checked: no earlier span was accepted"),
        (False, False, "drift not checked: no earlier data were accepted"),
        (False, True, "drift not checked: these data were accepted with their drift"),
    ],
)
def test_it_says_why_drift_was_not_checked(has_spans, is_accepted, words):
    assert describe_no_comparison(has_spans=has_spans, is_accepted=is_accepted) == words

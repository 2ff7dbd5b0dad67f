"""AnomalyGate as a component: what stops it, and what it notes for spans to come."""

from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf import text_format
from pydantic import TypeAdapter
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleValidationMetrics,
    Schema,
)
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from common.errors import InputError
from models.features import Signal, features_to_json
from pipeline.components.anomaly_gate.component import AnomalyGate
from pipeline.components.example_validator.drift import Comparison, DriftReport
from pipeline.config import SPLITS, Validation
from tests.example_files import write_split

FEATURES = features_to_json({"v": Signal(num_samples=2, sampling_rate_hz=500, rate_column="rate")})
GOOD = {"v": pa.array([[1.0, 2.0]], pa.list_(pa.float32())), "rate": pa.array([[500]])}
NO_DRIFT = DriftReport()
DRIFT = """
  anomaly_info {
    key: "v"
    value { severity: ERROR reason { type: COMPARATOR_L_INFTY_HIGH description: "far off" } }
  }
"""


def _examples(folder: Path, columns: dict[str, pa.Array]) -> Examples:
    for split in SPLITS:
        records = RecordBatchToExamplesEncoder().encode(pa.record_batch(columns))
        write_split(folder, split, records)
    artifact = Examples()
    artifact.uri, artifact.id = str(folder), 7
    artifact.mlmd_artifact.custom_properties["span"].int_value = 4  # as TFX's driver does
    return artifact


def _schema(folder: Path, columns: dict[str, pa.Array]) -> Schema:
    schema = schema_pb2.Schema()
    for name, column in columns.items():
        kind = column.type.value_type
        number = schema_pb2.INT if pa.types.is_integer(kind) else schema_pb2.FLOAT
        is_text = pa.types.is_binary(kind)
        schema.feature.add(name=name, type=schema_pb2.BYTES if is_text else number)
    folder.mkdir(parents=True)
    (folder / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    artifact = Schema()
    artifact.uri = str(folder)
    return artifact


def _anomalies(folder: Path, train: str, *, spans: bool, drift: DriftReport) -> ExampleAnomalies:
    for split in SPLITS:
        (folder / f"Split-{split}").mkdir(parents=True)
        text = train if split == "train" else ""
        message = text_format.Parse(text, anomalies_pb2.Anomalies())
        (folder / f"Split-{split}" / "SchemaDiff.pb").write_bytes(message.SerializeToString())
    artifact = ExampleAnomalies()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
    artifact.set_string_custom_property("drift", "drift checked against span 3")
    artifact.set_int_custom_property("statistics_id", 5)
    artifact.set_int_custom_property("has_spans", int(spans))
    (folder / "Split-train" / "drift.json").write_text(drift.to_json())
    return artifact


def _judge(
    folder: Path,
    columns: dict[str, pa.Array],
    *,
    anomalies: str = "",
    spans: bool = True,
    slices: str = "{}",
    drifted: DriftReport = NO_DRIFT,
    unlabelled: DriftReport = NO_DRIFT,
    **limits,
) -> ExampleValidationMetrics:
    report = ExampleValidationMetrics()
    report.uri = str(folder / "report")
    schema = _schema(folder / "schema", columns)
    checked = _anomalies(folder / "anomalies", anomalies, spans=spans, drift=drifted)
    if unlabelled.comparisons:
        (folder / "anomalies" / "Split-unlabelled").mkdir()
        path = folder / "anomalies" / "Split-unlabelled" / "drift.json"
        path.write_text(unlabelled.to_json())
    AnomalyGate.EXECUTOR_SPEC.executor_class().Do(
        {
            "examples": [_examples(folder / "examples", columns)],
            "anomalies": [checked],
            "schema": [schema],
            "inferred_schema": [schema],
        },
        {"report": [report]},
        {
            "name": "x",
            "features": FEATURES,
            "validation": TypeAdapter(Validation).dump_json(Validation(**limits)).decode(),
            "slices": slices,
            "needed": '["v", "rate"]',
            "reports_dir": str(folder / "reports"),
            "acceptance": "rules",
            "code_digest": "",
        },
    )
    return report


def test_accepted_data_are_noted_with_their_span_and_statistics(tmp_path):
    report = _judge(tmp_path, GOOD)
    notes = [report.get_int_custom_property(key) for key in ("data_span", "statistics_id")]
    assert notes == [4, 5]
    assert report.get_int_custom_property("examples_id") == 7
    assert report.get_string_custom_property("acceptance") == "rules"
    assert report.get_string_custom_property("drift") == "drift checked against span 3"
    text = (tmp_path / "reports" / "anomalies-x.md").read_text()
    assert text == "# Anomalies of x\n\nDrift checked against span 3.\n\nNone.\n"


def test_data_without_spans_are_no_reference_for_a_span(tmp_path):
    report = _judge(tmp_path, GOOD, spans=False)
    assert not report.has_custom_property("data_span")
    assert report.get_int_custom_property("statistics_id") == 5


def test_drift_stops_the_run_and_says_against_what(tmp_path):
    with pytest.raises(InputError, match=r"(?s)of span 4 differ from.*far off.*against span 3"):
        _judge(tmp_path, GOOD, anomalies=DRIFT)


WARMER = DriftReport(
    comparisons=(
        Comparison(
            column="v",
            measure="level",
            distance=0.9,
            floor=0.1,
            p_value=1e-30,
            alarm=True,
            text="median 4.2 then, 64.2 now",
        ),
    ),
    num_rows=2_000,
    num_rows_then=1_500,
)


def test_a_measured_drift_stops_the_run_and_names_both_medians_and_sizes(tmp_path):
    with pytest.raises(InputError) as error:
        _judge(tmp_path, GOOD, drifted=WARMER)
    for words in (
        "`v` in train: drift of the level by 0.9: median 4.2 then, 64.2 now.",
        "less than 0.1, or a difference that chance explains (p below 1e-9; 2,000 rows, 1,500 then",
        "validation.drift_ignore",
    ):
        assert words in str(error.value)


def test_a_measured_drift_that_is_accepted_is_noted(tmp_path):
    accepted = _judge(tmp_path / "a", GOOD, drifted=WARMER, drift="warn")
    assert accepted.get_int_custom_property("drifted") == 1
    assert _judge(tmp_path / "b", GOOD).get_int_custom_property("drifted") == 0


def test_rows_without_a_label_that_differ_are_a_warning(tmp_path):
    report = _judge(tmp_path, GOOD, unlabelled=WARMER)
    counts = [report.get_int_custom_property(f"num_{key}") for key in ("anomalies", "warnings")]
    assert counts == [0, 1]
    assert report.get_int_custom_property("drifted") == 0  # train itself has not changed
    text = (tmp_path / "reports" / "anomalies-x.md").read_text()
    assert "`v` in unlabelled: the level differs from train's by 0.9" in text
    assert "label some of them" in text


def test_drift_may_be_a_warning(tmp_path):
    report = _judge(tmp_path, GOOD, anomalies=DRIFT, drift="warn")
    counts = [report.get_int_custom_property(f"num_{key}") for key in ("anomalies", "warnings")]
    assert counts == [0, 1]


def test_an_anomaly_of_a_column_that_nothing_needs_is_a_warning_that_is_said(tmp_path):
    unused = """
      anomaly_info {
        key: "order_no"
        value { severity: ERROR reason { type: SCHEMA_NEW_COLUMN description: "New column." } }
      }
    """
    report = _judge(tmp_path, GOOD, anomalies=unused)
    counts = [report.get_int_custom_property(f"num_{key}") for key in ("anomalies", "warnings")]
    assert counts == [0, 1]
    warnings = "1 warning (`order_no`: New column)"
    assert report.get_string_custom_property("warnings") == warnings
    text = (tmp_path / "reports" / "anomalies-x.md").read_text()
    assert "to do: The model does not use this column, so the run goes on." in text


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rate": GOOD["rate"]}, r"`v` in train: 1 of 1 recordings \(100.0%\) are missing"),
        ({"v": GOOD["v"]}, r"`v` in eval: .* were not sampled at 500 Hz, by `rate`"),
        (GOOD | {"v": pa.array([[b"1", b"2"]])}, "`v` in test: .* hold no numbers"),
    ],
    ids=["no signal", "no rate", "texts"],
)
def test_columns_that_cannot_be_checked_stop_the_run(tmp_path, columns, message):
    with pytest.raises(InputError, match=message):
        _judge(tmp_path, columns)


def test_whole_numbers_are_a_signal_too(tmp_path):
    report = _judge(tmp_path, GOOD | {"v": pa.array([[1, 2]])})
    assert report.get_int_custom_property("num_anomalies") == 0


def test_slices_of_no_column_stop_the_run_before_anything_else_is_said(tmp_path):
    with pytest.raises(
        InputError, match=r"gate\.slices\.0\.columns names the column `rat`.*`rate`"
    ):
        _judge(
            tmp_path, GOOD, anomalies=DRIFT, slices='{"gate.slices.0.columns": [{"column": "rat"}]}'
        )
    assert not (tmp_path / "reports").exists()

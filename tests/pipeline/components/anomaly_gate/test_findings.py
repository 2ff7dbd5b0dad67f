import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from pipeline.components.anomaly_gate.findings import (
    Finding,
    describe_comparator,
    describe_feature,
    describe_warnings,
    find_anomalies,
    findings_table,
    schema_differences,
    tolerate_unused,
)


def _schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def _anomalies(text: str) -> anomalies_pb2.Anomalies:
    return text_format.Parse(text, anomalies_pb2.Anomalies())


SECTOR = _schema("""
  feature { name: "sector" type: BYTES domain: "sector" presence { min_fraction: 1.0 } }
  string_domain { name: "sector" value: "S12" }
""")
UNEXPECTED = _anomalies("""
  anomaly_info {
    key: "sector"
    value {
      severity: ERROR
      reason {
        type: ENUM_TYPE_UNEXPECTED_STRING_VALUES
        description: "Examples contain values missing from the schema: S99 (~3%). "
      }
    }
  }
""")


def test_an_anomaly_says_what_was_found_what_was_expected_and_what_to_do():
    [finding] = find_anomalies(UNEXPECTED, SECTOR, "train")
    assert finding.column == "sector"
    assert finding.found == "Examples contain values missing from the schema: S99 (~3%)."
    assert finding.expected == "BYTES, present in 100% of rows, domain `sector`"
    assert "add them to the column's domain" in finding.advice
    assert finding.stops


def test_only_columns_that_are_needed_stop_the_run():
    unused, used, whole = (
        Finding(column=name, split="train", found="odd", expected="even", advice="mend")
        for name in ("order_no", "sector", "")
    )
    stops = [f.stops for f in tolerate_unused([unused, used, whole], {"sector"})]
    assert stops == [False, True, True]


def test_warnings_name_their_columns_once():
    findings = [
        Finding(column=name, split=split, found=found, expected="", advice="x", stops=False)
        for split in ("train", "test")
        for name, found in (("order_no", "New column."), ("site", "Unexpected values."))
    ]
    expected = "2 warnings (`order_no`: New column; `site`: Unexpected values)"
    assert describe_warnings(findings) == expected


def test_a_column_may_have_warnings_of_several_kinds():
    findings = [
        Finding(column="image", split=split, found=found, expected="", advice=found, stops=False)
        for split in ("eval", "test")
        for found in ("14 look like one of `train`", "33 have another format")
    ]
    expected = "2 warnings (`image`: 14 look like one of `train`; `image`: 33 have another format)"
    assert describe_warnings(findings) == expected


def test_a_missing_column_is_said_and_another_inferred_type_is_not():
    curated = _schema('feature { name: "a" type: INT } feature { name: "b" type: BYTES }')
    inferred = _schema('feature { name: "b" type: INT }')
    differences = schema_differences(inferred, curated)
    assert [f.column for f in differences] == ["a", "b"]
    assert describe_warnings(differences) == "1 warning (`a`: no such column)"


def test_a_warning_does_not_stop_the_run():
    warning = anomalies_pb2.Anomalies()
    warning.CopyFrom(UNEXPECTED)
    warning.anomaly_info["sector"].severity = anomalies_pb2.AnomalyInfo.WARNING
    [finding] = find_anomalies(warning, SECTOR, "train")
    assert not finding.stops


@pytest.mark.parametrize(("tag", "stops"), [("observed range", False), ("", True)])
def test_a_value_beyond_the_range_that_init_saw_is_a_warning(tag, stops):
    beyond = _anomalies("""
      anomaly_info {
        key: "t"
        value {
          severity: ERROR
          reason { type: FLOAT_TYPE_SMALL_FLOAT description: "Unexpectedly low values: -9999" }
        }
      }
    """)
    note = f'annotation {{ tag: "{tag}" }}' if tag else ""
    schema = _schema(f'feature {{ name: "t" type: FLOAT float_domain {{ min: 250 }} {note} }}')
    [finding] = find_anomalies(beyond, schema, "train")
    assert finding.stops is stops
    assert ("another unit" in finding.advice) is not stops


def test_another_anomaly_of_a_column_with_an_observed_range_stops_the_run():
    schema = _schema('feature { name: "sector" annotation { tag: "observed range" } }')
    [finding] = find_anomalies(UNEXPECTED, schema, "train")
    assert finding.stops


def test_every_reason_of_a_column_is_told():
    two = _anomalies("""
      anomaly_info {
        key: "x"
        value {
          reason { type: SCHEMA_NEW_COLUMN description: "new" }
          reason { type: UNKNOWN_TYPE description: "odd" }
        }
      }
    """)
    found = list(find_anomalies(two, SECTOR, "eval"))
    assert [f.found for f in found] == ["new", "odd"]
    assert {f.expected for f in found} == {"not in the schema"}
    assert "describe it in the schema" in found[0].advice
    assert found[1].advice == "Correct the data, or change the column's entry in the schema."


def test_an_anomaly_of_the_whole_data_set_has_no_column():
    few = _anomalies("""
      dataset_anomaly_info { reason { type: DATASET_LOW_NUM_EXAMPLES description: "too few" } }
    """)
    [finding] = find_anomalies(few, SECTOR, "test")
    assert finding.column == ""
    assert "the data set in test: too few" in findings_table([finding])


DRIFTING = _anomalies("""
  anomaly_info {
    key: "t"
    value {
      severity: ERROR
      reason { type: COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH description: "0.6" }
      reason { type: FLOAT_TYPE_BIG_FLOAT description: "hot" }
    }
  }
""")
COMPARED = _schema("""
  feature {
    name: "t" type: FLOAT
    drift_comparator { jensen_shannon_divergence { threshold: 0.2 } }
  }
""")


def test_drift_says_how_far_a_column_may_be_and_how_to_accept_it():
    drift, _ = find_anomalies(DRIFTING, COMPARED, "train")
    assert drift.expected == "drift_comparator: jensen shannon divergence at most 0.2"
    assert "validation.drift: warn" in drift.advice
    assert drift.stops


def test_drift_as_a_warning_leaves_the_columns_other_anomalies_to_stop_the_run():
    drift, domain = find_anomalies(DRIFTING, COMPARED, "train", drift_stops=False)
    assert (drift.stops, domain.stops) == (False, True)


def test_a_column_that_only_the_earlier_span_has_is_told_without_a_limit():
    assert describe_comparator(None) == "not in the schema"


def test_limits_of_a_domain_are_told():
    schema = _schema('feature { name: "t" type: FLOAT float_domain { min: 1.5 max: 320 } }')
    assert describe_feature(schema.feature[0]) == "FLOAT, min 1.5, max 320"


def test_a_column_of_another_type_than_curated_is_reported_and_does_not_stop():
    curated = _schema('feature { name: "a" type: FLOAT } feature { name: "b" type: INT }')
    inferred = _schema('feature { name: "a" type: FLOAT } feature { name: "b" type: BYTES }')
    [finding] = schema_differences(inferred, curated)
    assert (finding.column, finding.found, finding.expected) == ("b", "BYTES", "INT")
    assert not finding.stops

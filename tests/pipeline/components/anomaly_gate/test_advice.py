"""Advice for what TFDV really finds, in data of a few rows."""

from dataclasses import dataclass

import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tensorflow_metadata.proto.v0.anomalies_pb2 import AnomalyInfo

from pipeline.components.anomaly_gate import advice
from pipeline.components.anomaly_gate.findings import Finding, find_anomalies
from pipeline.components.statistics_gen.statistics import StatisticsCombineFn

# What TFDV says of the mean and deviation of an infinite value.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Data that are not what a schema says.

    Attributes:
        kind: TFDV's name for it.
        schema: What the schema says of column `x`, or of the data set in curly brackets.
        rows: The column: a value or a list of values for each row.
        earlier: The column in an earlier span.
        advice: Words of the advice.
    """

    kind: str
    schema: str
    rows: list
    earlier: list | None = None
    advice: str

    def __str__(self) -> str:
        return self.kind


FIVE_TO_NINE = [5, 6, 7, 8, 9] * 4
CASES = [
    Case(
        kind="ENUM_TYPE_UNEXPECTED_STRING_VALUES",
        schema='type: BYTES string_domain { value: "a" }',
        rows=["a", "b"],
        advice="add them to the column's domain",
    ),
    Case(
        kind="UNEXPECTED_DATA_TYPE",
        schema="type: FLOAT",
        rows=["1,5", "2,5"],
        advice="decimal comma",
    ),
    Case(
        kind="INT_TYPE_BIG_INT",
        schema="type: INT int_domain { max: 8 }",
        rows=FIVE_TO_NINE,
        advice="raise int_domain's max",
    ),
    Case(
        kind="INT_TYPE_SMALL_INT",
        schema="type: INT int_domain { min: 6 }",
        rows=FIVE_TO_NINE,
        advice="lower int_domain's min",
    ),
    Case(
        kind="INT_TYPE_NOT_INT_STRING",
        schema="type: BYTES int_domain { min: 0 }",
        rows=["1", "two"],
        advice="need not be whole numbers, replace int_domain",
    ),
    Case(
        kind="FLOAT_TYPE_STRING_NOT_FLOAT",
        schema="type: BYTES float_domain { min: 0 }",
        rows=["1.5", "two"],
        advice="replace float_domain",
    ),
    Case(
        kind="FLOAT_TYPE_BIG_FLOAT",
        schema="type: FLOAT float_domain { max: 2 }",
        rows=[1.5, 2.5],
        advice="raise float_domain's max",
    ),
    Case(
        kind="FLOAT_TYPE_SMALL_FLOAT",
        schema="type: FLOAT float_domain { min: 2 }",
        rows=[1.5, 2.5],
        advice="lower float_domain's min",
    ),
    Case(
        kind="FLOAT_TYPE_HAS_NAN",
        schema="type: FLOAT float_domain { disallow_nan: true }",
        rows=[[1.5], [float("nan")]],
        advice="disallow_nan",
    ),
    Case(
        kind="FLOAT_TYPE_HAS_INF",
        schema="type: FLOAT float_domain { disallow_inf: true }",
        rows=[1.5, float("inf")],
        advice="disallow_inf",
    ),
    Case(
        kind="BOOL_TYPE_BIG_INT",
        schema="type: INT bool_domain {}",
        rows=[0, 1, 2],
        advice="neither true nor false",
    ),
    Case(
        kind="BOOL_TYPE_UNEXPECTED_STRING",
        schema='type: BYTES bool_domain { true_value: "yes" false_value: "no" }',
        rows=["yes", "no", "maybe"],
        advice="neither true nor false",
    ),
    Case(
        kind="FEATURE_TYPE_LOW_FRACTION_PRESENT",
        schema="type: FLOAT presence { min_fraction: 1 }",
        rows=[[1.5], None],
        advice="lower presence.min_fraction",
    ),
    Case(
        kind="FEATURE_TYPE_LOW_NUMBER_PRESENT",
        schema="type: FLOAT presence { min_count: 3 }",
        rows=[1.5, 2.5],
        advice="lower presence.min_count",
    ),
    Case(
        kind="FEATURE_TYPE_LOW_NUMBER_VALUES",
        schema="type: FLOAT value_count { min: 2 }",
        rows=[[1.5, 2.5], [1.5]],
        advice="lower value_count.min",
    ),
    Case(
        kind="FEATURE_TYPE_HIGH_NUMBER_VALUES",
        schema="type: FLOAT value_count { min: 1 max: 1 }",
        rows=[[1.5, 2.5], [1.5]],
        advice="raise value_count.max",
    ),
    Case(
        kind="INVALID_FEATURE_SHAPE",
        schema="type: FLOAT presence { min_fraction: 1 } shape { dim { size: 2 } }",
        rows=[[1.5, 2.5], [1.5]],
        advice="as `shape` says",
    ),
    Case(
        kind="FEATURE_TYPE_HIGH_UNIQUE",
        schema="type: BYTES unique_constraints { min: 1 max: 1 }",
        rows=["a", "b"],
        advice="raise unique_constraints' max",
    ),
    Case(
        kind="FEATURE_TYPE_LOW_UNIQUE",
        schema="type: BYTES unique_constraints { min: 3 max: 9 }",
        rows=["a", "b"],
        advice="lower unique_constraints' min",
    ),
    Case(
        kind="COMPARATOR_L_INFTY_HIGH",
        schema="type: BYTES drift_comparator { infinity_norm { threshold: 0.2 } }",
        rows=["a", "b"],
        earlier=["a", "a"],
        advice="validation.drift: warn",
    ),
    Case(
        kind="COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        schema="type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.2 } }",
        rows=[1.5, 2.5],
        earlier=[101.5, 102.5],
        advice="validation.drift: warn",
    ),
    Case(
        kind="DATASET_LOW_NUM_EXAMPLES",
        schema="{ min_examples_count: 3 }",
        rows=[1.5, 2.5],
        advice="min_examples_count",
    ),
    Case(
        kind="DATASET_HIGH_NUM_EXAMPLES",
        schema="{ min_examples_count: 1 max_examples_count: 1 }",
        rows=[1.5, 2.5],
        advice="max_examples_count",
    ),
]


def _statistics(**columns: list) -> statistics_pb2.DatasetFeatureStatisticsList:
    batch = pa.record_batch(
        {
            name: pa.array([[row] if isinstance(row, str | int | float) else row for row in rows])
            for name, rows in columns.items()
        }
    )
    combine = StatisticsCombineFn()
    combine.setup()
    return combine.extract_output(combine.add_input(combine.create_accumulator(), batch))


def _find(case: Case) -> tuple[list[str], list[Finding]]:
    """TFDV's names for what it finds, and the findings."""
    entry = (
        f'feature {{ name: "x" type: FLOAT }} dataset_constraints {case.schema}'
        if case.schema.startswith("{")
        else f'feature {{ name: "x" {case.schema} }}'
    )
    schema = text_format.Parse(entry, schema_pb2.Schema())
    now = _statistics(x=case.rows)
    earlier = None if case.earlier is None else _statistics(x=case.earlier)
    found = tfdv.validate_statistics(now, schema, previous_statistics=earlier)
    infos = [*found.anomaly_info.values(), found.dataset_anomaly_info]
    kinds = [AnomalyInfo.Type.Name(reason.type) for info in infos for reason in info.reason]
    return kinds, list(find_anomalies(found, schema, "train"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_tfdv_finds_comes_with_advice_of_its_own(case):
    kinds, findings = _find(case)
    assert kinds == [case.kind]
    [finding] = findings
    assert case.advice in finding.advice


@pytest.mark.parametrize(
    ("schema", "columns", "kind"),
    [
        ('feature { name: "x" type: FLOAT }', {"x": [1.5], "y": [2.5]}, "SCHEMA_NEW_COLUMN"),
        (
            'feature { name: "x" type: FLOAT } '
            'feature { name: "y" type: FLOAT presence { min_count: 1 } }',
            {"x": [1.5]},
            "SCHEMA_MISSING_COLUMN",
        ),
    ],
)
def test_a_column_too_many_and_one_too_few(schema, columns, kind):
    parsed = text_format.Parse(schema, schema_pb2.Schema())
    found = tfdv.validate_statistics(_statistics(**columns), parsed)
    [reason] = found.anomaly_info["y"].reason
    assert AnomalyInfo.Type.Name(reason.type) == kind
    [finding] = find_anomalies(found, parsed, "train")
    assert "column" in finding.advice
    assert finding.advice != advice.OTHER_ADVICE


def test_the_table_names_only_kinds_that_there_are_and_each_once():
    names = [name for kinds, _ in advice._KINDS for name in kinds]
    assert set(names) <= set(AnomalyInfo.Type.keys())
    assert len(names) == len(set(names))


def test_what_no_table_of_columns_can_have_gets_general_advice():
    assert advice.advise(AnomalyInfo.EMBEDDING_SHAPE_INVALID) == advice.OTHER_ADVICE

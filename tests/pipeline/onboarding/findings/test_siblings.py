import numpy as np
import pytest

from pipeline.onboarding.findings.siblings import consequence_reason, num_flagged, sibling_reason
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally


def _column(name: str, num_values: int = 2, kind: str = "int") -> Column:
    sample = (np.arange(200) % num_values).astype(float)
    return Column(name=name, kind=kind, num_rows=200, tally=ColumnTally(), sample=sample)


@pytest.mark.parametrize(
    "name", ["failed_seal", "seal_failed", "failed", "rul_hours", "time_to_failure", "RUL"]
)
def test_a_consequence_of_the_fault_is_named(name):
    assert sibling_reason(_column(name), "failed_bearing") or name == "seal_failed"
    assert sibling_reason(_column(name), "bearing_failed")


@pytest.mark.parametrize(
    "name", ["seal_failure_type", "failure_code", "next_failure_days", "hours_left", "SealFailures"]
)
def test_other_forms_of_the_words_are_known_too(name):
    assert sibling_reason(_column(name), "failed")


@pytest.mark.parametrize(
    "name",
    ["pressure", "bearing_temperature", "failures_last_month", "bearing", "flow_to_tank", "left"],
)
def test_a_measurement_is_no_sibling_of_the_label(name):
    assert sibling_reason(_column(name), "failed_bearing") is None


def test_the_time_until_the_label_s_own_event_is_a_consequence():
    assert sibling_reason(_column("TimeToRecurrence"), "Recurrence")
    assert sibling_reason(_column("days_to_relapse"), "relapse")
    assert sibling_reason(_column("distance_to_site"), "site") is None


def test_what_somebody_aims_at_is_no_consequence_unless_the_label_is_the_target():
    assert consequence_reason("military_target", "public_tip") == ""
    assert consequence_reason("target_name", "target")


def test_a_measurement_of_many_values_is_no_sibling_whatever_its_name():
    assert sibling_reason(_column("failed_load", num_values=100), "failed_bearing") is None


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("int", [1.0, 0.0, 1.0, np.nan], 1),  # the first of the rows that are asked about
        ("truth", ["true", "false", "true", None], 1),
        ("text", ["ja", "nein", "ja", None], 1),
        ("int", [1.0, 0.0, 2.0, np.nan], 0),  # a count, not a flag
        ("text", ["seal", "none", "seal", None], 0),
        ("float", [1.0, 0.5, 1.0, np.nan], 0),
    ],
)
def test_the_rows_in_which_a_flag_is_set_are_counted(kind, values, expected):
    sample = np.array(values, float if kind in ("int", "float") else object)
    column = Column(name="f", kind=kind, num_rows=4, tally=ColumnTally(), sample=sample)
    assert num_flagged(column, np.array([True, True, False, True])) == expected

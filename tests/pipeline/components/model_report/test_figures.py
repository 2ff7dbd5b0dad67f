"""The numbers on a model's page are those of `measuring` and of the Evaluator."""

import math

import numpy as np
import pyarrow as pa
import pytest

from measuring.curves import calibration_bins, precision_recall_and_roc
from measuring.scores import decision_metrics
from models.probabilities.cost import Cost, expected_cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_report import figures

LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 0])
PROBABILITIES = np.array([0.05, 0.1, 0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.9, 0.02])
DECISIONS = (PROBABILITIES >= 0.5).astype(int)
ERRORS = pa.table(
    {
        "label": LABELS,
        "probability": PROBABILITIES,
        "decision": DECISIONS,
        "well": ["a", "a", "b", "b", "c", "c", "d", "d", None, None],
    }
)
COST = Cost(missed_fault=50, false_alarm=3, inspection=1, unit="EUR")
METRICS = {
    "num_examples": 10.0,
    "true_positives": 2.0,
    "false_negatives": 1.0,
    "recall": 2 / 3,
    "precision": 2 / 3,
    "pr_auc": 0.8,
    "brier": 0.1234,
    "prevalence": 0.3,
}
HOSTILE = '<img src=x onerror="alert(1)">'
EVALUATION = Evaluation(
    overall=METRICS | {"pr_auc_diff": -0.05},
    slices={
        (("maker", HOSTILE),): METRICS | {"recall": 0.25},
        (("maker", "b"),): METRICS
        | {"recall": math.nan, "true_positives": 0, "false_negatives": 0},
    },
    intervals={
        (): {"recall": (0.1, 0.99), "pr_auc_diff": (-0.2, 0.1)},
        (("maker", HOSTILE),): {"recall": (0.01, 0.8)},
    },
)


@pytest.fixture(scope="module")
def answers():
    return figures.answers_of(ERRORS, None)


def test_the_curves_are_those_of_measuring(answers):
    values = figures.curve_values(answers, 0.9)
    for name, curve in zip(("pr", "roc"), precision_recall_and_roc(answers, 0.9), strict=True):
        for part in ("x", "y", "grid", "lower", "upper"):
            assert values[name][part] == pytest.approx(getattr(curve, part).tolist(), nan_ok=True)


def test_equal_groups_are_one_unit_and_missing_ones_together(answers):
    grouped = figures.answers_of(ERRORS, "well")
    assert len(np.unique(grouped.groups)) == 5
    alone, together = (
        np.array(figures.curve_values(some, 0.95)["roc"]["lower"]) for some in (answers, grouped)
    )
    # Three faults are in groups of two and one, which count as 3^2 / (2^2 + 1^2) = 1.8.
    assert together[-1] == pytest.approx(0.025 ** (1 / 1.8))
    assert alone[-1] == pytest.approx(0.025 ** (1 / 3))


def test_without_any_value_of_the_group_all_rows_form_one_unit():
    assert figures.answers_of(ERRORS, "magnet").groups.tolist() == [0] * 10


def test_the_calibration_has_the_bins_that_hold_examples(answers):
    bins = calibration_bins(LABELS, PROBABILITIES, num_bins=10, confidence=0.95)
    values = figures.calibration_values(answers, 0.95)
    assert [one["count"] for one in values] == [b.count for b in bins if b.count]
    assert [one["interval"] for one in values] == [b.interval for b in bins if b.count]


def test_the_confusion_matrix_is_that_of_the_models_decisions(answers):
    metrics = decision_metrics(LABELS, DECISIONS)
    counts = figures.confusion(answers)
    # Of 0.4, 0.7 and 0.9 two are alarms; of the healthy ones 0.6 is one.
    assert counts == {
        "true_positives": 2,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 6,
    }
    assert counts == {name: metrics[name] for name in counts}


def test_the_cost_curve_is_that_of_the_thresholds(answers):
    values = figures.cost_values(answers, COST, 0.5)
    for x, y in zip(values["x"][:-1], values["y"][:-1], strict=True):
        assert y == expected_cost(PROBABILITIES, LABELS, threshold=x, cost=COST)
    # Without any alarm three missed faults of ten examples cost 50 each.
    assert (values["x"][-1], values["y"][-1]) == (1.0, 15_000.0)
    # Two faults found, one missed, one false alarm: (2 + 50 + 4) / 10.
    assert values["own"] == 5_600.0
    assert values["y"][values["x"].index(0.5)] == 5_600.0
    unknown = figures.cost_values(answers, COST, None)
    assert (unknown["own"], 0.5 in unknown["x"]) == (5_600.0, False)
    assert values["best"][1] == min(values["y"])


def test_the_histogram_counts_every_example_once(answers):
    values = figures.histogram_values(answers)
    assert (sum(values["healthy"]), sum(values["faulty"])) == (7, 3)
    assert values["x"][0] == 0.01


def test_metrics_have_their_intervals_and_their_change():
    rows = {row["words"]: row for row in figures.metric_rows(EVALUATION, EVALUATION)}
    assert rows["recall"]["now"] == figures.Cell("0.667", "[0.100, 0.990]")
    assert rows["PR-AUC"]["change"] == figures.Cell("-0.050", "[-0.200, 0.100]")
    assert rows["Brier score"]["now"] == figures.Cell("0.1234")
    assert rows["Brier score"]["better"] == "lower"
    assert figures.metric_rows(EVALUATION, None)[0]["before"] is None


def test_slices_have_their_intervals_the_smallest_recall_first():
    whole, worst, without = figures.slice_rows(EVALUATION)
    assert whole["name"] == "the whole test split"
    assert worst["name"] == f"maker = {HOSTILE}"
    assert worst["cells"][0] == figures.Cell("0.250", "[0.010, 0.800]")
    assert worst["recall"] == {"value": 0.25, "lower": 0.01, "upper": 0.8}
    assert (without["faults"], without["cells"][0].text) == (0, "-")
    assert figures.slice_titles(EVALUATION) == ["recall", "precision", "PR-AUC", "Brier score"]

"""The numbers of a model's page, from `measuring` and the Evaluator, as JSON values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from measuring.answers import Answers, make_answers
from measuring.curves import (
    Curve,
    calibration_bins,
    precision_recall_and_roc,
    score_histogram,
)
from measuring.intervals import UNKNOWN
from measuring.scores import decision_metrics
from models.probabilities.cost import Cost, decision_costs, expected_cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.figures import figure
from pipeline.components.model_gate.reasons import LOWER_IS_BETTER, WORDS
from pipeline.components.pages.layout import finite_or_none

_CALIBRATION_BINS = 10
_HISTOGRAM_BINS = 50
_MAX_THRESHOLDS = 300
_ALL = "the whole test split"
# Metrics of the slice table, in this order.
_SLICE_METRICS = ("recall", "precision", "pr_auc", "roc_auc", "brier", "expected_cost")


@dataclass(frozen=True)
class Cell:
    """A metric in a table.

    Attributes:
        text: The value.
        interval: Its interval, such as `[0.791, 0.990]`; empty where it is unknown.
    """

    text: str
    interval: str = ""


def answers_of(errors: pa.Table, group: str | None) -> Answers:
    """Returns the answers to the test examples that ErrorAnalyzer's table holds.

    Args:
        errors: `errors.parquet`.
        group: Column whose equal values are not independent examples, or None. Rows without a value
            form one group, as for the Evaluator; the table lacks a column without any value.
    """
    groups = None
    if group is not None and group in errors.column_names:
        codes = errors.column(group).combine_chunks().dictionary_encode(null_encoding="encode")
        groups = codes.indices.to_numpy(zero_copy_only=False).astype(np.uint64)
    elif group is not None:
        groups = np.zeros(errors.num_rows, np.uint64)
    labels, probabilities, decisions = (
        errors.column(name).to_numpy() for name in ("label", "probability", "decision")
    )
    return make_answers(labels, {"model": (probabilities, decisions)}, groups)


def curve_values(answers: Answers, confidence: float) -> dict[str, Any] | None:
    """Returns both curves with their bands; None where a class is missing."""
    curves = precision_recall_and_roc(answers, confidence)
    if curves is None:
        return None
    return {name: _curve(curve) for name, curve in zip(("pr", "roc"), curves, strict=True)}


def _curve(curve: Curve) -> dict[str, list[float | None]]:
    parts = (curve.x, curve.y, curve.grid, curve.lower, curve.upper)
    names = ("x", "y", "grid", "lower", "upper")
    return {name: _numbers(part) for name, part in zip(names, parts, strict=True)}


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [finite_or_none(value) for value in values.tolist()]


def calibration_values(answers: Answers, confidence: float) -> list[dict[str, Any]]:
    """Returns the bins of the calibration plot that hold an example."""
    bins = calibration_bins(
        answers.labels,
        answers.probabilities[:, 0],
        num_bins=_CALIBRATION_BINS,
        confidence=confidence,
    )
    return [asdict(one) for one in bins if one.count]


def confusion(answers: Answers) -> dict[str, int]:
    """Returns the counts of the confusion matrix at the model's own threshold."""
    counts = decision_metrics(answers.labels, answers.decisions[:, 0])
    names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    return {name: int(counts[name]) for name in names}


def histogram_values(answers: Answers) -> dict[str, list[float]]:
    """Returns the centres of the bins of the probability, and each class's counts."""
    edges, healthy, faulty = score_histogram(
        answers.labels, answers.probabilities[:, 0], num_bins=_HISTOGRAM_BINS
    )
    centres = (edges[:-1] + edges[1:]) / 2
    return {
        "x": centres.round(6).tolist(),
        "healthy": healthy.tolist(),
        "faulty": faulty.tolist(),
    }


def cost_values(answers: Answers, cost: Cost, threshold: float | None) -> dict[str, Any]:
    """Returns the cost of 1,000 examples over the threshold.

    Args:
        answers: The answers.
        cost: The prices.
        threshold: The model's own threshold; None if it is unknown.

    Returns:
        `x` and `y` of the curve, `own` of the model's own decisions, and `best`, the threshold and
        cost of the lowest point. A threshold chosen there would be fitted to the test split.
    """
    [probabilities] = answers.probabilities.T
    finite = probabilities[np.isfinite(probabilities)]
    candidates = np.unique(np.concatenate([finite, [0.0]]))
    shown = np.linspace(0, len(candidates) - 1, min(len(candidates), _MAX_THRESHOLDS))
    # Above the highest probability no alarm is raised.
    own = [] if threshold is None else [threshold]
    thresholds = np.unique([*candidates[shown.round().astype(int)], *own, 1 + 1e-9])
    costs = [
        expected_cost(probabilities, answers.labels, threshold=float(t), cost=cost)
        for t in thresholds
    ]
    lowest = int(np.argmin(costs))
    return {
        "x": [min(float(t), 1.0) for t in thresholds],
        "y": costs,
        "own": 1_000 * float(decision_costs(answers.labels, answers.decisions[:, 0], cost).mean()),
        "best": [min(float(thresholds[lowest]), 1.0), costs[lowest]],
        "unit": cost.unit,
    }


def metric_rows(measured: Evaluation, before: Evaluation | None) -> list[dict[str, Any]]:
    """Returns the metrics of the whole test split, beside the model blessed before.

    Args:
        measured: What the Evaluator measured of the model.
        before: The same of the model blessed before; None without one.
    """
    return [
        {
            "words": words,
            "now": _cell(measured, (), name),
            "before": None if before is None else _cell(before, (), name),
            "change": _cell(measured, (), f"{name}_diff", name),
            "better": "lower" if name in LOWER_IS_BETTER else "higher",
        }
        for name, words in WORDS.items()
        if name in measured.overall
    ]


def slice_rows(measured: Evaluation) -> list[dict[str, Any]]:
    """Returns the metrics of the whole test split and of each slice, the smallest recall first.

    A slice without faults has no recall and is listed last.
    """
    keys = sorted(measured.slices, key=lambda key: (_recall(measured, key), str(key)))
    metrics = [name for name in _SLICE_METRICS if name in measured.overall]
    return [
        {
            "name": ", ".join(f"{column} = {value}" for column, value in key) or _ALL,
            "examples": int(_values(measured, key)["num_examples"]),
            "faults": int(
                _values(measured, key)["true_positives"] + _values(measured, key)["false_negatives"]
            ),
            "cells": [_cell(measured, key, name) for name in metrics],
            "recall": _point(measured, key, "recall"),
            "precision": _point(measured, key, "precision"),
        }
        for key in [(), *keys]
    ]


def slice_titles(measured: Evaluation) -> list[str]:
    """Returns the titles of the metrics that `slice_rows` has cells of."""
    return [WORDS[name] for name in _SLICE_METRICS if name in measured.overall]


def _recall(measured: Evaluation, key: Any) -> float:
    value = measured.slices[key].get("recall", np.nan)
    return float(value) if np.isfinite(value) else np.inf


def _values(measured: Evaluation, key: Any) -> Mapping[str, float]:
    return measured.slices[key] if key else measured.overall


def _point(measured: Evaluation, key: Any, metric: str) -> dict[str, float | None]:
    lower, upper = measured.intervals.get(key, {}).get(metric, UNKNOWN)
    value = _values(measured, key).get(metric, np.nan)
    parts = {"value": value, "lower": lower, "upper": upper}
    return {name: finite_or_none(part) for name, part in parts.items()}


def _cell(measured: Evaluation, key: Any, metric: str, like: str = "") -> Cell:
    """A metric with the digits of the metric `like`; by default its own."""
    like = like or metric
    value = _values(measured, key).get(metric, np.nan)
    lower, upper = measured.intervals.get(key, {}).get(metric, UNKNOWN)
    if not np.isfinite(value):
        return Cell("-")
    is_known = np.isfinite(lower) and np.isfinite(upper)
    interval = f"[{figure(like, lower)}, {figure(like, upper)}]" if is_known else ""
    return Cell(figure(like, value), interval)

"""TFMA's results as plain numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE, METRICS
from pipeline.errors import InputError

SliceKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one model.

    Attributes:
        overall: Metric name to value over the whole test split.
        slices: The same for each slice; a slice is pairs of column and value.
    """

    overall: Mapping[str, float]
    slices: Mapping[SliceKey, Mapping[str, float]]


def read_evaluation(uri: str, model_name: str) -> Evaluation | None:
    """Returns what the Evaluator wrote of a model, or None where it measured no such model.

    Args:
        uri: The folder of the ModelEvaluation artifact.
        model_name: `CANDIDATE` or `BASELINE`.
    """
    import tensorflow_model_analysis as tfma

    names = {
        spec.name for spec in tfma.load_eval_result(uri, model_name=CANDIDATE).config.model_specs
    }
    if model_name == BASELINE and BASELINE not in names:
        return None
    # With one model alone TFMA writes its results without a name.
    stored = model_name if BASELINE in names else ""
    result = tfma.load_eval_result(uri, model_name=stored)
    measured = {
        tuple((column, str(value)) for column, value in key): _flat(outputs)
        for key, outputs in result.slicing_metrics
    }
    return Evaluation(
        overall=measured[()], slices={key: value for key, value in measured.items() if key}
    )


def _flat(outputs: Mapping[str, Any]) -> dict[str, float]:
    """Metric name to value, whatever output it was measured on."""
    values: dict[str, float] = {}
    for sub_keys in outputs.values():
        for metrics in sub_keys.values():
            for name, value in metrics.items():
                if name in METRICS:
                    values[name] = float(value.get("doubleValue", math.nan))
    return values


def check_slices(evaluation: Evaluation, wanted: Sequence[Sequence[str]]) -> None:
    """Checks that every slice that the config asks for was measured.

    A column that does not exist, or that is empty in the test split, leaves no trace in TFMA's
    results; without this check its absence would pass for a good result.

    Raises:
        InputError: Names the slices without a result.
    """
    found = {tuple(sorted(column for column, _ in key)) for key in evaluation.slices}
    absent = [list(columns) for columns in wanted if tuple(sorted(columns)) not in found]
    if absent:
        raise InputError(
            f"evaluation.slices asks for {absent}, but the test split has no example with a value "
            "in these columns. Correct the column names in `evaluation.slices`, or remove them."
        )

"""TFMA's results as plain numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
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


def read_evaluation(uri: str) -> Evaluation:
    """Returns what the Evaluator wrote of the candidate.

    Args:
        uri: The folder of the ModelEvaluation artifact.
    """
    return _read(uri, CANDIDATE if _has_baseline(uri) else "")


def read_baseline_evaluation(uri: str) -> Evaluation | None:
    """Returns what the Evaluator wrote of the model blessed before, or None without one.

    Args:
        uri: The folder of the ModelEvaluation artifact.
    """
    return _read(uri, BASELINE) if _has_baseline(uri) else None


def _has_baseline(uri: str) -> bool:
    """Whether two models were measured; the only one has no name in TFMA's results."""
    from tensorflow_model_analysis.writers import eval_config_writer

    config, *_ = eval_config_writer.load_eval_run(uri)
    return any(spec.is_baseline for spec in config.model_specs)


def _read(uri: str, model_name: str) -> Evaluation:
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(uri, model_name=model_name)
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


def check_slices(
    evaluation: Evaluation, wanted: Sequence[Sequence[str]], columns: Iterable[str] = ()
) -> None:
    """Checks that every slice that the config asks for was measured.

    A column that does not exist, or that is empty in the test split, leaves no trace in TFMA's
    results; without this check its absence would pass for a good result.

    Args:
        evaluation: What was measured.
        wanted: Columns of each slice asked for.
        columns: The columns of the examples, for the message.

    Raises:
        InputError: Names the slices without a result.
    """
    found = {tuple(sorted(column for column, _ in key)) for key in evaluation.slices}
    absent = [list(keys) for keys in wanted if tuple(sorted(keys)) not in found]
    if absent:
        known = f" The examples have the columns {', '.join(sorted(columns))}." if columns else ""
        raise InputError(
            f"evaluation.slices asks for {absent}, but the test split has no example with a value "
            f"in these columns.{known} Correct the names in `evaluation.slices`, or remove them."
        )

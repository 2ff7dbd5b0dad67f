"""TFMA's results as plain numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.errors import InputError
from measuring.bootstrap import COST
from measuring.events import scores
from measuring.intervals import Interval
from pipeline.components.evaluation.eval_config import ANCHOR, BASELINE, CANDIDATE, METRICS
from pipeline.components.evaluation.measurement import (
    CHANGES,
    COMPARED,
    FROM_ANCHOR,
    FROM_BASELINE,
)
from pipeline.slicing import Slice

# Folder in that of the ModelEvaluation artifact.
OUT_OF_FOLD_FOLDER = "out_of_fold"
# Every metric that the gate and the summary read.
KNOWN = (
    *(*METRICS, *scores.METRICS, COST, *CHANGES),
    *(f"{name}{suffix}" for name in COMPARED for suffix in (FROM_BASELINE, FROM_ANCHOR)),
)

SliceKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Evaluation:
    """The measurements of one model.

    Attributes:
        overall: Metric name to value over the whole test split. With a baseline, the
            candidate's changes have the metric's name with `_diff`, and with an anchor
            `_from_anchor`.
        slices: The same for each slice; a slice is pairs of column and value.
        intervals: Slice, the empty one for the whole split, to metric name to its interval.
    """

    overall: Mapping[str, float]
    slices: Mapping[SliceKey, Mapping[str, float]]
    intervals: Mapping[SliceKey, Mapping[str, Interval]] = field(default_factory=dict)


def read_evaluation(uri: str) -> Evaluation:
    """Returns the Evaluator's results for the candidate.

    Args:
        uri: The folder of the ModelEvaluation artifact.
    """
    return _read(uri, CANDIDATE if BASELINE in _model_names(uri) else "")


def read_procedure_evaluation(uri: str) -> Evaluation | None:
    """Returns the results on test and, out of fold, on train and eval; None without cross-fitting.

    Args:
        uri: The folder of the ModelEvaluation artifact.
    """
    from tfx.dsl.io import fileio

    folder = f"{uri}/{OUT_OF_FOLD_FOLDER}"
    return _read(folder, "") if fileio.exists(folder) else None


def read_baseline_evaluation(uri: str) -> Evaluation | None:
    """Returns the Evaluator's results for the previously blessed model, or None without one.

    Args:
        uri: The folder of the ModelEvaluation artifact.
    """
    return _read(uri, BASELINE) if BASELINE in _model_names(uri) else None


def read_anchor_evaluation(uri: str) -> Evaluation | None:
    """Returns the Evaluator's results for the anchor; None without one or if it is the baseline.

    Args:
        uri: The folder of the ModelEvaluation artifact.
    """
    return _read(uri, ANCHOR) if ANCHOR in _model_names(uri) else None


def _model_names(uri: str) -> set[str]:
    """The measured models; a single one has no name in TFMA's results."""
    from tensorflow_model_analysis.writers import eval_config_writer

    config, *_ = eval_config_writer.load_eval_run(uri)
    return {spec.name for spec in config.model_specs}


def _read(uri: str, model_name: str) -> Evaluation:
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(uri, model_name=model_name)
    read = {
        tuple((column, _text(value)) for column, value in key): _flat(outputs)
        for key, outputs in result.slicing_metrics
    }
    return Evaluation(
        overall=read[()][0],
        slices={key: values for key, (values, _) in read.items() if key},
        intervals={key: intervals for key, (_, intervals) in read.items()},
    )


def _flat(outputs: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Interval]]:
    """Metric name to value and to interval, over all outputs."""
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for sub_keys in outputs.values():
        for metrics in sub_keys.values():
            for name, value in metrics.items():
                if name in KNOWN:
                    bounded = value.get("boundedValue")
                    plain = value.get("doubleValue", math.nan)
                    values[name] = float(bounded.get("value", 0.0) if bounded else plain)
                    if bounded:
                        intervals[name] = _limits(bounded)
    return values, intervals


def _limits(bounded: Mapping[str, Any]) -> Interval:
    """The limits; protobuf's JSON omits zeros."""
    return float(bounded.get("lowerBound", 0.0)), float(bounded.get("upperBound", 0.0))


def check_slices(
    evaluation: Evaluation, wanted: Sequence[Slice], columns: Iterable[str] = ()
) -> None:
    """Checks that every slice by columns that the config asks for was measured.

    A column that does not exist or is empty in the test split is absent from TFMA's results;
    without this check its absence would pass for a good result. A value, range or trouble may have
    no example: the gate reports it as too small.

    Args:
        evaluation: The results.
        wanted: The requested slices.
        columns: The columns of the examples, for the message.

    Raises:
        InputError: Names the slices without a result.
    """
    measured = {tuple(sorted(column for column, _ in key)) for key in evaluation.slices}
    by_column = [
        [part.key_name for part in parts]
        for parts in wanted
        if all(part.is_every_value for part in parts)
    ]
    absent = [names for names in by_column if tuple(sorted(names)) not in measured]
    if absent:
        existing = (
            f" The examples have the columns {', '.join(sorted(columns))}." if columns else ""
        )
        raise InputError(
            f"evaluation.slices or gate.slices asks for {absent}, but the test split has no "
            f"example with a value in these columns.{existing} Correct the names, or remove them."
        )


def _text(value: str | float) -> str:
    """A slice's value as text; TFMA keeps numbers as float32, of which 0.3 is 0.30000001192."""
    return str(np.float32(value)) if isinstance(value, float) else str(value)

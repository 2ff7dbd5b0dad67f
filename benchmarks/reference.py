"""Base of the reference models: reading a run's splits, choosing a model, scoring it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)

from common.example_files import read_batches, split_files, split_folder

_ALL_ROWS = 1 << 40  # so that a split is one batch
SPLITS = ("train", "eval", "test")
COLUMNS = ("pr_auc", "roc_auc", "threshold", "precision", "recall", "f1")

Splits = Mapping[str, Mapping[str, NDArray[Any]]]


class Classifier(Protocol):
    """What a model must do to be scored."""

    def fit(self, features: pd.DataFrame, label: NDArray[np.int64]) -> object:
        """Trains the model."""

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.floating[Any]]:
        """Returns the probability of either class, [n, 2]."""


def read_split(examples: Path, split: str) -> dict[str, NDArray[Any]]:
    """Reads one split of an Examples artifact.

    Args:
        examples: Folder with `Split-train`, `Split-eval` and `Split-test` of gzip TFRecords.
        split: `train`, `eval` or `test`.

    Returns:
        Columns by name: [n] for features of at most one value, missing numbers as NaN and missing
        text as None; float [n, samples] for signals.

    Raises:
        FileNotFoundError: The split has no files.
    """
    files = split_files(str(examples), split)
    if not files:
        raise FileNotFoundError(
            f"{split_folder(str(examples), split)} holds no *.gz files. Give the folder of an "
            "Examples artifact: output/artifacts/ArrowExampleGen/examples/NUMBER."
        )
    batch = next(read_batches(*files, batch_rows=_ALL_ROWS))
    return {name: as_array(batch.column(name)) for name in batch.schema.names}


def as_array(lists: pa.LargeListArray) -> NDArray[Any]:
    """Returns [n] for lists of at most one value, else [n, longest]; missing as NaN or None."""
    lengths = np.asarray(lists.value_lengths().fill_null(0))
    width = max(1, int(lengths.max()))
    values = np.asarray(lists.flatten().to_pandas())
    is_number = np.issubdtype(values.dtype, np.number)
    dense: NDArray[Any] = np.full((len(lengths), width), np.nan if is_number else None)
    dense[np.arange(width) < lengths[:, None]] = values
    return dense[:, 0] if width == 1 else dense


def boosting_candidates(categorical_features: str | Sequence[int]) -> list[Classifier]:
    """Returns gradient boosting in the few variants that the eval split chooses from.

    Args:
        categorical_features: As in HistGradientBoostingClassifier.
    """
    return [
        HistGradientBoostingClassifier(
            learning_rate=rate,
            max_iter=200,
            class_weight=weight,
            early_stopping=False,
            random_state=0,
            categorical_features=categorical_features,
        )
        for rate in (0.03, 0.1)
        for weight in (None, "balanced")
    ]


def score_best(
    candidates: Sequence[Classifier],
    features: Mapping[str, pd.DataFrame],
    label: Mapping[str, NDArray[np.int64]],
) -> dict[str, float]:
    """Trains each candidate on train, keeps the best of them on eval, and scores it on test.

    Args:
        candidates: Untrained models.
        features: A table for each of `train`, `eval` and `test`.
        label: 0 or 1 for each of their rows.
    """

    def train(model: Classifier) -> tuple[float, dict[str, NDArray[np.floating[Any]]]]:
        model.fit(features["train"], label["train"])
        scores = {s: model.predict_proba(features[s])[:, 1] for s in ("eval", "test")}
        return float(average_precision_score(label["eval"], scores["eval"])), scores

    _, best = max((train(model) for model in candidates), key=lambda trained: trained[0])
    threshold = best_threshold(label["eval"], best["eval"])
    return measure(label["test"], best["test"], threshold)


def best_threshold(label: NDArray[np.int64], score: NDArray[np.floating[Any]]) -> float:
    """Returns the lowest threshold with the highest F1; a row at the threshold counts as faulty."""
    precision, recall, thresholds = precision_recall_curve(label, score)
    # 2 p r / (p + r); the last point of the curve has no threshold.
    total = np.maximum(precision[:-1] + recall[:-1], np.finfo(float).tiny)
    return float(thresholds[np.argmax(2.0 * precision[:-1] * recall[:-1] / total)])


def measure(
    label: NDArray[np.int64], score: NDArray[np.floating[Any]], threshold: float
) -> dict[str, float]:
    """Returns the figures of `COLUMNS` by name."""
    decision = score >= threshold
    return {
        "pr_auc": float(average_precision_score(label, score)),
        "roc_auc": float(roc_auc_score(label, score)),
        "threshold": threshold,
        "precision": float(precision_score(label, decision, zero_division=0.0)),
        "recall": float(recall_score(label, decision)),
        "f1": float(f1_score(label, decision)),
    }


def report(results: Mapping[str, Mapping[str, float]], *, as_json: bool) -> str:
    """Returns one JSON document, or a table with a line a model."""
    if as_json:
        return json.dumps(results, indent=2)
    width = max(len(name) for name in results)
    lines = [" " * width + "".join(f"{column:>11}" for column in COLUMNS)]
    lines += [
        f"{name:<{width}}" + "".join(f"{figures[column]:11.4f}" for column in COLUMNS)
        for name, figures in results.items()
    ]
    return "\n".join(lines)


def command(
    evaluate: Callable[[Splits], Mapping[str, Mapping[str, float]]], *, help_text: str
) -> click.Command:
    """Returns the command line that prints the figures of a reference model on a run's splits."""

    @click.command(help=help_text)
    @click.option(
        "--splits", type=click.Path(path_type=Path), required=True, help="Examples artifact."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    def main(splits: Path, as_json: bool) -> None:
        try:
            read = {name: read_split(splits, name) for name in SPLITS}
        except FileNotFoundError as error:
            raise click.UsageError(str(error)) from error
        click.echo(report(evaluate(read), as_json=as_json))

    return main

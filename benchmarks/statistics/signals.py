"""The signals use case by seed: calibration, cost, intervals and verdict, before and now.

Reads the runs of one config with several seeds, which give other splits and other weights:

    python -m benchmarks.statistics.signals ARTIFACTS…    # output/artifacts/NAME of each

Each model is also asked about fresh recordings of the same magnets. "Before" is Platt's calibration
with smoothed targets, the threshold with the best F1 on the labels of eval, and the lower limit of
PR-AUC from the examples of test alone.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.probability_figures import measure
from benchmarks.sampling_study import latest, simulate
from benchmarks.statistics.calibration import smoothed_platt
from benchmarks.statistics.gate.unmet import lower_limits
from benchmarks.statistics.gate.verdicts import verdict_of
from benchmarks.statistics.known_truth import Floats
from benchmarks.statistics.tables import Table
from benchmarks.statistics.thresholds import labels_f1_threshold
from measuring.answers import make_answers
from measuring.bootstrap import PR_AUC
from models.probabilities.calibration import NO_CALIBRATION, PlattScaling, fit_platt
from models.probabilities.firth import sigmoid
from models.probabilities.thresholds import best_f1_threshold
from pipeline.config_loading import load_config

_SMALLEST = 1e-9
_FIGURES = ("cox_slope", "expected_over_observed", "cost", "recall", "precision", "f1", "lower")
_HEAD = ("Cox's slope", "expected / observed", "cost", "recall", "precision", "F1")
# Recordings: columns by name, and labels.
Recordings = Sequence[tuple[Mapping[str, Any], NDArray[np.int64]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Logits before the calibration, and labels.

    Attributes:
        logits: float64 `[n]`.
        labels: int64 `[n]` of 0 and 1.
    """

    logits: Floats
    labels: NDArray[np.int64]


def read_model(artifacts: Path, label: str, fresh: Recordings) -> dict[str, Split]:
    """Returns the logits of a run's model for its own `eval` and `test`, and `fresh` recordings.

    Args:
        artifacts: Folder of the run's artifacts.
        label: The label column.
        fresh: Recordings that the run has not seen.
    """
    from common.example_files import read_examples, split_files
    from models.exporting.export import (
        MODEL_INFO_FILE,
        SERVE_EXAMPLES,
        SERVING_DEFAULT,
        load_in_session,
    )

    model = latest(artifacts / "Trainer" / "model") / "Format-Serving"
    examples = latest(artifacts / "ArrowExampleGen" / "examples")
    info = json.loads((model / MODEL_INFO_FILE).read_text("utf-8"))
    line = PlattScaling(**info["calibration"])
    ask = load_in_session(model, SERVE_EXAMPLES)
    splits = {}
    for name in ("eval", "test"):
        parts = [
            (ask({"examples": rows})["probability"], np.asarray(batch.column(label).flatten()))
            for rows, batch in read_examples(*split_files(str(examples), name))
        ]
        splits[name] = _split(parts, line)
    ask = load_in_session(model, SERVING_DEFAULT)
    return splits | {"fresh": _split([(ask(c)["probability"], y) for c, y in fresh], line)}


def _split(parts: Sequence[tuple[NDArray[Any], NDArray[np.int64]]], line: PlattScaling) -> Split:
    """The logits that the calibration was given."""
    probability = np.concatenate([answers[:, 0] for answers, _ in parts]).astype(np.float64)
    probability = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    logits = np.log(probability) - np.log1p(-probability)
    return Split(
        logits=(logits - line.intercept) / line.slope,
        labels=np.concatenate([labels for _, labels in parts]),
    )


def figures(splits: Mapping[str, Split]) -> dict[str, dict[str, float]]:
    """Returns the figures of each method on fresh recordings, and of the gate on `test`."""
    on_eval, test, fresh = splits["eval"], splits["test"], splits["fresh"]
    labels = on_eval.labels.astype(np.float64)
    limits = lower_limits(_answers(test), PR_AUC)
    results = {}
    for number, (method, fit) in enumerate((("before", smoothed_platt), ("now", fit_platt))):
        line = fit(on_eval.logits, labels)
        probabilities = line.probabilities(on_eval.logits)
        threshold = (
            best_f1_threshold(probabilities)
            if method == "now"
            else labels_f1_threshold(probabilities, labels)
        )
        results[method] = _measured(fresh, line, threshold) | {"lower": limits[number]}
    # Without a calibration the threshold is that of today's rule.
    threshold = best_f1_threshold(sigmoid(on_eval.logits))
    results["no calibration"] = _measured(fresh, NO_CALIBRATION, threshold) | {"lower": limits[1]}
    return results


def _measured(fresh: Split, line: PlattScaling, threshold: float) -> dict[str, float]:
    logits = line.slope * fresh.logits + line.intercept
    shown = measure(fresh.labels, logits)
    alarm, fault = sigmoid(logits) >= threshold, fresh.labels == 1
    hits = float((alarm & fault).sum())
    return {name: shown[name] for name in _FIGURES[:3]} | {
        "recall": hits / float(fault.sum()),
        "precision": hits / max(float(alarm.sum()), 1.0),
        "f1": 2 * hits / float(alarm.sum() + fault.sum()),
    }


def _answers(split: Split) -> Any:
    probabilities = sigmoid(split.logits)
    return make_answers(split.labels, {"": (probabilities, probabilities >= 0.5)})


def rows(by_model: Sequence[Mapping[str, Mapping[str, float]]]) -> Iterator[Sequence[str]]:
    """Yields each figure's mean over the models, and its range, for each method."""
    for method in by_model[0]:
        cells = []
        for name in _FIGURES:
            values = np.array([model[method][name] for model in by_model])
            digits = 1 if name == "cost" else 2
            low, mean, high = values.min(), values.mean(), values.max()
            cells.append(f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
        yield [method, *cells]


@click.command(context_settings={"show_default": True})
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--config", "config_path", default="configs/signals.yaml", type=click.Path(path_type=Path)
)
@click.option("--spans", default=5, help="Fresh spans of 3,242 recordings.")
def main(artifacts: Sequence[Path], config_path: Path, spans: int) -> None:
    """Prints the figures of the models in folders of ARTIFACTS, of one run each."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    config = load_config(config_path)
    fresh = [
        ({name: column.numpy() for name, column in columns.items()}, labels)
        for columns, labels in simulate(config, spans)
    ]
    models = [read_model(folder, config.label.column, fresh) for folder in artifacts]
    verdicts = [verdict_of(_answers(splits["test"])) for splits in models]
    by_model = [figures(splits) for splits in models]
    Table(
        title=f"{len(models)} seeds: {', '.join(sorted(set(verdicts)))} by the default gate.",
        head=("method", *_HEAD, "lower limit of PR-AUC on test"),
        rows=rows(by_model),
    ).print()
    for folder, by_method in zip(artifacts, by_model, strict=True):
        for row in rows([by_method]):
            print(folder.name, *(cell.split(" [")[0] for cell in row), sep="  ")


if __name__ == "__main__":
    main()

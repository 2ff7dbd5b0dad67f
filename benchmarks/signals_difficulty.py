"""Difficulty of the simulated signals: linear model, boosting, and a small CNN on fresh data.

Each seed gives one data set of the default size. The models train on 75 % of it and choose on 15 %,
like a run; its own 10 % have 11 faults, too few to tell models apart, so that they are scored on
further spans of the same magnets:

    python -m benchmarks.signals_difficulty --seeds 5
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from benchmarks import reference, reference_signals, small_cnn
from datasets.options import SignalOptions
from datasets.signals import simulate_span
from datasets.writing import write_spans

Columns = dict[str, NDArray[Any]]
FIGURES = ("pr_auc", "roc_auc", "recall", "precision")


def simulate(folder: Path, seed: int, num_test_spans: int) -> dict[str, Columns]:
    """Returns the columns of train and eval, from the first span, and of test, from the others."""
    options = SignalOptions(seed=seed, num_spans=1 + num_test_spans)
    write_spans(folder, options, simulate_span)
    spans = [
        _read(folder / f"span-{span}" / "recordings.parquet")
        for span in range(1, options.num_spans + 1)
    ]
    label = spans[0][reference_signals.LABEL]
    # As a run splits: a tenth is set aside, and 15 of the other 90 parts are for choosing.
    used, _ = train_test_split(
        np.arange(len(label)), test_size=0.1, stratify=label, random_state=seed
    )
    train, chosen = train_test_split(
        used, test_size=15 / 90, stratify=label[used], random_state=seed
    )
    return {
        "train": {name: values[train] for name, values in spans[0].items()},
        "eval": {name: values[chosen] for name, values in spans[0].items()},
        "test": {name: np.concatenate([s[name] for s in spans[1:]]) for name in spans[0]},
    }


def _read(path: Path) -> Columns:
    table = pq.read_table(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return columns | {name: np.stack(columns[name]) for name in ("voltage", "current")}


def evaluate(splits: Mapping[str, Columns], seed: int) -> dict[str, dict[str, float]]:
    """Returns the figures of each model on test, and its PR-AUC for each kind of fault."""
    results = reference_signals.evaluate(splits)
    results["cnn"] = small_cnn.evaluate(splits, seed)
    return results


def report(runs: list[dict[str, dict[str, float]]]) -> str:
    """Returns a Markdown table: mean and standard deviation over the seeds."""
    lines = [
        "| model | " + " | ".join(FIGURES) + " |",
        "|---" * (1 + len(FIGURES)) + "|",
    ]
    for model in runs[0]:
        cells = []
        for figure in FIGURES:
            values = np.array([run[model][figure] for run in runs])
            cells.append(f"{values.mean():.3f} ± {values.std():.3f}")
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=5, help="Data sets to simulate and train on.")
@click.option("--test-spans", default=4, help="Further spans to score on.")
def main(seeds: int, test_spans: int) -> None:
    """Prints mean and spread of each model's figures over SEEDS data sets."""
    runs = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            splits = simulate(Path(folder), seed, test_spans)
        runs.append(evaluate(splits, seed))
        click.echo(f"seed {seed}: {reference.report(runs[-1], as_json=False)}", err=True)
    click.echo(report(runs))


if __name__ == "__main__":
    main()

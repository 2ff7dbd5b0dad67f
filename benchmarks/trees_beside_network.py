"""Time of exported models for one row and for many, in turn in one process.

From the project's folder, with models that saw the same examples:

    python -m benchmarks.trees_beside_network EXAMPLES MODEL MODEL…

EXAMPLES is an Examples artifact, MODEL a Model artifact of a Trainer.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.example_files import read_serialised, split_files
from models.exporting.export import MODEL_INFO_FILE, SERVE_EXAMPLES, Signature, load_in_session

_REPEATS = {1: 100, 64: 100, 1_000: 20, 10_000: 20}


def main(arguments: Sequence[str]) -> None:
    """Prints the least and the median time of each model for each number of rows.

    Args:
        arguments: The Examples artifact, then the models.
    """
    examples, *models = arguments
    rows = np.concatenate(list(read_serialised(*split_files(examples, "train"))))
    asked = dict(map(_load, models))
    for num_rows, repeats in _REPEATS.items():
        batch = rows[np.arange(num_rows) % rows.size]
        times: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(repeats):
            for name, ask in asked.items():
                start = time.perf_counter()
                ask({"examples": batch})
                times[name].append(1_000 * (time.perf_counter() - start))
        for name, own in times.items():
            print(
                f"{num_rows:6,} rows, {name}: least {min(own):.2f} ms, median {np.median(own):.2f}"
            )


def _load(artifact: str) -> tuple[str, Signature]:
    folder = Path(artifact) / "Format-Serving"
    info = json.loads((folder / MODEL_INFO_FILE).read_text(encoding="utf-8"))["model"]
    trees = f", {info['num_trees']} trees" if "num_trees" in info else ""
    return f"{info['model']}{trees}", load_in_session(folder, SERVE_EXAMPLES)


if __name__ == "__main__":
    main(sys.argv[1:])

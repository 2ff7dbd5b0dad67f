"""Cost of one more span: 30 spans in, the 31st arrives.

The measure is the whole command, beside what it cannot do without: the same command on the new span
alone, with that run's training exchanged for the training on the window.

    python -m benchmarks.new_span --folder build/new_span
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.taxi_times import network_alone
from datasets import materialise

PROJECT = Path(__file__).resolve().parent.parent
# The model's verdict is not what is measured.
_DONE = {0, 3}


def write_span(source: Path, folder: Path, span: int, num_rows: int) -> None:
    """Writes a span of trips: the rows after those of the span before, from the top at the end.

    Args:
        source: The taxi trips, CSV with a header.
        folder: Gets `span-NNN/trips.csv`.
        span: The span's number, from 1.
        num_rows: Rows of a span.
    """
    header, *rows = source.read_text(encoding="utf-8").splitlines(keepends=True)
    start = (span - 1) * num_rows
    chosen = [rows[(start + row) % len(rows)] for row in range(num_rows)]
    target = folder / f"span-{span:03d}" / "trips.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join([header, *chosen]), encoding="utf-8")


def write_config(folder: Path, window: int, epochs: int) -> Path:
    """Writes the taxi use case on a window of spans, and returns its YAML."""
    text = (PROJECT / "configs" / "taxi.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("dataset: taxi", f"path: {folder}/span-{{SPAN:3}}/*.csv\n  window: {window}"),
        ("../schema/taxi.pbtxt", str(PROJECT / "schema" / "taxi.pbtxt")),
        *network_alone(epochs),
    ):
        if old not in text:
            raise ValueError(f"configs/taxi.yaml no longer says `{old}`")
        text = text.replace(old, new)
    config = folder / f"window-{window}.yaml"
    config.write_text(text, encoding="utf-8")
    return config


def run(config: Path, output: Path) -> dict[str, Any]:
    """Runs a config in a process of its own, and returns the run's summary."""
    command = [sys.executable, str(PROJECT / "faultline.py"), "run", "--json"]
    done = subprocess.run(
        [*command, "--config", str(config), "--output", str(output)],
        check=False,
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    if done.returncode not in _DONE:
        raise RuntimeError(f"{config} failed with {done.returncode}:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout))


def step(summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns what a run's summary says of a step."""
    return next(dict(one) for one in summary["steps"] if one["name"] == name)


def compare(window: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the figures of a new span.

    Args:
        window: Summary of the run in which the new span came to a window.
        alone: Summary of a run on the new span alone, in an empty folder.
    """
    training_s = step(window, "Trainer")["duration_s"]
    own_s = alone["duration_s"] - step(alone, "Trainer")["duration_s"]
    read = [step(window, "ArrowExampleGen"), *window["spans"]]
    return {
        "seconds": window["duration_s"],
        "one_span_without_training_s": own_s,
        "training_s": training_s,
        "ratio": window["duration_s"] / (own_s + training_s),
        "rows_read": sum(one["num_rows"] for one in read),
        "rows_of_train_analysed": step(window, "Transform")["num_rows_analysed"],
        "rows_of_window": step(window, "SpanWindow")["num_rows"],
        "steps_s": {one["name"]: one["duration_s"] for one in window["steps"]},
        "steps_alone_s": {one["name"]: one["duration_s"] for one in alone["steps"]},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--spans", type=int, default=30, help="spans that are in already")
    parser.add_argument("--rows", type=int, default=15_002, help="rows of a span")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    folder.mkdir(parents=True)
    trips = Path(materialise("taxi", folder / "trips", {}))
    for span in range(1, options.spans + 1):
        write_span(trips, folder, span, options.rows)
    window = write_config(folder, options.spans + 1, options.epochs)
    first = run(window, folder / "output")
    write_span(trips, folder, options.spans + 1, options.rows)
    figures = compare(
        run(window, folder / "output"),
        run(write_config(folder, 1, options.epochs), folder / "alone"),
    )
    print(json.dumps({"first_run_s": first["duration_s"], **figures}, indent=2))


if __name__ == "__main__":
    main()

"""Wall time of Faultline's taxi run beside stock TFX's on the same machine, in turn.

Stock is `benchmarks/stock_taxi.py`: TFX's own components with the template's `preprocessing_fn`
and `run_fn`. Both start from nothing in an empty folder; the whole process is timed.

    python -m benchmarks.taxi_against_stock --runs 3
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "stock TFX": ["benchmarks/stock_taxi.py", "--output"],
    "Faultline": ["faultline.py", "run", "--config", "configs/taxi.yaml", "--output"],
}


def wall_seconds(arguments: list[str]) -> float:
    """Returns the wall time in seconds of one run into an empty folder.

    Raises:
        subprocess.CalledProcessError: The run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        subprocess.run(
            [sys.executable, *arguments, folder], cwd=PROJECT, check=True, capture_output=True
        )
        return time.monotonic() - started


def main() -> None:
    """Reads the command line, runs the pairs and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs, one after the other")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(options.runs):
        for name, arguments in COMMANDS.items():
            seconds[name].append(wall_seconds(arguments))
            print(f"run {run + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
    stock, ours = seconds.values()
    ratios = [b / a for a, b in zip(stock, ours, strict=True)]
    for name, values in seconds.items():
        print(f"{name}: median {statistics.median(values):.1f} s of {options.runs}")
    print(f"ratio Faultline / stock: median {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()

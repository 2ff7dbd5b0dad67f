"""Growth of time, memory and shuffled bytes of the taxi run with its rows, beside stock TFX.

    python -m benchmarks.growth --times 1 4 20 200 --stock 1 20

The 15,002 trips are repeated, so that vocabularies and distributions stay what they are;
training is one epoch, so that its work is one pass too. Each run is a process of its own into an
empty folder. Writes `benchmarks/growth.json` and two charts beside it, and prints the tables.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.stock_taxi import taxi_data
from benchmarks.taxi_times import PROJECT, repeat_csv, write_config

HERE = Path(__file__).resolve().parent
LONG_STEPS = ("ArrowExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator")
_console = Console(width=120)

Run = dict[str, Any]


def _last_line(command: Sequence[str]) -> tuple[Any, float]:
    """The JSON in the last line that a command prints, and the seconds that it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    seconds = round(time.perf_counter() - started, 2)
    return json.loads(done.stdout.strip().splitlines()[-1]), seconds


def run_faultline(times: int) -> Run:
    """Returns what one run of Faultline cost."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), times, epochs=1)
        output = str(Path(folder) / "output")
        run, seconds = _last_line(["-m", "benchmarks.measured_run", str(config), output])
    return {"who": "Faultline", "times": times, "seconds": seconds, **run}


def run_stock(times: int) -> Run:
    """Returns what one run of stock TFX cost: wall seconds only."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        repeat_csv(taxi_data() / "data.csv", data / "data.csv", times)
        output = str(Path(folder) / "output")
        steps, seconds = _last_line(
            ["benchmarks/stock_taxi.py", "--data", str(data), "--output", output]
        )
    return {
        "who": "stock TFX",
        "times": times,
        "seconds": seconds,
        "rows": 15_002 * times,
        "steps": {name: {"seconds": value} for name, value in steps.items()},
    }


def fit_costs(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Fits fixed cost and cost of a million rows of each step by least squares.

    Each run counts by its relative error, so that the largest does not decide alone.

    Args:
        runs: Faultline's runs, of at least two sizes.

    Returns:
        By step: `fixed_cpu_s`, `cpu_s_a_million`, `shuffle_mb_a_million`, `metadata_calls`.
    """
    rows = np.array([run["rows"] for run in runs]) / 1e6
    costs = {}
    for step in runs[0]["steps"]:
        cpu = np.array([run["steps"][step]["cpu_seconds"] for run in runs])
        shuffled = np.array([run["steps"][step]["shuffle_bytes"] for run in runs]) / 1e6
        design = np.stack([np.ones_like(rows), rows], axis=1)
        weight = 1 / np.maximum(cpu, 0.1)
        fixed, slope = np.linalg.lstsq(design * weight[:, None], cpu * weight, rcond=None)[0]
        costs[step] = {
            "fixed_cpu_s": float(fixed),
            "cpu_s_a_million": float(slope),
            "shuffle_mb_a_million": float(shuffled[-1] / rows[-1]),
            "metadata_calls": float(runs[-1]["steps"][step]["metadata_calls"]),
        }
    return costs


def growth_exponent(runs: Sequence[Run]) -> float:
    """Returns the slope of log seconds over log rows between the smallest and the largest run."""
    first, last = runs[0], runs[-1]
    return float(np.log(last["seconds"] / first["seconds"]) / np.log(last["rows"] / first["rows"]))


def print_tables(runs: Sequence[Run], costs: Mapping[str, Mapping[str, float]]) -> None:
    """Prints runs and fitted costs."""
    table = Table(title="runs", title_justify="left")
    for header in ("who", "rows", "seconds", "peak MB", *LONG_STEPS):
        table.add_column(header, justify="right")
    for run in runs:
        steps = run["steps"]
        peak = max((step.get("peak_mb", 0) for step in steps.values()), default=0)
        named = {"ArrowExampleGen": steps.get("CsvExampleGen")}
        cells = [steps.get(name) or named.get(name) or {} for name in LONG_STEPS]
        table.add_row(
            run["who"],
            f"{run['rows']:,}",
            f"{run['seconds']:.1f}",
            f"{peak:.0f}" if peak else "-",
            *(f"{cell.get('seconds', float('nan')):.1f}" for cell in cells),
        )
    _console.print(table)
    table = Table(title="fitted", title_justify="left")
    for header in (
        "step",
        "fixed CPU s",
        "CPU s / M rows",
        "shuffle MB / M rows",
        "metadata calls",
    ):
        table.add_column(header, justify="right")
    for step, cost in costs.items():
        table.add_row(
            step,
            f"{cost['fixed_cpu_s']:.2f}",
            f"{cost['cpu_s_a_million']:.1f}",
            f"{cost['shuffle_mb_a_million']:.1f}",
            f"{cost['metadata_calls']:.0f}",
        )
    _console.print(table)


def draw(runs: Sequence[Run]) -> None:
    """Writes the charts: seconds over rows, and seconds by step."""
    totals = [{"who": r["who"], "rows": r["rows"], "seconds": r["seconds"]} for r in runs]
    base = altair.Chart(pd.DataFrame(totals)).encode(
        x=altair.X("rows:Q", scale=altair.Scale(type="log"), title="rows"),
        y=altair.Y("seconds:Q", scale=altair.Scale(type="log"), title="wall seconds"),
        color=altair.Color("who:N", title=None),
    )
    (base.mark_line() + base.mark_point(filled=True, size=60)).properties(
        width=420, height=300, title="Taxi run, whole command"
    ).save(HERE / "growth.svg")
    steps = [
        {
            "run": f"{r['who']}, {r['rows']:,} rows",
            "step": "ExampleGen" if "ExampleGen" in name else name,
            "seconds": step["seconds"],
        }
        for r in runs
        for name, step in r["steps"].items()
        if step["seconds"] >= 0.2 and r["rows"] < 1_000_000
    ]
    altair.Chart(pd.DataFrame(steps)).mark_bar().encode(
        x=altair.X("seconds:Q", title="wall seconds"),
        y=altair.Y("run:N", title=None, sort=None),
        color=altair.Color("step:N", title=None, sort=None),
    ).properties(width=480, title="Where the seconds are").save(HERE / "steps.svg")


def main() -> None:
    """Reads the command line, runs all sizes, and writes what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 20, 200])
    parser.add_argument("--stock", type=int, nargs="*", default=[1, 20])
    options = parser.parse_args()
    runs: list[Run] = []
    for times in sorted(options.times):
        runs.append(run_faultline(times))
        _console.print(f"Faultline, {runs[-1]['rows']:,} rows: {runs[-1]['seconds']:.1f} s")
    ours = list(runs)
    for times in sorted(options.stock):
        runs.append(run_stock(times))
        _console.print(f"stock TFX, {runs[-1]['rows']:,} rows: {runs[-1]['seconds']:.1f} s")
    costs = fit_costs(ours)
    print_tables(runs, costs)
    _console.print(f"growth exponent of Faultline's wall time: {growth_exponent(ours):.2f}")
    text = json.dumps({"runs": runs, "costs": costs}, indent=1) + "\n"
    (HERE / "growth.json").write_text(text, encoding="utf-8")
    draw(runs)


if __name__ == "__main__":
    main()

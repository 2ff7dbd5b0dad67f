"""The same use cases on each engine: whether the results are equal, and what each step takes.

`python -m benchmarks.engines` (or `make engines-table`) writes `engines.md` and `engines.svg`
beside this file. It needs Java and Maven, and takes some minutes.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import altair as alt
import click
import pandas as pd

from engines.contents import find_differences
from engines.flink import flink_job_server
from engines.spark import spark_job_server
from engines.use_case_runs import BEAM_STEPS, UseCaseRun, portable_args, run_use_case_on
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

_HERE = Path(__file__).resolve().parent
USE_CASES = ("signals", "taxi")
REFERENCE = "in_memory"

Runs = Mapping[tuple[str, str], UseCaseRun]


@contextmanager
def _in_memory() -> Iterator[list[str]]:
    yield list(LOCAL_BEAM_ARGS)


@contextmanager
def _flink() -> Iterator[list[str]]:
    with flink_job_server() as endpoint:
        yield portable_args(endpoint, parallelism=2)


@contextmanager
def _spark() -> Iterator[list[str]]:
    with spark_job_server() as endpoint:
        yield portable_args(endpoint)


ENGINES: Mapping[str, Callable[[], AbstractContextManager[list[str]]]] = {
    REFERENCE: _in_memory,
    "Flink": _flink,
    "Spark": _spark,
}


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=_HERE, help="Where to write.")
def main(output: Path) -> None:
    """Writes the table and the chart."""
    with tempfile.TemporaryDirectory() as folder:
        runs = measure(Path(folder))
        table = render_table(runs)
    (output / "engines.md").write_text(table, encoding="utf-8")
    draw(runs).save(output / "engines.svg")
    print(table)


def measure(folder: Path) -> dict[tuple[str, str], UseCaseRun]:
    """Runs each use case on each engine; returns the runs by use case and engine."""
    # Once unmeasured: what the first run of a process imports is no engine's doing.
    _run(USE_CASES[0], list(LOCAL_BEAM_ARGS), folder / "first")
    runs = {}
    for engine, start in ENGINES.items():
        with start() as beam_args:
            for name in USE_CASES:
                runs[name, engine] = _run(name, beam_args, folder / engine / name)
    return runs


def _run(name: str, beam_args: list[str], output: Path) -> UseCaseRun:
    config = _HERE.parent / "configs" / f"{name}.yaml"
    return run_use_case_on(beam_args, config, output, last_step="Evaluator")


def render_table(runs: Runs) -> str:
    """Returns the Markdown table of times and equality.

    Args:
        runs: The runs by use case and engine, whose artifacts are still there.
    """
    kinds = list(find_differences(runs[USE_CASES[0], REFERENCE], runs[USE_CASES[0], REFERENCE]))
    lines = [
        "# Engines",
        "",
        "Written by `make engines-table`. Seconds of each Beam step, one run each, and whether",
        f"what it made is equal to that of `{REFERENCE}`: metrics, statistics and transformed",
        "values to 1e-6, splits and vocabularies exactly.",
        "",
        "| use case | engine | " + " | ".join([*BEAM_STEPS, "together", *kinds]) + " |",
        "|---" * (3 + len(BEAM_STEPS) + len(kinds)) + "|",
    ]
    for (name, engine), run in sorted(runs.items(), key=lambda item: item[0][0]):
        seconds = [run.durations_s[step] for step in BEAM_STEPS]
        differences = find_differences(runs[name, REFERENCE], run)
        equal = [_verdict(differences[kind], engine) for kind in kinds]
        cells = [name, engine, *(f"{s:.1f}" for s in [*seconds, sum(seconds)]), *equal]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "![Wall time by step](engines.svg)", ""])


def _verdict(differences: list[str], engine: str) -> str:
    if engine == REFERENCE:
        return "-"
    return f"{len(differences)} differ: {differences[0]}" if differences else "equal"


def draw(runs: Runs) -> alt.Chart:
    """Returns the chart of wall time by step, stacked, one bar for each use case and engine."""
    values = [
        {"run": f"{name}, {engine}", "step": step, "order": i, "seconds": run.durations_s[step]}
        for (name, engine), run in runs.items()
        for i, step in enumerate(BEAM_STEPS)
    ]
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(values))
        .mark_bar()
        .encode(
            x=alt.X("seconds:Q", title="wall time of the Beam steps, s"),
            y=alt.Y("run:N", title=None, sort=None),
            color=alt.Color("step:N", sort=list(BEAM_STEPS), title="step"),
            order=alt.Order("order:Q"),
        )
        .properties(width=560)
    )
    return chart


if __name__ == "__main__":
    main()

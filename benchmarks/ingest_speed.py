"""Rows a second of Faultline's ingestion beside stock CsvExampleGen's, over the same trips.

Builds the taxi trips repeated N times in a temporary folder and runs each ExampleGen's executor on
them, each in a process of its own, in turn. The time is the executor's, without imports: reading,
splitting (stock by hash, 2 to 1; Faultline exactly, in three), encoding and gzip.

    python -m benchmarks.ingest_speed --repeats 20
    python -m benchmarks.ingest_speed --repeats 20 200 --only faultline
"""

import argparse
import json
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
from benchmarks.child import PROJECT, run_module

ENGINES = ("faultline", "stock")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one process needed.

    Attributes:
        rows: Rows read.
        seconds: Wall time of the executor.
        cpu_seconds: CPU time of all its threads.
        peak_mb: Largest resident memory of the process in MB, imports included.
        imported_mb: The same before the executor began.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    imported_mb: float

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows, {self.seconds:.2f} s, {self.rows / self.seconds:,.0f} rows/s, "
            f"{self.cpu_seconds / self.seconds:.2f} cores, peak {self.peak_mb:.0f} MB "
            f"({self.imported_mb:.0f} MB after imports)"
        )


def write_trips(folder: Path, repeats: int) -> int:
    """Writes the taxi trips `repeats` times into one CSV of the folder, and returns the rows."""
    data = Path(datasets.materialise("taxi", folder, {})).read_bytes()
    header, _, rows = data.partition(b"\n")
    rows = rows if rows.endswith(b"\n") else rows + b"\n"
    with (folder / "data.csv").open("wb") as file:
        file.write(header + b"\n")
        for _ in range(repeats):
            file.write(rows)
    return repeats * rows.count(b"\n")


def measure(engine: str, data: Path, output: Path, rows: int) -> Run:
    """Runs an ExampleGen's executor in this process."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

    component, executor_class = _faultline(data, output) if engine == "faultline" else _stock(data)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(LOCAL_BEAM_ARGS), tmp_dir=str(output), unique_id="1"
    )
    examples = standard_artifacts.Examples()
    examples.uri = str(output / "examples")
    properties = {**component.exec_properties, "input_base": str(data)}
    imported_mb = _peak_mb()
    started, cpu_started = time.monotonic(), time.process_time()
    executor_class(context).Do({}, {"examples": [examples]}, properties)
    return Run(
        rows=rows,
        seconds=time.monotonic() - started,
        cpu_seconds=time.process_time() - cpu_started,
        peak_mb=_peak_mb(),
        imported_mb=imported_mb,
    )


def _faultline(data: Path, output: Path) -> tuple[Any, Any]:
    from pipeline.components.arrow_example_gen.component import ArrowExampleGen
    from pipeline.components.arrow_example_gen.executor import Executor
    from pipeline.config_loading import load_config
    from pipeline.reading.files.locations import resolve_source

    config = load_config(PROJECT / "configs" / "taxi.yaml")
    given = replace(config.data, dataset=None, path=str(data / "data.csv"))
    source = resolve_source(str(data / "data.csv"), folder=data, data=given)
    component = ArrowExampleGen(
        config, source, code_digest="code", reports_dir=str(output / "reports")
    )
    return component, Executor


def _stock(data: Path) -> tuple[Any, Any]:
    from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
    from tfx.components.example_gen.csv_example_gen.executor import Executor

    return CsvExampleGen(input_base=str(data)), Executor


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_apart(engine: str, data: Path, rows: int) -> Run:
    """Runs `measure` in a new process with an empty output folder.

    Raises:
        subprocess.CalledProcessError: The run failed; its messages are on standard error.
    """
    with tempfile.TemporaryDirectory() as output:
        arguments = ["--child", engine, str(data), output, str(rows)]
        return Run(**run_module("benchmarks.ingest_speed", *arguments))


def main() -> None:
    """Reads the command line, runs the processes in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, nargs="+", default=[20], help="times 15,002 trips")
    parser.add_argument("--only", choices=ENGINES, help="run one of the two")
    parser.add_argument("--runs", type=int, default=1, help="how often each is run")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        engine, data, output, rows = options.child
        print(json.dumps(vars(measure(engine, Path(data), Path(output), int(rows)))))
        return
    for repeats in options.repeats:
        with tempfile.TemporaryDirectory() as folder:
            rows = write_trips(Path(folder), repeats)
            for _ in range(options.runs):
                found = {}
                for engine in (options.only,) if options.only else ENGINES:
                    found[engine] = run_apart(engine, Path(folder), rows)
                    print(f"{engine}: {found[engine]}", flush=True)
                if len(found) == len(ENGINES):
                    ratio = found["stock"].seconds / found["faultline"].seconds
                    print(f"Faultline reads {ratio:.1f} times the rows a second", flush=True)


if __name__ == "__main__":
    main()

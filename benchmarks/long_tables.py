"""Bytes a second of a long CSV, assembled and ingested, beside the same samples as a wide CSV.

Writes recordings of 152 samples and two channels twice in a temporary folder: one row a sample with
id and time, and one row a recording. Each is read in a process of its own up to the Examples: the
long table by the assembly of recordings and ArrowExampleGen, the wide one by ArrowExampleGen alone.
The time is that of the two, without imports.

    python -m benchmarks.long_tables --megabytes 100
"""

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.child import run_module

FORMS = ("wide", "long")
_SAMPLES = 152
_RATE_HZ = 4_000
_FAULTY_EVERY = 20

_WIDE = """
data:
  path: wide.csv
  wide_signals: {{u: {{first: u000, last: u151}}, i: {{first: i000, last: i151}}}}
"""
_LONG = """
data:
  path: long.csv
  recordings: {{form: long, id_column: id, time_column: t}}
"""
_REST = """
name: {form}
label: {{column: faulty}}
features:
  u: {{kind: signal, num_samples: 152, sampling_rate_hz: 4000}}
  i: {{kind: signal, num_samples: 152, sampling_rate_hz: 4000}}
"""


def write_tables(folder: Path, megabytes: int) -> None:
    """Writes `long.csv` of this size, `wide.csv` of the same samples, and their configs."""
    with (folder / "long.csv").open("w") as long, (folder / "wide.csv").open("w") as wide:
        long.write("id,t,u,i,faulty\n")
        names = [f"{channel}{place:03}" for channel in "ui" for place in range(_SAMPLES)]
        wide.write(",".join(["id", *names, "faulty"]) + "\n")
        for number, samples in enumerate(_recordings()):
            faulty = int(number % _FAULTY_EVERY == 0)
            texts = np.char.mod("%.4f", samples)
            long.writelines(
                f"{number},{place / _RATE_HZ:.6f},{u},{i},{faulty}\n"
                for place, (u, i) in enumerate(texts.T)
            )
            wide.write(f"{number},{','.join(texts.ravel())},{faulty}\n")
            if long.tell() > megabytes * 1e6:
                break
    for form, data in zip(FORMS, (_WIDE, _LONG), strict=True):
        (folder / f"{form}.yaml").write_text((data + _REST).format(form=form))


def _recordings() -> Iterator[Any]:
    generator = np.random.default_rng(0)
    while True:
        yield generator.normal(size=(2, _SAMPLES)).cumsum(axis=1)


def measure(form: str, folder: Path) -> dict[str, float]:
    """Reads one of the tables to Examples in this process; returns times and memory."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from common.output_folder import open_output
    from pipeline.components.arrow_example_gen.component import ArrowExampleGen
    from pipeline.components.arrow_example_gen.executor import Executor
    from pipeline.config_loading import load_config
    from pipeline.reading.data_source import find_source
    from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

    config = load_config(folder / f"{form}.yaml")
    output = open_output(folder / f"output-{form}")
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(LOCAL_BEAM_ARGS), tmp_dir=str(output.root), unique_id="1"
    )
    examples = standard_artifacts.Examples()
    examples.uri = str(output.root / "examples")
    started, cpu_started = time.monotonic(), time.process_time()
    source = find_source(config, output)
    assembled = time.monotonic()
    component = ArrowExampleGen(config, source, code_digest="code", reports_dir=str(output.reports))
    properties = {**component.exec_properties, "input_base": source.base}
    Executor(context).Do({}, {"examples": [examples]}, properties)
    return {
        "assembly_s": assembled - started,
        "total_s": time.monotonic() - started,
        "cpu_s": time.process_time() - cpu_started,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _measure_apart(form: str, folder: Path) -> dict[str, float]:
    return dict(run_module("benchmarks.long_tables", "--child", form, str(folder)))


@click.command()
@click.option("--megabytes", default=1_000, help="Size of the long table.", show_default=True)
@click.option("--child", nargs=2, type=(str, Path), hidden=True)
def main(megabytes: int, child: tuple[str, Path] | None) -> None:
    """Writes the tables, measures both forms and prints a table."""
    if child is not None:
        print(json.dumps(measure(*child)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, megabytes)
        speeds = {}
        for form in FORMS:
            size_mb = (folder / f"{form}.csv").stat().st_size / 1e6
            measured = _measure_apart(form, folder)
            speeds[form] = size_mb / measured["total_s"]
            print(
                f"{form}: {size_mb:,.0f} MB in {measured['total_s']:.1f} s "
                f"({measured['assembly_s']:.1f} s of it assembly), {measured['cpu_s']:.1f} s of "
                f"CPU, {speeds[form]:.1f} MB/s, peak {measured['peak_mb']:.0f} MB",
                flush=True,
            )
        print(f"long reads {speeds['long'] / speeds['wide']:.2f} times the bytes a second of wide")


if __name__ == "__main__":
    main()

"""One run of a use case in this process, with what each step cost, as JSON on standard output.

    python -m benchmarks.measured_run CONFIG OUTPUT

Wall and CPU seconds, the largest resident memory so far, the bytes that Beam grouped by key (what a
cluster would shuffle), the Beam pipelines, and the calls to ML Metadata.
"""

import gc
import json
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common.output_folder import open_output
from pipeline.config_loading import load_config
from pipeline.reading.data_source import find_source


class Counts(Counter[str]):
    """Counts what Beam and ML Metadata do, from now on."""

    def install(self) -> None:
        """Wraps the one function of each that everything goes through."""
        from apache_beam import Pipeline
        from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer
        from ml_metadata.metadata_store import MetadataStore

        append, call, run = GroupingBuffer.append, MetadataStore._call, Pipeline.run

        def counted_append(buffer: Any, data: bytes) -> Any:
            self["shuffle_bytes"] += len(data)
            return append(buffer, data)

        def counted_call(store: Any, *arguments: Any, **options: Any) -> Any:
            self["metadata_calls"] += 1
            return call(store, *arguments, **options)

        def counted_run(pipeline: Any, *arguments: Any, **options: Any) -> Any:
            self["beam_pipelines"] += 1
            return run(pipeline, *arguments, **options)

        GroupingBuffer.append = counted_append
        MetadataStore._call = counted_call
        Pipeline.run = counted_run


class Meter:
    """What was used since the last reading."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._last = self._now()

    def _now(self) -> dict[str, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "seconds": time.perf_counter(),
            "cpu_seconds": time.process_time() + children.ru_utime + children.ru_stime,
            **{
                name: float(self._counts[name])
                for name in ("shuffle_bytes", "metadata_calls", "beam_pipelines")
            },
        }

    def read(self) -> dict[str, float]:
        """Returns the differences to the last reading, and the peak memory in MB so far."""
        now = self._now()
        used = {name: round(now[name] - self._last[name], 3) for name in now}
        self._last = now
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used | {"peak_mb": round(peak_kb / 1024, 1)}


def measure(config_path: Path, output: Path) -> dict[str, Any]:
    """Runs a use case and returns its rows, its steps and what each cost."""
    counts = Counts()
    meter = Meter(counts)
    config = load_config(config_path)
    folder = open_output(output)
    source = find_source(config, folder)
    gc.disable()  # as `faultline run` does while it imports
    from common.metadata import connection_config
    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline, run_steps

    gc.freeze()
    gc.enable()
    counts.install()
    connection = connection_config(config.metadata, folder.root, os.environ)
    compiled = compile_pipeline(create_pipeline(config, source, folder, connection), "measured")
    steps: dict[str, dict[str, float]] = {"imports and start": meter.read()}
    rows = 0
    # One step at a time: the meter cannot tell two apart.
    for step in run_steps(compiled, connection, on_start=lambda _: None, beside=()):
        steps[step.name] = meter.read()
        for artifact in step.outputs.get("examples", []):
            rows = artifact.custom_properties["num_rows"].int_value
    return {"rows": rows, "steps": steps}


def main() -> None:
    """Reads the command line and measures."""
    config, output = map(Path, sys.argv[1:])
    # Libraries print to standard output too: it is kept for the one document.
    document = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    document.write(json.dumps(measure(config, output)) + "\n")
    document.close()


if __name__ == "__main__":
    main()

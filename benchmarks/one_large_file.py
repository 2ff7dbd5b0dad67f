"""One large CSV file on a Flink cluster of two TaskManagers: do both read it, in how much memory?

Writes the taxi trips again and again into one file and ingests it with ArrowExampleGen on the
cluster of `engines/`, where each TaskManager has worker processes of its own. Needs Java and Maven.

    python -m benchmarks.one_large_file --gigabytes 5 --folder build/one_large_file
"""

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

import datasets
from engines.flink import flink_cluster, flink_job_server
from engines.use_case_runs import portable_args, run_use_case_on
from engines.worker import process_environment

PROJECT = Path(__file__).resolve().parent.parent
_GIGABYTE = 10**9
_POLL_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_WORKER = b"sdk_worker_main"
# Beside the file: what is read from it, compressed.
_ROOM = 1.5


@dataclass
class Workers:
    """What the worker processes of each TaskManager have used so far.

    Attributes:
        cpu_s: CPU seconds by worker, and the worker's TaskManager.
        peak_mb: Largest resident memory of any worker in MB.
    """

    cpu_s: dict[tuple[int, int], float] = field(default_factory=dict)
    peak_mb: float = 0.0

    def look(self) -> None:
        """Reads `/proc`."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                if _WORKER in (process / "cmdline").read_bytes():
                    self._note(process)

    def _note(self, process: Path) -> None:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        parent, cpu_s = int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
        self.cpu_s[int(process.name), parent] = cpu_s
        [peak] = [
            int(line.split()[1])
            for line in (process / "status").read_text().splitlines()
            if line.startswith("VmHWM")
        ]
        self.peak_mb = max(self.peak_mb, peak / 1024)

    def by_task_manager(self) -> list[float]:
        """Returns the CPU seconds of each TaskManager's workers."""
        parents = sorted({parent for _, parent in self.cpu_s})
        return [
            sum(cpu_s for (_, own), cpu_s in self.cpu_s.items() if own == parent)
            for parent in parents
        ]


@contextlib.contextmanager
def watched() -> Iterator[Workers]:
    """Watches the workers while the context is open."""
    workers, ended = Workers(), threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_S):
            workers.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield workers
    finally:
        ended.set()
        thread.join()


def write_trips(file: Path, size: int) -> int:
    """Writes the taxi trips until a file has `size` bytes, and returns the rows."""
    data = Path(datasets.materialise("taxi", file.parent, {})).read_bytes()
    header, _, rows = data.partition(b"\n")
    times = -(-size // len(rows))
    with file.open("wb") as stream:
        stream.write(header + b"\n")
        for _ in range(times):
            stream.write(rows)
    return times * rows.count(b"\n")


def write_config(folder: Path, file: Path) -> Path:
    """Writes the taxi use case on a file, and returns its YAML."""
    text = (PROJECT / "configs" / "taxi.yaml").read_text(encoding="utf-8")
    text = text.replace("dataset: taxi", f"path: {file}")
    text = text.replace("../schema/taxi.pbtxt", str(PROJECT / "schema" / "taxi.pbtxt"))
    config = folder / "taxi.yaml"
    config.write_text(text, encoding="utf-8")
    return config


def measure(folder: Path, gigabytes: float) -> dict[str, Any]:
    """Writes the file, ingests it and returns the figures."""
    file = folder / "trips.csv"
    num_rows = write_trips(file, int(gigabytes * _GIGABYTE))
    config = write_config(folder, file)
    with (
        flink_cluster() as cluster,
        flink_job_server(master=cluster.master) as endpoint,
        watched() as workers,
    ):
        args = portable_args(endpoint, parallelism=2, workers=process_environment(folder))
        started = time.monotonic()
        run_use_case_on(args, config, folder / "output", last_step="ArrowExampleGen")
        seconds = time.monotonic() - started
    cpu_s = workers.by_task_manager()
    return {
        "gigabytes": file.stat().st_size / _GIGABYTE,
        "rows": num_rows,
        "seconds": seconds,
        "megabytes_a_second": file.stat().st_size / 1e6 / seconds,
        "cpu_s_of_each_task_managers_workers": cpu_s,
        "cores_busy": sum(cpu_s) / seconds,
        "peak_mb_of_a_worker": workers.peak_mb,
    }


@click.command(help=__doc__)
@click.option("--gigabytes", default=5.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Not there yet.")
def main(gigabytes: float, folder: Path) -> None:
    """Prints the figures as JSON, and deletes the folder."""
    folder = folder.absolute()
    folder.mkdir(parents=True)
    try:
        needed = int(gigabytes * _GIGABYTE * _ROOM)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise click.UsageError(f"{folder} has {free:,} bytes free; {needed:,} are needed.")
        click.echo(json.dumps(measure(folder, gigabytes), indent=2))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""The Trainer's peak memory as the examples grow, on the same files many times over.

    faultline run --config configs/taxi.yaml --output OUTPUT
    python -m benchmarks.trainer_memory configs/taxi.yaml OUTPUT --rows 100000 1000000

Each size is a process of its own, which reads the train and the eval files of the run repeatedly,
and trains for one epoch or 30 trees. `--in-memory` keeps the inputs in memory as a reference. A
line of JSON for each size goes to standard output. With several sizes, the process is looked at
every 50 ms, and the line divides its largest memory into its own and pages of mapped files.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from models.model_spec import ModelSpec
from models.stored_rows import RowStore
from pipeline.config_loading import load_config

PROJECT = Path(__file__).resolve().parent.parent
_SPLITS = ("train", "eval")


def latest_artifact(folder: Path) -> Path:
    """Returns the sub-folder of the last execution, by number: 10 comes after 9."""
    return max(folder.iterdir(), key=lambda path: int(path.name))


def _arguments(options: argparse.Namespace, rows: int) -> tuple[Any, ModelSpec, int]:
    """TFX's `FnArgs` as far as the Trainer reads them, its options, and the train rows."""
    from common.example_files import read_serialised, split_files

    config = load_config(options.config)
    artifacts = options.output / "artifacts" / config.name
    examples = latest_artifact(artifacts / "ArrowExampleGen" / "examples")
    files = {split: split_files(str(examples), split) for split in _SPLITS}
    sizes = {split: sum(map(len, read_serialised(*files[split]))) for split in _SPLITS}
    times = math.ceil(rows / sum(sizes.values()))
    spec = config.model_spec
    trees = replace(spec.train.trees, rounds=30, stopping="none")
    spec = replace(spec, train=replace(spec.train, model=options.model, epochs=1, trees=trees))
    arguments = SimpleNamespace(
        train_files=files["train"] * times,
        eval_files=files["eval"] * times,
        transform_graph_path=str(latest_artifact(artifacts / "Transform" / "transform_graph")),
        base_model=None,
    )
    return arguments, spec, times * sizes["train"]


def _train(options: argparse.Namespace, rows: int) -> dict[str, Any]:
    from models.probabilities.sampling import SamplingShift
    from models.training.fitting import train_model
    from models.training.trainer import read_data, reproducible

    arguments, spec, num_train = _arguments(options, rows)
    with tempfile.TemporaryDirectory() as name, reproducible(spec.seed):
        folder = Path(name)
        store = RowStore(folder=folder)
        if options.in_memory:
            store = replace(store, limit_bytes=sys.maxsize)
        started, cpu = time.perf_counter(), time.process_time()
        data = read_data(arguments, spec, SamplingShift(), store=store)
        train_model(data, folder)
        return {
            "model": options.model,
            "in_memory": options.in_memory,
            "train_rows": num_train,
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def main() -> None:
    """Reads the command line and trains on each size in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("output", type=Path, help="output folder of a run of the use case")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--model", choices=["network", "trees", "auto"], default="network")
    parser.add_argument("--in-memory", action="store_true")
    options = parser.parse_args()
    if len(options.rows) == 1:
        print(json.dumps(_train(options, options.rows[0])))
        return
    for rows in sorted(options.rows):
        common = [str(options.config), str(options.output), "--model", options.model]
        flags = ["--in-memory"] if options.in_memory else []
        program = [sys.executable, "-m", "benchmarks.trainer_memory"]
        command = [*program, *common, "--rows", str(rows), *flags]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as child:
            parts = _largest_parts(child)
            output, _ = child.communicate()
        if child.returncode:
            sys.exit(child.returncode)
        print(json.dumps({**json.loads(output.strip().splitlines()[-1]), **parts}), flush=True)


def _largest_parts(child: "subprocess.Popen[str]") -> dict[str, int]:
    """Waits for a process; returns the parts of its memory when that was largest, in MB."""
    largest = (0, 0)
    status = Path(f"/proc/{child.pid}/status")
    while child.poll() is None:
        fields = dict(line.partition(":")[::2] for line in status.read_text().splitlines())
        parts = (fields.get("RssAnon"), fields.get("RssFile"))
        if all(parts):  # not those of a process that has ended
            anonymous, mapped = (int(str(part).split()[0]) // 1024 for part in parts)
            largest = max(largest, (anonymous, mapped), key=sum)
        time.sleep(0.05)
    return {"anonymous_mb": largest[0], "mapped_files_mb": largest[1]}


if __name__ == "__main__":
    main()

"""From new labels to a new model in shadow, on signals: `faultline labels`, `faultline retrain`.

    python -m benchmarks.turnaround_of_labels --folder FOLDER

A model is trained on one span of simulated recordings and served behind the gateway, which is asked
for all recordings of a second span. Then their labels arrive. The time ends when the gateway copies
requests to the new model. CPU seconds are those of the run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from common.output_folder import OutputFolder
from common.processes import free_ports
from datasets import materialise
from production.retraining.actions import open_journal as open_retrainings
from production.rollout.actions import open_journal
from production.rollout.markers import read_applied
from serving.client import Client

PROJECT = Path(__file__).resolve().parent.parent
_FEATURES = (
    *("voltage", "current", "sampling_rate_hz"),
    *("charging_voltage_v", "temperature_k", "software_version"),
)
_BROUGHT = ("trouble", "sector", "sampling_rate_hz")  # not among the inputs of the model
_ROWS = 50  # of a request
_TIMEOUT_S = 600.0
# Few faults make most retrained models inconclusive.
_ADDED = """
gate: {{on_inconclusive: shadow}}
rollout: {{start: on_push, strategy: shadow}}
gateway: {{grpc_port: {grpc}, rest_port: {rest}}}
"""


def prepare(folder: Path, ports: Sequence[int]) -> Path:
    """Writes the first span, the recordings to come and the config; returns the config's path."""
    materialise("signals", folder / "data", {"num_spans": 2, "seed": 7})
    (folder / "data" / "span-2").rename(folder / "production")
    text = (PROJECT / "configs" / "signals.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("data:\n")
    tail = rest[rest.index("schema:") :].replace("../schema", str(PROJECT / "schema"))
    data = f"data: {{path: '{folder}/data/span-{{SPAN}}/*.parquet', window: 2}}\n"
    added = _ADDED.format(grpc=ports[0], rest=ports[1])
    path = folder / "signals.yaml"
    path.write_text(head + data + tail + added, encoding="utf-8")
    return path


def call(config: Path, output: Path, *arguments: str) -> None:
    """Runs a command to its end.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, str(PROJECT / "faultline.py"), *arguments]
    done = subprocess.run(
        [*command, "--config", str(config), "--output", str(output)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def ask(folder: Path, port: int) -> Path:
    """Asks the gateway for all recordings to come; returns the file with their labels."""
    table = pq.read_table(folder / "production" / "recordings.parquet")
    lines = [",".join(("request", "row", "is_faulty", *_BROUGHT))]
    with Client(f"grpc://127.0.0.1:{port}", model="signals") as client:
        for first in range(0, table.num_rows, _ROWS):
            rows = table.slice(first, _ROWS)
            client.predict(rows.select(list(_FEATURES)), request_id=f"r{first}")
            for number, row in enumerate(rows.select(["is_faulty", *_BROUGHT]).to_pylist()):
                lines.append(",".join(map(str, (f"r{first}", number, *row.values()))))
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def wait(is_true: Callable[[], object]) -> None:
    """Waits until something is true.

    Raises:
        TimeoutError: It takes too long.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


def is_shadowed(folder: OutputFolder) -> bool:
    """Whether the gateway copies requests to a candidate."""
    entries = open_journal(folder, "signals").read()
    applied = read_applied(folder.rollouts("signals"))
    return bool(entries and entries[-1].state.active and applied) and (
        applied is not None and applied.sequence == entries[-1].sequence
    )


def measure(folder: Path) -> dict[str, object]:
    """Returns the seconds from the labels to each step."""
    ports = free_ports(2)
    config, output = prepare(folder, ports), OutputFolder(folder / "output")
    call(config, output.root, "run")
    command = [sys.executable, str(PROJECT / "faultline.py"), "serve", "--gateway"]
    gateway = subprocess.Popen(
        [*command, "--config", str(config), "--output", str(output.root)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait(lambda: read_applied(output.rollouts("signals")))
        labels = ask(folder, ports[0])
        brought = [option for name in _BROUGHT for option in ("--with", name)]
        began_s = time.monotonic()
        named = ("--id", "request", "--row", "row", "--label", "is_faulty")
        call(config, output.root, "labels", str(labels), *named, *brought)
        labelled_s = time.monotonic() - began_s
        call(config, output.root, "retrain", "--why", "the labels are complete")
        pushed_s = time.monotonic() - began_s
        wait(lambda: is_shadowed(output))
        shadowed_s = time.monotonic() - began_s
    finally:
        gateway.terminate()
        gateway.wait(60)
    entries = open_retrainings(output, "signals").read()
    [span_s, ready_s] = [
        (entry.time - entries[0].time).total_seconds()
        for entry in entries
        if entry.event in {"span", "data"}
    ]
    result = entries[-1].retraining.result
    return {
        "labels_s": labelled_s,
        "span_s": ready_s - span_s,
        "pushed_s": pushed_s,
        "shadowed_s": shadowed_s,
        "run_cpu_s": result and result.cpu_s,
        "outcome": result and result.outcome,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures once, and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="a folder that is not there yet")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    folder.mkdir(parents=True)
    print(json.dumps(measure(folder), indent=2))


if __name__ == "__main__":
    main()

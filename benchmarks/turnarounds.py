"""Turn-arounds of a use case: a first run, the same again, and a run after an edit of the training.

    python -m benchmarks.turnarounds --config configs/taxi.yaml --rounds 3

Each round begins with an empty output folder and a copy of the project, whose sources are edited.
Times are those of whole commands, and of the verdict's line; the ratios are within a round. CPU
seconds depend less on what else the machine does.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_FOLDERS = ("common", "measuring", "models", "serving", "datasets", "pipeline", "commands")
_FILES = ("faultline.py", "pyproject.toml", "requirements.lock")
_EDITED = "models/training/network.py"
# The model's verdict is not what is measured.
_DONE = {0, 3}


@dataclass(frozen=True)
class Times:
    """Seconds of one command.

    Attributes:
        whole_s: To its end.
        verdict_s: To the line of ModelGate.
        cpu_s: CPU seconds of the command and its children.
    """

    whole_s: float
    verdict_s: float
    cpu_s: float


def copy_sources(folder: Path) -> None:
    """Copies what a run needs, configurations and schemas included."""
    for name in (*_FOLDERS, "configs", "schema"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in _FILES:
        shutil.copy2(PROJECT / name, folder / name)


def _environment() -> dict[str, str]:
    """Returns the environment in which Python keeps byte code, as it does by default."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(project: Path, config: str, output: Path) -> Times:
    """Runs the command of a copy of the project in a process of its own.

    Raises:
        RuntimeError: The command failed.
    """
    command = [sys.executable, "-u", "faultline.py", "run", "--config", config]
    started, cpu_s, verdict_s, lines = time.monotonic(), _children_cpu_s(), 0.0, []
    with subprocess.Popen(
        [*command, "--output", str(output)],
        cwd=project,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if " ModelGate " in line:
                verdict_s = time.monotonic() - started
    if process.returncode not in _DONE:
        raise RuntimeError(f"the run failed with {process.returncode}:\n{''.join(lines[-20:])}")
    return Times(time.monotonic() - started, verdict_s, _children_cpu_s() - cpu_s)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(config: str) -> dict[str, float]:
    """Returns the times of one round in seconds, and their ratios to the first run."""
    with tempfile.TemporaryDirectory() as folder:
        project, output = Path(folder) / "project", Path(folder) / "output"
        copy_sources(project)
        first = run(project, config, output)
        again = run(project, config, output)
        with (project / _EDITED).open("a", encoding="utf-8") as source:
            source.write("\n# An edit.\n")
        edited = run(project, config, output)
    return {
        "first_s": first.whole_s,
        "again_s": again.whole_s,
        "edited_s": edited.whole_s,
        "edited_verdict_s": edited.verdict_s,
        "first_cpu_s": first.cpu_s,
        "again_cpu_s": again.cpu_s,
        "edited_cpu_s": edited.cpu_s,
        "again_of_first": again.whole_s / first.whole_s,
        "edited_of_first": edited.whole_s / first.whole_s,
        "edited_verdict_of_first": edited.verdict_s / first.whole_s,
        "again_of_first_cpu": again.cpu_s / first.cpu_s,
        "edited_of_first_cpu": edited.cpu_s / first.cpu_s,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the rounds, and prints each and the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/taxi.yaml")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rounds = []
    for _ in range(options.rounds):
        rounds.append(measure(options.config))
        print(json.dumps(rounds[-1]), flush=True)
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    print(json.dumps({"median": medians}, indent=2))


if __name__ == "__main__":
    main()

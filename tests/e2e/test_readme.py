"""Every command of the README, run as it stands there."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from common.output_folder import OutputFolder
from serving.client import Client
from tests.e2e.harness import PROJECT, Done, Faultline, copy_project, wells_csv
from tests.production.rollout.pushes import new_store, record

pytestmark = pytest.mark.e2e

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]

# With a server or a gateway running: a shell's lines, some of them continued, and a program.
CALLS, ROLLOUT = (
    re.sub(r"\\\n\s+", "", block)
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
)
GATEWAY = "serve --gateway --config configs/readings.yaml"
[PROGRAM] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Faultline:
    """A copy of the project with the README's `readings.csv` in it."""
    folder = copy_project(tmp_path_factory.mktemp("readme") / "project")
    for name in ("configs", "schema"):
        shutil.copytree(PROJECT / name, folder / name)
    readings = wells_csv(800).replace("faulty", "failed", 1)
    (folder / "readings.csv").write_text(readings)
    _write_database(folder / "plant.db", readings)
    _write_sounds(folder / "clips")
    _write_streams(folder)
    return Faultline(source=folder, cwd=folder)


def _write_database(path: Path, text: str) -> None:
    """Writes a table of CSV text as the table `pumps` of SQLite, with a key."""
    table = pd.read_csv(io.StringIO(text)).assign(id=lambda rows: range(len(rows)))
    types = {"id": "INTEGER PRIMARY KEY"}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        table.to_sql("pumps", connection, index=False, dtype=types)


def _write_sounds(folder: Path) -> None:
    """Writes 90 sounds of a quarter of a second, 18 of them with a tone, and their labels."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    lines = ["file,failed"]
    for number in range(90):
        failed = number % 5 == 0
        tone = failed * np.sin(np.arange(2_000) * 0.7)
        samples = 0.05 * rng.normal(size=2_000) + 0.2 * tone
        soundfile.write(folder / f"{number}.wav", samples, 8_000)
        lines.append(f"{number}.wav,{int(failed)}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def _write_streams(folder: Path) -> None:
    """Writes two recordings of 12,000 samples in `streams`, and 30 events in `events.csv`."""
    rng = np.random.default_rng(4)
    (folder / "streams").mkdir()
    times = np.datetime64("2026-03-01T00:00:00") + np.arange(12_061).astype("timedelta64[s]")
    events = ["recording,start,end"]
    for name in ("pump_a", "pump_b"):
        flow = rng.normal(50, 1, 12_000)
        for start in range(400, 12_000, 800):
            flow[start : start + 60] -= 8
            events.append(f"{name},{times[start]},{times[start + 60]}")
        rows = [f"{time},{value:.2f}" for time, value in zip(times, flow, strict=False)]
        text = "\n".join(["time,flow", *rows]) + "\n"
        (folder / "streams" / f"{name}.csv").write_text(text)
    (folder / "events.csv").write_text("\n".join(events) + "\n")


def _run(checkout: Faultline, command: str) -> Done:
    program, *arguments = shlex.split(command)
    if program == "python":
        return checkout(*arguments[1:], program=arguments[0])
    assert program == "faultline", f"the README has a command that no test runs: {command}"
    return checkout(*arguments)


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("make")])
def test_a_command_of_the_readme_works_as_written(checkout, command):
    done = _run(checkout, command)
    assert done.code == 0, done.err + checkout.last_log()


Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def shell(checkout) -> Shell:
    """Runs lines in a shell that finds this checkout's commands."""
    programs = checkout.cwd.with_name("programs")
    programs.mkdir()
    for name, command in {
        "faultline": f"{sys.executable} {checkout.source / 'faultline.py'}",
        "python": sys.executable,
    }.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)

    def run(lines: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            cwd=checkout.cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@contextmanager
def _serving(checkout: Faultline, command: str) -> Iterator[None]:
    server = checkout.start(*shlex.split(command))
    try:
        lines = iter(server.stdout.readline, "")
        assert any("8500" in line for line in lines), server.stderr.read()
        yield
    finally:
        server.terminate()
        server.communicate(timeout=60)


def calls(program: str) -> str:
    """The calls of one program."""
    commands = re.split(r"\n(?=curl|faultline|python|grpcurl)", CALLS.strip())
    matches = [command for command in commands if command.startswith(program)]
    assert matches, f"the README has no call of {program}"
    return "\n".join(matches)


@pytest.fixture(scope="class")
def server(checkout) -> Iterator[None]:
    """`faultline serve`."""
    with _serving(checkout, "serve"):
        yield


@pytest.fixture(scope="class")
def gateway(checkout) -> Iterator[None]:
    """The README's gateway, and a newer version that answers as the one before."""
    assert f"`faultline {GATEWAY}`" in README
    with _serving(checkout, GATEWAY):
        folder = OutputFolder(checkout.output)
        served = checkout.versions("readings")[-1]
        following = int(served.name) + 1
        shutil.copytree(served, served.with_name(str(following)))
        record(new_store(folder), folder, following, base="readings")
        yield


@pytest.mark.usefixtures("server")
class TestServer:
    """The calls of a server."""

    def test_curl_gets_the_state_and_a_prediction(self, shell):
        done = shell(calls("curl"))
        assert done.returncode == 0, done.stderr
        state, _, answer = done.stdout.partition('"predictions"')
        assert '"state": "AVAILABLE"' in state
        assert re.search(r'"probability": \[0\.\d+\]', answer), done.stdout
        assert re.search(r'"decision": \[[01]\]', answer)

    def test_predict_writes_a_probability_for_each_row(self, shell, checkout):
        done = shell(calls("faultline predict"))
        assert done.returncode == 0, done.stderr
        rows = (checkout.cwd / "predictions.csv").read_text().splitlines()
        assert len(rows) == 801
        assert "probability" in rows[0]

    def test_grpcurl_gets_the_state(self, shell):
        if not shutil.which("grpcurl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
            pytest.skip("grpcurl is not installed; .ci/run installs it where there is Go")
        done = shell(calls("python -m serving.protos") + "\n" + calls("grpcurl"))
        assert done.returncode == 0, done.stderr
        [status] = json.loads(done.stdout)["model_version_status"]
        assert status["state"] == "AVAILABLE"

    def test_the_program_prints_a_probability_for_each_row(self, shell):
        done = shell(f"python -c {shlex.quote(PROGRAM)}")
        assert done.returncode == 0, done.stderr
        probabilities = re.findall(r"\d[\d.]*(?:e-\d+)?", done.stdout)
        assert len(probabilities) == 2, done.stdout
        assert all(0 <= float(text) <= 1 for text in probabilities)


@pytest.mark.usefixtures("gateway")
class TestGateway:
    """The commands of a rollout."""

    def test_a_rollout_goes_on_and_back_and_labels_are_kept(self, shell, checkout):
        row = {"pressure": 200.0, "temperature": 350.0, "maker": "a"}
        with Client("grpc://127.0.0.1:8500", model="readings") as client:
            client.predict([row], request_id="reading-1", key="pump 7")
        (checkout.cwd / "checked.csv").write_text("request_id,failed\nreading-1,1\n")
        done = shell(ROLLOUT)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("Applied by the gateway") == 3
        assert "answers 5 % of the keys" in done.stdout
        assert "1 label of requests to readings: 1 new" in done.stdout
        assert "not recorded" not in done.stdout


def test_the_readmes_data_end_pushed(checkout):
    for name in ("readings", "taxi", "signals"):
        assert checkout.versions(name), f"no version of {name} was pushed"


def test_signals_and_taxi_are_as_good_as_the_readme_needs(checkout):
    # Far below what is measured in benchmarks/, far above what a broken pipeline gives.
    bars = {"taxi": ("roc_auc", 0.9), "signals": ("pr_auc", 0.5)}
    for path in sorted(checkout.output.glob("runs/*/summary.json")):
        summary = json.loads(path.read_text())
        if summary["use_case"] in bars:
            metric, bar = bars[summary["use_case"]]
            assert summary["metrics"][metric] > bar


def test_the_trainers_logs_are_in_each_runs_folder(checkout):
    folders = [path.parent for path in checkout.output.glob("runs/*/summary.json")]
    assert folders
    for folder in folders:
        assert list((folder / "tensorboard").rglob("events.out.tfevents.*"))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_a_make_command_of_the_readme_is_a_target_that_sets_up_first(command):
    plan = subprocess.run(
        [*shlex.split(command), "--dry-run"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert plan.returncode == 0, plan.stderr
    assert "scripts/setup.sh" in plan.stdout


def test_paths_that_the_readme_links_to_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not Path(PROJECT / link).exists()] == []

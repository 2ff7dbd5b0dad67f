"""Every command of the README, run as it stands there."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import PROJECT, Done, Faultline, copy_project, wells_csv

pytestmark = pytest.mark.e2e

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Faultline:
    """A copy of the project with the README's `readings.csv` in it."""
    folder = copy_project(tmp_path_factory.mktemp("readme") / "project")
    for name in ("configs", "schema"):
        shutil.copytree(PROJECT / name, folder / name)
    readings = wells_csv(800).replace("faulty", "failed", 1)
    (folder / "readings.csv").write_text(readings)
    return Faultline(source=folder, cwd=folder)


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

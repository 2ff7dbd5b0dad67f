import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from commands.command_line import main

FAULTLINE = Path(sysconfig.get_path("scripts")) / "faultline"


def new(folder: Path) -> Result:
    return CliRunner().invoke(main, ["new", str(folder)])


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_folder_gets_a_project_and_the_next_two_commands_are_printed(tmp_path):
    folder = tmp_path / "plants" / "wells"
    done = new(folder)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".gitignore", "Makefile", "README.md", "configs", "data", "schema"),
    ]
    assert (folder / "README.md").read_text().startswith("# wells\n")
    assert done.output.splitlines()[1:] == [
        f"  cd {folder} && {FAULTLINE} init data/FILE --label COLUMN",
        "  make run",
    ]


def test_git_ignores_data_and_output_but_not_the_files_of_dvc(tmp_path):
    new(tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    ignored = ["data/a.csv", "data/days/b.csv", "output/metadata.db"]
    kept = ["data/a.csv.dvc", "data/days/b.csv.dvc", "data/days/.gitignore"]
    done = subprocess.run(
        ["git", "check-ignore", *ignored, *kept],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ignored


def test_an_empty_folder_that_exists_is_taken(tmp_path):
    assert new(tmp_path).exit_code == 0
    assert (tmp_path / "Makefile").is_file()


def test_a_folder_with_a_file_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = new(tmp_path)
    assert done.exit_code == 2
    assert "is not empty" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "wells").write_text("mine")
    done = new(tmp_path / "wells")
    assert done.exit_code == 2
    assert "Not a directory" in done.output
    assert (tmp_path / "wells").read_text() == "mine"


@pytest.mark.parametrize("target", ["run", "serve"])
def test_the_makefile_calls_the_faultline_that_made_it(tmp_path, target):
    new(tmp_path)
    (tmp_path / "configs" / "wells.yaml").touch()
    options = {"run": ' run --config "configs/wells.yaml"', "serve": " serve"}
    assert make(tmp_path, target).stdout == f"{FAULTLINE}{options[target]}\n"


def test_make_run_without_a_config_says_how_to_get_one(tmp_path):
    new(tmp_path)
    done = make(tmp_path, "run")
    assert done.returncode != 0
    assert "No config; faultline init writes one" in done.stderr


def test_make_takes_the_path_of_faultline_with_special_characters(tmp_path, monkeypatch):
    scripts = tmp_path / "a #1 $HOME"
    scripts.mkdir()
    (scripts / "faultline").write_text('#!/bin/sh\necho "$@"\n')
    (scripts / "faultline").chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(scripts))
    new(tmp_path / "wells")
    # These tests may themselves run under make, which then names the folders that it enters.
    done = subprocess.run(
        ["make", "--no-print-directory", "serve"],
        cwd=tmp_path / "wells",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "serve\n", done.stderr

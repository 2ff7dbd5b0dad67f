import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from common.paths import BUILT_FROM
from pipeline.lineage.git_state import GitState, read_git, read_own_git


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["env", "-u", "GIT_DIR", "-u", "GIT_INDEX_FILE", "git", *identity, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    """A folder with one source file, not under version control."""
    root = tmp_path / "project"
    (root / "models").mkdir(parents=True)
    (root / "models" / "code.py").write_text("NAME = 'models'\n")
    return root


@pytest.fixture
def repository(project):
    _git(project, "init", "-q")
    _git(project, "add", ".")
    _git(project, "commit", "-q", "-m", "first")
    return project


def test_a_clean_checkout_gives_its_commit(repository):
    head = (repository / ".git" / "refs" / "heads").iterdir()
    [commit] = [path.read_text().strip() for path in head]
    assert read_git(repository) == GitState(commit=commit, dirty=False)


@pytest.mark.parametrize("name", ["models/code.py", "models/untracked.py"])
def test_an_edited_or_a_new_file_makes_the_checkout_dirty(repository, name):
    (repository / name).write_text("NAME = 'edited'\n")
    assert read_git(repository).dirty


def test_a_hooks_variables_do_not_lead_to_another_repository(repository, monkeypatch):
    commit = read_git(repository).commit
    monkeypatch.setenv("GIT_DIR", str(repository.parent / "elsewhere"))
    assert read_git(repository).commit == commit


def test_a_folder_that_is_no_repository_has_no_commit(project):
    assert read_git(project) == GitState(note="not a git repository")


def test_where_git_is_not_installed_the_note_says_so(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert read_git(project).note == "git is not installed"


def test_a_project_installed_unversioned_inside_another_repository_does_not_borrow_its_commit(
    repository,
):
    (repository / ".gitignore").write_text("site-packages/\n")
    installed = repository / "site-packages"
    installed.mkdir()
    (installed / "code.py").write_text("")
    assert read_git(installed) == GitState(note="the project's files are not under version control")


def test_a_fresh_repository_without_a_commit_does_not_crash(project):
    _git(project, "init", "-q")
    _git(project, "add", ".")
    assert read_git(project) == GitState(note="git cannot determine the commit")


def test_the_whole_repository_counts_when_asked_from_one_of_its_folders(repository):
    commit = read_git(repository).commit
    configs = repository / "configs"
    configs.mkdir()  # holds no file, so that it is not part of the commit
    assert read_git(configs).commit == "unknown"
    assert read_git(configs, whole_repository=True) == GitState(commit=commit, dirty=False)
    (repository / "models" / "code.py").write_text("NAME = 'edited'\n")
    assert read_git(configs, whole_repository=True) == GitState(commit=commit, dirty=True)


def test_sources_of_a_wheel_have_the_commit_that_they_were_built_from(repository):
    built = GitState(commit="c0ffee", dirty=True)
    assert read_own_git(repository) == read_git(repository)
    (repository / BUILT_FROM).write_text(json.dumps(asdict(built)))
    assert read_own_git(repository) == built

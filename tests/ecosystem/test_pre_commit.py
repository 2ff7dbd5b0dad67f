"""The hooks before a commit, in a clone: what each refuses, without a network."""

import json
import os
import subprocess

import pytest

pytestmark = [
    pytest.mark.ecosystem,
    # The clone has what is committed.
]
pytest.importorskip("pre_commit", reason="pre-commit is not installed: make ecosystem-tools")

# Keys of no account, in the forms of AWS and GitHub, put together so that no scanner finds them.
_AWS_KEY = "AKIA" + "Q3EGRBPLANTEDKEY"
_GITHUB_TOKEN = "ghp_" + "PLANTED9" * 4 + "4242"


@pytest.fixture(scope="module")
def clone(project, tmp_path_factory):
    """A clone with the environment of the checkout and its own git settings."""
    folder = tmp_path_factory.mktemp("clone") / "faultline"
    subprocess.run(["git", "clone", "-q", str(project), str(folder)], check=True, timeout=120)
    (folder / ".venv").symlink_to(project / ".venv")
    return folder


@pytest.fixture
def git(clone, tmp_path_factory):
    """Calls git in the clone; any connection to the network ends at a closed port."""
    home = tmp_path_factory.mktemp("home")
    closed = "http://127.0.0.1:9"
    environment = os.environ | {
        "HOME": str(home),
        "PRE_COMMIT_HOME": str(home / "pre-commit"),
        **dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), closed),
        **{
            f"GIT_{who}_{what}": "me@example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }

    def call(*arguments, program="git"):
        return subprocess.run(
            [program, *arguments],
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    installed = call("install", program=str(clone / ".venv" / "bin" / "pre-commit"))
    assert installed.returncode == 0, installed.stdout
    yield call
    call("reset", "-q", "--hard")


def _commit(git, clone, name, content):
    path = clone / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    added = git("add", name)
    assert added.returncode == 0, added.stderr
    return git("commit", "-m", "Try")


def _notebook(outputs):
    cell = {
        "cell_type": "code",
        "execution_count": 1 if outputs else None,
        "id": "one",
        "metadata": {},
        "outputs": outputs,
        "source": ["1 + 1"],
    }
    metadata = {"language_info": {"name": "python"}}
    return (
        json.dumps(
            {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1
        )
        + "\n"
    )


_OUTPUT = {
    "output_type": "execute_result",
    "data": {"text/plain": ["2"]},
    "metadata": {},
    "execution_count": 1,
}


def test_a_clean_file_is_committed(git, clone):
    done = _commit(git, clone, "common/fine.py", '"""A module."""\n')
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "content", "hook"),
    [
        ("large.csv", "x" * 700_000, "files above 600 kB"),
        ("common/unused.py", '"""A module."""\n\nimport os\n', "lint (ruff)"),
        ("common/wide.py", '"""A module."""\n\nx = {  "a":1 }\n', "format (ruff)"),
        ("common/keys.py", f'"""A module."""\n\nKEY = "{_AWS_KEY}"\n', "secrets"),
        ("docs/token.md", f"Use {_GITHUB_TOKEN} for that.\n", "secrets"),
        ("configs/db.yaml", "url: postgresql://ada:lovelace@db/runs\n", "passwords"),
        ("configs/pw.yaml", "password: lovelace-1815\n", "passwords"),
        (".gitlab-ci.yml", "check: {stage: 3, script: [make]}\n", "schema of GitLab CI"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_a_commit_is_refused_by_its_hook(git, clone, name, content, hook):
    before = git("rev-parse", "HEAD").stdout
    done = _commit(git, clone, name, content)
    assert done.returncode != 0
    failed = [line for line in done.stderr.splitlines() if line.endswith("Failed")]
    assert [line for line in failed if line.startswith(hook)], done.stderr
    assert git("rev-parse", "HEAD").stdout == before


def test_a_notebook_loses_its_outputs_and_is_committed_the_second_time(git, clone):
    name = "notebooks/tried.ipynb"
    first = _commit(git, clone, name, _notebook([_OUTPUT]))
    assert first.returncode != 0
    assert "files were modified by this hook" in first.stderr
    [cell] = json.loads((clone / name).read_text(encoding="utf-8"))["cells"]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)
    git("add", name)
    second = git("commit", "-m", "Without outputs")
    assert second.returncode == 0, second.stderr


def test_every_file_of_the_project_passes(git, clone):
    done = git("run", "--all-files", program=str(clone / ".venv" / "bin" / "pre-commit"))
    assert done.returncode == 0, done.stdout

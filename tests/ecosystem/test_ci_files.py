"""The CI files: valid by the official schemas, and the steps of the gate run as a runner does."""

import json
import os
import subprocess

import pytest
from ruamel.yaml import YAML

from tests.e2e.harness import CONFIG, wells_csv

pytestmark = pytest.mark.ecosystem
_GITLAB, _GITHUB = ".gitlab-ci.yml", ".github/workflows/ci.yml"


def _load(path):
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (_GITLAB, ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
        (_GITHUB, ["vendor.github-workflows"]),
    ],
)
def test_a_file_is_valid_by_the_official_schema(project, name, options):
    program = project / ".venv" / "bin" / "check-jsonschema"
    if not program.exists():
        pytest.skip("check-jsonschema is not installed: make ecosystem-tools")
    done = subprocess.run(
        [program, "--builtin-schema", *options, project / name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_files_have_the_same_jobs_and_deploy_by_hand_only(project):
    gitlab, github = _load(project / _GITLAB), _load(project / _GITHUB)
    jobs = {name for name, job in gitlab.items() if isinstance(job, dict) and "stage" in job}
    assert jobs == {"check", "test", "ecosystem", "gate", "build-image", "deploy"}
    assert set(github["jobs"]) == {"check", "test", "ecosystem", "gate", "image", "deploy"}
    assert [rule["when"] for rule in gitlab["deploy"]["rules"]] == ["manual"]
    assert "workflow_dispatch" in github["jobs"]["deploy"]["if"]


def test_what_the_jobs_call_is_there(project):
    jobs = ("check", "test", "ecosystem")
    lines = [line for job in jobs for line in _gitlab_lines(project, job)]
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    for line in lines:
        if line.startswith("make "):
            assert f"\n{line.removeprefix('make ')}:" in makefile
    manifest = list(
        YAML(typ="safe").load_all((project / "serving/deploy/kubernetes.yaml").read_text())
    )
    deployments = {part["metadata"]["name"] for part in manifest if part["kind"] == "Deployment"}
    assert "faultline-serving" in deployments


def _gitlab_lines(project, job, part="script"):
    return list(_load(project / _GITLAB)[job][part])


def _github_steps(project):
    return [
        step["run"] for step in _load(project / _GITHUB)["jobs"]["gate"]["steps"] if "run" in step
    ]


@pytest.fixture(scope="module")
def clone(project, tmp_path_factory):
    """A clone of what is committed, with the environment of the checkout and a tiny use case."""
    folder = tmp_path_factory.mktemp("ci") / "faultline"
    subprocess.run(["git", "clone", "-q", str(project), str(folder)], check=True, timeout=120)
    (folder / ".venv").symlink_to(project / ".venv")
    (folder / "wells.csv").write_text(wells_csv(), encoding="utf-8")
    (folder / "wells.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


def _run(clone, lines, **environment):
    """Runs the lines of a job as runners do: one shell, which stops at the first that fails."""
    # `make setup` would build the linked environment anew, for it lies in another folder.
    script = "\n".join(line for line in lines if line != "make setup")
    variables = {"FAULTLINE_CONFIG": "wells.yaml", "HOME": str(clone.parent), **environment}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=clone,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def passed(project, clone):
    """The gate of GitLab, with a model that passes."""
    job = _run(clone, _gitlab_lines(project, "gate"))
    after = _run(clone, _gitlab_lines(project, "gate", "after_script"))
    return job, after


def test_the_gate_of_gitlab_passes_and_leaves_report_and_comment(passed, project, clone):
    job, after = passed
    assert job.returncode == 0, job.stdout + job.stderr
    assert after.returncode == 0, after.stderr
    assert "the comment is only in comment.md" in after.stdout
    comment = (clone / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("### Faultline: wells: BLESSED\n\n| metric |")
    kept = _load(project / _GITLAB)["gate"]["artifacts"]["paths"]
    assert [path for path in kept if not list(clone.glob(path.rstrip("/")))] == []


def test_the_steps_of_github_write_the_same_comment(passed, project, clone):
    comment = (clone / "comment.md").read_text(encoding="utf-8")
    steps = _github_steps(project)
    summary = clone.parent / "step_summary.md"
    # The run itself is that of GitLab; the other steps of the job follow it.
    others = [step for step in steps if "faultline run" not in step]
    assert len(others) == len(steps) - 1
    done = _run(clone, others, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 0, done.stderr
    assert summary.read_text(encoding="utf-8") == comment


def test_a_run_that_fails_fails_the_gate_and_the_comment_says_why(passed, project, clone):
    (clone / "wells.csv").write_text("pressure,temperature,maker,faulty\n1,2,a\n")
    job = _run(clone, _gitlab_lines(project, "gate"))
    assert job.returncode == 2
    after = _run(clone, _gitlab_lines(project, "gate", "after_script"))
    assert after.returncode == 0, after.stderr
    comment = (clone / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("### Faultline: wells: FAILED\n\n    ")
    [newest] = sorted((clone / "output" / "runs").glob("*/summary.json"))[-1:]
    error = json.loads(newest.read_text(encoding="utf-8"))["error"]
    assert error.splitlines()[0] in comment

"""The real DVC with a remote in a folder: earlier revisions, and a version brought back.

The commands of `faultline lineage` run in an empty folder, except that of the environment: in its
place is this test's own interpreter, after a check that the lock file is the same. The code is a
clone of this repository, so these tests run what is committed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.digests import file_digest
from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.data_versions.opening import OpenedData, open_data
from pipeline.lineage.restoring.data_versions import DataState
from tests.e2e.harness import Faultline, wells_csv, write_wells
from tests.pipeline.data_versions.versioned_project import VersionedProject, git, make_project

PROJECT = Path(__file__).resolve().parents[2]
_OWN_DVC = PROJECT / ".venv" / "dvc" / "bin" / "dvc"
DVC = str(_OWN_DVC) if _OWN_DVC.exists() else shutil.which("dvc")

_RECORDINGS = """\
name: clips
label: {column: y, positive: 1}
data:
  path: ../data/days
  recordings: {form: files, labels: ../data/labels.csv, id_column: file}
features:
  a: {kind: signal, num_samples: 2, sampling_rate_hz: 1}
"""

pytestmark = [
    pytest.mark.ecosystem,
    pytest.mark.skipif(DVC is None, reason="DVC is not installed: make ecosystem-tools"),
]


def dvc(folder: Path, *arguments: str) -> None:
    """Runs DVC without its reports to its makers."""
    assert DVC is not None
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [DVC, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository of two revisions, v1 and that of the working copy; the remote has both."""
    monkeypatch.setenv("FAULTLINE_DVC", str(DVC))
    project = make_project(tmp_path)
    project.write("data/labels.csv", "file,y\n1,1\n")
    for content, tag in (("a,y\n1,0\n2,1\n", "v1"), ("a,y\n1,1\n2,0\n", "v2")):
        project.write("data/x.csv", content)
        project.write("data/days/1/a.csv", content)
        project.write("data/days/2/ü.csv", content)
        dvc(project.root, "add", "--quiet", "data/x.csv", "data/days")
        project.config("../data/x.csv")
        project.commit()
        git(project.root, "tag", tag)
        dvc(project.root, "push", "--quiet")
    return project


def _open(project: VersionedProject, path: str, revision: str | None = "v1") -> OpenedData:
    return open_data(project.config(path), project.output, revision)


@pytest.mark.parametrize("path", ["../data/x.csv", "../data/days", "../data/days/2/*.csv"])
def test_what_dvc_added_is_recorded_with_its_revision(project, path):
    [version] = _open(project, path, None).versions
    assert version.state is DataState.RECORDED
    assert version.revision == git(project.root, "rev-parse", "v2")


@pytest.mark.parametrize("cache", ["with DVC's cache", "from the remote"])
def test_files_and_folders_of_an_earlier_revision_are_fetched(project, cache):
    if cache == "from the remote":
        shutil.rmtree(project.root / ".dvc" / "cache")
    before = git(project.root, "status", "--porcelain", "--", "data", ".dvc")
    for path, name in (("../data/x.csv", "x.csv"), ("../data/days", "days/2/ü.csv")):
        opened = _open(project, path)
        commit = git(project.root, "rev-parse", "v1")
        fetched = project.output.data_versions / commit / "data" / name
        assert fetched.read_text() == "a,y\n1,0\n2,1\n"
        assert [version.state for version in opened.versions] == [DataState.RECORDED]
        assert (project.root / "data" / name).read_text() == "a,y\n1,1\n2,0\n"
    assert git(project.root, "status", "--porcelain", "--", "data", ".dvc") == before


def test_the_output_of_a_stage_is_recorded_and_fetched(project):
    project.write(
        "dvc.yaml",
        "stages:\n  copy:\n    cmd: cp data/x.csv data/copy.csv\n    deps: [data/x.csv]\n"
        "    outs: [data/copy.csv]\n",
    )
    dvc(project.root, "repro", "--quiet")
    project.commit()
    git(project.root, "tag", "v3")
    [version] = _open(project, "../data/copy.csv", None).versions
    assert (version.state, version.tracked_by) == (DataState.RECORDED, "dvc.lock")
    (project.root / "data" / "copy.csv").unlink()
    [fetched] = _open(project, "../data/copy.csv", "v3").versions
    assert fetched == version


def test_a_remote_that_lacks_an_object_is_named(project):
    shutil.rmtree(project.root / ".dvc" / "cache")
    shutil.rmtree(project.root.parent / "store")
    with pytest.raises(InputError, match=r"neither the remote store \(.*/store\) nor DVC's cache"):
        _open(project, "../data/x.csv")


def test_labels_that_git_has_itself_come_with_recordings_of_the_revision(project):
    project.write("configs/clips.yaml", _RECORDINGS)
    project.write("data/labels.csv", "file,y\n1,0\n")
    opened = open_data(load_config(project.root / "configs/clips.yaml"), project.output, "v1")
    assert {one.path: one.tracked_by for one in opened.versions} == {
        "data/days": "data/days.dvc",
        "data/labels.csv": "git",
    }
    labels = Path(str(opened.config.data.recordings.labels))
    assert labels.read_text() == "file,y\n1,1\n"
    labels.write_text("file,y\n1,0\n")
    with pytest.raises(InputError, match="was changed after it was fetched"):
        open_data(load_config(project.root / "configs/clips.yaml"), project.output, "v1")


@dataclass(frozen=True)
class World:
    """A clone of the code, and a project with wells of two revisions.

    Attributes:
        faultline: The command line of the clone.
        wells: The project.
    """

    faultline: Faultline
    wells: Path


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The working copy has the second revision; the remote has both."""
    monkeypatch.setenv("FAULTLINE_DVC", str(DVC))
    if not (PROJECT / ".git").exists():
        pytest.skip("the code is no git repository, so it cannot be cloned")
    code, wells = tmp_path / "code", tmp_path / "wells"
    git(tmp_path, "clone", "--quiet", str(PROJECT), str(code))
    wells.mkdir()
    git(wells, "init", "--quiet")
    dvc(wells, "init", "--quiet")
    dvc(wells, "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    for seed, tag in ((1, "v1"), (2, "v2")):
        write_wells(wells, wells_csv(seed=seed))
        dvc(wells, "add", "--quiet", "wells.csv")
        git(wells, "add", "--all")
        git(wells, "commit", "--quiet", "--message", tag)
        git(wells, "tag", tag)
        dvc(wells, "push", "--quiet")
    return World(Faultline(code, tmp_path / "here"), wells)


def _weights(output: Path) -> dict[str, str]:
    """The digests of the files with the weights of the only pushed version."""
    [version] = (output / "serving" / "wells").glob("[0-9]*")
    return {path.name: file_digest(path) for path in sorted((version / "variables").iterdir())}


@pytest.mark.timeout(1800)
def test_the_printed_commands_bring_back_an_earlier_revision_to_the_same_weights(
    world, tmp_path, monkeypatch
):
    arguments = ("run", "--config", str(world.wells / "wells.yaml"), "--data-rev", "v1")
    first = world.faultline(*arguments)
    assert first.code == 0, first.err + first.out
    assert f"at revision {git(world.wells, 'rev-parse', 'v1')[:12]}, remote store" in first.out
    assert (world.wells / "wells.csv").read_text() == wells_csv(seed=2)
    assert git(world.wells, "status", "--porcelain") == ""

    # A second run takes everything from the cache and needs no DVC.
    monkeypatch.setenv("FAULTLINE_DVC", "/nowhere/dvc")
    second = world.faultline(*arguments)
    assert second.code == 0, second.err + second.out
    for step in ("ArrowExampleGen", "Transform", "Trainer", "Pusher"):
        assert re.search(rf"{step} +cached ", second.out), second.out

    told = world.faultline("lineage", "latest", "--json")
    commands = json.loads(told.out)["commands"]
    assert not any("uncommitted" in note for note in commands["notes"]), commands["notes"]
    empty = tmp_path / "empty"
    empty.mkdir()
    _shell(commands["code"], empty)
    _shell(commands["data"], empty)
    assert commands["environment"] == "make -C faultline setup"
    _stand_in_environment(empty / "faultline")
    assert _shell(commands["run"], empty) == 0
    assert (empty / "project" / "wells.csv").read_text() == wells_csv(seed=1)
    weights = _weights(empty / "output")
    assert "variables.data-00000-of-00001" in weights
    assert weights == _weights(world.faultline.output)


def _stand_in_environment(code: Path) -> None:
    """Makes `.venv/bin/python` this test's interpreter, if the lock file is the one it has."""
    assert file_digest(code / "requirements.lock") == file_digest(PROJECT / "requirements.lock")
    program = code / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)


def _shell(command: str, folder: Path) -> int:
    """Runs a printed command as a person does, with `dvc` on the path."""
    assert DVC is not None
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment = own | {
        "PATH": f"{Path(DVC).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.returncode

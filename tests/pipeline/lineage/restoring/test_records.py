"""What is recorded of versioned data and origins, and how lineage shows it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from common.metadata import open_store, sqlite_connection
from pipeline.config_loading import load_config
from pipeline.lineage import command_lines, lineage_of, short_lineage
from pipeline.lineage.restoring.data_versions import DataState, VersionedData, stamp_data
from pipeline.lineage.restoring.origins import Origin, Origins, collect_origins, stamp_origins
from tests.pipeline.data_versions.versioned_project import make_project
from tests.pipeline.records import Recorder, provenance, record_run

DATA = VersionedData(
    path="data/x.csv",
    state=DataState.RECORDED,
    md5="0123456789abcdef",
    revision="decade" * 6,
    tracked_by="data/x.csv.dvc",
    remote="store",
    url="s3://bucket/store",
    repository="/home/ada/wells",
    origin="",
    place="x.csv",
)


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


@pytest.fixture
def node(store, tmp_path):
    """The lineage of a pushed version that was trained on data under DVC."""
    record_run(store, "run-1", serving=tmp_path / "serving" / "wells", version="1764000000")
    stamp_data(store, "run-1", [DATA])
    code = Origin(repository="/home/ada/faultline", commit="c0ffee")
    stamp_origins(store, "run-1", Origins(code=code))
    return lineage_of(store, "1764000000")


def test_lineage_shows_digest_revision_and_remote_of_versioned_data(node):
    [run] = [child for child in node.children if child.kind == "run"]
    [data] = [child for child in run.children if child.kind == "versioned data"]
    assert data.name == "data/x.csv"
    shown = {key: data.facts[key] for key in ("read", "md5", "revision", "remote", "url")}
    assert shown == {
        "read": "as recorded",
        "md5": "0123456789abcdef",
        "revision": "decade" * 6,
        "remote": "store",
        "url": "s3://bucket/store",
    }
    assert short_lineage(node)["versioned data"] == (
        "data/x.csv: MD5 0123456789ab at revision decadedecade, remote store"
    )


def test_the_commands_are_part_of_the_lineage_each_in_one_line(node):
    assert node.to_json()["commands"] == dict(node.commands)
    lines = command_lines(node)
    assert lines[1] == "To bring it back in an empty folder and train it again:"
    assert lines[2:6] == [
        f"  code         {node.commands['code']}",
        f"  data         {node.commands['data']}",
        f"  environment  {node.commands['environment']}",
        f"  run          {node.commands['run']}",
    ]


@pytest.mark.parametrize(("lock", "chosen"), [("lock-digest", "run-2"), ("newer", "run-1")])
def test_a_later_run_that_is_committed_and_the_same_brings_the_model_back(
    store, tmp_path, lock, chosen
):
    serving = tmp_path / "serving" / "wells"
    dirty = provenance(dirty=True)
    made = record_run(store, "run-1", serving=serving, version="1764000000", stamp=dirty)
    later = Recorder(store, "run-2", replace(provenance(), lock_digest=lock))
    later.cached("Trainer", {key: made[key] for key in ("model", "model_run")})
    stamp_data(store, "run-2", [DATA])
    notes = lineage_of(store, "1764000000").commands["notes"]
    is_later = any("The commands are those of run run-2" in note for note in notes)
    assert is_later is (chosen == "run-2")
    assert any("uncommitted changes" in note for note in notes) is (chosen == "run-1")


def test_a_record_of_nothing_leaves_no_trace(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "serving" / "wells", version="1764000000")
    stamp_data(store, "run-1", [])
    assert "versioned data" not in short_lineage(lineage_of(store, "run-1"))


def _collect(project, config_path: Path) -> Origin:
    config = load_config(config_path)
    return collect_origins(config, config_path, project.root).config


def test_the_origin_of_a_config_is_its_repository_path_and_commit(tmp_path):
    project = make_project(tmp_path)
    project.config("x.csv")
    commit = project.commit()
    path = project.root / "configs" / "wells.yaml"
    origin = Origin(repository=str(project.root), path="configs/wells.yaml", commit=commit)
    assert _collect(project, path) == origin
    path.write_text(path.read_text() + "seed: 8\n")
    assert _collect(project, path).changed


def test_a_config_that_git_does_not_have_has_no_origin(tmp_path):
    project = make_project(tmp_path)
    project.commit()
    project.config("x.csv")
    assert _collect(project, project.root / "configs" / "wells.yaml") == Origin()


def test_a_schema_outside_the_repository_counts_as_a_change(tmp_path):
    project = make_project(tmp_path)
    project.config("x.csv")
    path = project.root / "configs" / "wells.yaml"
    (tmp_path / "wells.pbtxt").write_text("")
    path.write_text(path.read_text() + "schema: ../../wells.pbtxt\n")
    project.commit()
    assert _collect(project, path).changed


def test_an_origin_is_recorded_without_credentials(tmp_path):
    project = make_project(tmp_path)
    project.config("x.csv")
    project.commit()
    remote = ["git", "remote", "add", "origin", "https://secret@host/wells.git"]
    subprocess.run(remote, cwd=project.root, check=True)
    origin = _collect(project, project.root / "configs" / "wells.yaml")
    assert origin.url == "https://host/wells.git"

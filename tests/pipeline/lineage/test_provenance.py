import dataclasses
import json
import subprocess
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from common.digests import code_digest
from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from models.features import Numeric
from pipeline.config import Config, Data, Label
from pipeline.lineage.provenance import (
    CODE_FOLDERS,
    Provenance,
    collect_provenance,
    provenance_of,
    stamp_run,
)


@pytest.fixture
def project(tmp_path):
    """A project with sources, a lock file and one dependency, not under version control."""
    root = tmp_path / "project"
    for name in CODE_FOLDERS:
        (root / name).mkdir(parents=True)
        (root / name / "code.py").write_text(f"NAME = '{name}'\n")
    (root / "requirements.lock").write_text("numpy==2.4\n")
    (root / "pyproject.toml").write_text('[project]\ndependencies = ["numpy>=2", "no-such-dist"]\n')
    return root


def _config(folder: Path, *, seed: int = 7, schema: str | None = None) -> Config:
    return Config(
        name="wells",
        label=Label(column="fault"),
        data=Data(path="wells.csv"),
        features={"depth": Numeric()},
        schema=schema,
        seed=seed,
        folder=folder,
    )


def _collect(project: Path) -> Provenance:
    return collect_provenance(_config(project), project / "wells.yaml", project)


def test_without_git_the_commit_is_unknown_and_the_sources_have_a_digest(project, caplog):
    provenance = _collect(project)
    assert provenance.git_commit == "unknown"
    assert provenance.git_note == "not a git repository"
    assert provenance.git_label == (
        f"unknown commit (not a git repository), sources {provenance.code_digest[:12]}"
    )
    assert "The commit of this run is unknown: not a git repository" in caplog.text


def test_the_stamp_says_versions_seed_and_files_but_no_path(project):
    provenance = _collect(project)
    assert provenance.seed == 7
    assert provenance.config_file == "wells.yaml"
    assert provenance.schema_digest == "inferred"
    assert provenance.packages["no-such-dist"] == "not installed"
    assert provenance.packages["numpy"].startswith("2.")
    # echo 'numpy==2.4' | sha256sum
    assert provenance.lock_digest == (
        "7e8879239d814d23ae07f7a1a59bb9c2c45dbbc6c48efc9bf49a87f609f2ea3f"
    )
    assert str(project) not in json.dumps(provenance.to_json())


def test_installed_as_a_wheel_the_packages_come_from_the_wheels_metadata(project, monkeypatch):
    (project / "pyproject.toml").unlink()
    listed = ["numpy>=2", 'ruff; extra == "dev"']
    monkeypatch.setattr(
        "importlib.metadata.requires", lambda name: listed if name == "faultline" else None
    )
    assert list(_collect(project).packages) == ["numpy"]


def test_a_commit_with_changes_says_so_in_short(project):
    clean = dataclasses.replace(_collect(project), git_commit="c0ffee" * 6 + "beef", git_note="")
    assert clean.git_label == "c0ffeec0ffee"
    dirty = dataclasses.replace(clean, git_dirty=True)
    assert dirty.git_label == "c0ffeec0ffee with uncommitted changes"


def test_without_a_lock_file_its_digest_is_unknown(project):
    (project / "requirements.lock").unlink()
    assert _collect(project).lock_digest == "unknown"


def test_the_config_digest_follows_values_and_not_the_folder(project, tmp_path):
    def digest(config: Config) -> str:
        return collect_provenance(config, project / "wells.yaml", project).config_digest

    assert digest(_config(project)) == digest(_config(tmp_path))
    assert digest(_config(project)) != digest(_config(project, seed=8))


def test_the_schema_digest_follows_the_curated_file(project):
    (project / "wells.pbtxt").write_text("feature {}")
    config = _config(project, schema="wells.pbtxt")
    before = collect_provenance(config, project / "wells.yaml", project).schema_digest
    (project / "wells.pbtxt").write_text("feature { }")
    after = collect_provenance(config, project / "wells.yaml", project).schema_digest
    assert before != after


def test_a_schema_that_is_not_there_is_the_users_mistake(project):
    config = _config(project, schema="none.pbtxt")
    with pytest.raises(InputError, match=r"schema: cannot read .*none\.pbtxt"):
        collect_provenance(config, project / "wells.yaml", project)


def test_the_code_digest_is_the_same_in_another_folder_and_ignores_other_files(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place / "models" / "deep").mkdir(parents=True)
        (tmp_path / place / "models" / "a.py").write_text("A = 1")
        (tmp_path / place / "models" / "deep" / "b.py").write_text("B = 1")
    (tmp_path / "there" / "models" / "__pycache__").mkdir()
    (tmp_path / "there" / "models" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")
    here, there = tmp_path / "here" / "models", tmp_path / "there" / "models"
    assert code_digest([here]) == code_digest([there])


def test_the_code_digest_sees_edits_new_files_renames_and_moved_text(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    digests = []
    for files in (
        {"a.py": "A = 1", "b.py": ""},
        {"a.py": "A = 2", "b.py": ""},
        {"a.py": "A = 1", "c.py": ""},
        {"a.py": "A = 1", "b.py": "", "c.py": ""},
        {"a.py": "", "b.py": "A = 1"},
        {"a.py": "", "b.py": "A = 1", "page.html.j2": "<p>"},
        {"a.py": "", "b.py": "A = 1", "page.html.j2": "<b>"},
    ):
        for old in folder.iterdir():
            old.unlink()
        for name, text in files.items():
            (folder / name).write_text(text)
        digests.append(code_digest([folder]))
    assert len(set(digests)) == len(digests)


def test_the_code_digest_takes_single_files_in_any_order_and_misses_none(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("1")
    two.write_text("2")
    assert code_digest([one, two]) == code_digest([two, one]) != code_digest([one])
    with pytest.raises(FileNotFoundError, match=r"three\.py"):
        code_digest([tmp_path / "three.py"])


def test_a_stamp_is_read_back_as_it_was_written(project, tmp_path):
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))
    provenance = _collect(project)
    stamp_run(store, "run-1", provenance)
    stamp_run(store, "run-1", provenance)
    [run] = store.get_contexts_by_type("pipeline_run")
    assert (run.name, provenance_of(run)) == ("run-1", provenance)
    assert [parent.name for parent in store.get_parent_contexts_by_context(run.id)] == ["wells"]


def test_a_run_without_a_stamp_has_no_provenance_and_can_get_one(project, tmp_path):
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))
    type_id = store.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run"))
    store.put_contexts([metadata_store_pb2.Context(type_id=type_id, name="run-1")])
    [run] = store.get_contexts_by_type("pipeline_run")
    assert provenance_of(run) is None
    dirty = dataclasses.replace(_collect(project), git_dirty=True)
    stamp_run(store, "run-1", dirty)
    [run] = store.get_contexts_by_type("pipeline_run")
    assert provenance_of(run) == dirty


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["env", "-u", "GIT_DIR", "-u", "GIT_INDEX_FILE", "git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def own_configs(tmp_path):
    """A folder of configs in a repository of a person's own."""
    folder = tmp_path / "wells" / "configs"
    folder.mkdir(parents=True)
    (folder / "wells.yaml").write_text("name: wells\n")
    _git(folder.parent, "init", "-q")
    _git(folder.parent, "add", ".")
    _git(folder.parent, "commit", "-q", "-m", "first")
    return folder


def _collect_own(configs: Path, project: Path) -> Provenance:
    return collect_provenance(_config(configs), configs / "wells.yaml", project)


def test_a_config_in_a_repository_of_its_own_is_stamped_with_that_commit(own_configs, project):
    provenance = _collect_own(own_configs, project)
    assert provenance.project_commit == _git(own_configs, "rev-parse", "HEAD")
    assert not provenance.project_dirty
    assert provenance.git_commit == "unknown"


def test_an_uncommitted_change_anywhere_in_the_repository_of_the_config_counts(
    own_configs, project
):
    (own_configs.parent / "wells.pbtxt").write_text("edited")
    assert _collect_own(own_configs, project).project_dirty


def test_a_config_outside_git_has_an_unknown_commit(tmp_path, project):
    assert _collect_own(tmp_path, project).project_commit == "unknown"


def test_a_config_of_faultline_itself_has_no_commit_of_its_own(project):
    assert _collect(project).project_commit == ""


def test_a_stamp_from_before_projects_had_commits_is_read_back(project, tmp_path):
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))
    provenance = dataclasses.replace(_collect(project), project_commit="c0ffee", project_dirty=True)
    stamp_run(store, "run-1", provenance)
    [run] = store.get_contexts_by_type("pipeline_run")
    assert provenance_of(run) == provenance
    del run.custom_properties["project_commit"], run.custom_properties["project_dirty"]
    expected = dataclasses.replace(provenance, project_commit="", project_dirty=False)
    assert provenance_of(run) == expected
    del run.custom_properties["seed"]
    assert provenance_of(run) is None

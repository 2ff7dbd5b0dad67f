"""The key of a run changes with everything that a step may depend on."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.lineage.provenance import CODE_FOLDERS, collect_provenance
from pipeline.reading.data_source import find_source
from pipeline.running.replaying.run_key import run_key

_CONFIG = """\
name: wells
label: {column: faulty, positive: 1}
data: {path: "span-{SPAN}/*.csv", window: 2}
schema: wells.pbtxt
features:
  pressure: {kind: numeric, unit: bar}
seed: 7
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with a use case of two spans beside it."""
    for name in CODE_FOLDERS:
        (tmp_path / "project" / name).mkdir(parents=True)
        (tmp_path / "project" / name / "code.py").write_text("x = 1\n")
    (tmp_path / "project" / "requirements.lock").write_text("numpy==2.4.0\n")
    (tmp_path / "project" / "pyproject.toml").write_text("[project]\ndependencies = ['numpy']\n")
    (tmp_path / "wells.yaml").write_text(_CONFIG)
    (tmp_path / "wells.pbtxt").write_text('feature { name: "pressure" type: FLOAT }\n')
    for span in (1, 2):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}" / "a.csv").write_text(f"pressure,faulty\n{span},1\n")
    return tmp_path / "project"


def _config(project: Path) -> Config:
    return load_config(project.parent / "wells.yaml")


def _key(project: Path, *, output: str = "output", withdrawn=None, config: Config | None = None):
    config = config or _config(project)
    folder = OutputFolder(project.parent / output)
    folder.root.mkdir(exist_ok=True)
    return run_key(
        config,
        collect_provenance(config, project.parent / "wells.yaml", project),
        find_source(config, folder),
        folder,
        withdrawn=withdrawn or {},
        project_dir=project,
    )


def test_nothing_changed_is_the_same_key(project):
    assert _key(project) == _key(project)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((f"project/{name}/code.py", "x = 2\n") for name in CODE_FOLDERS),
        ("project/models/more.py", "x = 1\n"),
        ("project/pipeline/page.html.j2", "<p>"),
        ("project/requirements.lock", "numpy==2.4.1\n"),
        ("wells.yaml", _CONFIG.replace("seed: 7", "seed: 8")),
        ("wells.yaml", _CONFIG.replace("window: 2", "window: 1")),
        ("wells.pbtxt", 'feature { name: "pressure" type: INT }\n'),
        ("span-1/a.csv", "pressure,faulty\n9,1\n"),
        ("span-2/a.csv", "pressure,faulty\n9,1\n"),
        ("span-2/b.csv", "pressure,faulty\n2,1\n"),
        ("span-3/a.csv", "pressure,faulty\n3,1\n"),
    ],
)
def test_a_changed_file_is_another_key(project, name, text):
    before = _key(project)
    path = project.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert _key(project) != before


def test_another_output_folder_or_a_withdrawn_version_is_another_key(project):
    before = _key(project)
    assert _key(project, output="elsewhere") != before
    assert _key(project, withdrawn={"wells": {"digest": {}}}) != before


def test_a_comment_in_the_config_is_the_same_key(project):
    before = _key(project)
    (project.parent / "wells.yaml").write_text(f"# wells\n{_CONFIG}")
    assert _key(project) == before


def test_artifacts_in_a_bucket_have_no_key(project):
    config = _config(project)
    remote = replace(config, beam=replace(config.beam, artifacts="s3://wells/artifacts"))
    assert _key(project, config=remote) is None

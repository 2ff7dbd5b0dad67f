"""The options of `kubeflow_runner.py`; what it compiles is tested with kfp."""

import pytest
from click.testing import CliRunner

import kubeflow_runner

CALL = ["--config", "configs/taxi.yaml", "--image", "faultline:1", "--artifacts", "/data/output"]
SERVER = ["--metadata-url", "mysql://faultline@mysql/faultline"]


def test_the_help_names_what_is_required():
    done = CliRunner().invoke(kubeflow_runner.main, ["--help"])
    assert done.exit_code == 0
    assert "Compile a use case for Kubeflow Pipelines" in done.output
    assert done.output.count("[required]") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*SERVER, "--volume", "data"], "--volume"),
        ([*SERVER, "--secret", "PASSWORD"], "--secret"),
        (["--metadata-url", "sqlite:///runs.db"], "mysql://USER@HOST:PORT/DATABASE"),
        (["--metadata-url", "mysql://me:hunter2@h/db"], "must not hold a password"),
    ],
)
def test_an_option_that_does_not_fit_is_named(options, message, project, tmp_path, monkeypatch):
    pytest.importorskip("kfp", reason="kfp is not installed: make ecosystem-tools")
    monkeypatch.chdir(project)
    target = tmp_path / "pipeline.yaml"
    done = CliRunner().invoke(kubeflow_runner.main, [*CALL, *options, "-o", str(target)])
    assert done.exit_code == 2
    assert message in done.output
    assert "hunter2" not in done.output
    assert not target.exists()

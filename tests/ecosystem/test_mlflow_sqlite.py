"""MLflow's store and model registry in an SQLite file, which need SQLAlchemy and Alembic."""

import json
import shutil

import pytest

from tests.pipeline.tracking.test_mlflow_registry import export_and_read

pytestmark = pytest.mark.ecosystem
for _name in ("sqlalchemy", "alembic"):
    pytest.importorskip(_name, reason=f"{_name} is not installed: make ecosystem-tools")


@pytest.fixture(scope="module")
def answer(project, pushed, tmp_path_factory):
    output = tmp_path_factory.mktemp("sqlite") / "output"
    shutil.copytree(pushed / "serving", output / "serving")
    answer = export_and_read(project, output, "sqlite:///mlflow.db")
    assert (output / "mlflow.db").is_file()
    return answer


def test_a_pushed_version_is_registered_once_with_signature_and_lineage(answer):
    assert list(answer["models"]) == ["readings/1"]
    version = answer["models"]["readings/1"]
    assert version["tags"]["faultline.pushed"] == "readings/7"
    assert version["run"] == answer["written"][0]["mlflow_run"]
    inputs = {one["name"] for one in json.loads(version["signature"]["inputs"])}
    assert {"volts", "wave"} <= inputs


def test_nothing_leaves_the_machine_or_goes_to_the_working_directory(answer):
    assert (answer["tried"], answer["strays"]) == ([], [])

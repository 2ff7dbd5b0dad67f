"""What `faultline notebook` says without its packages, and the notebooks as they are kept."""

import ast
import json

import pytest

from common.errors import InputError
from pipeline.notebooks import execution
from pipeline.notebooks.execution import NOTEBOOKS, Order, execute_notebook
from tests.e2e.harness import CONFIG

_NAMES = ("explore", "errors")


def test_missing_packages_are_named_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(execution.importlib.util, "find_spec", lambda _: None)
    order = Order(
        name="explore", config_path=tmp_path / "absent.yaml", output=tmp_path / "o", parameters={}
    )
    with pytest.raises(InputError, match=r"needs papermill, .* extra `notebooks`"):
        execute_notebook(order)
    assert list(tmp_path.iterdir()) == []


def test_without_the_folder_of_notebooks_the_error_names_it(tmp_path, monkeypatch):
    (tmp_path / "wells.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setattr(execution, "check_installed", lambda: None)
    monkeypatch.setattr(execution, "NOTEBOOKS", tmp_path / "notebooks")
    order = Order(
        name="errors",
        config_path=tmp_path / "wells.yaml",
        output=tmp_path / "output",
        parameters={},
    )
    with pytest.raises(InputError, match=r"notebooks/errors\.ipynb is not there"):
        execute_notebook(order)


def test_a_folder_without_runs_is_named_before_a_kernel_starts_and_is_not_made(
    tmp_path, monkeypatch
):
    (tmp_path / "wells.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setattr(execution, "check_installed", lambda: None)
    order = Order(
        name="errors", config_path=tmp_path / "wells.yaml", output=tmp_path / "o", parameters={}
    )
    with pytest.raises(InputError, match=r"No runs yet: .*o/metadata\.db does not exist"):
        execute_notebook(order)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", _NAMES)
def test_a_notebook_begins_with_its_parameters_and_holds_little_code(name):
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code[0]["metadata"]["tags"] == ["parameters"]
    assert not [cell for cell in code[1:] if cell["metadata"]]
    nodes = [node for cell in code for node in ast.walk(ast.parse("".join(cell["source"])))]
    # Everything reusable is in the package: a notebook defines nothing and decides nothing.
    kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.If, ast.While, ast.Try)
    assert [node for node in nodes if isinstance(node, kinds)] == []


@pytest.mark.parametrize("name", _NAMES)
def test_a_notebook_is_kept_without_outputs(name):
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"]] == []


def test_the_environment_is_as_before_after_a_notebook(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "before")
    monkeypatch.delenv("PLOTLY_RENDERER", raising=False)
    with execution._environment({"PYTHONPATH": "during", "PLOTLY_RENDERER": "json"}):
        assert execution.os.environ["PYTHONPATH"] == "during"
    assert execution.os.environ["PYTHONPATH"] == "before"
    assert "PLOTLY_RENDERER" not in execution.os.environ

"""The limits on the layout: small folders, and runners that hold no logic of their own."""

import ast
from pathlib import Path

import pytest

from tests.load_imports import PROJECT

_PACKAGES = (
    *("common", "measuring", "models", "serving", "datasets"),
    *("pipeline", "production", "commands", "engines"),
)
_MAX_MODULES = 10
_RUNNERS = ("faultline.py", "local_runner.py", "beam_runner.py", "kubeflow_runner.py")
_RUNNERS_IMPORT = ("commands", "common", "pipeline.running")


def crowded_folders(package: Path) -> dict[str, int]:
    """Returns the folders of a package with too many modules; `__init__` and the like are none."""
    folders = [package, *(path for path in package.rglob("*") if path.is_dir())]
    num_modules = {
        str(folder.relative_to(package.parent)): sum(
            not file.stem.startswith("__") for file in folder.glob("*.py")
        )
        for folder in folders
    }
    return {name: count for name, count in num_modules.items() if count > _MAX_MODULES}


def foreign_imports(source: str) -> set[str]:
    """Returns the project's modules that a source imports, anywhere, and that no runner may."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules.update(alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                modules.update(f"{module}.{alias.name}" for alias in names)
    projects = {path.stem for path in PROJECT.iterdir() if path.is_dir() or path.suffix == ".py"}
    return {
        module
        for module in modules
        if module.partition(".")[0] in projects
        and not f"{module}.".startswith(tuple(f"{name}." for name in _RUNNERS_IMPORT))
    }


@pytest.mark.parametrize("package", _PACKAGES)
def test_no_source_folder_has_more_than_ten_modules(package):
    assert crowded_folders(PROJECT / package) == {}


def test_a_folder_with_eleven_modules_is_crowded(tmp_path):
    inner = tmp_path / "package" / "inner"
    inner.mkdir(parents=True)
    for name in ("__init__", "__main__", *(f"module_{number}" for number in range(10))):
        (inner / f"{name}.py").touch()
    assert crowded_folders(tmp_path / "package") == {}
    (inner / "one_more.py").touch()
    assert crowded_folders(tmp_path / "package") == {"package/inner": 11}


@pytest.mark.parametrize("name", _RUNNERS)
def test_a_runner_imports_commands_common_and_the_running_of_pipelines_only(name):
    assert foreign_imports((PROJECT / name).read_text(encoding="utf-8")) == set()


def test_what_a_runner_may_not_import_is_noticed_inside_functions_too():
    source = (
        "import click, commands.run\n"
        "from pipeline.running import runner\n"
        "from pipeline.running_late import helper\n"
        "def main():\n"
        "    from pipeline import create\n"
        "    import serving.server\n"
    )
    assert foreign_imports(source) == {
        "pipeline.running_late.helper",
        "pipeline.create",
        "serving.server",
    }

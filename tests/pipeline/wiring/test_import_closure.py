from pathlib import Path

import pytest

from pipeline.wiring.import_closure import import_closure


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "house/__init__.py": "",
        "house/step.py": "import json\nfrom house.low import (\n    helper as h,\n    deep,\n)\n",
        "house/low/__init__.py": "from house import told\n",
        "house/low/helper.py": "def f():\n    from house.lazy import g\n",
        "house/low/deep.py": "X = 1\n",
        "house/told.py": "",
        "house/lazy.py": "import os, house.named\n",
        "house/named.py": "",
        "house/templates/page.html.j2": "",
        "house/unused.py": "from house import step\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def closure(project: Path, *, stop_at: tuple[str, ...] = ()) -> set[str]:
    files = import_closure(["house.step"], project, stop_at=stop_at)
    return {file.relative_to(project / "house").as_posix() for file in files}


def test_lazy_nested_and_multi_line_imports_packages_and_templates_count(project):
    assert closure(project) == {
        *("__init__.py", "step.py", "low/__init__.py", "low/helper.py", "low/deep.py"),
        *("told.py", "lazy.py", "named.py", "templates/page.html.j2"),
    }


def test_a_stop_is_neither_counted_nor_followed(project):
    assert closure(project) - closure(project, stop_at=("house.lazy",)) == {"lazy.py", "named.py"}


def test_a_circle_ends(project):
    (project / "house/named.py").write_text("import house.step\n")
    assert "named.py" in closure(project)


def test_an_unknown_root_is_an_error(project):
    with pytest.raises(FileNotFoundError, match=r"No module house\.stepp in"):
        import_closure(["house.stepp"], project)

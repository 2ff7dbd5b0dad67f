"""The examples in docstrings, run as they are written."""

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def _modules_with_examples():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    for package in project["tool"]["mypy"]["packages"]:
        for path in sorted((PROJECT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                yield ".".join(path.relative_to(PROJECT).with_suffix("").parts)


@pytest.mark.parametrize("name", list(_modules_with_examples()))
def test_the_examples_of_a_module_give_what_they_show(name):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted, f"{name} has `>>>` outside of a docstring"
    assert not failed

"""What makes a test a unit test: its file imports nothing heavy, and neither does it."""

import os
import shutil
from importlib.util import module_from_spec
from types import SimpleNamespace

import pytest

from tests.conftest import HeavyImportBlocker, is_light, may_have_unit_tests
from tests.file_markers import file_markers
from tests.load_imports import PROJECT, external_packages
from tests.memory_folder import find_memory_folder


def test_imports_count_through_the_projects_modules(tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text("import json\nfrom measuring.intervals import wilson\n")
    packages = external_packages(file)
    # `measuring.intervals` computes with NumPy and SciPy.
    assert {"json", "numpy", "scipy"} <= packages
    assert "tensorflow" not in packages


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_it():\n    import tensorflow\n", True),
        ("try:\n    import tensorflow as tf\nexcept ImportError:\n    tf = None\n", False),
        ("class Test:\n    from keras import layers\n", False),
        ("from models.training import network\n", False),
    ],
    ids=["in a function", "in a try", "in a class", "through the project"],
)
def test_a_heavy_import_counts_unless_a_function_makes_it(tmp_path, source, expected):
    file = tmp_path / "test_it.py"
    file.write_text(source)
    assert is_light(file) is expected


def test_imports_for_types_alone_do_not_count(tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras\n")
    assert external_packages(file) == {"typing"}


def test_a_package_is_loaded_before_its_modules(tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text("import pipeline.lineage.runs\n")
    own = external_packages(PROJECT / "pipeline" / "lineage" / "__init__.py")
    assert own <= external_packages(file)
    assert own


def test_the_blocker_refuses_to_load_tensorflow_and_leaves_the_rest_alone():
    blocker = HeavyImportBlocker()
    assert blocker.find_spec("json", None) is None
    spec = blocker.find_spec("tensorflow", None)
    assert spec is not None
    with pytest.raises(AssertionError, match=r"imports tensorflow: .* mark the test `tensorflow`"):
        blocker.exec_module(module_from_spec(spec))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("pytestmark = pytest.mark.e2e\n", {"e2e"}),
        ("pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]\n", {"e2e", "timeout"}),
        ("def test_it():\n    pytestmark = pytest.mark.e2e\n", set()),
        ("@pytest.mark.e2e\ndef test_it(): ...\n", set()),
    ],
    ids=["one", "a list", "in a function", "of one test"],
)
def test_markers_of_a_file_are_those_of_all_its_tests(tmp_path, source, expected):
    file = tmp_path / "test_it.py"
    file.write_text(f"import pytest\n{source}")
    assert file_markers(file) == expected
    assert may_have_unit_tests(file) is ("e2e" not in expected)


def test_a_file_that_imports_tensorflow_has_no_unit_tests(tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text("import tensorflow\n")
    assert not may_have_unit_tests(file)


@pytest.mark.parametrize(
    ("flags", "free", "expected"),
    [(0, 1 << 30, True), (os.ST_NOEXEC, 1 << 30, False), (0, (1 << 30) - 1, False)],
    ids=["usable", "runs no program", "short of room"],
)
def test_only_a_roomy_folder_that_runs_programs_is_used(
    tmp_path, monkeypatch, flags, free, expected
):
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flags))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert find_memory_folder(tmp_path) == (tmp_path if expected else None)


def test_no_folder_in_memory_is_found_where_there_is_none(tmp_path):
    assert find_memory_folder(tmp_path / "shm") is None

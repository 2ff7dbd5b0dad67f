"""What makes a test a unit test: its file imports nothing heavy, and neither does it."""

from importlib.util import module_from_spec

import pytest

from tests.conftest import HeavyImportBlocker, is_light
from tests.load_imports import PROJECT, external_packages


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

"""Fixtures for the tests of every folder, and the choice of the unit tests.

A unit test imports no TensorFlow, TFX, Beam or Keras. The choice is made from the sources: a file
that imports one of them when it is loaded has no unit tests. A test that imports one only when it
runs, or starts a process that does, has the marker `tensorflow`; one that takes seconds to simulate
data has the marker `simulation`. With `--part=unit` these packages cannot be imported, so that a
test without the marker fails.
"""

import gc
import os
import sys
from collections.abc import Generator, Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from common.guards.vector_instructions import limit_vector_instructions
from tests.file_markers import file_markers
from tests.load_imports import PROJECT, external_packages
from tests.memory_folder import find_memory_folder

SHARED_DATA = PROJECT.parent / "shared" / "data"
# All that import TensorFlow, TFX, Beam or Keras, and these.
HEAVY_PACKAGES = frozenset(
    {"tensorflow", "tfx", "apache_beam", "keras", "keras_tuner", "tfx_bsl", "tensorflow_transform"}
    | {"tensorflow_model_analysis", "tensorflow_data_validation", "tensorflow_serving"}
)
_OTHER_MARKERS = {"tensorflow", "e2e", "engines", "ecosystem", "simulation"}
# A slow or busy machine is no failure. Each run draws other examples, so that half of Hypothesis's
# hundred for each property are enough.
settings.register_profile(
    "any speed", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any speed")


class HeavyImportBlocker(MetaPathFinder, Loader):
    """Finds the heavy packages, but does not load them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in HEAVY_PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec:
            spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        # Not an ImportError, which code with optional imports would catch.
        raise AssertionError(
            f"a unit test imports {module.__name__}: import less, or mark the test `tensorflow`"
        )


@cache
def is_light(path: Path) -> bool:
    """Whether loading a test file imports no heavy package."""
    return HEAVY_PACKAGES.isdisjoint(external_packages(path))


def may_have_unit_tests(path: Path) -> bool:
    """Whether no marker of the whole file and none of its imports rules unit tests out."""
    return _OTHER_MARKERS.isdisjoint(file_markers(path)) and is_light(path)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--part", choices=["unit", "rest"], help="run the unit tests only, or all other tests only"
    )


def pytest_configure(config: pytest.Config) -> None:
    limit_vector_instructions()  # as the commands do, for tests that train in this process
    if config.getoption("--part") == "unit":
        sys.meta_path.insert(0, HeavyImportBlocker())
        # Not if the files of all tests stay, as pytest does by itself: they would fill the memory.
        is_cleared = config.getini("tmp_path_retention_policy") == "failed"
        if is_cleared and (folder := find_memory_folder()):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the files that have no unit test."""
    if config.getoption("--part") == "unit" and collection_path.match("test_*.py"):
        return True if not may_have_unit_tests(collection_path) else None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps the garbage collector from going through modules and tests, which stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the unit tests; keeps the part that was asked for, its longest tests first."""
    for item in items:
        markers = {marker.name for marker in item.iter_markers()}
        if is_light(item.path) and markers.isdisjoint(_OTHER_MARKERS):
            item.add_marker("unit")
    part = config.getoption("--part")
    if part is None:
        return
    is_unit = [item.get_closest_marker("unit") is not None for item in items]
    kept = [item for item, unit in zip(items, is_unit, strict=True) if unit == (part == "unit")]
    left_out = [item for item, unit in zip(items, is_unit, strict=True) if unit != (part == "unit")]
    config.hook.pytest_deselected(items=left_out)
    # At the end short tests are left, so that no worker waits for another's minutes.
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets that lie beside a checkout; tests of them are skipped elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data sets are not there: no folder ../shared/data")
    return SHARED_DATA


@pytest.fixture(scope="session")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with version 7 of `readings` pushed."""
    from tests.pipeline.prediction import readings

    output = tmp_path_factory.mktemp("output")
    readings.write_model(output / "serving" / "readings" / "7")
    return output

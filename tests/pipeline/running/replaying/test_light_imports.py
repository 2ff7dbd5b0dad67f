"""What an unchanged run imports, read from the sources."""

import pytest

from tests.load_imports import PROJECT, external_packages

_HEAVY = {
    *("tensorflow", "tfx", "tfx_bsl", "apache_beam", "keras", "tensorflow_transform"),
    *("tensorflow_data_validation", "tensorflow_model_analysis", "scipy", "sklearn", "pandas"),
}


@pytest.mark.parametrize(
    "module",
    [
        "commands/command_line/__init__.py",
        "pipeline/running/run.py",
        "pipeline/publishing/publish.py",
    ],
)
def test_an_unchanged_run_loads_no_heavy_package(module):
    assert external_packages(PROJECT / module) & _HEAVY == set()

"""The examples in docstrings, run as they stand there."""

import doctest
import importlib

import pytest

_MODULES = (
    "common.paths",
    "common.run_ids",
    "datasets.options",
    "measuring.intervals",
    "measuring.scores",
    "models.features",
    "models.probabilities.cost",
    "models.probabilities.thresholds",
    "pipeline.reading.ingest_spec",
    "serving.client.client",
)


@pytest.mark.parametrize("name", _MODULES)
def test_the_examples_of_a_module_give_what_they_show(name):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted, f"{name} has no example"
    assert not failed

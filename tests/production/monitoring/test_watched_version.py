"""What a watched version is held to by labels."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import Config
from production.monitoring.watched_version import WatchedVersion
from tests.production.monitoring.pumps import FEATURES, Pumps, reference_of

CONFIG = Config(name="pump", label={"column": "failed"}, data={"path": "x.csv"}, features=FEATURES)


@pytest.fixture(scope="module")
def reference():
    return reference_of(Pumps().rows(3_000, 1))


def promises_of(reference):
    return set(WatchedVersion("pump", reference, CONFIG).to_state()["labelled"]["tests"])


def test_the_share_of_faults_is_a_promise_only_where_training_rows_are_independent(reference):
    assert "prevalence" in promises_of(replace(reference, recordings=None))
    grouped = replace(reference, recordings=np.arange(reference.num_rows) // 10)
    assert "prevalence" not in promises_of(grouped)

"""Joint drift: what no single feature shows, level with dependent rows, names of features."""

import math

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from measuring.monitoring import joint
from measuring.monitoring.joint import Sample, joint_drift
from measuring.scores import roc_auc

NAMES = ["a", "b", "c"]


def sample(values, rows_of_block=1):
    return Sample(values=values, blocks=np.arange(len(values)) // rows_of_block)


def test_a_correlation_that_no_single_feature_shows_is_found_and_named():
    rng = np.random.default_rng(0)
    training, production = rng.normal(size=(2_000, 3)), rng.normal(size=(1_000, 3))
    production[:, 1] = 0.8 * production[:, 0] + 0.6 * production[:, 1]
    drift = joint_drift(sample(training), sample(production), NAMES)
    assert drift.p_value < 1e-6
    assert drift.roc_auc > 0.6
    assert set(list(drift.losses)[:2]) == {"a", "b"}
    assert drift.losses["c"] < drift.losses["b"] / 3
    assert drift.num_blocks == (2_000, 1_000)


def test_one_distribution_cannot_be_told_apart():
    rng = np.random.default_rng(1)
    drift = joint_drift(
        sample(rng.normal(size=(2_000, 3))), sample(rng.normal(size=(500, 3))), NAMES
    )
    assert drift.p_value > 0.01
    assert drift.roc_auc == pytest.approx(0.5, abs=0.06)


def test_missing_values_may_be_what_differs():
    rng = np.random.default_rng(2)
    training, production = rng.normal(size=(1_000, 3)), rng.normal(size=(400, 3))
    production[::3, 2] = math.nan
    drift = joint_drift(sample(training), sample(production), NAMES)
    assert drift.p_value < 1e-6
    assert next(iter(drift.losses)) == "c"


def test_one_block_says_nothing():
    values = np.random.default_rng(3).normal(size=(50, 3))
    drift = joint_drift(sample(values), sample(values + 9, 50), NAMES)
    assert (drift.p_value, drift.losses, drift.num_blocks) == (1.0, {}, (50, 1))
    assert math.isnan(drift.roc_auc)


def test_four_blocks_a_side_allow_a_p_value_of_a_third():
    # Each fold tests two blocks against two: at best one of 6 orders, and twice that for two folds.
    values = np.random.default_rng(6).normal(size=(400, 3))
    drift = joint_drift(sample(values, 100), sample(values + 9, 100), NAMES)
    assert drift.p_value == pytest.approx(1 / 3)
    assert drift.roc_auc == 1


def test_equal_scores_of_few_blocks_are_no_evidence():
    # No feature varies, so that all blocks have one score. A normal approximation has p-values
    # below the least that 2 blocks against 2 allow, 1 / 6 in each fold.
    drift = joint_drift(sample(np.ones((400, 3)), 100), sample(np.ones((400, 3)), 100), NAMES)
    assert drift.p_value >= 1 / 3
    assert drift.roc_auc == 0.5


def test_the_trees_compute_in_one_thread_and_leave_the_others_as_they_were(monkeypatch):
    num_threads = []

    def threads_of_openmp():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]

    def recording_roc_auc(labels, scores):
        num_threads.extend(threads_of_openmp())
        return roc_auc(labels, scores)

    monkeypatch.setattr(joint, "roc_auc", recording_roc_auc)
    rng, before = np.random.default_rng(8), threads_of_openmp()
    drift = joint_drift(sample(rng.normal(size=(200, 3))), sample(rng.normal(size=(100, 3))), NAMES)
    assert set(drift.losses) == set(NAMES)
    assert set(num_threads) == {1}
    assert threads_of_openmp() == before


def test_many_rows_are_thinned_and_the_result_is_repeatable():
    rng = np.random.default_rng(4)
    sides = [sample(rng.normal(size=(12_000, 3)), 100) for _ in range(2)]
    drift = joint_drift(*sides, NAMES)
    again = joint_drift(*sides, NAMES)
    assert drift == again
    assert drift.losses == again.losses
    assert drift.num_blocks == (120, 120)


@pytest.mark.simulation
def test_rows_that_depend_on_each_other_hold_the_level_only_as_blocks():
    rng = np.random.default_rng(5)

    def rejected(rows_of_block):
        count = 0
        for _ in range(25):
            # 20 rows of a recording share its offset.
            sides = [
                np.repeat(rng.normal(size=(size, 3)), 20, axis=0)
                + 0.1 * rng.normal(size=(20 * size, 3))
                for size in (40, 20)
            ]
            p_value = joint_drift(*(sample(s, rows_of_block) for s in sides), NAMES).p_value
            count += p_value < 0.05
        return count

    # At 5 %, more than 5 of 25 have a probability of 0.1 %.
    assert rejected(20) <= 5
    assert rejected(1) > 10

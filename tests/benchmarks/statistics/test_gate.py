"""The designs of the gate's section: they hold what they say, and tell the methods apart."""

import numpy as np
import pytest

from benchmarks.statistics import gate
from measuring.scores import roc_auc

pytestmark = pytest.mark.simulation


def test_a_share_of_healthy_examples_is_above_all_faults():
    split = gate._split(np.random.default_rng(0), 10_000, above=1e-3, invisible=0.0)
    probabilities, _ = split.of("")
    highest_fault = probabilities[split.labels == 1].max()
    assert np.mean(probabilities[split.labels == 0] > highest_fault) == pytest.approx(
        1e-3, abs=2e-4
    )


def test_invisible_faults_score_as_healthy_examples_do():
    # 0.8 * P(N(3, 1) > N(0, 1)) + 0.2 * 0.5, with P = Phi(3 / sqrt(2)) = 0.983.
    split = gate._split(np.random.default_rng(0), 20_000, above=0.0, invisible=0.2)
    assert roc_auc(split.labels, split.of("")[0]) == pytest.approx(0.886, abs=0.005)


def test_korn_and_graubards_trials_are_those_of_their_formula():
    # Each group found whole or missed whole: 40 / 4 * 0.9, times (t39 / t9)^2 = 0.7995.
    found = np.repeat([4.0, 0.0], 5)
    assert gate.korn_graubard_trials(found, np.full(10, 4.0)) == pytest.approx(7.195, abs=0.01)


def test_unequal_groups_tell_the_methods_apart():
    rows = {row[0]: [float(cell.split()[0]) for cell in row[1:3]] for row in gate._group_rows(300)}
    before, now = rows["precision, 40 unequal groups"]
    assert now <= 2.5
    assert before >= 7


def test_holms_method_brings_twenty_slices_below_the_claim():
    [_, twenty] = gate._slice_rows(2_000)
    alone, together = (float(cell.split()[0]) for cell in twenty[1:])
    assert together <= 2.5
    assert alone >= 25

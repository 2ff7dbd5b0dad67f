"""Rollouts end as the study says: short forms of its tables."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.statistics import rollouts

pytestmark = pytest.mark.simulation


def ends(candidate, margins=rollouts.MARGINS, *, sets=12, num_keys=20):
    results = rollouts.outcomes(candidate, num_keys, margins, sets)
    return Counter(result.kind for result in results)


def test_an_equal_model_is_promoted_with_20_keys():
    # At 2.5 %, more than 3 of 20 wrong rollbacks have a probability of 0.1 %.
    assert ends(rollouts.UNLABELLED["equal"], sets=20)["promote"] >= 17


@pytest.mark.parametrize("name", ["broken: worse by 10 points", "slow: 1.5 times the time"])
def test_a_broken_or_slow_model_is_rolled_back(name):
    assert ends(rollouts.UNLABELLED[name])["roll_back"] >= 11


@pytest.mark.parametrize("name", ["equal", "better by 1 point"])
def test_labels_promote_a_good_model(name):
    assert ends(rollouts.LABELLED[name], rollouts.WITH_LABELS, sets=6)["promote"] >= 5


def test_a_model_worse_by_the_margin_is_hardly_promoted():
    worse = rollouts.LABELLED["worse by the margin, 0.5 points"]
    # At 2.5 %, more than 2 of 8 have a probability of 0.1 %.
    assert ends(worse, rollouts.WITH_LABELS, sets=8)["promote"] <= 2


def test_an_unpaired_test_of_answers_errs_with_few_keys():
    rng = np.random.default_rng(0)
    # The study finds a fifth; that less than 3 of 60 err then has a probability of 0.1 %.
    assert sum(rollouts.unpaired_rollback(rng, 20) for _ in range(60)) >= 3


def test_answers_that_repeat_in_episodes_roll_back_no_equal_model():
    assert ends(rollouts.EPISODES)["roll_back"] <= 1

"""How many more faults an answer needs, checked by drawing the splits that follow the advice."""

import numpy as np
import pytest
from scipy import stats

from measuring.intervals import proportion_interval
from pipeline.components.model_gate.bars import compare
from pipeline.components.model_gate.more_data import (
    ASSURANCE,
    fewest_for_area,
    fewest_for_share,
    need_of_mean,
    need_of_share,
    trials_of_share,
)

BAR = 0.8


def answered(successes: int, trials: int) -> bool:
    return compare(proportion_interval(successes, trials, 0.95), BAR) != "INCONCLUSIVE"


def test_advice_that_is_followed_ends_in_an_answer_in_four_of_five_cases():
    random, outcomes = np.random.default_rng(3), []
    while len(outcomes) < 300:
        # Jeffreys' prior, as the advice assumes.
        truth = random.beta(0.5, 0.5)
        successes = int(random.binomial(30, truth))
        if answered(successes, 30):
            continue
        interval = proportion_interval(successes, 30, 0.95)
        total = int(np.ceil(30 * need_of_share(successes / 30, interval, BAR, 0.95).growth - 1e-6))
        outcomes.append(answered(successes + random.binomial(total - 30, truth), total))
    assert np.mean(outcomes) == pytest.approx(ASSURANCE, abs=0.1)


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_the_same_holds_for_a_mean(lower_is_better):
    random = np.random.default_rng(4)
    # A standard error of 0.05, so a half-width of 0.098.
    need = need_of_mean(0.7, (0.602, 0.798), 0.65, 0.95, lower_is_better=lower_is_better)
    truths = random.normal(0.7, 0.05, 20_000)
    more = random.normal(truths, 0.05 / np.sqrt(need.growth - 1))
    final = (0.7 + (need.growth - 1) * more) / need.growth
    assert np.mean(np.abs(final - 0.65) > 0.098 / np.sqrt(need.growth)) == pytest.approx(
        ASSURANCE, abs=0.01
    )
    clears = truths < 0.65 if lower_is_better else truths > 0.65
    assert need.chance == pytest.approx(np.mean(clears), abs=0.01)


def test_the_advice_is_the_smallest_number_that_the_beta_binomial_asks_for():
    interval = proportion_interval(26, 30, 0.95)
    total = int(np.ceil(30 * need_of_share(26 / 30, interval, BAR, 0.95).growth))

    def chance(total: int) -> float:
        more = np.arange(total - 30 + 1)
        given = stats.betabinom.pmf(more, total - 30, 26.5, 4.5)
        return float(given @ [answered(26 + int(j), total) for j in more])

    assert chance(total) == pytest.approx(ASSURANCE, abs=0.02)
    assert chance(int(total * 0.7)) < ASSURANCE - 0.02


def test_the_chance_that_the_truth_clears_the_bar_is_that_of_the_beta_distribution():
    need = need_of_share(0.8, proportion_interval(24, 30, 0.95), BAR, 0.95)
    assert need.chance == pytest.approx(stats.beta.sf(BAR, 24.5, 6.5), abs=1e-6)
    assert need.chance < ASSURANCE


def test_trials_in_groups_count_for_what_their_interval_says():
    # 100 trials worth 20.
    assert trials_of_share(0.9, proportion_interval(18, 20, 0.95), 0.95) == pytest.approx(
        20, rel=1e-4
    )
    # A limit of 1 does not determine the number.
    assert trials_of_share(1.0, proportion_interval(5, 5, 0.95), 0.95) == pytest.approx(5, rel=1e-4)


def test_the_fewest_are_just_enough():
    # ln(0.025) / ln(0.9) = 35.01: 36, and 35 leave 0.8999.
    assert fewest_for_share(0.9, 0.95) == 36
    assert proportion_interval(36, 36, 0.95)[0] >= 0.9 > proportion_interval(35, 35, 0.95)[0]


def test_an_area_needs_more_faults_than_a_perfect_ranking_alone_would():
    # With 3 healthy examples above 103 faults, PR-AUC is the mean of k / (k + 3) over them, 0.9; a
    # few more are needed because some resamples draw fewer. Wilson's limit alone, n / (n + 1.96^2),
    # would reach 0.9 at 35.
    mean = np.mean(np.arange(1, 104) / np.arange(4, 107))
    assert mean == pytest.approx(0.9, abs=0.001)
    assert 103 < fewest_for_area("pr_auc", 0.9, 0.95, 0.03) < 125
    # One of two faults is a weight of 3 at 1/2: 1 - 3 / (2 (n + 3)) = 0.95 at 27.
    assert fewest_for_area("roc_auc", 0.95, 0.95, 0.03) == pytest.approx(30, abs=5)

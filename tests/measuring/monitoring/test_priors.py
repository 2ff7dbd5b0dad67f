"""The prevalence from scores: bins, correction, maximum, uncertainty."""

import numpy as np
import pytest
from scipy import special, stats

from measuring.monitoring.priors import ScoreBins, estimate_prior

TRAINED = 0.03


def draw_chunk(rng, size, prevalence, distance=3.0):
    """Probabilities calibrated at 3 %, of scores N(0, 1) and N(distance, 1), and the labels."""
    labels = rng.random(size) < prevalence
    scores = rng.normal(size=size) + distance * labels
    log_ratio = distance * scores - distance**2 / 2
    return special.expit(log_ratio + special.logit(TRAINED)), labels


def bins_of(probabilities):
    return ScoreBins.of(probabilities, probabilities > 0.3)


def test_few_rows_have_a_bin_each_in_descending_order():
    bins = ScoreBins.of(np.array([0.1, 0.9, 0.4]), np.array([0, 1, 1]))
    assert bins.probability.tolist() == [0.9, 0.4, 0.1]
    assert bins.alarm.tolist() == [True, True, False]
    assert bins.count.tolist() == [1, 1, 1]


def test_many_rows_keep_their_sums_and_decisions():
    probabilities, _ = draw_chunk(np.random.default_rng(0), 100_000, TRAINED)
    decisions = np.random.default_rng(1).random(100_000) < 0.2  # not those of a threshold
    bins = ScoreBins.of(probabilities, decisions)
    assert bins.count.sum() == 100_000
    assert bins.count[bins.alarm].sum() == decisions.sum()
    assert bins.probability @ bins.count == pytest.approx(probabilities.sum())
    assert len(bins.count) <= 2 * 1_024
    mass = bins.count * bins.probability
    assert mass.max() <= mass.sum() / 512 + 1


@pytest.mark.parametrize("probabilities", [[], [0.5, np.nan], [1.2]])
def test_wrong_probabilities_are_refused(probabilities):
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        ScoreBins.of(np.array(probabilities), np.zeros(len(probabilities)))


def test_the_maximum_is_the_fixed_point_of_the_expectation_maximisation():
    probabilities, _ = draw_chunk(np.random.default_rng(2), 1_000, 0.09)
    q = TRAINED
    for _ in range(2_000):  # as Saerens et al. write it
        faulty = probabilities * q / TRAINED
        q = np.mean(faulty / (faulty + (1 - probabilities) * (1 - q) / (1 - TRAINED)))
    assert estimate_prior(bins_of(probabilities), TRAINED).prior == pytest.approx(q, rel=1e-6)


def test_a_risen_prevalence_is_seen_and_corrects_the_probabilities():
    probabilities, _ = draw_chunk(np.random.default_rng(3), 20_000, 0.09)
    shift = estimate_prior(bins_of(probabilities), TRAINED)
    assert shift.prior == pytest.approx(0.09, abs=0.01)
    assert shift.has_moved
    # Odds 1 at 3 % become odds (0.09 / 0.91) / (0.03 / 0.97) = 3.198 at 9 %: 0.7618.
    assert shift.correct(np.array([0.5]), 0.09)[0] == pytest.approx(0.7618, abs=1e-4)
    assert shift.correct(np.array([0.0, 1.0]), 0.09).tolist() == [0, 1]


def test_a_chunk_without_faults_has_a_prior_near_zero_and_an_upper_limit():
    # Probability 0 of a fault in 1,000 rows: the posterior of a binomial 0 of 1,000.
    shift = estimate_prior(bins_of(np.zeros(1_000)), TRAINED)
    assert shift.prior < 1e-6
    assert shift.upper == pytest.approx(stats.beta.ppf(0.975, 0.5, 1_000.5), rel=0.02)


def test_certain_scores_have_the_interval_of_a_proportion():
    shift = estimate_prior(bins_of(np.repeat([1.0, 0.0], [30, 970])), TRAINED)
    limits = stats.beta.ppf([0.025, 0.975], 30.5, 970.5)
    assert [shift.lower, shift.upper] == pytest.approx(limits, rel=0.01)
    assert shift.draws.mean() == pytest.approx(30.5 / 1_001, rel=0.03)
    assert not shift.has_moved


def test_the_prevalence_of_training_is_a_share():
    with pytest.raises(ValueError, match="got 0"):
        estimate_prior(bins_of(np.array([0.5])), 0)


@pytest.mark.simulation
@pytest.mark.parametrize("prevalence", [0.005, 0.03, 0.1])
def test_the_interval_of_the_prior_covers_the_truth(prevalence):
    rng, covered = np.random.default_rng(4), 0
    for _ in range(60):
        probabilities, _ = draw_chunk(rng, 2_000, prevalence)
        shift = estimate_prior(bins_of(probabilities), TRAINED)
        covered += shift.lower <= prevalence <= shift.upper
    # At 95 %, less than 51 of 60 have a probability of 0.1 %.
    assert covered >= 51

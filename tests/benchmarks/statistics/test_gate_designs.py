"""Other scores and prevalences hold what they say, and the whole gate keeps its claim there."""

import numpy as np
import pytest

from benchmarks.statistics.gate.coverage import Detector
from benchmarks.statistics.gate.designs import DESIGNS, Scores, together_rows, words_at_truth

pytestmark = pytest.mark.simulation


def test_normal_scores_have_the_metrics_of_their_detector():
    shown, exact = Scores(prevalence=0.2).truth(), Detector(3.0, 0.2).truth()
    for name, value in exact.items():
        assert shown[name] == pytest.approx(value, rel=0.01), name


def test_scores_of_five_levels_tie():
    split = Scores(has_levels=True).draw(np.random.default_rng(0), 100)
    assert len(np.unique(split.of("")[0])) == 5


def test_invisible_faults_and_high_healthy_examples_have_their_share():
    random = np.random.default_rng(0)
    blind = Scores(shift=6.0, invisible=0.2).draw(random, 20_000)
    # At d 6, next to no visible fault scores below 2; 97.7 % of the invisible ones do.
    missed = blind.of("")[0][blind.labels == 1] < Detector(6.0).probability(np.array(2.0))
    assert missed.mean() == pytest.approx(0.2 * 0.977, abs=0.01)
    high = Scores(above=1e-3).draw(random, 20_000)
    surely = Detector(3.0).probability(np.array(12.0))
    assert (high.of("")[0][high.labels == 0] > surely).mean() == pytest.approx(1e-3, abs=2e-4)


@pytest.mark.parametrize("title", ["weak model, prevalence 20 %", "scores of five levels"])
def test_no_interval_of_a_share_or_a_score_excludes_the_truth_too_often(title):
    scores, random = DESIGNS[title], np.random.default_rng(0)
    splits = [scores.draw(random, 30) for _ in range(150)]
    words = words_at_truth(splits, scores.truth())
    # At 2.5 %, more than 8 of 150 have a probability of 1.5 %.
    for metric in ("recall", "precision", "roc_auc", "brier", "expected_cost"):
        assert words[metric].count("BLESSED") <= 8, metric


def test_six_bars_together_are_hardly_ever_cleared_at_the_truth():
    num_sets = 60
    rows = {name: blessed for name, _, blessed, _ in together_rows(num_sets, (100,))}
    # One bar is cleared in at most 2.5 % of splits, all six in none.
    assert rows["all at the truth"].startswith("0.0 %")
    # At 2.5 %, more than 5 of 60 have a probability of 0.4 %.
    assert float(rows["recall at the truth"].split()[0]) <= 100 * 5 / num_sets

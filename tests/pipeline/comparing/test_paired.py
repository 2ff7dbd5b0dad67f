import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.comparing.answers import PairedAnswers
from pipeline.comparing.paired import judge, mcnemar_p, pr_auc_gain_interval


def _answers(labels, first, second, threshold=0.5):
    probabilities = np.stack([first, second], axis=1).astype(np.float64)
    return PairedAnswers(
        labels=np.asarray(labels, np.int64),
        probabilities=probabilities,
        decisions=(probabilities >= threshold).astype(np.int64),
    )


def _noisy(num: int, good: float, bad: float, seed: int = 0) -> PairedAnswers:
    """A model that sees the fault well and one that sees it badly."""
    random = np.random.default_rng(seed)
    labels = (np.arange(num) % 5 == 0).astype(np.int64)
    noise = random.normal(size=(2, num))
    scores = [
        1 / (1 + np.exp(-(k * (labels - 0.5) + n))) for k, n in zip((bad, good), noise, strict=True)
    ]
    return _answers(labels, *scores)


def test_mcnemar_counts_only_what_differs():
    # 1 of 9 discordant pairs: 2 * (1 + 9) / 2^9 = 0.0390625.
    assert mcnemar_p(1, 8) == pytest.approx(0.0390625)
    assert mcnemar_p(8, 1) == mcnemar_p(1, 8)
    assert mcnemar_p(3, 3) == 1.0
    assert mcnemar_p(0, 0) == 1.0


def test_the_counts_are_of_right_decisions():
    verdict = judge(_answers([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.8], [0.9, 0.7, 0.6, 0.3]))
    # First right on examples 0 and 2, second on 0, 1 and 3.
    assert (verdict.only_first_right, verdict.only_second_right) == (1, 2)
    assert (verdict.num_examples, verdict.num_positives) == (4, 2)
    assert verdict.decisions_word == "neither"


def test_a_clearly_better_model_is_told_in_both_directions():
    better = judge(_noisy(1_000, good=4, bad=0.5))
    assert (better.decisions_word, better.ranking_word) == ("second", "second")
    worse = judge(_noisy(1_000, good=0.5, bad=4))
    assert (worse.decisions_word, worse.ranking_word) == ("first", "first")


def test_few_examples_show_no_difference():
    verdict = judge(_noisy(20, good=1.2, bad=1))
    assert (verdict.decisions_word, verdict.ranking_word) == ("neither", "neither")


def test_pr_auc_is_that_of_scikit_learn_with_ties():
    labels, scores = [1, 0, 1, 0, 0, 1], [0.9, 0.9, 0.4, 0.4, 0.1, 0.05]
    verdict = judge(_answers(labels, scores, labels))
    assert verdict.pr_auc[0] == pytest.approx(average_precision_score(labels, scores))
    assert verdict.pr_auc[1] == 1.0
    assert verdict.pr_auc_gain == pytest.approx(1 - average_precision_score(labels, scores))


def test_equal_models_differ_by_nothing_and_the_same_answers_give_the_same_interval():
    answers = _noisy(200, good=1, bad=1)
    same = _answers(answers.labels, answers.probabilities[:, 0], answers.probabilities[:, 0])
    assert pr_auc_gain_interval(same) == (0.0, 0.0)
    assert pr_auc_gain_interval(answers) == pr_auc_gain_interval(answers)


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says():
    # Two models of the same quality: the true difference is 0. 60 test sets at 95 %: 57 +- 1.7.
    held = sum(
        low <= 0 <= high
        for low, high in (pr_auc_gain_interval(_noisy(150, 1.5, 1.5, seed)) for seed in range(60))
    )
    assert 52 <= held <= 60


def test_without_a_positive_example_there_is_no_ranking():
    verdict = judge(_answers([0, 0], [0.1, 0.2], [0.3, 0.9]))
    assert all(math.isnan(limit) for limit in verdict.pr_auc_gain_interval)
    assert verdict.ranking_word == "neither"
    assert verdict.only_first_right == 1

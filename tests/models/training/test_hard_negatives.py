import numpy as np
import pytest

from models.train_options import HardNegatives, TrainOptions
from models.training.data import Dataset, example_weights
from models.training.hard_negatives import emphasis

LABELS = np.array([1, 0, 0, 0, 0, 1], np.float32)
SCORES = np.array([0.1, 0.2, 0.9, 0.3, 0.1, 0.95], np.float32)


def test_the_negatives_that_scored_highest_count_more_and_all_together_as_before():
    weights = emphasis(SCORES, LABELS, HardNegatives(share=0.25, weight=5))
    # One of four is hard: weights 1, 5, 1, 1 with mean 2.
    assert weights == pytest.approx([1, 0.5, 2.5, 0.5, 0.5, 1])
    assert weights[LABELS < 0.5].sum() == pytest.approx(4)


def test_the_order_of_the_examples_decides_nothing():
    order = np.array([3, 1, 5, 0, 4, 2])
    options = HardNegatives(share=0.5, weight=3)
    shuffled = emphasis(SCORES[order], LABELS[order], options)
    assert shuffled == pytest.approx(emphasis(SCORES, LABELS, options)[order])


def test_all_that_score_as_high_as_the_last_hard_one_are_hard():
    scores = np.array([0.0, 0.5, 0.5, 0.5, 0.1, 0.0], np.float32)
    weights = emphasis(scores, LABELS, HardNegatives(share=0.25, weight=3))
    # Three of four are hard: 3, 3, 3, 1 with mean 2.5.
    assert weights[1:5] == pytest.approx([1.2, 1.2, 1.2, 0.4])


def test_hard_negatives_weigh_in_the_trees_too_and_multiply_the_weights_of_the_classes():
    hard = emphasis(SCORES, LABELS, HardNegatives(share=0.25, weight=5))
    train = Dataset({}, LABELS, weights=hard)
    # Trees have no class weights by default; 2 of 6 are positive: 6 / (2 * 2) and 6 / (2 * 4).
    assert example_weights(train, TrainOptions(), "trees") == pytest.approx(hard)
    balanced = example_weights(train, TrainOptions(class_weight="balanced"), "trees")
    classes = np.where(LABELS > 0.5, 1.5, 0.75)
    assert balanced == pytest.approx(hard * classes)
    assert example_weights(train, TrainOptions(), "network") == pytest.approx(hard * classes)

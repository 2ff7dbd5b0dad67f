"""Curves and bands, beside scikit-learn and resampling by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from measuring.answers import in_order, make_answers
from measuring.bootstrap import draw_weights, percentile_interval
from measuring.curves import calibration_bins, precision_recall_and_roc, score_histogram
from measuring.intervals import proportion_interval


def answers(num_examples=120, groups=None):
    random = np.random.default_rng(3)
    labels = (np.arange(num_examples) % 6 == 0).astype(int)
    # Rounded, so that positive and negative examples tie.
    scores = np.round(random.random(num_examples) / 2 + labels / 3, 2)
    return make_answers(labels, {"m": (scores, scores > 0.5)}, groups)


def test_the_steps_have_the_area_average_precision():
    some = answers()
    steps, _ = precision_recall_and_roc(some, 0.95)
    area = float(np.diff(steps.x, prepend=0) @ steps.y)
    assert area == pytest.approx(
        average_precision_score(some.labels, some.probabilities[:, 0]), abs=1e-12
    )


def test_the_roc_curve_has_the_area_under_it():
    some = answers()
    _, roc = precision_recall_and_roc(some, 0.95)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(
        roc_auc_score(some.labels, some.probabilities[:, 0]), abs=1e-12
    )


def test_the_band_of_the_roc_curve_is_that_of_resamples_drawn_by_hand():
    some = in_order(answers())
    scores = some.probabilities[:, 0]
    _, roc = precision_recall_and_roc(some, 0.9)
    place = int(np.searchsorted(roc.grid, 0.1))
    rate = roc.grid[place]
    by_hand = []
    for weights in np.concatenate(list(draw_weights(some))):
        # As often as drawn, and with thresholds between which nothing is joined.
        x, y, _ = roc_curve(np.repeat(some.labels, weights), np.repeat(scores, weights))
        by_hand.append(y[x <= rate + 1e-12].max())
    lower, upper = percentile_interval(np.array(by_hand), 20, 0.9)
    x, y, _ = roc_curve(some.labels, scores, drop_intermediate=False)
    own = float(y[x <= rate].max())
    exact = proportion_interval(own * 20, 20, 0.9)
    assert roc.lower[place] == pytest.approx(min(lower, exact[0]), abs=1e-12)
    assert roc.upper[place] == pytest.approx(max(upper, exact[1]), abs=1e-12)


def test_the_band_of_precision_is_that_of_resamples_drawn_by_hand():
    some = in_order(answers())
    scores = some.probabilities[:, 0]
    steps, _ = precision_recall_and_roc(some, 0.9)
    place = 9  # a recall of 10 / 20
    by_hand = []
    for weights in np.concatenate(list(draw_weights(some))):
        labels, drawn = np.repeat(some.labels, weights), np.repeat(scores, weights)
        wanted = max(math.ceil(labels.sum() / 2), 1)
        threshold = np.sort(drawn[labels == 1])[::-1][wanted - 1]
        by_hand.append(labels[drawn >= threshold].mean())
    lower, upper = percentile_interval(np.array(by_hand), 20, 0.9)
    threshold = np.sort(scores[some.labels == 1])[::-1][9]
    alarms = int((scores >= threshold).sum())
    own = some.labels[scores >= threshold].mean()
    # A tie can hold more faults than the recall asks for; the alarms are those of the share.
    exact = proportion_interval(10, 10 / own, 0.9)
    assert steps.y[place] == pytest.approx(own)
    assert alarms >= 10
    assert steps.lower[place] == pytest.approx(min(lower, exact[0]), abs=1e-12)
    assert steps.upper[place] == pytest.approx(max(upper, exact[1]), abs=1e-12)


def test_ten_faults_that_were_all_found_have_a_band_below_one():
    labels = np.arange(100) < 10
    perfect = make_answers(labels.astype(int), {"m": (labels * 0.8 + 0.1, labels)})
    steps, roc = precision_recall_and_roc(perfect, 0.95)
    # The exact interval of 10 out of 10 begins at 0.025 ** (1 / 10) = 0.6915.
    assert steps.y.tolist() == [1.0] * 10
    assert steps.lower[-1] == pytest.approx(0.6915, abs=1e-4)
    assert roc.lower[0] == pytest.approx(0.6915, abs=1e-4)
    assert steps.upper[-1] == 1


def test_examples_in_groups_have_a_wider_band():
    pairs = np.repeat(np.arange(60), 2).astype(np.uint64)
    alone, _ = precision_recall_and_roc(answers(), 0.95)
    paired, _ = precision_recall_and_roc(answers(groups=pairs), 0.95)
    assert (paired.upper - paired.lower).mean() > (alone.upper - alone.lower).mean()


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_has_no_curve(labels):
    some = make_answers(np.array(labels), {"m": (np.array([0.1, 0.2, 0.3]), np.zeros(3))})
    assert precision_recall_and_roc(some, 0.95) is None


def test_a_probability_that_is_not_a_number_has_no_curve():
    some = make_answers(np.array([0, 1]), {"m": (np.array([0.1, np.nan]), np.zeros(2))})
    assert precision_recall_and_roc(some, 0.95) is None


def test_many_examples_have_a_curve_of_few_points():
    steps, roc = precision_recall_and_roc(answers(6_000), 0.95)
    assert len(steps.x) == 120
    assert len(roc.x) <= 400
    assert (steps.x[0], steps.x[-1]) == (1 / 1_000, 1.0)


def test_calibration_bins_count_examples_and_faults():
    labels = np.array([0, 0, 1, 1, 1])
    probabilities = np.array([0.0, 0.1, 0.2, 0.5, 1.0])
    low, high = calibration_bins(labels, probabilities, num_bins=2, confidence=0.95)
    assert (low.count, low.positives, low.share) == (3, 1, pytest.approx(1 / 3))
    assert low.mean == pytest.approx(0.1)
    # 0.5 is the upper bin's edge, and 1 belongs to it.
    assert (high.count, high.positives, high.mean) == (2, 2, 0.75)
    assert low.interval == proportion_interval(1, 3, 0.95)


def test_an_empty_bin_has_no_share():
    [_, empty] = calibration_bins(np.array([0]), np.array([0.2]), num_bins=2, confidence=0.95)
    assert empty.count == 0
    assert math.isnan(empty.share)


def test_the_histogram_counts_each_class():
    edges, healthy, faulty = score_histogram(
        np.array([0, 0, 1, 1]), np.array([0.0, 0.3, 0.3, 1.0]), num_bins=2
    )
    assert edges.tolist() == [0, 0.5, 1]
    assert (healthy.tolist(), faulty.tolist()) == ([2, 0], [1, 1])

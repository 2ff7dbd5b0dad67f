from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from common.errors import InputError
from measuring.events.timeline import Timeline
from models.probabilities.thresholds import (
    Worth,
    best_f1_threshold,
    check_threshold,
    choose_threshold,
    num_allowed_errors,
)
from models.threshold_rule import ThresholdRule

# Descending: fault, healthy, fault, healthy, fault, healthy, healthy, healthy.
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
LABELS = np.array([1.0, 0, 1, 0, 1, 0, 0, 0])


def chosen(kind, value=0.0, confidence=0.9, scores=SCORES):
    rule = ThresholdRule(kind=kind, value=value, confidence=confidence)
    return choose_threshold(rule, scores, LABELS)


def test_a_threshold_by_prices_is_taken_as_it_is():
    assert chosen("given", 0.07) == 0.07


def test_the_best_f1_follows_the_probabilities_and_not_the_labels():
    # Sum 2. 2 * 0.9 / (1 + 2) = 0.6; 2 * 1.7 / (2 + 2) = 0.85; 2 * 1.9 / 5 = 0.76; 4 / 6 = 0.67.
    # The labels alone would ask for 5 alarms.
    scores = np.array([0.9, 0.8, 0.2, 0.1, 0, 0, 0, 0])
    assert chosen("best_f1", scores=scores) == pytest.approx(0.5)
    assert best_f1_threshold(scores[::-1]) == pytest.approx(0.5)


def test_the_threshold_of_the_best_f1_is_near_half_the_f1():
    # Lipton et al.: the threshold is F*/2; many scores leave little room between two.
    scores = np.random.default_rng(0).beta(0.2, 4, 20_000)
    threshold = best_f1_threshold(scores)
    alarms = scores >= threshold
    f1 = 2 * scores[alarms].sum() / (alarms.sum() + scores.sum())
    assert threshold == pytest.approx(f1 / 2, abs=1e-3)


def test_the_best_f1_never_separates_equal_probabilities():
    # One of the two 0.4 alone: 2 * 0.9 / (2 + 1.3) = 0.55; none 2 * 0.5 / 2.3; both 2 * 1.3 / 4.3.
    assert best_f1_threshold(np.array([0.5, 0.4, 0.4])) == pytest.approx(0.2)


def test_of_equal_f1_the_fewer_alarms_win():
    # One alarm: 2 * 0.5 / (1 + 1) = 0.5; three: 2 * 1 / (3 + 1) = 0.5.
    assert best_f1_threshold(np.array([0.5, 0.25, 0.25])) == pytest.approx(0.375)


@pytest.mark.parametrize(
    ("rate", "confidence", "threshold"),
    [
        # P(no false alarm of 5 at a rate of 0.4) = 0.6^5 = 0.078; at most one: 0.337.
        (0.4, 0.9, 0.85),
        (0.4, 0.66, 0.65),
        # At most one at 0.7: 0.3^5 + 5 * 0.7 * 0.3^4 = 0.031; at most two: 0.163.
        (0.7, 0.9, 0.65),
        (0.7, 0.8, 0.45),
    ],
)
def test_the_highest_recall_whose_rate_of_false_alarms_is_promised(rate, confidence, threshold):
    assert chosen("recall_at_false_alarm_rate", rate, confidence) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("recall", "confidence", "threshold"),
    [
        # No miss among 3 at a recall of 0.4: 0.4^3 = 0.064; at most one: 0.352.
        (0.4, 0.9, 0.45),
        # One may be missed: 2 of 3 alarms are right, more than 3 of 5.
        (0.4, 0.64, 0.65),
        # Two may be missed at 0.1: 1 - 0.9^3 = 0.271; the first alarm alone is right.
        (0.1, 0.7, 0.85),
    ],
)
def test_the_highest_precision_whose_recall_is_promised(recall, confidence, threshold):
    assert chosen("precision_at_recall", recall, confidence) == pytest.approx(threshold)


def test_of_scores_that_all_tie_none_may_raise_an_alarm_where_few_may():
    assert chosen("recall_at_false_alarm_rate", 0.4, scores=np.ones(8)) > 1


@pytest.mark.parametrize(
    ("num_healthy", "num_errors"), [(230, 0), (469, 1), (1_380, 8), (5_500, 45)]
)
def test_as_many_errors_are_allowed_as_the_binomial_distribution_says(num_healthy, num_errors):
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.01)
    allowed = num_allowed_errors(rule, num_positive=9, num_negative=num_healthy)
    assert binom.cdf(allowed, num_healthy, 0.01) <= 0.1 < binom.cdf(allowed + 1, num_healthy, 0.01)
    assert allowed == num_errors


@pytest.mark.parametrize(("worth", "num_errors"), [(5_500, 45), (1_375, 34), (690, 25), (230, 0)])
def test_examples_in_groups_allow_errors_in_proportion_to_what_they_are_worth(worth, num_errors):
    # 45, 8.5, 3.1 and 0 of so many independent ones.
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.01)
    allowed = num_allowed_errors(
        rule,
        num_positive=9,
        num_negative=5_500,
        worth=Worth(examples=worth, per_error=worth / 5_500),
    )
    assert allowed == num_errors


def test_the_same_examples_promise_less_in_groups():
    # 40 groups, each of which shifts all its scores: the alarms at 1 % come from few of them.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 150)
    labels = np.repeat([0.0, 1.0], [5_600, 400])
    rng.shuffle(labels)
    scores = rng.normal(size=40)[groups] + rng.normal(size=6_000) + 4 * labels
    probabilities = 1 / (1 + np.exp(-scores))
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.01, confidence=0.7)
    alone = choose_threshold(rule, probabilities, labels)
    # As groups, single examples have one alarm more and 55 degrees of freedom.
    single = choose_threshold(rule, probabilities, labels, np.arange(6_000))
    assert alone <= single < choose_threshold(rule, probabilities, labels, groups)
    alarms, alarms_alone = (
        ((probabilities >= threshold) & (labels == 0)).sum() for threshold in (single, alone)
    )
    assert alarms_alone - 3 <= alarms <= alarms_alone


def test_a_promise_that_groups_are_too_few_for_is_refused_with_what_they_are_worth():
    # Either all examples of a group raise an alarm or none: the groups are 20 examples.
    groups = np.repeat(np.arange(20), 100)
    labels = np.zeros(2_000)
    labels[:5] = 1
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.01)
    with pytest.raises(
        InputError,
        match=r"at least 230 healthy examples in eval, which has 1,995, in groups that are worth "
        r"\d+ independent ones\.",
    ):
        choose_threshold(rule, 1 / (1 + groups), labels, groups)


def test_a_promise_that_eval_is_too_small_for_is_refused_with_the_rows_it_needs():
    # 0.99^229 = 0.1001 and 0.99^230 = 0.0991.
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.01)
    check_threshold(rule, num_positive=0, num_negative=230)
    with pytest.raises(
        InputError,
        match=r"recall_at_false_alarm_rate 0\.01 cannot be promised with a confidence of 0\.9: "
        r"that needs at least 230 healthy examples in eval, which has 229\.",
    ):
        check_threshold(rule, num_positive=50, num_negative=229)


def test_a_recall_that_so_few_faults_cannot_promise_is_refused_with_the_faults_it_needs():
    # 0.9^21 = 0.1094 and 0.9^22 = 0.0985.
    rule = ThresholdRule(kind="precision_at_recall", value=0.9)
    check_threshold(rule, num_positive=22, num_negative=0)
    with pytest.raises(
        InputError, match=r"at least 22 faults in eval, which has 17\. .*lower recall"
    ):
        check_threshold(rule, num_positive=17, num_negative=9_000)


@pytest.mark.parametrize("kind", ["best_f1", "given"])
def test_rules_without_a_promise_need_no_size(kind):
    check_threshold(ThresholdRule(kind=kind, value=0.5), num_positive=1, num_negative=1)


def hours(num_windows, *, events=()):
    """Windows of an hour, one after the other."""
    starts = np.arange(num_windows) * 3_600.0
    return Timeline(
        streams=np.zeros(num_windows, np.uint64),
        starts_s=starts,
        ends_s=starts + 3_600,
        events=np.array(["e1@0.0" if i in events else "" for i in range(num_windows)], object),
    )


def alarms_a_day(value, scores, timeline, confidence=0.9):
    rule = ThresholdRule(kind="false_alarms_per_day", value=value, confidence=confidence)
    labels = np.array([bool(names) for names in timeline.events], np.float64)
    return choose_threshold(rule, scores, labels, None, timeline)


def test_the_threshold_keeps_the_upper_limit_of_the_false_alarms_a_day():
    # 240 healthy hours are 10 days. With k false alarms the upper limit is chi2(0.9, 2k + 2) / 20
    # a day: 0.39 for 1, 0.53 for 2, 0.67 for 3.
    scores = np.zeros(240)
    scores[[20, 40, 60, 80]] = [0.9, 0.8, 0.7, 0.6]
    assert alarms_a_day(0.6, scores, hours(240)) == pytest.approx(0.75)
    assert alarms_a_day(0.5, scores, hours(240)) == pytest.approx(0.85)


def test_alarms_at_events_and_their_neighbours_cost_nothing():
    scores = np.zeros(241)
    scores[[20, 40, 60, 100, 101]] = [0.9, 0.8, 0.2, 0.5, 0.4]
    assert alarms_a_day(0.6, scores, hours(241, events=[100])) == pytest.approx(0.3)


def test_thresholds_below_the_first_that_fails_are_not_taken():
    # The event is at the first and the last hour. At 0 one alarm lasts from the first to the last
    # hour, as long as the event does, and is not false.
    scores = np.tile([0.0, 0.9], 120)
    assert alarms_a_day(0.6, scores, hours(240, events=[0, 239])) > 0.95


def test_false_alarms_that_cluster_in_one_stream_count_as_fewer_in_less_time():
    # In one of two streams, k alarms have the dispersion k and are worth one alarm. Their limit is
    # k chi2(0.9, 4) / 2 in 10 days: 1.17 a day for 3 of them, 1.56 for 4. If both streams have two,
    # the limit of 4 is chi2(0.9, 10) / 20 = 0.80 a day.
    timeline, scores = hours(240), np.zeros(240)
    timeline = replace(timeline, streams=np.repeat(np.array([1, 2], np.uint64), 120))
    scores[[20, 40, 60, 80]] = [0.9, 0.8, 0.7, 0.6]
    assert alarms_a_day(1.2, scores, timeline) == pytest.approx(0.65)
    assert alarms_a_day(1.6, scores, timeline) == pytest.approx(0.3)
    scores[[20, 40, 60, 80]], scores[[20, 140, 60, 180]] = 0.0, [0.9, 0.8, 0.7, 0.6]
    assert alarms_a_day(0.81, scores, timeline) == pytest.approx(0.3)


def test_too_little_healthy_time_is_refused_with_what_is_needed():
    # -ln(0.1) / 0.5 = 4.6 days.
    message = "at least 4.61 healthy days in eval, which has 1:"
    with pytest.raises(InputError, match="healthy days in eval") as error:
        alarms_a_day(0.5, np.zeros(24), hours(24))
    assert message[:-1] in str(error.value)


def test_examples_that_are_no_windows_are_refused():
    with pytest.raises(InputError, match="the examples are not windows of streams"):
        chosen("false_alarms_per_day", 1.0)


@pytest.mark.simulation
def test_the_promised_number_of_false_alarms_a_day_holds_as_often_as_promised():
    rng, kept, num_sets = np.random.default_rng(0), 0, 400
    timeline = hours(480)
    for _ in range(num_sets):
        threshold = alarms_a_day(1.0, rng.random(480), timeline)
        # Without events, each window above the threshold is an alarm.
        kept += 24 * (1 - threshold) <= 1.0
    # 90 % are promised; the standard error is 1.5 %.
    assert 0.88 < kept / num_sets < 0.97

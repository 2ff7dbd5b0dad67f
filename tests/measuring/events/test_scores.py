import math

import numpy as np
import pytest
from scipy import stats

from measuring.events.scores import (
    METRICS,
    dispersion,
    event_scores,
    quantile_interval,
    rate_interval,
)
from measuring.events.timeline import Timeline


def a_timeline(events, *, streams=None):
    """Windows of half an hour."""
    starts = 1_800.0 * np.arange(len(events))
    return Timeline(
        streams=np.array(streams or [0] * len(events), np.uint64),
        starts_s=starts,
        ends_s=starts + 1_800,
        events=np.array(events, object),
    )


def test_scores_of_a_stream():
    timeline = a_timeline(["e1@900.0", "", "", "", "e2@7200.0", "", ""])
    scores = event_scores(timeline, np.array([1, 0, 1, 0, 0, 0, 0]), 0.95)
    assert tuple(scores) == METRICS
    values = {name: value for name, (value, _) in scores.items()}
    assert values == {
        "event_recall": 0.5,
        "false_alarms_per_hour": 0.4,  # one in five windows of half an hour
        "false_alarms_per_day": pytest.approx(9.6),
        "delay_s": 900.0,
        "delay_p95_s": 900.0,
        "num_events": 2,
        "events_found": 1,
        "num_false_alarms": 1,
        "healthy_hours": 2.5,
    }
    # Clopper and Pearson's limits of one of two: 1 - 0.975^(1/2) and 0.975^(1/2).
    assert scores["event_recall"][1] == pytest.approx((0.01258, 0.98742), abs=1e-5)
    # Garwood's limits of one: 0.0253 and 5.572, in 2.5 hours.
    assert scores["false_alarms_per_hour"][1] == pytest.approx((0.0101, 2.2287), abs=1e-4)
    assert scores["false_alarms_per_day"][1] == pytest.approx((0.2431, 53.49), abs=1e-2)


def test_a_stream_without_events_and_without_healthy_time_has_no_value():
    scores = event_scores(a_timeline([]), np.array([]), 0.95)
    for name in ("event_recall", "false_alarms_per_hour", "delay_s", "delay_p95_s"):
        value, interval = scores[name]
        assert math.isnan(value)
        assert all(map(math.isnan, interval))


def test_alarms_that_cluster_in_one_stream_widen_the_interval():
    spread = a_timeline([""] * 8, streams=[0, 0, 0, 0, 1, 1, 1, 1])
    even = event_scores(spread, np.array([1, 0, 1, 0, 1, 0, 1, 0]), 0.95)["false_alarms_per_hour"]
    clustered = event_scores(
        a_timeline([""] * 16, streams=[0] * 8 + [1] * 8),
        np.array([1, 0] * 4 + [0] * 8),
        0.95,
    )["false_alarms_per_hour"]
    # Four alarms each, in 4 and 8 hours: Poisson's limits would be half as wide for the second.
    assert clustered[1][1] > even[1][1] / 2


def test_the_dispersion_is_pearsons_chi_squared_over_its_degrees_of_freedom():
    # Expected 2 and 6 by exposure: (6 - 2)^2 / 2 + (2 - 6)^2 / 6.
    assert dispersion(np.array([6, 2]), np.array([1.0, 3.0])) == pytest.approx(8 + 16 / 6)


def test_the_dispersion_is_one_without_excess_and_without_alarms():
    assert dispersion(np.array([2, 6]), np.array([1.0, 3.0])) == 1.0
    assert dispersion(np.array([0, 0]), np.array([1.0, 3.0])) == 1.0
    assert dispersion(np.array([5]), np.array([1.0])) == 1.0
    assert dispersion(np.array([5, 0]), np.array([1.0, 0.0])) == 1.0


@pytest.mark.parametrize("count", [0, 1, 7, 60])
def test_the_limits_of_a_rate_are_those_at_which_the_count_is_barely_credible(count):
    lower, upper = rate_interval(count, 4.0, 0.9)
    assert stats.poisson.cdf(count, 4.0 * upper) == pytest.approx(0.05)
    assert (
        lower == 0 if not count else stats.poisson.sf(count - 1, 4.0 * lower) == pytest.approx(0.05)
    )


def test_the_limits_of_a_quantile_cover_it():
    # The chance that the second and ninth of ten values enclose the median: 1 - 2 * 11 / 1,024.
    assert quantile_interval(np.arange(10.0), 0.5, 0.95) == (1.0, 8.0)
    assert quantile_interval(np.arange(10.0), 0.5, 0.999) == (0.0, math.inf)
    assert quantile_interval(np.arange(5.0), 0.5, 0.95)[1] == math.inf
    # P(Bin(100, 0.95) <= 89) = 0.011 and P(Bin(100, 0.95) <= 98) = 0.963: ranks 90 and 100.
    assert quantile_interval(np.arange(100.0), 0.95, 0.95) == (89.0, 99.0)


def test_the_interval_of_a_median_keeps_its_confidence():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2_000):
        lower, upper = quantile_interval(rng.exponential(size=15), 0.5, 0.9)
        inside += lower <= math.log(2) <= upper
    # Order statistics are conservative: 4 and 12 of 15 enclose the median in 96.5 %, 5 and 11 in
    # 88.2 %, which would be too few.
    assert 0.95 < inside / 2_000 < 0.98

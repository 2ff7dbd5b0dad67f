"""Dealing whole groups keeps what the study says of it."""

import numpy as np
import pytest

from benchmarks.statistics.splits import (
    Design,
    cut_before,
    deal_by_hash,
    deal_now,
    measure,
    prevalence_ratio,
)
from pipeline.components.arrow_example_gen.splitting.time_units import best_cuts

pytestmark = pytest.mark.simulation

SHARES = (0.75, 0.15, 0.10)


@pytest.mark.parametrize(
    ("design", "low", "high"),
    [
        (Design(num_groups=60), 0.91, 1.07),
        (Design(num_groups=60, tail=1.1), 0.66, 1.14),
        (Design(num_groups=200, tail=1.1), 0.93, 1.10),
    ],
)
def test_the_prevalence_of_test_and_the_share_of_eval_hold(design, low, high):
    rows = measure(design, deal_now, 300)
    rows = rows[rows.sum(axis=(1, 2)) > 0]  # three groups with a fault are needed
    assert len(rows) >= 285
    assert low <= np.quantile(prevalence_ratio(rows), 0.05)
    assert np.quantile(prevalence_ratio(rows), 0.95) <= high
    shares = rows[:, 1].sum(axis=1) / rows.sum(axis=(1, 2))
    assert 0.14 <= np.quantile(shares, 0.05) <= np.quantile(shares, 0.95) <= 0.17


def test_the_order_of_the_hash_missed_the_prevalence():
    rows = measure(Design(num_groups=60, tail=1.1), deal_by_hash, 100)
    low, high = np.quantile(prevalence_ratio(rows), [0.05, 0.95])
    assert low < 0.6
    assert high > 1.8


def test_half_of_the_rows_at_one_time_no_longer_leave_eval_empty():
    weights = np.array([1] * 2_000 + [2_500] + [1] * 500)
    parts = [part.sum() for part in np.split(weights, cut_before(weights))]
    assert parts == [4_500, 0, 500]
    parts = [part.sum() for part in np.split(weights, best_cuts(weights, [weights], SHARES))]
    assert parts == [4_500, 300, 200]

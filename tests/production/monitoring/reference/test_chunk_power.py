"""What a chunk can show, and the size that shows more."""

from dataclasses import replace

import numpy as np
import pytest

from measuring.monitoring.power import needed_p_value
from measuring.monitoring.two_sample import compare_shares
from pipeline.production_options.monitoring import MonitoringOptions
from production.monitoring.reference.chunk_power import chunk_power
from production.monitoring.reference.reference import HeldOut
from tests.production.monitoring.pumps import Pumps, reference_of

OPTIONS = MonitoringOptions()


@pytest.fixture(scope="module")
def reference():
    held_out = HeldOut(
        probabilities=np.full(100, 0.1),
        decisions=(np.arange(100) < 3).astype(np.int64),
        labels=np.zeros(100, np.int64),
    )
    return replace(reference_of(Pumps().rows(5_000, 1)), held_out=held_out)


def test_the_proposed_size_shows_the_wanted_shift(reference):
    small = chunk_power(reference, 50, OPTIONS, num_channels=14)
    assert small.shift > OPTIONS.detect
    enough = chunk_power(reference, small.rows_for_detect, OPTIONS, num_channels=14)
    # The proposal counts on a reference of ten times the chunk.
    assert enough.shift == pytest.approx(OPTIONS.detect, rel=0.05)


def test_dependent_rows_show_less(reference):
    power = chunk_power(reference, 500, OPTIONS, num_channels=14, effective_share=0.1)
    assert power.shift == chunk_power(reference, 50, OPTIONS, num_channels=14).shift
    assert power.expected_alarms == pytest.approx(15)


def test_rare_alarms_are_counted_in_expected_ones(reference):
    power = chunk_power(reference, 300, OPTIONS, num_channels=14)
    assert power.expected_alarms == pytest.approx(9)  # 3 % of 300
    assert power.expected_faults == pytest.approx(9)
    assert power.alarms > 2
    more = chunk_power(reference, power.rows_for_alarms, OPTIONS, num_channels=14)
    assert more.alarms <= 2
    assert more.rows_for_alarms is None


def test_the_share_of_missing_values_is_the_least_that_the_exact_test_shows(reference):
    power = chunk_power(reference, 300, OPTIONS, num_channels=14)
    least = round(power.share * 300)
    # Half of two false alarms in 365.25 chunks a year is for drift.
    needed = needed_p_value(threshold=365.25, num_channels=14)
    p_values = [compare_shares(n, 300, 0, 3_000).p_value for n in (least - 1, least)]
    assert p_values[1] <= needed < p_values[0]


def test_a_model_without_alarms_has_no_factor(reference):
    silent = replace(reference.held_out, decisions=np.zeros(100, np.int64))
    power = chunk_power(replace(reference, held_out=silent), 300, OPTIONS, num_channels=14)
    assert power.to_json()["alarms"] is None
    assert power.rows_for_alarms is None
    assert len(power.words(detect=10)) == 1 + (power.rows_for_detect is not None)

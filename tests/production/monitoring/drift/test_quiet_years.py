"""False alarms on simulated quiet years keep the budget; a shift is found within days."""

import numpy as np
import pytest

from production.monitoring.budget import Part, threshold_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import read_columns
from production.monitoring.drift.channels import DriftReference
from production.monitoring.drift.detecting import Evidence
from production.monitoring.performance.answers import read_answers
from tests.production.monitoring.pump_months import (
    FIRST_DAY,
    draw_rows,
    pump_config,
    pump_reference,
    records_of,
)

pytestmark = pytest.mark.simulation


def chunk_of(rows, config, number):
    records = records_of(rows, 0)
    chunk = Chunk(number=number, since=FIRST_DAY, until=FIRST_DAY, version=100, records=records)
    return chunk, read_columns(records, config.features), read_answers(records)


def test_quiet_days_keep_the_budget_and_a_shift_is_found(tmp_path):
    config = pump_config(tmp_path)
    reference = DriftReference(pump_reference(config))
    threshold = threshold_of(config.monitoring, Part.DRIFT)
    evidence, rng, alarms = Evidence(reference.channels, threshold), np.random.default_rng(5), 0
    num_days = 180
    for number in range(num_days):
        drift = reference.compare(*chunk_of(draw_rows(rng, 300), config, number))
        evidence.update(number, drift.p_values)
        if evidence.is_alarm:
            alarms += 1
            evidence.reset()
    # One false alarm in 365 days is allowed for drift: half a year has 3 with 1.4 %.
    assert alarms <= 2
    evidence.reset()
    for number in range(num_days, num_days + 4):
        rows = draw_rows(rng, 300)
        rows["flow"] += 0.4
        evidence.update(number, reference.compare(*chunk_of(rows, config, number)).p_values)
    assert evidence.is_alarm
    assert evidence.drivers[0].channel == "flow"
    assert evidence.since >= num_days - 2

"""Reports of chunks are read as they were written, and damaged ones are named."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import InputError
from production.monitoring.report import CHUNKS, ChunkReport, read_reports, write_report

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
REPORT = ChunkReport(
    number=3,
    since=MIDNIGHT,
    until=MIDNIGHT + timedelta(days=1),
    version=100,
    num_rows=400,
    num_failed=2,
    drift={"evidence": 1.5, "p_values": {"flow": 0.25}},
    estimated={"recall": (0.8, 0.75, None)},
    cost_per_day=(10.0, -5.0, 25.0),
    operations={"p50_ms": 1.5, "jitter_ms": None},
    notes=["A note."],
)


def test_a_report_is_read_as_it_was_written(tmp_path):
    write_report(tmp_path, REPORT)
    assert read_reports(tmp_path) == [REPORT]


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        ({"estimated": [1]}, "estimated"),
        ({"estimated": {"recall": [0.5]}}, "estimated.recall"),
        ({"operations": None}, "operations"),
        ({"since": "yesterday"}, "since"),
        ({"number": None}, "number"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_damaged_report_is_named_with_its_field(tmp_path, damage, field):
    path = tmp_path / CHUNKS
    path.write_text(json.dumps(REPORT.to_json() | damage) + "\n")
    with pytest.raises(InputError, match=f"{CHUNKS} has a line that is no report.*`{field}"):
        read_reports(tmp_path)

"""Reports of chunks are read as they were written, and damaged ones are named."""

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import InputError
from production.monitoring.report import (
    CHUNKS,
    ChunkReport,
    read_reports,
    read_sound_reports,
    write_report,
)

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
    with pytest.raises(InputError, match=f"{CHUNKS}, line 1: it is no report of a chunk: `{field}"):
        read_reports(tmp_path)


def test_damaged_lines_are_named_and_the_others_are_read(tmp_path):
    path = tmp_path / CHUNKS
    write_report(tmp_path, REPORT)
    with path.open("a") as file:
        file.write(json.dumps(REPORT.to_json() | {"number": 4, "operations": None}) + "\n[]\n")
    write_report(tmp_path, replace(REPORT, number=5))
    reports, problems = read_sound_reports(tmp_path)
    assert [report.number for report in reports] == [3, 5]
    assert [problem.split(": ")[0] for problem in problems] == [
        f"{path}, line 3",
        f"{path}, line 2",
    ]
    with pytest.raises(InputError, match="line 3"):
        read_reports(tmp_path)


def test_a_file_with_values_of_clients_is_for_its_owner_only(tmp_path):
    write_report(tmp_path / "pump", REPORT)
    assert stat.S_IMODE((tmp_path / "pump" / CHUNKS).stat().st_mode) == 0o600

"""Reports of chunks at a terminal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from production.monitoring.rendering import chunk_table
from production.monitoring.report import ChunkReport

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
TROUBLE = {"kind": "late_rows", "feature": None, "share": 0.1, "words": "40 rows came late."}
COMPARED = ChunkReport(
    number=0,
    since=MIDNIGHT,
    until=MIDNIGHT + timedelta(days=1),
    version=100,
    num_rows=400,
    num_failed=0,
    drift={"evidence": 1.5, "limit": 365.25},
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "ok"),
        ({"troubles": [TROUBLE]}, "1 trouble"),
        ({"troubles": [TROUBLE], "is_broken": True, "drift": None}, "broken"),
        # Without a reference, or without rows, nothing was compared.
        ({"drift": None}, ""),
        ({"troubles": [TROUBLE], "drift": None}, "1 trouble"),
    ],
)
def test_data_are_ok_only_if_they_were_compared(changes, words):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(chunk_table([replace(COMPARED, **changes)], unit="EUR"))
    header, line = capture.get().splitlines()[:2]
    start, end = header.index("data"), header.index("drift")
    assert line[start:end].strip() == words


def test_troubles_without_an_alarm_are_printed_in_words():
    broken = replace(COMPARED, number=1, troubles=[TROUBLE], is_broken=True)
    late = replace(COMPARED, number=2, troubles=[TROUBLE])
    console = Console(width=200)
    with console.capture() as capture:
        console.print(chunk_table([COMPARED, broken, late], unit="EUR"))
    # A broken chunk has an alarm that says why.
    lines = [line for line in capture.get().splitlines() if "came late" in line]
    assert lines == ["Chunk 2: 40 rows came late."]

"""A replayed request as people see it."""

import pyarrow as pa
import pytest
from rich.console import Console

from production.monitoring.replay.recorded import Recorded
from production.monitoring.replay.rendering import Outcome, render_outcome
from tests.production.monitoring.alarms.findings import NOON


def lines_of(num_rows: int) -> list[list[str]]:
    rows = [{"row": n, "probability": 0.5, "decision": 1, "maker": "acme"} for n in range(num_rows)]
    recorded = Recorded(
        request_id="r1",
        version=1,
        arm="stable",
        time=NOON,
        status="OK",
        is_answered=True,
        records=pa.Table.from_pylist(rows),
    )
    console = Console(width=100)
    with console.capture() as capture:
        console.print(
            render_outcome(Outcome(recorded=recorded, replay=None, problem="", lineage={}), "pump")
        )
    return [line.split() for line in capture.get().splitlines()][1:]


def test_a_request_of_one_row_has_a_line_for_each_column():
    assert lines_of(1)[:5] == [
        ["row", "0"],
        ["probability", "0.5"],
        ["replayed", "-"],
        ["decision", "1"],
        ["maker", "acme"],
    ]


@pytest.mark.parametrize("num_rows", [2, 3])
def test_a_request_of_several_rows_has_a_line_for_each_row(num_rows):
    header, *lines = lines_of(num_rows)[: num_rows + 1]
    assert header == ["row", "probability", "replayed", "decision", "maker"]
    assert lines == [[str(n), "0.5", "-", "1", "acme"] for n in range(num_rows)]

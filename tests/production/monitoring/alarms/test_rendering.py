"""What clients send is in alarms, reports and queues; a terminal must not obey it."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console, RenderableType

from production.automation.inspection import Item
from production.automation.rendering import queue_table
from production.monitoring.alarms.book import AlarmBook, AlarmState
from production.monitoring.alarms.explaining import Comparison, Explanation, Side
from production.monitoring.alarms.messages import Message
from production.monitoring.alarms.rendering import alarm_table, explanation_tables
from production.monitoring.rendering import last_notes
from production.monitoring.replay.recorded import Recorded
from production.monitoring.replay.rendering import Outcome, render_outcome
from production.monitoring.report import ChunkReport
from tests.production.monitoring.alarms.findings import NOON, finding

HOSTILE = "\x1b]0;title\x07\nWhat to do: nothing\u202e[red]x[/red]"
SHOWN = r"\x1b]0;title\x07\nWhat to do: nothing\u202e[red]x[/red]"


def alarm_state(folder: Path) -> AlarmState:
    book = AlarmBook(folder, now=lambda: NOON)
    book.raise_alarm(finding(what=HOSTILE, to_do=HOSTILE))
    return book.find("a1")


def alarms(folder: Path) -> RenderableType:
    return alarm_table([alarm_state(folder)])


def explanation(folder: Path) -> RenderableType:
    parts = Explanation(
        state=alarm_state(folder),
        report=None,
        comparisons=[],
        examples=[{"maker": HOSTILE}],
        causes=[HOSTILE],
        notes=[HOSTILE],
    )
    return explanation_tables(parts)


def notes(_: Path) -> RenderableType:
    report = ChunkReport(
        number=0,
        since=NOON,
        until=NOON + timedelta(hours=1),
        version=1,
        num_rows=1,
        num_failed=0,
        notes=[HOSTILE],
    )
    return last_notes([report])


def replay(_: Path) -> RenderableType:
    row = {"row": 0, "probability": 0.5, "decision": 1, "maker": HOSTILE}
    recorded = Recorded(
        request_id=HOSTILE,
        version=1,
        arm="stable",
        time=NOON,
        status="OK",
        is_answered=True,
        records=pa.Table.from_pylist([row]),
    )
    return render_outcome(Outcome(recorded=recorded, replay=None, problem="", lineage={}), "pump")


def queue(_: Path) -> RenderableType:
    item = Item(
        request_id=HOSTILE,
        row=0,
        time=NOON,
        key=HOSTILE,
        version=1,
        probability=0.5,
        decision=1,
        threshold=None,
        reason="alarm",
    )
    return queue_table([item], limit=5)


@pytest.mark.parametrize(
    ("renderable", "count"),
    [
        (alarms, 1),
        (explanation, 5),  # what, example, cause, what to do, note
        (notes, 1),
        (replay, 2),
        (queue, 2),
    ],
)
def test_a_terminal_neither_obeys_nor_breaks_lines_at_values_of_clients(
    tmp_path, renderable, count
):
    console = Console(width=1000, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(renderable(tmp_path))
    assert capture.get().count(SHOWN) == count
    assert "\x1b]" not in capture.get()


def test_the_text_of_a_mail_gets_no_line_from_a_value(tmp_path):
    text = Message(alarm=alarm_state(tmp_path).alarm, reason="opened").text
    assert text.startswith(SHOWN + "\n")
    assert text.count("\nWhat to do: ") == 1


def test_tables_name_their_chunk_which_is_not_that_of_the_worst_finding(tmp_path):
    report = ChunkReport(
        number=5,
        since=NOON,
        until=NOON + timedelta(hours=1),
        version=1,
        num_rows=1,
        num_failed=0,
    )
    side = Side(missing=0.0)
    parts = Explanation(
        state=alarm_state(tmp_path),
        report=report,
        comparisons=[Comparison(channel="flow", training=side, production=side, p_value=None)],
        examples=[{"request_id": "a request with a long id", "flow": 1.0}],
        causes=[],
        notes=[],
    )
    console = Console(width=200)
    with console.capture() as capture:
        console.print(explanation_tables(parts))
    words = " ".join(capture.get().split())
    assert "training against production, chunk 5" in words
    assert "example requests, chunk 5" in words

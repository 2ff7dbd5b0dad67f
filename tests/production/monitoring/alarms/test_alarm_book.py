import json
import threading
from pathlib import Path

import pytest
from rich.console import Console

from common.errors import InputError
from production.monitoring.alarms.alarm import Kind, Loss, Severity
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.alarms.explaining import Explanation
from production.monitoring.alarms.rendering import explanation_tables
from tests.production.monitoring.alarms.findings import NOON, Clock, finding


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> AlarmBook:
    return AlarmBook(tmp_path / "monitoring" / "pump", now=clock)


def test_an_alarm_is_in_the_book_with_all_that_was_found(book):
    loss = Loss(recall_points=-4.0, cost_per_day=310.0, lower=120.0, upper=520.0)
    alarm = book.raise_alarm(finding(loss=loss))
    assert (alarm.id, alarm.raised, alarm.loss) == ("a1", NOON, loss)
    assert AlarmBook(book.folder).open_alarms() == [alarm]


def test_the_same_trouble_in_a_later_chunk_is_a_repeat(book, clock):
    book.raise_alarm(finding())
    clock.pass_by(days=1)
    alarm = book.raise_alarm(
        finding(
            chunk=4,
            features=("voltage", "pressure"),
            what="Two features have drifted.",
            severity=Severity.CRITICAL,
        )
    )
    assert alarm.id == "a1"
    state = book.find("a1")
    assert (state.num_repeats, state.last_chunk, state.last_seen) == (1, 4, clock.time)
    assert state.alarm == alarm
    # It keeps its beginning, and takes the words of the more severe repeat with its number.
    assert (alarm.chunk, alarm.raised, alarm.since) == (4, NOON, finding().since)
    assert state.first_chunk == 3
    assert (alarm.what, alarm.severity) == ("Two features have drifted.", Severity.CRITICAL)
    assert alarm.features == ("voltage", "pressure")


def test_a_repeat_that_is_no_worse_leaves_the_words_of_the_chunk_that_is_named(book):
    loss = Loss(recall_points=-4.0)
    book.raise_alarm(finding(what="pressure is wrong in chunk 3.", loss=loss))
    book.raise_alarm(finding(chunk=4, what="pressure is wrong in chunk 4."))
    alarm = book.find("a1").alarm
    assert (alarm.chunk, alarm.what, alarm.loss) == (3, "pressure is wrong in chunk 3.", loss)


def test_a_repeat_does_not_make_an_alarm_less_severe(book):
    book.raise_alarm(finding(severity=Severity.CRITICAL))
    assert book.raise_alarm(finding(chunk=4)).severity == Severity.CRITICAL


@pytest.mark.parametrize(
    "other",
    [
        {"kind": Kind.BROKEN_DATA},
        {"version": 200},
        {"features": ("voltage",)},
        {"features": ()},
    ],
)
def test_another_trouble_is_another_alarm(book, other):
    book.raise_alarm(finding())
    assert book.raise_alarm(finding(chunk=4, **other)).id == "a2"


def test_troubles_without_features_are_the_same_by_kind(book):
    book.raise_alarm(finding(kind=Kind.LATENCY, features=()))
    assert book.raise_alarm(finding(kind=Kind.LATENCY, features=(), chunk=4)).id == "a1"


def test_a_chunk_that_is_looked_at_again_changes_nothing(book):
    book.raise_alarm(finding())
    book.raise_alarm(finding(chunk=4))
    content = book.path.read_bytes()
    assert book.raise_alarm(finding(chunk=4)).id == "a1"
    book.close("a1", "monitor", "gone")
    assert book.raise_alarm(finding(chunk=4)).id == "a1"
    assert book.path.read_bytes().startswith(content)
    assert [state.status for state in book.states()] == ["closed"]


def test_after_the_end_of_an_alarm_the_same_trouble_is_a_new_one(book):
    book.raise_alarm(finding())
    book.close("a1", "monitor", "version 200 is in service")
    assert book.raise_alarm(finding(chunk=9)).id == "a2"
    assert [alarm.id for alarm in book.open_alarms()] == ["a2"]


def test_an_acknowledged_alarm_is_open_and_repeated(book, clock):
    book.raise_alarm(finding())
    clock.pass_by(hours=1)
    state = book.acknowledge("a1", "Ada", "the sensor is being replaced")
    assert (state.status, state.acknowledged_by, state.acknowledged) == (
        "acknowledged",
        "Ada",
        clock.time,
    )
    assert book.raise_alarm(finding(chunk=4)).id == "a1"
    assert book.find("a1").status == "acknowledged"


def test_a_decision_without_a_reason_is_refused(book):
    book.raise_alarm(finding())
    with pytest.raises(InputError, match=r"a1 is acknowledged for a reason\. Give it with --why"):
        book.acknowledge("a1", "Ada", " ")
    with pytest.raises(InputError, match="a1 is closed for a reason"):
        book.close("a1", "Ada", "")
    assert book.find("a1").status == "open"


def test_an_alarm_is_acknowledged_once(book):
    book.raise_alarm(finding())
    book.acknowledge("a1", "Ada", "the sensor is being replaced")
    with pytest.raises(InputError, match="a1 is acknowledged already by Ada: the sensor"):
        book.acknowledge("a1", "Bob", "I too")
    book.close("a1", "Ada", "replaced")
    with pytest.raises(InputError, match="a1 is closed already by Ada: replaced"):
        book.acknowledge("a1", "Bob", "I too")


def test_an_unknown_id_is_refused_with_those_there_are(book):
    book.raise_alarm(finding())
    with pytest.raises(InputError, match=r"There is no alarm a7 in .*alarms.jsonl. Alarms: a1\."):
        book.acknowledge("a7", "Ada", "gone")


def test_a_line_that_a_kill_cut_short_is_mended(book):
    book.raise_alarm(finding())
    whole = book.path.read_bytes()
    book.path.write_bytes(whole + whole[:40])
    assert [state.alarm.id for state in book.states()] == ["a1"]
    assert book.raise_alarm(finding(kind=Kind.ERRORS)).id == "a2"
    lines = book.path.read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a1", "a2"]


def test_the_monitor_that_closes_an_acknowledged_alarm_is_named(book):
    book.raise_alarm(finding())
    book.acknowledge("a1", "Ada", "the sensor is being replaced")
    state = book.close("a1", "monitor", "no sign of it")
    assert (state.acknowledged_by, state.closed_by) == ("Ada", "monitor")
    explanation = Explanation(
        state=state, report=None, comparisons=[], examples=[], causes=[], notes=[]
    )
    console = Console(width=120)
    with console.capture() as capture:
        console.print(explanation_tables(explanation))
    assert "closed by monitor: no sign of it" in capture.get()


TIME = '"time": "2026-11-27T12:00:00+00:00"'


@pytest.mark.parametrize(
    "line",
    [
        *("[]", "{", '{"event": "opened", "id": "a1"}'),
        f'{{"event": "closed", "id": "a1", {TIME}, "values": {{"by": "Ada", "why": ""}}}}',
        f'{{"event": "opened", "id": "a1", {TIME}, "values": {{"kind": "of another release"}}}}',
    ],
)
def test_a_changed_journal_is_refused(book, line):
    book.folder.mkdir(parents=True)
    book.path.write_text(line + "\n")
    with pytest.raises(InputError, match=r"alarms\.jsonl.*(Restore it|backup)"):
        book.states()


def test_alarms_that_are_raised_at_the_same_time_have_ids_of_their_own(tmp_path):
    def work(kind: Kind) -> None:
        AlarmBook(tmp_path).raise_alarm(finding(kind=kind))

    threads = [threading.Thread(target=work, args=(kind,)) for kind in Kind]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = sorted(alarm.id for alarm in AlarmBook(tmp_path).open_alarms())
    assert ids == [f"a{number}" for number in range(1, len(Kind) + 1)]


def test_a_book_in_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "pump").write_text("")
    with pytest.raises(InputError, match=r"Cannot write to .*pump"):
        AlarmBook(tmp_path / "pump").raise_alarm(finding())

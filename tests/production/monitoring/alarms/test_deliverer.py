import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import InputError
from common.processes import free_ports
from pipeline.production_options.delivery import Delivery, Email, Receivers
from pipeline.production_options.monitoring import MonitoringOptions
from production.monitoring.alarms.alarm import Kind, Severity
from production.monitoring.alarms.book import FAILED, AlarmBook
from production.monitoring.alarms.deliverer import Deliverer
from production.monitoring.alarms.messages import Message
from production.monitoring.alarms.receivers import Program
from tests.production.monitoring.alarms.findings import Clock, finding
from tests.production.monitoring.alarms.servers import LocalServer, mail_server, web_server

Make = Callable[..., Deliverer]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> AlarmBook:
    return AlarmBook(tmp_path / "pump", now=clock)


@pytest.fixture
def web() -> Iterator[LocalServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def make(book: AlarmBook, web: LocalServer, tmp_path: Path) -> Make:
    def make(
        port: int | None = None,
        superior: int | None = None,
        timeout_s: float = 10.0,
        **values: Any,
    ) -> Deliverer:
        escalate_to = None if superior is None else Receivers(webhook=_url(superior))
        webhook = _url(web.port if port is None else port)
        deliver = Delivery(webhook=webhook, escalate_to=escalate_to, timeout_s=timeout_s)
        options = MonitoringOptions(deliver=deliver, **values)
        return Deliverer(book, options, environ={}, folder=tmp_path)

    return make


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/alarms"


def reasons(server: LocalServer) -> list[tuple[str, str]]:
    return [(body["alarm"]["id"], body["reason"]) for body in server.bodies]


def test_each_alarm_is_delivered_once(book, web, make):
    book.raise_alarm(finding())
    book.raise_alarm(finding(kind=Kind.ERRORS))
    deliverer = make()
    assert [attempt.problem for attempt in deliverer.tick()] == ["", ""]
    assert deliverer.tick() == []
    assert make().tick() == []  # a new process
    assert reasons(web) == [("a1", "opened"), ("a2", "opened")]


def test_a_failure_is_tried_again_after_pauses_that_grow(book, web, make, clock):
    book.raise_alarm(finding())
    web.status = 500
    deliverer = make()
    tried_s = []
    for second in range(80):
        tried_s += [second for attempt in deliverer.tick() if attempt.problem]
        clock.pass_by(seconds=1)
    # Pauses of 10, 20 and 40 seconds.
    assert tried_s == [0, 10, 30, 70]
    web.status = 200
    clock.pass_by(hours=1)
    (attempt,) = deliverer.tick()
    assert (attempt.problem, reasons(web)) == ("", [("a1", "opened")])
    # All tries had one key.
    keys = {line.values["key"] for line in book.read()[0] if line.event in {"failed", "delivered"}}
    assert keys == {attempt.key} == {web.headers[0]["Idempotency-Key"]}


def test_a_pause_is_never_longer_than_an_hour(book, web, make, clock):
    book.raise_alarm(finding())
    web.status = 500
    deliverer = make()
    for _ in range(12):
        deliverer.tick()
        clock.pass_by(hours=1)
    failures = [line for line in book.read()[0] if line.event == "failed"]
    assert [line.values["problem"] for line in failures] == ["the answer was status 500"] * 12


def test_a_dead_receiver_costs_one_time_out_a_call(book, web, make):
    for kind in Kind:
        book.raise_alarm(finding(kind=kind))
    web.pause_s = 2.0
    (attempt,) = make(timeout_s=0.5).tick()
    # On a busy machine, the wait for the whole answer may end first.
    assert attempt.problem in {"no answer within 0.5 s", "no whole answer within 0.5 s"}


def test_a_refused_connection_is_delivered_once_the_receiver_is_well(book, make, clock):
    (port,) = free_ports(1)
    book.raise_alarm(finding())
    deliverer = make(port)
    (attempt,) = deliverer.tick()
    assert attempt.problem.startswith("no connection")
    clock.pass_by(seconds=10)
    with web_server(port) as server:
        deliverer.tick()
        assert reasons(server) == [("a1", "opened")]


def test_a_kill_before_the_journal_has_the_delivery_sends_the_same_message_again(book, web, make):
    book.raise_alarm(finding())
    content = book.path.read_bytes()
    make().tick()
    book.path.write_bytes(content)
    make().tick()
    first, second = web.bodies
    assert first == second


def test_an_alarm_that_persists_is_sent_again_after_the_hours(book, web, make, clock):
    book.raise_alarm(finding())
    deliverer = make(repeat_hours=12)
    deliverer.tick()
    clock.pass_by(hours=11)
    book.raise_alarm(finding(chunk=4))
    assert deliverer.tick() == []
    clock.pass_by(hours=1)
    deliverer.tick()
    assert reasons(web) == [("a1", "opened"), ("a1", "repeated")]
    # Nothing has been seen since.
    clock.pass_by(hours=12)
    assert deliverer.tick() == []


def test_an_alarm_that_becomes_more_severe_is_sent_at_once(book, web, make):
    book.raise_alarm(finding())
    deliverer = make()
    deliverer.tick()
    book.raise_alarm(finding(chunk=4, severity=Severity.CRITICAL))
    deliverer.tick()
    assert [body["alarm"]["severity"] for body in web.bodies] == ["warning", "critical"]
    assert deliverer.tick() == []


def test_an_acknowledged_alarm_is_neither_repeated_nor_escalated(book, web, make, clock):
    book.raise_alarm(finding())
    deliverer = make(repeat_hours=1, escalate_after_hours=1)
    deliverer.tick()
    book.acknowledge("a1", "Ada", "on my way")
    clock.pass_by(hours=5)
    book.raise_alarm(finding(chunk=4, severity=Severity.CRITICAL))
    assert deliverer.tick() == []
    assert reasons(web) == [("a1", "opened")]


def test_an_alarm_that_nobody_acknowledges_is_escalated_once(book, web, make, clock):
    book.raise_alarm(finding())
    with web_server() as superior:
        deliverer = make(superior=superior.port, escalate_after_hours=4)
        deliverer.tick()
        clock.pass_by(hours=3.9)
        deliverer.tick()
        assert superior.bodies == []
        clock.pass_by(hours=0.1)
        deliverer.tick()
        clock.pass_by(hours=40)
        deliverer.tick()
        (body,) = superior.bodies
    assert (body["reason"], body["escalated"]) == ("escalated", True)
    assert reasons(web) == [("a1", "opened")]
    assert book.find("a1").escalated is not None


def test_without_receivers_of_its_own_an_escalation_goes_to_the_same_ones(book, web, make, clock):
    book.raise_alarm(finding())
    deliverer = make(escalate_after_hours=4)
    deliverer.tick()
    clock.pass_by(hours=4)
    deliverer.tick()
    assert reasons(web) == [("a1", "opened"), ("a1", "escalated")]


def test_an_alarm_that_ended_is_sent_only_if_its_first_try_failed(book, web, make, clock):
    book.raise_alarm(finding())
    web.status = 500
    deliverer = make()
    deliverer.tick()
    book.raise_alarm(finding(kind=Kind.ERRORS))
    for id_ in ("a1", "a2"):
        book.close(id_, "monitor", "gone")
    web.status = 200
    clock.pass_by(minutes=1)
    deliverer.tick()
    assert reasons(web) == [("a1", "opened")]


def test_a_message_that_is_never_accepted_is_given_up_a_week_after_the_end_of_its_alarm(
    book, web, make, clock
):
    book.raise_alarm(finding())
    web.status = 500
    deliverer = make()
    deliverer.tick()
    clock.pass_by(days=30)
    book.close("a1", "monitor", "gone")
    clock.pass_by(days=6.9)
    assert [attempt.problem for attempt in deliverer.tick()] == ["the answer was status 500"]
    clock.pass_by(days=0.1)
    assert deliverer.tick() == []


def test_a_thread_delivers_beside_the_monitor(book, web, make):
    book.raise_alarm(finding())
    deliverer = make()
    deliverer.begin()
    deliverer.finish(30)
    assert reasons(web) == [("a1", "opened")]


def test_two_processes_do_not_deliver_the_same_alarm(book, web, make):
    book.raise_alarm(finding())
    web.pause_s = 0.3
    first, second = make(), make()
    first.begin()
    deadline_s = time.monotonic() + 10
    while not web.num_requests and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert second.tick() == []
    first.finish(30)
    assert reasons(web) == [("a1", "opened")]


def test_an_error_of_the_thread_is_raised_by_the_next_call(book, make):
    book.folder.mkdir()
    book.path.write_text("damage\n")
    deliverer = make()
    deliverer.begin()
    with pytest.raises(InputError, match="it is no JSON object"):
        deliverer.finish(30)


def test_the_journal_holds_no_secret(book, web, tmp_path):
    book.raise_alarm(finding())
    options = MonitoringOptions(deliver=Delivery(webhook="$ALARMS", timeout_s=0.5))
    environ = {"ALARMS": f"http://ada:s3cret@127.0.0.1:{web.port}/s3cret?token=s3cret"}
    web.status = 500
    (attempt,) = Deliverer(book, options, environ=environ, folder=tmp_path).tick()
    assert attempt.receiver == f"webhook 127.0.0.1:{web.port}"
    assert "s3cret" not in book.path.read_text()
    lines = [json.loads(line) for line in book.path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["opened", "failed"]


def test_two_receivers_on_one_host_are_told_apart(book, web, tmp_path, clock):
    environ = {
        "SHIFT": f"http://127.0.0.1:{web.port}/shift",
        "ENGINEER": f"http://127.0.0.1:{web.port}/engineer",
    }
    deliver = Delivery(webhook="$SHIFT", escalate_to=Receivers(webhook="$ENGINEER"))
    options = MonitoringOptions(deliver=deliver, escalate_after_hours=4)
    deliverer = Deliverer(book, options, environ=environ, folder=tmp_path)
    test = Message(alarm=book.raise_alarm(finding()), reason="test")
    assert [attempt.problem for attempt in deliverer.test(test)] == ["", ""]
    assert reasons(web) == [("a1", "test"), ("a1", "test")]
    # The alarm is news for the shift until its own webhook has it.
    web.status = 500
    deliverer.tick()
    clock.pass_by(hours=4)
    assert [attempt.problem for attempt in deliverer.tick()] == ["the answer was status 500"] * 2
    assert len({line.values["receiver_id"] for line in book.read()[0] if line.event == FAILED}) == 2


@pytest.mark.parametrize("kind", ["webhook", "email"])
def test_a_receiver_that_drips_costs_one_time_out_and_holds_up_no_other(
    book, web, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr("production.monitoring.alarms.deliverer._GRACE_S", 0.1)
    book.raise_alarm(finding())
    with web_server() if kind == "webhook" else mail_server() as dripping:
        dripping.drips = True
        email = Email(
            host="127.0.0.1", port=dripping.port, sender="a@b", to=["c@d"], starttls=False
        )
        first = {"webhook": _url(dripping.port)} if kind == "webhook" else {"email": email}
        deliver = Delivery(**first, escalate_to=Receivers(webhook=_url(web.port)), timeout_s=1.5)
        options = MonitoringOptions(deliver=deliver)
        deliverer = Deliverer(book, options, environ={}, folder=tmp_path)
        attempts = deliverer.test(Message(alarm=book.find("a1").alarm, reason="test"))
        # The server drips for ever: without the time-out, the calls would not come back.
        (failed,) = deliverer.tick()
    assert [attempt.problem for attempt in attempts] == ["no whole answer within 1.5 s", ""]
    assert failed.problem == "no whole answer within 1.5 s"


def test_a_defect_of_a_receiver_is_a_failure_and_loses_no_note_of_the_others(
    book, web, tmp_path, monkeypatch, clock
):
    def fail(*_: object, **__: object) -> None:
        raise KeyError("s3cret")

    monkeypatch.setattr(Program, "send", fail)
    book.raise_alarm(finding())
    deliver = Delivery(webhook=_url(web.port), command=["page"])
    deliverer = Deliverer(book, MonitoringOptions(deliver=deliver), environ={}, folder=tmp_path)
    problems = {attempt.receiver: attempt.problem for attempt in deliverer.tick()}
    assert problems[f"webhook 127.0.0.1:{web.port}"] == ""
    assert problems["command page"].startswith("KeyError, which no receiver should raise")
    assert {line.event for line in book.read()[0]} == {"opened", "delivered", "failed"}
    assert "s3cret" not in book.path.read_text()
    # The delivery is known, the failure has its pause.
    assert deliverer.tick() == []
    clock.pass_by(seconds=10)
    assert [attempt.receiver for attempt in deliverer.tick()] == ["command page"]
    assert reasons(web) == [("a1", "opened")]


def test_a_clock_that_is_set_back_silences_no_alarm(book, web, make, clock):
    deliverer = make(repeat_hours=12, escalate_after_hours=4)
    clock.pass_by(days=365)
    book.raise_alarm(finding())
    web.status = 500
    deliverer.tick()
    clock.pass_by(days=-365)
    web.status = 200
    # The failure and the alarm are a year ahead.
    deliverer.tick()
    assert reasons(web) == [("a1", "opened"), ("a1", "escalated")]


def test_a_repeat_is_due_if_the_sending_before_is_in_the_future(book, web, make, clock):
    deliverer = make(repeat_hours=12, escalate_after_hours=None)
    clock.pass_by(days=365)
    book.raise_alarm(finding())
    deliverer.tick()
    clock.pass_by(days=-365)
    deliverer.tick()
    assert deliverer.tick() == []
    assert reasons(web) == [("a1", "opened"), ("a1", "repeated")]

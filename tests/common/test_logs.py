"""Logs as text and as JSON lines."""

import io
import json
import logging

import pytest

from common.logs import (
    LogFormat,
    answering,
    are_json,
    hold_logs,
    log_event,
    log_request,
    log_requests,
    set_up_logs,
)

logger = logging.getLogger("faultline.test")


@pytest.fixture(autouse=True)
def handlers_as_before():
    """Leaves the root logger as it was."""
    root = logging.root
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_logger_and_message():
    stream = io.StringIO()
    set_up_logs(LogFormat.JSON, stream)
    logger.warning("%d rows\nare late", 3)
    (line,) = lines(stream)
    assert str(line.pop("time")).endswith("Z")
    assert line == {"level": "WARNING", "logger": "faultline.test", "message": "3 rows\nare late"}
    assert are_json()


def test_an_error_is_one_line_with_its_traceback():
    stream = io.StringIO()
    set_up_logs(LogFormat.JSON, stream)
    try:
        raise ValueError("no such version")
    except ValueError:
        logger.exception("A request failed")
    (line,) = lines(stream)
    assert str(line["exception"]).splitlines()[-1] == "ValueError: no such version"


def test_lines_of_a_request_carry_its_id_and_others_none():
    stream = io.StringIO()
    set_up_logs(LogFormat.JSON, stream)
    with answering("4f1c"):
        logger.info("inside")
    logger.info("outside")
    assert [line.get("request_id") for line in lines(stream)] == ["4f1c", None]


def test_the_line_of_a_request_is_written_only_if_asked_for():
    stream = io.StringIO()
    set_up_logs(LogFormat.JSON, stream)
    with answering("4f1c"):
        log_request(model="wells", version=7, status="OK")
        log_requests()
        log_request(model="wells", version=7, status="OK")
        log_request(request_id="9a", model="wells", version=None, status="NOT_FOUND")
    first, second = lines(stream)
    assert (first["request_id"], first["model"], first["version"]) == ("4f1c", "wells", 7)
    assert (second["request_id"], second["status"]) == ("9a", "NOT_FOUND")


def test_the_line_of_a_request_in_text_names_its_fields():
    stream = io.StringIO()
    set_up_logs(LogFormat.TEXT, stream)
    log_requests()
    log_request(request_id="9a", model="wells", version=None, status="NOT_FOUND")
    assert stream.getvalue().endswith(" INFO Answered request_id=9a model=wells status=NOT_FOUND\n")
    assert not are_json()


def test_what_is_logged_before_the_format_is_known_is_written_in_it():
    stream = io.StringIO()
    hold_logs()
    logger.info("a flag has no effect")
    set_up_logs(LogFormat.JSON, stream)
    logger.info("later")
    assert [line["message"] for line in lines(stream)] == ["a flag has no effect", "later"]


def test_an_event_has_fields_of_its_own():
    stream = io.StringIO()
    set_up_logs(LogFormat.JSON, stream)
    log_event("Chunk 3 is finished", chunk=3, alarms=["a1"])
    (line,) = lines(stream)
    assert (line["message"], line["chunk"], line["alarms"]) == ("Chunk 3 is finished", 3, ["a1"])

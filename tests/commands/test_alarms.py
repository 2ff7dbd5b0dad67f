import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands.command_line import main
from production.monitoring.alarms.alarm import Loss, Severity
from production.monitoring.alarms.book import AlarmBook
from tests.production.monitoring.alarms.findings import finding
from tests.production.monitoring.alarms.servers import web_server

CONFIG = """
name: pump
label: {column: faulty}
data: {path: unused.csv}
features:
  pressure: {kind: numeric}
cost: {missed_fault: 5000, false_alarm: 200, inspection: 50, unit: EUR}
"""
Run = Callable[..., Result]


@pytest.fixture
def book(tmp_path: Path) -> AlarmBook:
    book = AlarmBook(tmp_path / "output" / "monitoring" / "pump")
    loss = Loss(recall_points=-4.2, cost_per_day=310.0, unit="EUR", lower=120.0, upper=520.0)
    book.raise_alarm(finding(loss=loss))
    book.raise_alarm(finding(features=("voltage",), severity=Severity.CRITICAL))
    return book


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*args: str, config: str = CONFIG, env: dict[str, Any] | None = None) -> Result:
        path = tmp_path / "pump.yaml"
        path.write_text(config)
        options = ["--config", str(path), "--output", str(tmp_path / "output")]
        return CliRunner(env=env).invoke(main, [*args, *options])

    return run


def test_alarms_are_listed_the_newest_first(book, run):
    result = run("alarms")
    assert result.exit_code == 0, result.output
    _, first, second, *_ = result.output.splitlines()
    assert first.split()[:3] == ["a2", "critical", "drift"]
    assert second.split()[:3] == ["a1", "warning", "drift"]
    assert "recall -4.2 points, +310 EUR a day [+120, +520]" in second


def test_closed_alarms_are_listed_on_demand(book, run):
    assert run("alarms", "close", "a1", "--why", "gone", "--by", "Ada").exit_code == 0
    assert [one["id"] for one in json.loads(run("alarms", "--json").stdout)] == ["a2"]
    both = json.loads(run("alarms", "--all", "--json").stdout)
    assert [(one["id"], one["status"]) for one in both] == [("a2", "open"), ("a1", "closed")]


def test_a_person_takes_an_alarm_on(book, run):
    result = run("alarms", "acknowledge", "a1", "--by", "Ada", "--why", "sensor replaced")
    assert (result.exit_code, "a1 is acknowledged by Ada" in result.output) == (0, True)
    state = book.find("a1")
    assert (state.acknowledged_by, state.why) == ("Ada", "sensor replaced")
    again = run("alarms", "acknowledge", "a1", "--by", "Bob", "--why", "too")
    assert (again.exit_code, "acknowledged already by Ada" in again.output) == (2, True)


def test_a_model_without_alarms_has_none(run, tmp_path):
    (tmp_path / "output" / "monitoring" / "pump").mkdir(parents=True)
    assert run("alarms").output == "No open alarms.\n"


@pytest.mark.parametrize("command", [[], ["close", "a1", "--why", "gone"]])
def test_a_model_that_the_monitor_has_not_looked_at_is_refused(book, run, command):
    result = run("alarms", *command, "--model", "pumps")
    assert result.exit_code == 2
    assert "has not looked at a model called pumps yet" in result.output
    assert "Monitored are pump." in result.output
    assert [path.name for path in book.folder.parent.iterdir()] == ["pump"]


def test_a_test_alarm_goes_to_all_receivers(book, run):
    with web_server() as server:
        config = CONFIG + "monitoring: {deliver: {webhook: $PUMP_ALARMS, command: ['false']}}"
        env = {"PUMP_ALARMS": f"http://127.0.0.1:{server.port}/s3cret"}
        result = run("alarms", "test", config=config, env=env)
        (body,) = server.bodies
    assert (body["reason"], body["alarm"]["model"]) == ("test", "pump")
    assert result.exit_code == 1
    assert f"webhook 127.0.0.1:{server.port}: delivered" in result.output
    assert "command false: failed, it ended with exit code 1" in result.output
    assert "s3cret" not in result.output
    # A test is no alarm.
    assert len(book.states()) == 2


def test_a_test_without_receivers_is_refused(run):
    result = run("alarms", "test")
    assert (result.exit_code, "names no receiver" in result.output) == (2, True)


def test_a_secret_that_is_not_set_is_refused(run):
    config = CONFIG + "monitoring: {deliver: {webhook: $PUMP_ALARMS}}"
    assert "PUMP_ALARMS" not in os.environ
    result = run("alarms", "test", config=config)
    assert result.exit_code == 2
    assert "environment variable PUMP_ALARMS, which is not set" in result.output


def test_explaining_an_unknown_alarm_is_refused(book, run):
    result = run("explain-alarm", "a7")
    assert (result.exit_code, "There is no alarm a7" in result.output) == (2, True)

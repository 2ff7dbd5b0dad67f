"""Failures of a site's machine: killed processes, a full disk."""

import random
import time
import urllib.request
from collections.abc import Callable, Mapping

from common.errors import StepFailedError
from common.processes import child_process, log_lines
from production.monitoring.exposition.targets import find_targets
from production.monitoring.json_lines import read_lines
from production.monitoring.report import CHUNKS
from production.simulation.guards import Noticed
from production.simulation.scenarios import Action, Event, Guard, Scenario
from production.simulation.site import Site
from production.simulation.workspace import MODEL, Workspace, command, environment, faultline

_KILLED: Mapping[Event, str] = {Event.SERVER_KILLED: "stable", Event.ENVOY_KILLED: "envoy"}
_DISK_DAYS = 2
# Of the servers: requests that were answered and could not be recorded.
_DROPPED = 'status="disk"'
# A monitor starts, and works, in some seconds.
_MONITOR_S = (0.5, 4.0)
_RESTART_S, _POLL_S, _SCRAPE_S = 30.0, 0.2, 5.0


class Machine:
    """The machine of a site, with what a scenario does to it.

    Attributes:
        num_lost: Answers of the last day that were not recorded.
    """

    def __init__(self, site: Site, scenario: Scenario) -> None:
        """Does nothing yet."""
        self._site, self._scenario = site, scenario
        self._num_answers_again = 0
        self.num_lost = 0

    def begin(self, number: int) -> None:
        """Does what the scenario does at the beginning of a day."""
        if self._scenario.event is Event.DISK_FULL:
            days = number - self._scenario.since
            if days in {0, _DISK_DAYS}:
                self._site.fill_disk(is_full=days == 0)

    def noon(self, number: int) -> None:
        """Does what the scenario does in the middle of a day."""
        killed = _KILLED.get(self._scenario.event) if self._scenario.event else None
        if killed and number >= self._scenario.since:
            self._site.kill(killed)

    def end(self, number: int) -> Noticed:
        """Waits until a day is recorded; returns who noticed what happened to the machine.

        Raises:
            StepFailedError: Answers are not recorded although nothing happened.
        """
        event, is_on = self._scenario.event, number >= self._scenario.since
        if event is Event.DISK_FULL and is_on and number < self._scenario.since + _DISK_DAYS:
            return self._full_disk()
        self.num_lost = self._site.await_records()
        if event in _KILLED and is_on:
            return self._restarted()
        if self.num_lost:
            raise StepFailedError(f"{self.num_lost} answers of day {number} were not recorded.")
        return Noticed()

    def kill_monitor(self, workspace: Workspace, number: int) -> Noticed:
        """Kills a monitor while it works, and starts it again, as a service manager does.

        It has recovered if each chunk has one report, and none is left out.

        Args:
            workspace: The folders.
            number: Number of the day.
        """
        config = ("--config", str(workspace.config_path))
        output = ("--output", str(workspace.output.root))
        log = workspace.root / "monitor.log"
        arguments = command("monitor", *config, *output)
        with child_process(arguments, log=log, env=environment()) as monitor:
            time.sleep(random.Random(number).uniform(*_MONITOR_S))  # noqa: S311 - no secret
            monitor.kill()
        faultline(workspace, "monitor", *config)
        lines = read_lines(workspace.output.monitoring(MODEL) / CHUNKS)
        numbers = [line["number"] for line in lines if not line["measured"]]
        if numbers != list(range(len(numbers))):
            return Noticed()
        return Noticed(guards=frozenset({Guard.OPERATIONS}), actions=frozenset({Action.RESTART}))

    def _full_disk(self) -> Noticed:
        is_noticed = _wait(self._has_dropped)
        self.num_lost = self._site.await_records()
        return Noticed(guards=frozenset({Guard.OPERATIONS} if is_noticed else ()))

    def _has_dropped(self) -> bool:
        return any(
            _DROPPED in line and float(line.rpartition(" ")[2]) > 0
            for target in find_targets(self._site.folder)
            for line in _scrape(target["targets"][0], target["labels"]["__metrics_path__"])
        )

    def _restarted(self) -> Noticed:
        def answers_again() -> int:
            return sum("answers again." in line for line in log_lines(self._site.log))

        is_noticed = _wait(lambda: answers_again() > self._num_answers_again)
        self._num_answers_again = answers_again()
        if not is_noticed:
            return Noticed()
        return Noticed(guards=frozenset({Guard.GATEWAY}), actions=frozenset({Action.RESTART}))


def _scrape(address: str, path: str) -> list[str]:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=_SCRAPE_S) as answer:
        return str(answer.read().decode()).splitlines()


def _wait(is_true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _RESTART_S
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True

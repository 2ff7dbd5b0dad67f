"""Flies a scenario: days of traffic through real processes, and what the guards did about it."""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from common.errors import InputError, StepFailedError
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import Config
from production.monitoring.chunks.by_time import GRACE
from production.monitoring.monitor import monitor_once
from production.simulation.candidates import push
from production.simulation.guards import Guards, Noticed
from production.simulation.machine import Machine
from production.simulation.results.scorecard import DayFacts, Outcome
from production.simulation.scenarios import Action, Event, Guard, Scenario
from production.simulation.site import Answers, Site
from production.simulation.traffic import Day, draw_days
from production.simulation.workspace import MODEL, Workspace, faultline

# The controller sees a push, or has read the evidence of a day, within these times.
# Exit codes of a run whose model was pushed, whose data were refused, whose model was not.
_JUDGED = (0, 2, 3)
# Between the last answer of a day and the first one of the next.
_NIGHT_S = 1.5
_PUSH_S, _EVIDENCE_S, _POLL_S = 30.0, 3.0, 0.2


def fly(workspace: Workspace, scenario: Scenario, say: Callable[[str], None]) -> Outcome:
    """Flies a scenario in a fresh copy of the trained model's folder.

    Args:
        workspace: The folders; the model is trained.
        scenario: The scenario.
        say: Called with a line after each day.

    Returns:
        What happened; with the problem if the scenario could not be flown to its end.
    """
    began_s = time.monotonic()
    config = workspace.reset()
    days: list[DayFacts] = []
    problem = ""
    try:
        with Site(workspace, config) as site:
            guards = Guards(config, site.folder)
            for facts in _Flight(workspace, config, scenario, site, guards).days():
                days.append(facts)
                say(facts.words())
    except (StepFailedError, InputError) as error:
        problem = str(error)
    workspace.keep_evidence(scenario.name)
    return Outcome(
        scenario=scenario,
        days=tuple(days),
        unit=config.cost.unit if config.cost else "",
        seconds=time.monotonic() - began_s,
        problem=problem,
    )


def scenario_days(scenario: Scenario, *, num_rows: int, seed: int) -> Iterator[Day]:
    """Yields the days of a scenario, with what is injected.

    Args:
        scenario: The scenario.
        num_rows: Requests of a day.
        seed: Seed of every random draw.
    """
    num_before = scenario.since if scenario.after else scenario.num_days
    days = draw_days(scenario.before, num_days=num_before, num_rows=num_rows, seed=seed)
    if scenario.after:
        num_after = scenario.num_days - num_before
        days += draw_days(
            scenario.after, num_days=num_after, num_rows=num_rows, seed=seed, first=num_before
        )
    for day in days:
        if scenario.change is None or day.number < scenario.since:
            yield day
        else:
            rng = np.random.default_rng([seed, day.number, zlib.crc32(scenario.name.encode())])
            yield scenario.change(rng, day)


@dataclass
class _Flight:
    """A scenario in progress."""

    workspace: Workspace
    config: Config
    scenario: Scenario
    site: Site
    guards: Guards
    machine: Machine = field(init=False)
    trained_version: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.machine = Machine(self.site, self.scenario)
        self.trained_version = self.guards.served_version()

    def days(self) -> Iterator[DayFacts]:
        """Yields what happened on each day."""
        size = self.workspace.size
        for day in scenario_days(self.scenario, num_rows=size.rows, seed=size.seed):
            if day.number == self.scenario.since and self.scenario.candidate:
                push(self.site.folder, MODEL, self.workspace.candidate(self.scenario.candidate))
                _wait(self.guards.has_rolled_out, _PUSH_S)
            facts = self._fly(day)
            if day.number < self.scenario.since:
                self.guards.ignored.update(facts.alarms)
            yield facts

    def _fly(self, day: Day) -> DayFacts:
        self.machine.begin(day.number)
        noticed = self._monitor_labels()
        answers = self.site.send(day, at_noon=lambda: self.machine.noon(day.number))
        noticed |= self.machine.end(day.number)
        _wait(lambda: not self.guards.is_rolling_out(), _EVIDENCE_S)
        noticed |= self._monitor(day)
        self.site.report_labels(day, answers)
        if day.number == self.scenario.trained_after:
            noticed |= self._train()
        noticed |= self.guards.of_rollouts() | self.guards.of_retraining()
        is_last = day.number == self.scenario.num_days - 1
        if is_last and self.guards.served_version() == self.trained_version:
            noticed |= Noticed(actions=frozenset({Action.KEEP}))
        return self._facts(day, answers, noticed)

    def _monitor_labels(self) -> Noticed:
        """Takes the labels of the days before, a day after them as the monitor sees it."""
        reports = monitor_once(self.config, self.site.folder, MODEL, now=_tomorrow)
        return self.guards.of_reports(reports)

    def _monitor(self, day: Day) -> Noticed:
        is_killed = self.scenario.event is Event.MONITOR_KILLED
        if is_killed and day.number >= self.scenario.since:
            return self.machine.kill_monitor(self.workspace, day.number)
        time.sleep(_NIGHT_S)
        reports = monitor_once(self.config, self.site.folder, MODEL, now=_tonight)
        return self.guards.of_reports(reports)

    def _train(self) -> Noticed:
        """Trains a model on the labels so far; the gateway starts the rollout of a pushed one."""
        config = ("--config", str(self.workspace.config_path))
        base = self.site.folder.serving(MODEL)
        before = served_versions(base)
        faultline(self.workspace, "span", *config)
        faultline(self.workspace, "run", *config, accepted=_JUDGED)
        if served_versions(base) == before:
            return Noticed(guards=frozenset({Guard.GATE}))
        _wait(self.guards.has_rolled_out, _PUSH_S)
        return Noticed()

    def _facts(self, day: Day, answers: Answers, noticed: Noticed) -> DayFacts:
        missed = int(((answers.decisions == 0) & (day.truth == 1)).sum())
        false_alarms = int(((answers.decisions == 1) & (day.truth == 0)).sum())
        cost = self.config.cost
        losses = (cost.regret_of_miss, cost.regret_of_alarm) if cost else (1.0, 1.0)
        return DayFacts(
            number=day.number,
            num_rows=len(day.keys),
            num_wrong=missed + false_alarms,
            num_failures=answers.num_failures,
            num_lost=self.machine.num_lost,
            cost=missed * losses[0] + false_alarms * losses[1],
            guards=noticed.guards,
            actions=noticed.actions,
            alarms=noticed.alarms,
        )


def _tonight() -> datetime:
    # All answers are recorded: the monitor need not wait for servers that may still write.
    return datetime.now(UTC) + GRACE - timedelta(seconds=_NIGHT_S)


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def _wait(is_true: Callable[[], bool], timeout_s: float) -> None:
    """Waits until something is true, or for as long as the guards may take."""
    deadline = time.monotonic() + timeout_s
    while not is_true() and time.monotonic() < deadline:
        time.sleep(_POLL_S)

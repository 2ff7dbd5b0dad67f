from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.errors import StepFailedError
from production.simulation import machine
from production.simulation.guards import Noticed
from production.simulation.machine import Machine
from production.simulation.scenarios import Action, Event, Guard, Scenario


@dataclass
class FakeSite:
    """A site whose gateway answers again at once, or never."""

    log: Path
    recovers: bool = True
    done: list[str] = field(default_factory=list)
    num_lost: int = 0

    def kill(self, name):
        self.done.append(f"killed {name}")
        if self.recovers:
            with self.log.open("a") as log:
                log.write(f"{name} ended, and is started again.\n{name} answers again.\n")

    def fill_disk(self, *, is_full):
        self.done.append("full" if is_full else "free")

    def await_records(self):
        self.done.append("recorded")
        return self.num_lost


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_RESTART_S", 0.1)
    return FakeSite(tmp_path / "gateway.log")


def scenario(event):
    return Scenario(name="one", words="one", guards=(Guard.GATEWAY,), event=event, since=1)


def fly(site, event, num_days):
    """Flies days without requests; returns what was noticed on each."""
    simulated, noticed = Machine(site, scenario(event)), []
    for number in range(num_days):
        simulated.begin(number)
        simulated.noon(number)
        noticed.append(simulated.end(number))
    return noticed


@pytest.mark.parametrize(
    ("event", "name"), [(Event.SERVER_KILLED, "stable"), (Event.ENVOY_KILLED, "envoy")]
)
def test_a_process_is_killed_each_day_from_the_change_on_and_must_answer_again(site, event, name):
    noticed = fly(site, event, 3)
    assert site.done == ["recorded", *[f"killed {name}", "recorded"] * 2]
    restarted = Noticed(guards=frozenset({Guard.GATEWAY}), actions=frozenset({Action.RESTART}))
    assert noticed == [Noticed(), restarted, restarted]


def test_an_earlier_restart_is_no_restart(site):
    simulated = Machine(site, scenario(Event.ENVOY_KILLED))
    simulated.noon(1)
    assert simulated.end(1).actions == {Action.RESTART}
    site.recovers = False
    simulated.noon(2)
    assert simulated.end(2) == Noticed()


def test_the_disk_is_full_for_two_days(site):
    simulated = Machine(site, scenario(Event.DISK_FULL))
    for number in range(5):
        simulated.begin(number)
    assert site.done == ["full", "free"]


def test_nothing_happens_without_an_event(site):
    assert fly(site, None, 2) == [Noticed(), Noticed()]
    assert site.done == ["recorded", "recorded"]


def test_answers_that_are_lost_are_told_after_a_kill_and_a_failure_otherwise(site):
    site.num_lost = 7
    simulated = Machine(site, scenario(Event.SERVER_KILLED))
    simulated.noon(1)
    simulated.end(1)
    assert simulated.num_lost == 7
    with pytest.raises(StepFailedError, match="7 answers of day 0 were not recorded"):
        fly(site, None, 1)

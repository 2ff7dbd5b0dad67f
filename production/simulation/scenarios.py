"""The scenarios: what is injected since when, which guard ought to notice, what is right to do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from production.simulation import injections as inject
from production.simulation.candidates import Candidate
from production.simulation.injections import Injection
from production.simulation.traffic import Plant

_PLANT_AS_TRAINED = Plant()


class Guard(StrEnum):
    """Who notices."""

    TROUBLES = "troubles"
    DRIFT = "drift"
    LABELS = "labels"
    GATE = "gate"
    ROLLOUT = "rollout"
    GATEWAY = "gateway"
    OPERATIONS = "operations"


DATA_GUARDS = frozenset({Guard.TROUBLES, Guard.DRIFT, Guard.LABELS})


class Action(StrEnum):
    """What is done without a person."""

    NOTHING = "nothing"
    ALARM = "alarm"
    QUARANTINE = "quarantine"
    RETRAIN = "retrain"
    KEEP = "keep the served model"
    ROLL_BACK = "roll back"
    PROMOTE = "promote"
    RESTART = "restart"


class Event(StrEnum):
    """What happens to the machine."""

    SERVER_KILLED = "the stable server is killed"
    ENVOY_KILLED = "Envoy is killed"
    MONITOR_KILLED = "the monitor is killed"
    DISK_FULL = "the disk of the records is full"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Some days of production.

    Attributes:
        name: Its name on the command line.
        words: What is injected.
        guards: Who ought to notice, any of them; empty where nothing is wrong.
        action: What is right to do without a person.
        before: The plant before.
        after: The plant since the change; None if it stays as it is.
        change: What is changed in the requests or their labels; None for nothing.
        candidate: The version that is pushed; None for none.
        event: What happens to the machine; None for nothing.
        trained_after: Day after which a model is trained on the labels so far; None for none.
        since: Number of the day with the change, from 0.
        num_days: Number of days.
    """

    name: str
    words: str
    guards: tuple[Guard, ...] = ()
    action: Action = Action.NOTHING
    before: Plant = _PLANT_AS_TRAINED
    after: Plant | None = None
    change: Injection | None = None
    candidate: Candidate | None = None
    event: Event | None = None
    trained_after: int | None = None
    since: int = 3
    num_days: int = 6

    @property
    def is_harmful(self) -> bool:
        """Whether something is wrong."""
        return bool(self.guards)

    @property
    def accepted_guards(self) -> frozenset[Guard]:
        """Who may have noticed: of changed data any guard of data, else those that ought to."""
        changes_data = self.after is not None or self.change is not None
        return frozenset(self.guards) | (DATA_GUARDS if changes_data else frozenset())

    def shortened(self) -> Self:
        """Returns the scenario with a change on the second day, and the goal's three days after."""
        return replace(self, since=1, num_days=4)


_TROUBLES, _DRIFT, _LABELS = (Guard.TROUBLES,), (Guard.DRIFT,), (Guard.LABELS,)
_DATA = (Guard.TROUBLES, Guard.DRIFT)

_QUIET = (
    Scenario(name="quiet", words="nothing", num_days=12),
    Scenario(
        name="season",
        words="nothing: warm magnets at noon, cold ones at night, as every day",
        before=Plant(has_seasons=True),
        num_days=8,
    ),
    Scenario(
        name="equal_candidate",
        words="nothing: a version as good as the served one is pushed",
        action=Action.PROMOTE,
        candidate=Candidate.EQUAL,
        since=1,
        num_days=12,
    ),
)
_SENSORS = (
    Scenario(
        name="stuck_sensor",
        words="the current of a quarter of the magnets repeats its first sample",
        guards=_TROUBLES,
        action=Action.QUARANTINE,
        change=inject.one_recorder("current", inject.stuck),
    ),
    Scenario(
        name="dropped_sensor",
        words="the current of a quarter of the magnets is missing",
        guards=_TROUBLES,
        action=Action.QUARANTINE,
        change=inject.one_recorder("current", inject.dropped_out),
    ),
    Scenario(
        name="noisy_sensor",
        words="noise of 1.5 A in the current of a quarter of the magnets, ten times the usual",
        guards=_DATA,
        action=Action.ALARM,
        change=inject.one_recorder("current", inject.noisy(1.5)),
    ),
    Scenario(
        name="biased_sensor",
        words="6 A too much in the current of a quarter of the magnets",
        guards=_DATA,
        action=Action.ALARM,
        change=inject.one_recorder("current", inject.biased(6.0)),
    ),
)
_CLIENTS = (
    Scenario(
        name="unit_change",
        words="clients send the current in mA",
        guards=_TROUBLES,
        action=Action.QUARANTINE,
        change=inject.all_clients("current", inject.scaled(1_000)),
    ),
    Scenario(
        name="celsius",
        words="clients send the temperature in °C",
        guards=_TROUBLES,
        action=Action.QUARANTINE,
        change=inject.all_clients("temperature_k", inject.scaled(1, -273.15)),
    ),
    Scenario(
        name="swapped_columns",
        words="clients send voltage and current in each other's place",
        guards=_TROUBLES,
        action=Action.QUARANTINE,
        change=inject.swapped("voltage", "current"),
    ),
    Scenario(
        name="duplicates",
        words="clients send 40 % of the requests again, in place of others",
        guards=_TROUBLES,
        action=Action.QUARANTINE,
        change=inject.duplicated(0.4),
    ),
    Scenario(
        name="clock_shift",
        words="the recorders' clock is 30 ms late: recordings are shifted",
        guards=_DATA,
        action=Action.ALARM,
        change=inject.delayed_signals(15),
    ),
)
_PLANT = (
    Scenario(
        name="warmer",
        words="all magnets are 25 K warmer",
        guards=_DRIFT,
        action=Action.RETRAIN,
        after=Plant(warmer_k=25.0),
    ),
    Scenario(
        name="new_firmware",
        words="half of the recorders run a firmware that reads 4.5 % too much current",
        guards=_DATA,
        # Half of the rows have a version that the model never saw. Whether 4.5 % too much current
        # is the new truth or a fault of the recorders, only a person can say.
        action=Action.QUARANTINE,
        after=Plant(new_firmware=True),
    ),
    Scenario(
        name="prevalence",
        words="four times as many faults",
        guards=_DRIFT,
        action=Action.RETRAIN,
        after=Plant(prevalence=0.14),
    ),
    Scenario(
        name="fault_mix",
        words="arcs instead of shorted strips: other kinds of faults prevail",
        guards=(Guard.DRIFT, Guard.LABELS),
        action=Action.RETRAIN,
        after=Plant(changed_mix=True),
        num_days=8,
    ),
    Scenario(
        name="unseen_fault",
        words="a new kind of fault, 5 % of the magnets, that no sensor shows",
        guards=_LABELS,
        action=Action.RETRAIN,
        change=inject.unseen_faults(0.05),
    ),
)
_REPORTS = (
    Scenario(
        name="label_flips",
        words="a fifth of the labels says the opposite; a model is trained on them",
        guards=(Guard.LABELS, Guard.GATE),
        action=Action.KEEP,
        change=inject.flipped_labels(0.2),
        trained_after=4,
    ),
    Scenario(
        name="poisoned_span",
        words="faults are reported as healthy, and as many healthy ones as faulty; a model is "
        "trained on them",
        guards=(Guard.LABELS, Guard.GATE),
        action=Action.KEEP,
        change=inject.poisoned_labels,
        trained_after=4,
    ),
    Scenario(
        name="label_outage",
        words="no labels arrive any more",
        guards=_LABELS,
        action=Action.KEEP,
        change=inject.no_labels,
    ),
)
_MODELS = (
    Scenario(
        name="worse_candidate",
        words="a version is pushed that smooths the current first, and so decides worse",
        guards=(Guard.ROLLOUT,),
        action=Action.ROLL_BACK,
        candidate=Candidate.WORSE,
        since=1,
        num_days=4,
    ),
    Scenario(
        name="subtle_candidate",
        words="a version is pushed whose threshold is too high: it finds 75 instead of 94 % of the "
        "faults, a little more than the limits allow",
        guards=(Guard.ROLLOUT, Guard.LABELS),
        action=Action.ROLL_BACK,
        candidate=Candidate.SUBTLE,
        since=1,
        num_days=16,
    ),
    Scenario(
        name="slow_candidate",
        words="a version is pushed that computes longer",
        guards=(Guard.ROLLOUT,),
        action=Action.ROLL_BACK,
        candidate=Candidate.SLOW,
        since=1,
        num_days=4,
    ),
    Scenario(
        name="failing_candidate",
        words="a version is pushed that answers with errors",
        guards=(Guard.ROLLOUT,),
        action=Action.ROLL_BACK,
        candidate=Candidate.FAILING,
        since=1,
        num_days=4,
    ),
    Scenario(
        name="broken_candidate",
        words="a version is pushed that does not load",
        guards=(Guard.ROLLOUT,),
        action=Action.ROLL_BACK,
        candidate=Candidate.BROKEN,
        since=1,
        num_days=4,
    ),
)
_MACHINE = (
    Scenario(
        name="full_disk",
        words="the servers cannot write their records for two days",
        guards=(Guard.OPERATIONS,),
        action=Action.KEEP,
        event=Event.DISK_FULL,
        since=2,
        num_days=6,
    ),
    Scenario(
        name="killed_server",
        words="the stable server is killed at noon of each day",
        guards=(Guard.GATEWAY,),
        action=Action.RESTART,
        event=Event.SERVER_KILLED,
        since=1,
        num_days=4,
    ),
    Scenario(
        name="killed_envoy",
        words="Envoy is killed at noon of each day",
        guards=(Guard.GATEWAY,),
        action=Action.RESTART,
        event=Event.ENVOY_KILLED,
        since=1,
        num_days=4,
    ),
    Scenario(
        name="killed_monitor",
        words="the monitor is killed each day while it works",
        guards=(Guard.OPERATIONS,),
        action=Action.RESTART,
        event=Event.MONITOR_KILLED,
        since=1,
        num_days=4,
    ),
)

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for group in (_QUIET, _SENSORS, _CLIENTS, _PLANT, _REPORTS, _MODELS, _MACHINE)
    for scenario in group
}

"""Observations of a site's guards, and actions taken without a person."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.output_folder import OutputFolder
from pipeline.config import Config
from production.monitoring.alarms.alarm import Kind
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.report import ChunkReport
from production.retraining.deciding import decide
from production.retraining.facts import gather_facts, served_version
from production.retraining.new_data import NewLabels
from production.rollout.actions import CONTROLLER, open_journal
from production.rollout.state import Phase
from production.simulation.scenarios import Action, Guard
from production.simulation.workspace import MODEL

GUARD_OF = {
    Kind.BROKEN_DATA: Guard.TROUBLES,
    Kind.LABELS: Guard.LABELS,
    Kind.DRIFT: Guard.DRIFT,
    Kind.ESTIMATED_LOSS: Guard.DRIFT,
    Kind.MEASURED_LOSS: Guard.LABELS,
    Kind.ERRORS: Guard.OPERATIONS,
    Kind.LATENCY: Guard.OPERATIONS,
}


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """What was noticed and done on a day.

    Attributes:
        guards: Who noticed something.
        actions: What was done without a person.
        alarms: Ids of the alarms that the monitor raised or repeated.
    """

    guards: frozenset[Guard] = frozenset()
    actions: frozenset[Action] = frozenset()
    alarms: tuple[str, ...] = ()

    def __or__(self, other: "Noticed") -> "Noticed":
        """Returns both."""
        return Noticed(
            guards=self.guards | other.guards,
            actions=self.actions | other.actions,
            alarms=(*self.alarms, *other.alarms),
        )


@dataclass
class Guards:
    """The guards of a site; each look returns what is new.

    Attributes:
        config: The use case.
        folder: The output folder.
        ignored: Ids of alarms that were raised before anything was wrong.
    """

    config: Config
    folder: OutputFolder
    ignored: set[str] = field(default_factory=set)
    _num_transitions: int = 0
    _labels: NewLabels = field(init=False)

    def __post_init__(self) -> None:
        self._labels = NewLabels(self.config, self.folder, MODEL)

    def of_reports(self, reports: Iterable[ChunkReport]) -> Noticed:
        """Returns what the monitor noticed in chunks; broken ones are quarantined."""
        reports = list(reports)
        ids = {name for report in reports for name in report.alarms} - self.ignored
        states = AlarmBook(self.folder.monitoring(MODEL)).states()
        alarms = [state.alarm for state in states if state.alarm.id in ids]
        actions = {Action.QUARANTINE} if any(report.is_broken for report in reports) else set()
        return Noticed(
            guards=frozenset(GUARD_OF[alarm.kind] for alarm in alarms),
            actions=frozenset(actions | ({Action.ALARM} if alarms else set())),
            alarms=tuple(alarm.id for alarm in alarms),
        )

    def of_rollouts(self) -> Noticed:
        """Returns what the controller of the rollouts decided since the last look."""
        entries = open_journal(self.folder, MODEL).read()
        new, self._num_transitions = entries[self._num_transitions :], len(entries)
        noticed = Noticed()
        for entry in new:
            rollout = entry.state.rollout
            if rollout is None or entry.note.by != CONTROLLER:
                continue
            if rollout.phase is Phase.ROLLED_BACK:
                noticed |= Noticed(
                    guards=frozenset({Guard.ROLLOUT}), actions=frozenset({Action.ROLL_BACK})
                )
            elif rollout.phase is Phase.PROMOTED:
                noticed |= Noticed(actions=frozenset({Action.PROMOTE}))
        return noticed

    def served_version(self) -> int | None:
        """The version that clients get."""
        return served_version(self.folder, MODEL)

    def is_rolling_out(self) -> bool:
        """Whether a rollout goes on."""
        state = open_journal(self.folder, MODEL).state()
        return state is not None and state.active is not None

    def has_rolled_out(self) -> bool:
        """Whether there is or was a rollout."""
        state = open_journal(self.folder, MODEL).state()
        return state is not None and state.rollout is not None

    def of_retraining(self) -> Noticed:
        """Returns whether a retraining would begin now."""
        facts = gather_facts(
            self.config, self.folder, (), labels=self._labels.count(), now=datetime.now(UTC)
        )
        if decide(facts, self.config.retraining).action != "start":
            return Noticed()
        return Noticed(actions=frozenset({Action.RETRAIN}))

"""The loop of a running gateway over the journal, the versions in service and the evidence."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ml_metadata.metadata_store import MetadataStore

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder
from measuring.sequential.evidence import Margins, Verdict
from pipeline.production_options.rollout import RolloutOptions
from production.automation.deciding import Proposal
from production.controller.background import Background
from production.controller.health import HealthWatch
from production.controller.pushes import find_push, plan_push
from production.controller.watching import ArePositive, Watch
from production.gateway.members import Members
from production.gateway.traffic import Pin, Traffic
from production.rollback import Decision
from production.rollout.actions import (
    CONTROLLER,
    Action,
    Basis,
    OutdatedError,
    act,
    begin,
    open_journal,
    settle,
    start,
)
from production.rollout.journal import Entry
from production.rollout.markers import Applied, write_applied
from production.rollout.metadata import record_journal
from production.rollout.progress import Facts, key_of
from production.rollout.rendering import entry_words
from production.rollout.state import Phase, Plan, Rollout, label
from production.rollout.strategies import traffic_of

_POLL_S = 0.02  # how often the journal is looked at
_EVIDENCE_S = 0.25
_SERVICE_S = 1.0  # how often the versions in service are looked at
_RETRY_S = 5.0  # after what could not be applied, recorded or judged
# Envoy may just be starting again: once is no failure of the candidate.
_MAX_ATTEMPTS = 2
# A push is recorded in ML Metadata a moment after its version appears.
_UNRECORDED_S = 60.0


class AppliesTraffic(Protocol):
    """The gateway, as far as the controller needs it."""

    def apply(self, traffic: Traffic) -> None:
        """Returns when the traffic is as said.

        Raises:
            StepFailedError: It cannot be.
        """

    def check(self) -> Members:
        """Returns the processes, of which those that ended are started again.

        Raises:
            StepFailedError: The gateway ended.
        """


Decide = Callable[[Facts, Verdict], Proposal | None]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a controller works with, besides the gateway.

    Attributes:
        options: The config's `rollout`.
        margins: What a candidate may change, and how sure a decision must be.
        decide: Returns the action that the automation takes now, or None.
        open_store: Opens the metadata store; None without one.
        are_positive: Tells which labels are positive; None to decide without labels.
        share: Share of the requests that the servers record, in (0, 1].
        say: Prints a line for people.
        now: Returns the time.
    """

    options: RolloutOptions = field(default_factory=RolloutOptions)
    margins: Margins = field(default_factory=Margins)
    decide: Decide = lambda *_: None
    open_store: Callable[[], MetadataStore] | None = None
    are_positive: ArePositive | None = None
    share: float = 1.0
    say: Callable[[str], None] = print
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Controller:
    """Lets a gateway follow the journal of a model, and writes what the automation decides.

    All methods are called by one thread. What may wait for a database or read large files is done
    in the background, so that a rollback never waits for it.
    """

    def __init__(
        self, folder: OutputFolder, model: str, gateway: AppliesTraffic, setup: Setup
    ) -> None:
        """Does nothing yet; see `run`.

        Args:
            folder: The output folder.
            model: Name of the served model.
            gateway: The gateway of this model.
            setup: Options, and what the controller works with.
        """
        self._folder, self._model, self._gateway, self._setup = folder, model, gateway, setup
        self._journal = open_journal(folder, model)
        self._entries: Sequence[Entry] = ()
        self._stamp: tuple[int, int, int] | None = None
        self._is_readable = True
        self._traffic: Traffic | None = None
        self._applied = Applied(sequence=0)
        self._num_attempts = 0
        self._retry_s = 0.0
        self._watch: Watch | None = None
        self._health = HealthWatch(self._journal.folder, setup.say)
        self._background = Background()
        self._due_s: dict[str, float] = {}
        self._said: set[str] = set()
        self._num_recorded = 0
        self._push_seen_s: dict[Pin, float] = {}

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Works until it is stopped; the caller is the only controller, see `controlling`.

        Args:
            is_stopped: Whether to end.

        Raises:
            InputError: No version is in service, or the journal is damaged.
            StepFailedError: The gateway ended.
        """
        begin(self._folder, self._model)
        self._journal.read()
        while not is_stopped():
            self.step()
            time.sleep(_POLL_S)

    def step(self) -> None:
        """Looks once at all there is to look at, and does what is due.

        Raises:
            StepFailedError: The gateway ended.
        """
        self._follow_journal()
        members = self._gateway.check()
        self._tolerate(lambda: self._health.look(members, self._entries))
        if not self._entries:
            return
        if self._is_due("evidence", _EVIDENCE_S):
            self._look_at_evidence()
        if self._is_due("service", _SERVICE_S):
            self._tolerate(lambda: settle(self._folder, self._model))
            self._look_for_push()
        if self._num_recorded < len(self._entries) and self._is_due("record", _RETRY_S):
            self._record()
        self._background.finish()

    # The journal and the traffic.

    def _follow_journal(self) -> None:
        stamp = _stamp(self._journal.path)
        is_new = stamp is not None and stamp != self._stamp
        is_behind = bool(self._entries) and self._applied.sequence < self._entries[-1].sequence
        if is_new and (self._is_readable or self._is_due("journal", _RETRY_S)):
            self._is_readable = self._tolerate(self._read_journal)
            # What could not be read is read again, even if the file does not change.
            self._stamp = stamp if self._is_readable else None
        elif not is_behind or time.monotonic() < self._retry_s:
            return
        if self._entries and self._applied.sequence < self._entries[-1].sequence:
            self._apply(self._entries[-1])

    def _read_journal(self) -> None:
        entries = self._journal.read()
        if len(entries) < len(self._entries):  # moved aside, and begun anew
            self._applied, self._entries, self._num_recorded = Applied(sequence=0), (), 0
        new = entries[len(self._entries) :]
        for entry in new if self._entries else new[-1:]:
            self._setup.say(entry_words(entry))
        self._entries = entries
        self._due_s["record"] = 0.0

    def _apply(self, entry: Entry) -> None:
        traffic = traffic_of(entry.state)
        try:
            if traffic != self._traffic:
                self._traffic = None  # as long as it is in between
                self._gateway.apply(traffic)
        except (StepFailedError, InputError) as error:
            self._num_attempts += 1
            self._retry_s = time.monotonic() + _RETRY_S
            if self._num_attempts < _MAX_ATTEMPTS:
                self._say_once(f"The gateway could not follow, and tries again: {error}")
            else:
                self._give_up(entry, error)
            return
        self._traffic, self._num_attempts = traffic, 0
        self._applied = Applied(
            sequence=entry.sequence,
            problem=self._applied.problem,
            problem_of=self._applied.problem_of,
        )
        self._tolerate(lambda: write_applied(self._journal.folder, self._applied))

    def _give_up(self, entry: Entry, error: Exception) -> None:
        """Returns to the version from before the rollout; without one, goes on trying."""
        rollout = entry.state.rollout
        if rollout and (rollout.is_active or rollout.phase is Phase.PROMOTED):
            self._num_attempts = 0
            self._applied = Applied(
                sequence=self._applied.sequence, problem=str(error), problem_of=entry.sequence
            )
            why = f"the gateway could not follow: {error}"
            self._act("roll_back", why, Basis(sequence=entry.sequence))

    # The evidence and the decisions.

    def _look_at_evidence(self) -> None:
        entry = self._entries[-1]
        rollout = entry.state.active
        if rollout is None or self._applied.sequence != entry.sequence:
            self._watch = None
            return
        try:
            facts, verdict = self._watch_over(rollout)
        except (InputError, OSError, ValueError) as error:
            self._watch = None
            self._say_once(f"Only people decide, as the evidence cannot be read: {error}")
            return
        proposal = self._setup.decide(facts, verdict)
        if proposal is not None:
            evidence = {
                "num_pairs_of_step": facts.num_pairs_of_step,
                "num_ends": facts.num_ends,
                "last_end": facts.last_end,
            } | verdict.to_json()
            basis = Basis(sequence=entry.sequence, evidence=evidence)
            self._act(proposal.action, proposal.why, basis)

    def _watch_over(self, rollout: Rollout) -> tuple[Facts, Verdict]:
        if self._watch is None or self._watch.key != key_of(rollout):
            setup = self._setup
            self._watch = Watch(
                self._folder, rollout, setup.margins, setup.are_positive, share=setup.share
            )
        watch = self._watch
        facts, verdict = watch.look(rollout, self._setup.now())
        if watch.problem:
            self._say_once(watch.problem)
        health = self._health.of(rollout)
        num_ends = health.num_ends - health.num_accepted
        return replace(facts, num_ends=num_ends, last_end=health.last_end), verdict

    def _act(self, action: Action, why: str, basis: Basis) -> None:
        decision = Decision(by=CONTROLLER, why=why)
        with suppress(OutdatedError):  # a person was faster
            self._tolerate(lambda: act(self._folder, self._model, action, decision, basis))
        self._stamp = None
        self._follow_journal()

    # The versions in service.

    def _look_for_push(self) -> None:
        open_store = self._setup.open_store
        if open_store is None or self._entries[-1].state.active:
            return
        pin = find_push(self._folder, self._entries, self._setup.options)
        if pin is None or not self._is_due("push", _RETRY_S):
            return
        self._push_seen_s.setdefault(pin, time.monotonic())
        options = self._setup.options

        def judge_push() -> Plan:
            return plan_push(open_store(), self._folder, pin, options)

        self._background.start("push", judge_push, self._start, lambda e: self._refuse(pin, e))

    def _start(self, plan: Plan) -> None:
        why = f"{label(plan.candidate)} was pushed"
        decision = Decision(by=CONTROLLER, why=why)
        self._tolerate(lambda: start(self._folder, self._model, plan, decision))

    def _refuse(self, pin: Pin, error: Exception) -> None:
        if time.monotonic() - self._push_seen_s[pin] > _UNRECORDED_S:
            self._say_once(f"No rollout of {label(pin)}: {error}")

    # ML Metadata.

    def _record(self) -> None:
        open_store, entries = self._setup.open_store, self._entries
        if open_store is None:
            return

        def record() -> int:
            record_journal(open_store(), self._folder, entries)
            return len(entries)

        self._background.start("record", record, self._recorded, self._not_recorded)

    def _recorded(self, num_entries: int) -> None:
        self._num_recorded = num_entries

    def _not_recorded(self, error: Exception) -> None:
        self._say_once(f"ML Metadata follows later: {error}")

    # Small things.

    def _is_due(self, what: str, period_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s.get(what, 0.0):
            return False
        self._due_s[what] = now_s + period_s
        return True

    def _tolerate(self, action: Callable[[], object]) -> bool:
        """Goes on serving when something cannot be done, and says so; whether it was done."""
        try:
            action()
        except OutdatedError:
            raise
        except (InputError, OSError) as error:
            self._say_once(str(error))
            return False
        return True

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._setup.say(line)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns

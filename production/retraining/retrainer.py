"""Carries out retrainings: each step leaves a line in the journal before the next one acts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ml_metadata.errors import StatusError
from ml_metadata.metadata_store import MetadataStore

from common.errors import InputError, StepFailedError
from common.guards.chained_lines import JournalError
from common.output_folder import OutputFolder, exclusive, is_locked
from pipeline.config import Config
from production.retraining import state as transitions
from production.retraining.actions import begin, change, open_journal
from production.retraining.deciding import AUTOMATION, Facts, decide
from production.retraining.facts import fallen_versions, gather_facts
from production.retraining.journal import Entry, Note, current_of, retrainings_of
from production.retraining.lineage import record_retrainings
from production.retraining.new_data import NewLabels, make_span, plan_span
from production.retraining.rendering import entry_words
from production.retraining.state import NewData, Phase, Result, Retraining
from production.retraining.training_run import Order, TrainingRun
from production.rollback import Decision as Withdrawal
from production.rollback import withdraw
from production.rollout.state import label

_MAX_ATTEMPTS = 3


class Run(Protocol):
    """A run that has been started.

    Attributes:
        cpu_s: Its CPU seconds, once it has ended.
    """

    cpu_s: float

    def result(self) -> Result | None:
        """Returns its result; None while it runs.

        Raises:
            StepFailedError: A signal ended it.
        """

    def stop(self) -> None:
        """Ends it."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Interfaces of a retrainer to the rest of the system.

    Attributes:
        open_store: Opens the metadata store.
        start_run: Starts a run.
        say: Prints a line for people.
        now: Returns the time.
    """

    open_store: Callable[[], MetadataStore]
    start_run: Callable[[Order], Run] = TrainingRun
    say: Callable[[str], None] = print
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Retrainer:
    """Decides about retrainings of a model, and carries them out.

    All state is in the journal, except the process of a run. The caller must be the only worker,
    see `working`.

    Args:
        config: The use case.
        config_path: Its file.
        folder: The output folder.
        tools: Its metadata store, runs, output and clock.
    """

    def __init__(
        self, config: Config, config_path: Path, folder: OutputFolder, tools: Tools
    ) -> None:
        self._config, self._config_path, self._folder = config, config_path, folder
        self._tools = tools
        self._model = config.name
        self._journal = open_journal(folder, config.name)
        self._journal.now = tools.now
        self._labels = NewLabels(config, folder, config.name)
        self._run: Run | None = None
        self._killed_cpu_s = 0.0  # of a run that the journal has yet to count
        self._is_recorded = False
        self._said = ""

    def facts(self) -> Facts:
        """Returns what is known now.

        Raises:
            InputError: A journal or a label cannot be read.
        """
        return gather_facts(
            self._config,
            self._folder,
            self._journal.read(),
            labels=self._labels.count(),
            now=self._tools.now(),
        )

    def step(self) -> None:
        """Begins a retraining if one is due, or takes the next steps of the one in progress.

        Raises:
            InputError: A journal cannot be read or written.
        """
        if not self._is_recorded:
            self._record()
        if not self.carry_on():
            self._begin_if_due()

    def carry_on(self) -> bool:
        """Takes the next steps of a retraining until one has to wait.

        Returns:
            Whether a retraining is in progress.

        Raises:
            InputError: The journal cannot be read or written.
        """
        before, current = None, current_of(self._journal.read())
        while current is not None and current.is_moving and current != before:
            self._take_step(current)
            before, current = current, current_of(self._journal.read())
        return current is not None

    def stop(self) -> None:
        """Ends the current run; the next retrainer starts it again from the cache."""
        if self._run is not None:
            self._run.stop()
            self._run = None

    def _begin_if_due(self) -> None:
        facts = self.facts()
        decision = decide(facts, self._config.retraining)
        trigger = decision.trigger
        if trigger is None:
            return
        if decision.action == "wait" or facts.champion is None:
            self._say_once(f"No retraining, although {trigger.why}: {'; '.join(decision.missing)}")
            return
        is_approved = decision.action == "start"
        entry = begin(self._journal, trigger, champion=facts.champion, is_approved=is_approved)
        self._tools.say(entry_words(entry))

    def _take_step(self, current: Retraining) -> None:
        steps = {
            Phase.APPROVED: self._plan_span,
            Phase.WRITING: self._write_span,
            Phase.READY: self._train,
            Phase.TRAINING: self._follow_run,
        }
        try:
            steps[current.phase](current)
        except JournalError:
            raise  # the step is taken again
        except (InputError, StepFailedError) as error:
            self._end(Result(outcome="stopped", words=str(error)))

    def _plan_span(self, _: Retraining) -> None:
        span = plan_span(self._config) if self._labels.count().rows else None
        why = f"new labels become span {span}" if span else "there are no new labels"
        self._change("span", lambda one, _: transitions.write_span(one, span), why)

    def _write_span(self, current: Retraining) -> None:
        data = NewData()
        if current.span is not None:
            data = make_span(self._config, self._folder, self._model, current.span)
        why = f"span {data.span} has {data.num_rows:,} rows" if data.span else "no new span"
        self._change("data", lambda one, _: transitions.take_data(one, data), why)

    def _train(self, current: Retraining) -> None:
        if current.attempt >= _MAX_ATTEMPTS:
            words = f"the run was ended {_MAX_ATTEMPTS} times before it was complete"
            self._end(Result(outcome="failed", words=words, cpu_s=self._killed_cpu_s))
            self._killed_cpu_s = 0.0
            return
        if self._waits(current):
            return
        try:
            self._withdraw_fallen()
        except (InputError, StatusError) as error:  # a journal or ML Metadata, out of reach for now
            self._say_once(f"Retraining {current.id} waits: {error}")
            return
        killed_cpu_s = self._killed_cpu_s
        self._change(
            "train", lambda one, _: transitions.train(one, killed_cpu_s), "the data are ready"
        )
        self._killed_cpu_s = 0.0
        order = Order(
            config_path=self._config_path,
            output=self._folder.root,
            folder=self._journal.folder,
            champion=current.champion,
        )
        self._run = self._tools.start_run(order)

    def _follow_run(self, current: Retraining) -> None:
        if self._run is None:  # another process began it, and is gone
            self._train(current)
            return
        try:
            result = self._run.result()
        except StepFailedError as error:
            self._say_once(f"{error} It starts again.")
            self._killed_cpu_s = self._run.cpu_s
            self._run = None
            return
        if result is None:
            return
        # Another run may have locked the output folder before this one did.
        if result.outcome != "stopped" or not self._waits(current):
            self._end(result)
        self._run = None

    def _waits(self, current: Retraining) -> bool:
        """Whether another run holds the output folder; says so."""
        if not is_locked(self._folder):
            return False
        self._say_once(f"Retraining {current.id} waits for another run to end.")
        return True

    def _withdraw_fallen(self) -> None:
        """Withdraws rolled-back versions, so that the gate compares with the served model."""
        fallen = fallen_versions(self._folder, self._model)
        if not fallen:
            return
        why = "its rollout ended without promotion; a new model is compared with the served one"
        decision = Withdrawal(by=AUTOMATION, why=why)
        with exclusive(self._folder):
            store = self._tools.open_store()
            for pin in fallen:
                withdraw(store, self._folder, label(pin), decision)
                self._tools.say(f"Withdrawn: {label(pin)}. {why[0].upper()}{why[1:]}.")

    def _end(self, result: Result) -> None:
        self._change("end", lambda one, now: transitions.end(one, result, now), result.words)
        self._record()

    def _change(
        self, event: str, transition: Callable[[Retraining, datetime], Retraining], why: str
    ) -> Entry:
        entry = change(self._journal, transition, Note(event=event, by=AUTOMATION, why=why))
        self._tools.say(entry_words(entry))
        return entry

    def _record(self) -> None:
        retrainings = retrainings_of(self._journal.read())
        self._is_recorded = True
        try:
            if any(one.result and one.result.run_id for one in retrainings):
                record_retrainings(self._tools.open_store(), retrainings)
        except (InputError, StatusError) as error:
            self._is_recorded = False
            self._say_once(f"ML Metadata follows later: {error}")

    def _say_once(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._tools.say(words)

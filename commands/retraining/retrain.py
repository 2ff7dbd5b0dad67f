"""`faultline retrain`: people begin retrainings, decide on proposed ones, and see the reasons."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.queries import deciding_person, open_runs, print_answer, print_line
from common.errors import InputError, StepFailedError
from common.guards.terminal import escape, escape_lines
from common.output_folder import OutputFolder, open_output
from pipeline.config_loading import load_config
from pipeline.prediction.served_config import default_config

if TYPE_CHECKING:
    from pipeline.config import Config
    from production.retraining.retrainer import Retrainer
    from production.retraining.state import Result

_POLL_S = 0.2
_EXIT_REFUSED = 3
_REFUSED = {"rejected", "inconclusive"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which use case is meant, and where its output is.

    Attributes:
        config_path: The use case's config; None for that of the only served use case.
        output: The output folder.
        as_json: JSON on standard output instead of text.
    """

    config_path: Path | None
    output: Path
    as_json: bool

    def open(self) -> "tuple[OutputFolder, Config, Path]":
        """Returns the output folder, the config and its path.

        Raises:
            InputError: The config cannot be read, or none is named and not exactly one is served.
        """
        folder = open_output(self.output)
        path = (self.config_path or default_config(folder)).absolute()
        return folder, load_config(path), path


@dataclass(frozen=True, kw_only=True)
class Order:
    """The decision of a person.

    Attributes:
        why: The reason.
        by: Who decides; None for the name of the login.
    """

    why: str
    by: str | None


def begin_retraining(place: Place, order: Order) -> int:
    """Begins a retraining, and carries it out unless a loop does; returns the exit code.

    One that was interrupted is continued.

    Raises:
        InputError: A rollout or another retraining is in progress, the config has no spans, or the
            data were refused.
        StepFailedError: The run failed.
    """
    from production.retraining.actions import begin, is_worked_on, open_journal
    from production.retraining.deciding import decide_for_person
    from production.retraining.journal import current_of
    from production.retraining.new_data import check_retrainable

    folder, config, path = place.open()
    check_retrainable(config)
    retrainer = make_retrainer(folder, config, path, as_json=place.as_json)
    journal = open_journal(folder, config.name)
    current = current_of(journal.read())
    if current is None or not current.is_moving or is_worked_on(journal.folder):
        facts = retrainer.facts()
        decision = decide_for_person(facts, by=deciding_person(order.by), why=order.why)
        if decision.trigger is None or decision.missing or facts.champion is None:
            raise InputError(f"No retraining: {'; '.join(decision.missing)}.")
        begin(journal, decision.trigger, champion=facts.champion, is_approved=True)
    return _carry_out(place, folder, config.name, retrainer)


def decide_proposal(place: Place, order: Order, *, is_approved: bool) -> int:
    """Approves or declines a proposed retraining; returns the exit code.

    Raises:
        InputError: None waits for a person, or an approved one ended with refused data.
        StepFailedError: Its run failed.
    """
    from production.retraining.actions import approve, decline, open_journal
    from production.retraining.rendering import entry_words
    from production.rollback import Decision

    folder, config, path = place.open()
    decision = Decision(by=deciding_person(order.by), why=order.why)
    decide = approve if is_approved else decline
    entry = decide(open_journal(folder, config.name), decision)
    if is_approved:
        retrainer = make_retrainer(folder, config, path, as_json=place.as_json)
        return _carry_out(place, folder, config.name, retrainer)
    print_answer(entry.to_json(), lambda: escape(entry_words(entry)), as_json=place.as_json)
    return 0


def print_status(place: Place) -> int:
    """Prints the retraining in progress or the last result, and what is missing; returns 0."""
    from production.retraining.actions import open_journal
    from production.retraining.deciding import decide
    from production.retraining.journal import retrainings_of
    from production.retraining.rendering import status_lines, status_values

    folder, config, path = place.open()
    facts = make_retrainer(folder, config, path, as_json=place.as_json).facts()
    decision = decide(facts, config.retraining)
    retrainings = retrainings_of(open_journal(folder, config.name).read())
    latest = retrainings[-1] if retrainings else None
    values = status_values(facts, decision, latest)
    lines = list(status_lines(facts, decision, latest))
    print_answer(values, lambda: escape_lines(lines), as_json=place.as_json)
    return 0


def print_history(place: Place) -> int:
    """Prints all retrainings, the newest first; returns 0."""
    from production.retraining.actions import open_journal
    from production.retraining.journal import retrainings_of
    from production.retraining.rendering import history_table

    folder, config, _ = place.open()
    retrainings = retrainings_of(open_journal(folder, config.name).read())
    values = [one.to_json() for one in reversed(retrainings)]
    print_answer(values, lambda: history_table(retrainings), as_json=place.as_json)
    return 0


def make_retrainer(
    folder: OutputFolder, config: "Config", config_path: Path, *, as_json: bool = False
) -> "Retrainer":
    """Returns the retrainer of a use case.

    Args:
        folder: The output folder.
        config: The use case.
        config_path: Its file.
        as_json: Whether standard output is for one JSON document.
    """
    from production.retraining.retrainer import Retrainer, Tools

    tools = Tools(
        open_store=lambda: open_runs(config_path, folder.root),
        say=lambda line: print_line(line, to_errors=as_json),
    )
    return Retrainer(config, config_path, folder, tools)


def _carry_out(place: Place, folder: OutputFolder, model: str, retrainer: "Retrainer") -> int:
    """Carries out the retraining in progress, unless a loop does; returns the exit code."""
    from production.retraining.actions import is_worked_on, open_journal, working
    from production.retraining.journal import retrainings_of

    journal = open_journal(folder, model)
    if is_worked_on(journal.folder):
        latest = retrainings_of(journal.read())[-1]
        text = "`faultline loop` carries it out. Its progress: faultline retrain status"
        print_answer(latest.to_json(), lambda: escape(text), as_json=place.as_json)
        return 0
    with working(journal.folder):
        try:
            while retrainer.carry_on():
                time.sleep(_POLL_S)
        finally:
            retrainer.stop()
    latest = retrainings_of(journal.read())[-1]
    if latest.result is None:
        raise InputError(f"Retraining {latest.id} {latest.phase.words}.")
    return _finish(latest.result, latest.to_json(), as_json=place.as_json)


def _finish(result: "Result", values: Any, *, as_json: bool) -> int:
    if result.outcome == "stopped":
        raise InputError(result.words)
    if result.outcome == "failed":
        raise StepFailedError(result.words)
    if as_json:
        print_answer(values, lambda: "", as_json=True)
    return _EXIT_REFUSED if result.outcome in _REFUSED else 0

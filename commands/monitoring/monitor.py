"""`faultline monitor`: takes the finished chunks of recorded requests, once or again and again."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from commands.queries import deciding_person, print_answer, print_line, say_other_config
from commands.tolerance import Tolerant
from common.errors import InputError
from common.guards.terminal import visible
from common.logs import are_json, log_event
from common.output_folder import OutputFolder, captured_output, log_of_reader, open_output
from pipeline.config_loading import load_config
from pipeline.prediction.served_config import default_config

if TYPE_CHECKING:
    from pipeline.config import Config
    from production.monitoring.alarms.book import AlarmState
    from production.monitoring.report import ChunkReport

# A receiver that does not answer takes until its own time-out.
_DELIVERY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class MonitorOrder:
    """Command-line options of `faultline monitor`.

    Attributes:
        model: Name of the model; None for the use case's.
        config_path: The use case's config; None for that of the only served use case.
        output: The output folder.
        watch: Whether to go on until the command is stopped.
        every_s: Seconds between two looks.
        release: Number of a quarantined chunk to release instead; None for none.
        by: Who releases it; None for the name of the login.
        why: Why it is released; empty without `release`.
        as_json: JSON on standard output instead of text.
    """

    model: str | None
    config_path: Path | None
    output: Path
    watch: bool
    every_s: float
    release: int | None
    by: str | None
    why: str
    as_json: bool


def monitor(order: MonitorOrder) -> int:
    """Takes what is new of a model, and prints it; returns the exit code.

    Raises:
        InputError: No request to the model was recorded, another monitor runs, or a file cannot be
            read or written.
    """
    from production.collection.delivery import check_recorded

    if order.why and order.release is None:
        raise InputError("--why is the reason of --release CHUNK, which is missing. Add it.")
    folder = open_output(order.output)
    config = load_config(order.config_path or default_config(folder))
    model = order.model or config.name
    check_recorded(folder, model)
    say_other_config(config, model)
    if order.release is not None:
        return _release(order, order.release, folder, model)
    look = Look(config, folder, model, as_json=order.as_json)
    look.print(look.take())
    if order.watch:
        _watch(look, order.every_s)
    look.finish()
    return 0


def _watch(look: "Look", every_s: float) -> None:
    """Looks again and again; a problem ends one look only."""
    tolerant = Tolerant(partial(print_line, to_errors=True))
    while True:
        time.sleep(every_s)
        if reports := tolerant(look.take):
            look.print(reports)


def _release(order: MonitorOrder, number: int, folder: OutputFolder, model: str) -> int:
    from production.monitoring.troubles.quarantine import release_chunk

    released = release_chunk(
        folder.monitoring(model),
        number,
        by=deciding_person(order.by),
        why=order.why,
    )
    text = (
        f"Chunk {released.chunk} is released: faultline span may take its rows. It keeps its "
        "report without figures."
    )
    print_answer({"released": released.chunk}, lambda: text, as_json=order.as_json)
    return 0


def _say(descriptor: int, line: str) -> None:
    """Prints a line about progress; there is none where logs are JSON lines."""
    if not are_json():
        os.write(descriptor, f"{visible(line)}\n".encode())


class Look:
    """Takes what is new, delivers alarms, and prints.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        as_json: JSON on standard output instead of text.
    """

    def __init__(
        self, config: "Config", folder: OutputFolder, model: str, *, as_json: bool = False
    ) -> None:
        from production.monitoring.alarms.book import AlarmBook
        from production.monitoring.alarms.deliverer import Deliverer

        self._config, self._folder, self._model = config, folder, model
        self._as_json = as_json
        self._book = AlarmBook(folder.monitoring(model))
        self._deliverer = Deliverer(
            self._book, config.monitoring, environ=os.environ, folder=config.folder
        )

    def take(self) -> "list[ChunkReport]":
        """Returns the reports of what is new; alarms are delivered without waiting for it."""
        from production.monitoring.monitor import monitor_once

        log = log_of_reader(self._folder.reports / "monitor.log")
        try:
            with captured_output(log) as (_, err):  # TensorFlow's start-up messages
                say = partial(_say, err)
                reports = monitor_once(self._config, self._folder, self._model, say=say)
        except InputError:
            with suppress(InputError):  # the first error is the one to print
                self._update_page()  # it names a damaged report
            raise
        else:
            if reports:
                self._update_page()
        finally:  # alarms of the chunks before a problem are delivered too
            self._deliverer.begin()
        return reports

    def _update_page(self) -> None:
        from production.monitoring.page.page import update_page

        update_page(self._config, self._folder, self._model)

    def finish(self) -> None:
        """Waits for the delivery of alarms."""
        self._deliverer.finish(_DELIVERY_S)

    def print(self, reports: "list[ChunkReport]") -> None:
        """Prints new reports and the open alarms; logs the reports where logs are JSON lines."""
        if are_json():
            for report in reports:
                log_event(
                    f"Chunk {report.number} of {self._model}/{report.version} is finished",
                    chunk=report.number,
                    num_rows=report.num_rows,
                    is_broken=report.is_broken,
                    alarms=report.alarms,
                )
            return
        states = [state for state in self._book.states() if state.is_open]
        values = {
            "model": self._model,
            "chunks": [report.to_json() for report in reports],
            "open_alarms": [state.to_json() for state in states],
        }
        print_answer(values, lambda: self._words(reports, states), as_json=self._as_json)

    def _words(self, reports: "list[ChunkReport]", states: "list[AlarmState]") -> RenderableType:
        from production.monitoring.alarms.rendering import alarm_table
        from production.monitoring.performance.prices import prices_of
        from production.monitoring.rendering import chunk_table, last_notes

        if not reports:
            return Group(
                "No new chunk is finished, and no labels of earlier ones are complete. "
                f"{self._waiting_words()}",
                alarm_table(states),
            )
        return Group(
            chunk_table(reports, unit=prices_of(self._config).unit),
            "",
            last_notes(reports),
            "",
            alarm_table(states),
        )

    def _waiting_words(self) -> str:
        from pipeline.production_options.collection import recorded_share
        from production.monitoring.chunks.reader import ChunkReader
        from production.monitoring.state import load_state

        state = load_state(self._folder.monitoring(self._model))
        reader = ChunkReader(
            self._folder,
            self._model,
            self._config.monitoring,
            state.reader,
            share=recorded_share(self._config.collection),
        )
        return reader.waiting_words()

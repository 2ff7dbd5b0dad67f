"""Stage after the steps of a run: the export to trackers, the pages, and the summary."""

import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from common.errors import InputError, StepFailedError
from common.guards.redaction import redact_text
from common.metadata import connection_config, open_store
from common.paths import shown_path
from pipeline.lineage.graph import read_graph
from pipeline.running.console import RunConsole
from pipeline.running.stages.place import RunPlace
from pipeline.running.steps import StepResult
from pipeline.running.summary import RunSummary
from pipeline.tracking.tracking import track_run


def close_run(place: RunPlace, shown: RunConsole, summary: RunSummary, started: float) -> None:
    """Exports, publishes and records a run that has ended.

    Args:
        place: Inputs and output locations of the run.
        shown: Prints problems.
        summary: The run with its steps; its duration, pages and tracking are filled in here.
        started: Monotonic time of its start.
    """
    summary.duration_s = time.monotonic() - started
    summary.tracking = _track(place, shown)
    summary.pages = _publish(place, shown) if summary.steps or summary.spans else []
    summary.write()


def _track(place: RunPlace, shown: RunConsole) -> dict[str, str]:
    """Exports the run to the configured trackers; the result of the run is unaffected."""
    exports = track_run(place.run_id, place.config, place.folder)
    for failure in exports.failures:
        log_traceback(failure.error)
        shown.say(
            f"[yellow]![/yellow] Tracking by {failure.title} failed: {escape(failure.reason)}. "
            "The run is unaffected."
        )
    return exports.to_json()


def _publish(place: RunPlace, shown: RunConsole) -> list[str]:
    """Publishes the run's pages and returns their paths; the result of the run is unaffected."""
    from pipeline.publishing.model_card.artifact import make_card
    from pipeline.publishing.publish import publish_run

    try:
        store = open_store(connection_config(place.config.metadata, place.folder.root, os.environ))
        graph = read_graph(store)
        run = graph.runs[place.run_id]
        card = make_card(store, graph, run, place.folder.artifacts)
        pages = publish_run(graph, run, place.folder.reports, card=card)
    except Exception as error:  # noqa: BLE001 - printed; the log has it
        log_traceback(error)
        shown.say(f"[yellow]![/yellow] The reports were not written: {escape(str(error))}")
        return []
    return [str(page) for page in pages]


def log_traceback(error: BaseException) -> None:
    """Writes a traceback to standard error, which during a run is its log."""
    sys.stderr.write(redact_text("".join(traceback.format_exception(error))))


def error_to_raise(error: BaseException, log: Path, pages: Sequence[str] = ()) -> BaseException:
    """Returns a run's error as its command raises it: with the page of the data, or the log.

    Args:
        error: What stopped the run.
        log: The log of its libraries.
        pages: The run's pages, that of the data first.
    """
    if isinstance(error, InputError) and pages:
        return InputError(f"{error}\nThe page of the data: {shown_path(pages[0])}")
    if isinstance(error, InputError | KeyboardInterrupt):
        return error
    return StepFailedError(f"{error}\nTraceback and library log: {log}")


def link_tensorboard(place: RunPlace, step: StepResult) -> None:
    """Links the Trainer's TensorBoard logs, new or cached, into the run's folder."""
    for artifact in step.outputs.get("model_run", []):
        link = place.run_folder / "tensorboard"
        link.unlink(missing_ok=True)  # of an attempt that was killed
        link.symlink_to(os.path.relpath(artifact.uri, place.run_folder))

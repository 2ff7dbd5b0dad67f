"""The end of a run in separate steps: its summary, pages and exports, as of any run."""

import json
import time
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Execution

from common.errors import StepFailedError
from common.metadata import open_store
from common.output_folder import OutputFolder, exclusive
from pipeline.components.facts import describe_step
from pipeline.lineage.provenance import provenance_of
from pipeline.lineage.restoring.data_versions import data_versions_of
from pipeline.running.console import RunConsole
from pipeline.running.hints import find_hints
from pipeline.running.launching.step_results import finished_step
from pipeline.running.stages.closing import close_run, error_to_raise
from pipeline.running.stepping.executions import (
    cancel_abandoned,
    check_newest,
    executions_of,
    is_successful,
)
from pipeline.running.stepping.files import BEGIN, DONE, END, INTERRUPTED, step_console
from pipeline.running.stepping.step import StepRun, open_step_run
from pipeline.running.steps import StepResult, StepState
from pipeline.running.summary import RunSummary, render_summary

_COMPLETE = "complete"


def end_run(run_id: str, output: Path) -> int:
    """Ends a run, whether all steps have ended or one stopped it, and prints its summary.

    Returns:
        The exit code: 0 if a model was pushed, even if only to the shadow folder; else 3.

    Raises:
        InputError: A step rejected its input, or is still running.
        StepFailedError: A step failed for another reason, or did not run.
    """
    run = open_step_run(OutputFolder(output.absolute()), run_id)
    with exclusive(run.place.folder), step_console(run.files.log(END)) as shown:
        store = open_store(run.connection)
        check_newest(store, run.place.folder, run_id, run.place.config.name)
        summary = _new_summary(store, run)
        shown.say(f"[bold]{summary.use_case}[/bold]  run {run_id}")
        error = _collect(store, run, summary, shown)
        if error is None:
            summary.state = _COMPLETE
            summary.hints = find_hints(run.place.config, summary)
        else:
            summary.stop(error)
        _close_once(run, summary, shown)
        if error is not None:
            raise error_to_raise(error, run.files.root, summary.pages) from None
        render_summary(summary, shown.console)
    return 0 if summary.blessed or summary.shadow else 3


def _new_summary(store: MetadataStore, run: StepRun) -> RunSummary:
    context = store.get_context_by_type_and_name("pipeline_run", run.place.run_id)
    provenance = provenance_of(context) if context is not None else None
    begin = run.files.read_ending(BEGIN)
    return RunSummary(
        run_id=run.place.run_id,
        use_case=run.place.config.name,
        run_folder=run.place.run_folder,
        provenance=provenance.to_json() if provenance else {},
        data_versions=[one.to_json() for one in data_versions_of(context)] if context else [],
        spans=begin.spans if begin else [],
        log=run.files.root.name,
    )


def _close_once(run: StepRun, summary: RunSummary, shown: RunConsole) -> None:
    """Exports and publishes the run, unless that was done when it was complete before."""
    before = _read_summary(run.place.run_folder / "summary.json")
    if before.get("state") == summary.state == _COMPLETE:
        summary.pages, summary.duration_s = before["pages"], before["duration_s"]
        return
    duration_s = time.time() - run.beginning.began_at
    close_run(run.place, shown, summary, time.monotonic() - duration_s)


def _read_summary(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _collect(
    store: MetadataStore, run: StepRun, summary: RunSummary, shown: RunConsole
) -> Exception | None:
    """Adds the steps to the summary; returns why the run did not complete, or None if it did."""
    begin = run.files.read_ending(BEGIN)
    if begin is None or begin.state != DONE:
        return begin.to_error(BEGIN) if begin else _killed(BEGIN)
    steps = run.graph.upstream
    executions = executions_of(store, run.place.run_id, run.place.config.name)
    stopped = []
    for step in steps:
        execution = executions.get(step)
        if execution is not None and is_successful(execution):
            result = _finished(store, run, step, execution)
        elif (stop := _stopped(store, run, step, execution)) is not None:
            result, error = stop
            stopped.append(error)
        else:
            continue
        fact = describe_step(step, result.outputs)
        shown.step_ended(result, fact.text)
        summary.add_step(result, fact)
    idle = [step for step in steps if step not in summary.facts]
    if stopped:
        return stopped[0]
    return StepFailedError(f"These steps have not run: {', '.join(idle)}.") if idle else None


def _finished(store: MetadataStore, run: StepRun, step: str, execution: Execution) -> StepResult:
    return finished_step(
        store,
        execution.id,
        node_id=step,
        pipeline_name=run.place.config.name,
        duration_s=run.recorded_s(step),
    )


def _stopped(
    store: MetadataStore, run: StepRun, step: str, execution: Execution | None
) -> tuple[StepResult, Exception] | None:
    """Returns the result of a step that failed or was stopped, and why; None if it did not start.

    The caller holds the output folder, so that an unfinished execution is one of a dead process.
    """
    ending = run.files.read_ending(step)
    if execution is None and ending is None:
        return None
    cancel_abandoned(store, execution)
    if ending is None or ending.state == DONE:
        state, error, duration_s = StepState.INTERRUPTED, _killed(step), 0.0
    else:
        is_interrupt = ending.state == INTERRUPTED
        state = StepState.INTERRUPTED if is_interrupt else StepState.FAILED
        error, duration_s = ending.to_error(step), ending.duration_s
    result = StepResult(
        name=step,
        state=state,
        reason=type(error).__name__ if state == StepState.FAILED else "killed or stopped",
        duration_s=duration_s,
        execution_id=None,
        outputs={},
    )
    return result, error


def _killed(step: str) -> Exception:
    return StepFailedError(f"{step} was killed. Run it again: it resumes this run.")

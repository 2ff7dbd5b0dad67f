"""One run of a use case, from its config to the closing summary."""

import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from common.guards.redaction import learn_secrets
from common.guards.stopping import as_stop
from common.output_folder import captured_output, exclusive, open_output
from pipeline.agreement import check_agreement
from pipeline.components.facts import describe_step
from pipeline.components.pusher.signing import check_signing
from pipeline.config_loading import load_config
from pipeline.lineage.provenance import Provenance, collect_provenance
from pipeline.running.console import RunConsole
from pipeline.running.hints import find_hints
from pipeline.running.replaying.replay import find_unchanged_run
from pipeline.running.replaying.run_key import run_key
from pipeline.running.stages.closing import (
    close_run,
    error_to_raise,
    link_tensorboard,
    log_traceback,
)
from pipeline.running.stages.opening import (
    READER,
    Opening,
    check_data,
    check_new_run,
    open_run,
    read_earlier_spans,
    set_up_process,
    stamp_opening,
)
from pipeline.running.stages.place import PROJECT_DIR, RunPlace, new_run_id
from pipeline.running.steps import StepResult
from pipeline.running.summary import RunSummary, render_summary
from pipeline.tracking.tracking import check_tracking
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

if TYPE_CHECKING:
    from pipeline.running.replaying.plan import Plan


def run_use_case(
    config_path: Path,
    output: Path,
    *,
    as_json: bool,
    beam_args: tuple[str, ...] = LOCAL_BEAM_ARGS,
    data_revision: str | None = None,
) -> int:
    """Runs a use case and prints its progress.

    Args:
        config_path: The use case's config file.
        output: Folder for all output of runs.
        as_json: Print the summary as JSON on standard output and text on standard error.
        beam_args: Beam options for the data-parallel steps.
        data_revision: Revision of data under DVC to run on; None for the working copy.

    Returns:
        The exit code: 0 if a model was pushed, even if only to the shadow folder; else 3.

    Raises:
        InputError: Invalid input or anomalous data.
        StepFailedError: A step failed for another reason.
    """
    config = load_config(config_path)
    learn_secrets([*beam_args, *(f"{name}={text}" for name, text in config.beam.options.items())])
    check_agreement(config, config_path)
    check_tracking(config.tracking)
    check_signing(config)
    folder = open_output(output)
    with exclusive(folder):
        place = RunPlace(
            config=config,
            config_path=config_path,
            folder=folder,
            run_id=new_run_id(folder, config.name),
            beam_args=beam_args,
            data_revision=data_revision,
        )
        with _streams(place, as_json=as_json) as (text, data):
            summary = _run(place, Console(file=text))
            if as_json:
                data.write(json.dumps(summary.to_json(), indent=2) + "\n")
    return 0 if summary.blessed or summary.shadow else 3


@contextmanager
def _streams(place: RunPlace, *, as_json: bool) -> Iterator[tuple[TextIO, TextIO]]:
    """Yields the streams for text and for data; library output goes to the run's log."""
    with (
        captured_output(place.run_folder / "run.log") as (out, err),
        os.fdopen(os.dup(err if as_json else out), "w") as text,
        os.fdopen(os.dup(out), "w") as data,
    ):
        yield text, data


def _run(place: RunPlace, console: Console) -> RunSummary:
    started = time.monotonic()
    provenance = collect_provenance(place.config, place.config_path, PROJECT_DIR)
    summary = RunSummary(
        run_id=place.run_id,
        use_case=place.config.name,
        run_folder=place.run_folder,
        provenance=provenance.to_json(),
    )
    with RunConsole(console) as shown:
        shown.say(f"[bold]{place.config.name}[/bold]  run {place.run_id}")
        try:
            _run_steps(place, provenance, shown, summary)
            summary.state = "complete"
            summary.hints = find_hints(place.config, summary)
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - raised again below
            error = as_stop(caught)
            summary.stop(error)
            summary.write()  # at once: a second signal may not wait for what follows
            log_traceback(error)
            close_run(place, shown, summary, started)
            raised = error_to_raise(error, place.run_folder / "run.log", summary.pages)
            raise raised from (None if raised is error else error)
        close_run(place, shown, summary, started)
    render_summary(summary, console)
    return summary


def _run_steps(
    place: RunPlace, provenance: Provenance, shown: RunConsole, summary: RunSummary
) -> None:
    shown.step_started("Start")
    set_up_process(place)
    # Before the imports, so that a mistyped path is reported immediately.
    opening = open_run(place, provenance, shown)
    # Two folders on one metadata server may start a run in the same second.
    check_new_run(opening.store, place.run_id, remedy="Start the run again: its id has the time.")
    key = _key(opening)
    unchanged = find_unchanged_run(opening.store, place.folder, use_case=place.config.name, key=key)
    stamp_opening(opening, shown)
    if unchanged:
        steps = unchanged.steps(place.run_id, on_start=shown.step_started)
    else:
        steps = _every_step(opening, key, shown, summary)
    for step in steps:
        fact = describe_step(step.name, step.outputs)
        shown.step_ended(step, fact.text)
        summary.add_step(step, fact)
        link_tensorboard(place, step)
        if step.name == READER:
            versions = check_data(opening.data, opening.store, place.run_id, shown)
            summary.data_versions = [version.to_json() for version in versions]


def _key(opening: Opening) -> str | None:
    """Returns the run's key, with data and sources as they are now; None on an engine."""
    place = opening.place
    if place.beam_args != LOCAL_BEAM_ARGS:
        return None
    return run_key(
        place.config,
        opening.provenance,
        opening.source,
        place.folder,
        withdrawn=opening.withdrawn,
        project_dir=PROJECT_DIR,
    )


def _every_step(
    opening: Opening, key: str | None, shown: RunConsole, summary: RunSummary
) -> Iterator[StepResult]:
    """Runs the steps of the pipeline and yields their results."""
    # Importing TensorFlow and TFX takes seconds, so it happens only here, with a live line and with
    # the garbage collector disabled: repeated collections would take a quarter of the time.
    gc.disable()
    from pipeline.create import create_pipeline
    from pipeline.running.replaying.rehearsal import make_plan
    from pipeline.running.runner import compile_pipeline, run_steps

    gc.freeze()
    gc.enable()
    place = opening.place
    read_earlier_spans(opening, shown, summary)
    pipeline = create_pipeline(
        place.config,
        opening.source,
        place.folder,
        opening.connection,
        place.beam_args,
        opening.withdrawn,
    )
    compiled = compile_pipeline(pipeline, place.run_id)
    results = []
    for step in run_steps(
        compiled,
        opening.connection,
        on_start=shown.step_started,
        kept_digests=place.folder.kept_digests,
    ):
        results.append(step)
        yield step
    _plan_next_run(opening, key, partial(make_plan, compiled, opening.connection, results))


def _plan_next_run(
    opening: Opening, key: str | None, make_plan: Callable[..., "Plan | None"]
) -> None:
    """Writes the plan of the next run if nothing changes; the result of this run is unaffected."""
    place = opening.place
    try:
        # A file that was edited during the run makes another key.
        if key is None or key != _key(opening):
            return
        plan = make_plan(key=key, run_id=place.run_id)
        if plan is not None:
            plan.write(place.folder.plan(place.config.name))
    except Exception as error:  # noqa: BLE001 - in the log; the run is complete without a plan
        log_traceback(error)

"""One run of a use case, from its config to the closing summary."""

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ml_metadata.metadata_store import MetadataStore
from rich.console import Console
from rich.markup import escape

from common.errors import InputError, StepFailedError
from common.guards.redaction import learn_secrets, redact_text
from common.guards.stopping import as_stop
from common.metadata import ConnectionConfig, close_abandoned, connection_config, open_store
from common.output_folder import OutputFolder, captured_output, exclusive, open_output
from common.paths import shown_path
from common.run_ids import span_run_id
from pipeline.agreement import check_agreement
from pipeline.components.facts import describe_step
from pipeline.components.pusher.superseded import forget_superseded
from pipeline.components.pusher.version_folder import find_damaged_versions, served_versions
from pipeline.components.pusher.withdrawn import settle_versions, withdrawn_notes
from pipeline.config import SHADOW_SUFFIX, Config
from pipeline.config_loading import load_config
from pipeline.lineage.graph import read_graph
from pipeline.lineage.provenance import Provenance, collect_provenance, stamp_config, stamp_run
from pipeline.reading.data_source import find_source
from pipeline.reading.files.locations import Source
from pipeline.running.console import RunConsole
from pipeline.running.hints import find_hints
from pipeline.running.launching.history import check_history
from pipeline.running.replaying.replay import find_unchanged_run
from pipeline.running.replaying.run_key import run_key
from pipeline.running.steps import StepResult
from pipeline.running.summary import RunSummary, render_summary
from pipeline.tracking.tracking import check_tracking, track_run
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

if TYPE_CHECKING:
    from pipeline.running.replaying.plan import Plan

PROJECT_DIR = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class RunPlace:
    """Inputs and output locations of one run.

    Attributes:
        config: The use case.
        config_path: Its config file.
        folder: The output folder.
        run_id: The run's id: its start time and the use case's name.
        beam_args: Beam options for the data-parallel steps.
    """

    config: Config
    config_path: Path
    folder: OutputFolder
    run_id: str
    beam_args: tuple[str, ...] = LOCAL_BEAM_ARGS

    @property
    def run_folder(self) -> Path:
        """The run's own folder."""
        return self.folder.run(self.run_id)


def run_use_case(
    config_path: Path,
    output: Path,
    *,
    as_json: bool,
    beam_args: tuple[str, ...] = LOCAL_BEAM_ARGS,
) -> int:
    """Runs a use case and prints its progress.

    Args:
        config_path: The use case's config file.
        output: Folder for all output of runs.
        as_json: Print the summary as JSON on standard output and text on standard error.
        beam_args: Beam options for the data-parallel steps.

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
    folder = open_output(output)
    with exclusive(folder):
        place = RunPlace(
            config=config,
            config_path=config_path,
            folder=folder,
            run_id=_new_run_id(folder, config.name),
            beam_args=beam_args,
        )
        with _streams(place, as_json=as_json) as (text, data):
            summary = _run(place, Console(file=text))
            if as_json:
                data.write(json.dumps(summary.to_json(), indent=2) + "\n")
    return 0 if summary.blessed or summary.shadow else 3


def _new_run_id(folder: OutputFolder, name: str) -> str:
    start = datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")
    candidate, number = f"{start}-{name}", 2
    while folder.run(candidate).exists():
        candidate, number = f"{start}-{name}-{number}", number + 1
    return candidate


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
            _log_traceback(error)
            _close(place, shown, summary, started)
            if isinstance(error, InputError) and summary.pages:
                page = shown_path(summary.pages[0])
                raise InputError(f"{error}\nThe page of the data: {page}") from error
            if isinstance(error, InputError | KeyboardInterrupt):
                raise error from None
            log = place.run_folder / "run.log"
            raise StepFailedError(f"{error}\nTraceback and library log: {log}") from error
        _close(place, shown, summary, started)
    render_summary(summary, console)
    return summary


def _close(place: RunPlace, shown: RunConsole, summary: RunSummary, started: float) -> None:
    """Exports, publishes and records a run that has ended."""
    summary.duration_s = time.monotonic() - started
    summary.tracking = _track(place, shown)
    summary.pages = _publish(place, shown) if summary.steps or summary.spans else []
    summary.write()


def _track(place: RunPlace, shown: RunConsole) -> dict[str, str]:
    """Exports the run to MLflow if requested; the result of the run is unaffected."""
    try:
        return track_run(place.run_id, place.config, place.folder)
    except Exception as error:  # noqa: BLE001 - a library's, and told to people and programs
        _log_traceback(error)
        shown.say(f"[yellow]![/yellow] The run was not exported to MLflow: {escape(str(error))}")
        return {"mlflow_error": str(error)}


def _publish(place: RunPlace, shown: RunConsole) -> list[str]:
    """Publishes the run's pages and returns their paths; the result of the run is unaffected."""
    from pipeline.publishing.publish import publish_run

    try:
        connection = connection_config(place.config.metadata, place.folder.root, os.environ)
        graph = read_graph(open_store(connection))
        pages = publish_run(graph, graph.runs[place.run_id], place.folder.reports)
    except Exception as error:  # noqa: BLE001 - reported, as in `_track`
        _log_traceback(error)
        shown.say(f"[yellow]![/yellow] The reports were not written: {escape(str(error))}")
        return []
    return [str(page) for page in pages]


def _log_traceback(error: BaseException) -> None:
    """Redirects standard error to the run's log during the run."""
    sys.stderr.write(redact_text("".join(traceback.format_exception(error))))


def _run_steps(
    place: RunPlace, provenance: Provenance, shown: RunConsole, summary: RunSummary
) -> None:
    shown.step_started("Start")
    # Otherwise Keras reads a config file in the home folder, which affects training, or writes one.
    os.environ["KERAS_HOME"] = str(place.run_folder)
    # Otherwise each of Beam's argument parsers, of which there are thousands, looks for files with
    # translations of its messages; there are none.
    os.environ["LANGUAGE"] = "C"
    # Before the imports, so that a mistyped path is reported immediately.
    source = find_source(place.config, place.folder)
    connection = connection_config(place.config.metadata, place.folder.root, os.environ)
    store = open_store(connection)
    start = _Start(
        place=place,
        provenance=provenance,
        source=source,
        connection=connection,
        store=store,
        withdrawn=_settle(store, place, shown),
    )
    key = start.key()
    unchanged = find_unchanged_run(store, place.folder, use_case=place.config.name, key=key)
    is_first_run = store.get_context_by_type_and_name("pipeline", place.config.name) is None
    stamp_run(store, place.run_id, provenance)
    stamp_config(store, place.run_id, place.config)
    shown.say_code(provenance.git_label, is_first_run=is_first_run)
    if unchanged:
        steps = unchanged.steps(place.run_id, on_start=shown.step_started)
    else:
        steps = _every_step(start, key, shown, summary)
    for step in steps:
        fact = describe_step(step.name, step.outputs)
        shown.step_ended(step, fact.text)
        summary.add_step(step, fact)
        _link_tensorboard(place.run_folder, step)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What a run starts with.

    Attributes:
        place: Its inputs and output locations.
        provenance: Its provenance.
        source: Location of its data.
        connection: Connection to ML Metadata.
        store: The metadata store.
        withdrawn: What the Pusher must not push.
    """

    place: RunPlace
    provenance: Provenance
    source: Source
    connection: ConnectionConfig
    store: MetadataStore
    withdrawn: dict[str, Any]

    def key(self) -> str | None:
        """Returns the run's key, with data and sources as they are now; None on an engine."""
        if self.place.beam_args != LOCAL_BEAM_ARGS:
            return None
        return run_key(
            self.place.config,
            self.provenance,
            self.source,
            self.place.folder,
            withdrawn=self.withdrawn,
            project_dir=PROJECT_DIR,
        )


def _every_step(
    start: _Start, key: str | None, shown: RunConsole, summary: RunSummary
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
    place = start.place
    _read_earlier_spans(start, shown, summary)
    pipeline = create_pipeline(
        place.config,
        start.source,
        place.folder,
        start.connection,
        place.beam_args,
        start.withdrawn,
    )
    compiled = compile_pipeline(pipeline, place.run_id)
    results = []
    for step in run_steps(
        compiled,
        start.connection,
        on_start=shown.step_started,
        kept_digests=place.folder.kept_digests,
    ):
        results.append(step)
        yield step
    _plan_next_run(start, key, partial(make_plan, compiled, start.connection, results))


def _plan_next_run(start: _Start, key: str | None, make_plan: Callable[..., "Plan | None"]) -> None:
    """Writes the plan of the next run if nothing changes; the result of this run is unaffected."""
    place = start.place
    try:
        # A file that was edited during the run makes another key.
        if key is None or key != start.key():
            return
        plan = make_plan(key=key, run_id=place.run_id)
        if plan is not None:
            plan.write(place.folder.plan(place.config.name))
    except Exception as error:  # noqa: BLE001 - in the log; the run is complete without a plan
        _log_traceback(error)


def _settle(store: MetadataStore, place: RunPlace, shown: RunConsole) -> dict[str, Any]:
    """Reconciles the record with the folders and says what differs.

    Returns:
        What the Pusher must not push.

    Raises:
        InputError: The record does not know the results in the folders.
    """
    # On a shared server only this folder's runs are certainly dead, because we hold its lock.
    own_runs = {path.name for path in place.run_folder.parent.iterdir()} - {place.run_id}
    close_abandoned(store, run_ids=own_runs)
    check_history(store, place.folder.artifacts / place.config.name)
    return _settle_pushes(store, place, shown)


def _settle_pushes(store: MetadataStore, place: RunPlace, shown: RunConsole) -> dict[str, Any]:
    names = (place.config.name, place.config.name + SHADOW_SUFFIX)
    bases = [place.folder.serving(name) for name in names]
    for base in bases:
        settle_versions(store, base)
        damaged = find_damaged_versions(base, kept_digests=place.folder.kept_digests)
        for version, change in damaged.items():
            is_newest = version == served_versions(base)[-1]
            remedy = "This run pushes its model again." if is_newest else "Do not serve it."
            shown.say(
                f"[yellow]![/yellow] The pushed version {base.name}/{version} is damaged: "
                f"{escape(change)}. {remedy}"
            )
        forget_superseded(store, base, damaged=damaged)
    return withdrawn_notes(store, bases)


def _read_earlier_spans(start: _Start, shown: RunConsole, summary: RunSummary) -> None:
    """Reads the missing spans of the window; the pipeline itself reads the newest one."""
    from pipeline.running.span_runs import SpanPlace, read_span, spans_to_read

    place = start.place
    spans = SpanPlace(
        config=place.config,
        source=start.source,
        folder=place.folder,
        connection=start.connection,
        run_id=place.run_id,
        beam_args=place.beam_args,
    )
    for span in spans_to_read(start.store, spans):
        part_id = span_run_id(place.run_id, span)
        stamp_run(start.store, part_id, start.provenance)
        stamp_config(start.store, part_id, place.config)
        for result in read_span(spans, span, on_start=shown.step_started):
            shown.step_ended(result.step, result.text)
            summary.spans.append(dict(result.values) | {"duration_s": result.step.duration_s})


def _link_tensorboard(run_folder: Path, step: StepResult) -> None:
    """Links the Trainer's TensorBoard logs, new or cached, into the run's folder."""
    for artifact in step.outputs.get("model_run", []):
        (run_folder / "tensorboard").symlink_to(os.path.relpath(artifact.uri, run_folder))

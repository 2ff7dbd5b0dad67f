"""The beginning of a run in separate steps: all that precedes them, and the compiled pipeline."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from common.errors import InputError
from common.guards.stopping import as_stop
from common.output_folder import exclusive, open_output, replace_file
from pipeline.agreement import check_agreement
from pipeline.components.pusher.signing import check_signing
from pipeline.config_loading import load_config
from pipeline.lineage.provenance import Provenance, collect_provenance
from pipeline.running.console import RunConsole
from pipeline.running.stages.opening import (
    Opening,
    check_new_run,
    open_run,
    read_earlier_spans,
    set_up_process,
    stamp_opening,
)
from pipeline.running.stages.place import PROJECT_DIR, RunPlace, sources_digest
from pipeline.running.stepping.executions import check_newest
from pipeline.running.stepping.files import (
    BEGIN,
    DONE,
    Beginning,
    Ending,
    StepFiles,
    raise_recorded,
    step_console,
)
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.overrides import Overrides, check_run_id
from pipeline.running.summary import RunSummary
from pipeline.tracking.tracking import check_tracking


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A run to begin.

    Attributes:
        config_path: The use case's config file.
        run_id: The run's id.
        overrides: Values that replace those of the config.
        steps: Digest of the steps that will be started; empty if they are not known yet.
    """

    config_path: Path
    run_id: str
    overrides: Overrides
    steps: str = ""


def begin_run(request: RunRequest, output: Path) -> int:
    """Begins a run: finds the data, reads earlier spans, records the run, compiles its pipeline.

    A run that has begun with the same values is left as it is, so that this may be repeated.

    Raises:
        InputError: Invalid input, anomalous data of an earlier span, or another run is in progress.
        StepFailedError: A step of an earlier span failed for another reason.
    """
    check_run_id(request.run_id)
    config = request.overrides.apply(load_config(request.config_path))
    check_agreement(config, request.config_path)
    check_tracking(config.tracking)
    check_signing(config)
    folder = open_output(output)
    with exclusive(folder):
        place = RunPlace(
            config=config,
            config_path=request.config_path.absolute(),
            folder=folder,
            run_id=request.run_id,
        )
        files = StepFiles(place.run_folder)
        _check_steps_only(place, files)
        with step_console(files.log(BEGIN)) as shown:
            provenance = collect_provenance(config, request.config_path, PROJECT_DIR)
            beginning = _beginning(place, provenance, request.overrides)
            before = files.read_beginning()
            _check_same(before, beginning, request.run_id)
            shown.say(f"[bold]{config.name}[/bold]  run {request.run_id}")
            if files.pipeline.is_file():
                shown.say("This run has already begun.")
                return 0
            files.write_beginning(beginning)
            files.forget_ending(BEGIN)
            _begin(place, provenance, shown, request.steps, is_new=before is None)
    return 0


def _check_steps_only(place: RunPlace, files: StepFiles) -> None:
    """Checks that no run within one process has this id: the steps would overwrite its record."""
    if place.run_folder.exists() and not files.root.is_dir():
        raise InputError(
            f"{place.run_folder} is the folder of a run that was not started by `begin`. Give "
            "another --run."
        )


def _beginning(place: RunPlace, provenance: Provenance, overrides: Overrides) -> Beginning:
    return Beginning(
        config=str(place.config_path),
        config_digest=provenance.config_digest,
        overrides=asdict(overrides),
        code_digest=sources_digest(),
        began_at=time.time(),
    )


def _check_same(before: Beginning | None, now: Beginning, run_id: str) -> None:
    if before is None:
        return
    parts = {
        "config": "config file",
        "config_digest": "values of the config",
        "overrides": "options",
        "code_digest": "sources of Faultline",
    }
    changed = [text for name, text in parts.items() if getattr(before, name) != getattr(now, name)]
    if changed:
        raise InputError(
            f"Run {run_id} has begun before, and these differ now: {', '.join(changed)}. Give "
            "another --run."
        )


def _begin(
    place: RunPlace, provenance: Provenance, shown: RunConsole, steps: str, *, is_new: bool
) -> None:
    started = time.monotonic()
    files = StepFiles(place.run_folder)
    summary = RunSummary(
        run_id=place.run_id, use_case=place.config.name, run_folder=place.run_folder
    )
    try:
        set_up_process(place)
        shown.step_started("Start")
        opening = open_run(place, provenance, shown)
        if is_new:
            _check_new(opening, files)
        check_newest(opening.store, place.folder, place.run_id, place.config.name)
        stamp_opening(opening, shown)
        read_earlier_spans(opening, shown, summary)
        graph = _compile(opening, files, steps)
    except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - recorded and raised again
        error = as_stop(caught)
        ending = Ending.of_error(error, time.monotonic() - started, summary.spans)
        raise_recorded(files, BEGIN, error, ending)
    duration_s = time.monotonic() - started
    files.write_ending(BEGIN, Ending(state=DONE, duration_s=duration_s, spans=summary.spans))
    shown.say(f"The run has {len(graph.upstream)} steps: {', '.join(graph.upstream)}.")


def _check_new(opening: Opening, files: StepFiles) -> None:
    try:
        check_new_run(opening.store, opening.place.run_id, remedy="Give another --run.")
    except InputError:
        files.forget_beginning()  # a second attempt would pass for one that resumes the run
        raise


def _compile(opening: Opening, files: StepFiles, steps: str) -> StepGraph:
    """Compiles the pipeline into the run's folder, last of all: with this file the run has begun.

    It holds no password: each step connects to ML Metadata by its own environment.
    """
    from ml_metadata.proto import metadata_store_pb2

    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline

    place = opening.place
    pipeline = create_pipeline(
        place.config,
        opening.source,
        place.folder,
        metadata_store_pb2.ConnectionConfig(),
        place.beam_args,
        opening.withdrawn,
    )
    compiled = compile_pipeline(pipeline, place.run_id)
    graph = StepGraph.of(compiled)
    if steps and graph.digest != steps:
        raise InputError(
            f"This run would have the steps {', '.join(graph.upstream)}, which are not those of "
            "the specification that starts it: config or code differ. Compile it again."
        )
    content = compiled.SerializeToString(deterministic=True)
    replace_file(files.graph, graph.to_json().encode(), mode=0o600)
    replace_file(files.pipeline, content, mode=0o600)
    return graph

"""One step of a run, in a process of its own."""

import difflib
import gc
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from common.guards.stopping import as_stop
from common.metadata import ConnectionConfig, connection_config, open_store
from common.output_folder import OutputFolder, hold, shared
from pipeline.components.facts import describe_step
from pipeline.config import Config
from pipeline.config_loading import config_digest, load_config
from pipeline.data_versions.opening import opened_before
from pipeline.lineage.restoring.data_versions import data_versions_of
from pipeline.running.console import RunConsole
from pipeline.running.launching.launches import Turn
from pipeline.running.stages.closing import link_tensorboard
from pipeline.running.stages.opening import READER, check_data, set_up_process
from pipeline.running.stages.place import RunPlace, sources_digest
from pipeline.running.stepping.executions import (
    cancel_abandoned,
    check_newest,
    executions_of,
    is_successful,
)
from pipeline.running.stepping.files import (
    BEGIN,
    DONE,
    Beginning,
    Ending,
    StepFiles,
    begun_run,
    raise_recorded,
    step_console,
)
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.overrides import Overrides
from pipeline.running.steps import StepResult


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """A run that has begun, as its steps see it.

    Attributes:
        place: Its inputs and output locations.
        files: Its files.
        beginning: What it has begun with.
        connection: Connection to ML Metadata, with the password of this process.
    """

    place: RunPlace
    files: StepFiles
    beginning: Beginning
    connection: ConnectionConfig

    @property
    def graph(self) -> StepGraph:
        """Its steps and what each depends on.

        Raises:
            InputError: `begin` has not ended.
        """
        if not self.files.pipeline.is_file():
            raise InputError(
                f"`begin` of run {self.place.run_id} has not ended. Its log is "
                f"{self.files.log(BEGIN)}."
            )
        return StepGraph.read(self.files.graph)

    def recorded_s(self, step: str) -> float:
        """Returns the wall time of a step in seconds; 0 if it was killed after it had published."""
        ending = self.files.read_ending(step)
        return ending.duration_s if ending is not None and ending.state == DONE else 0.0


def open_step_run(folder: OutputFolder, run_id: str) -> StepRun:
    """Returns a run that has begun; config and sources must be those that it has begun with.

    Raises:
        InputError: It has not begun, or config or sources differ.
    """
    files, beginning = begun_run(folder, run_id)
    path = Path(beginning.config)
    config = Overrides(**beginning.overrides).apply(load_config(path))
    _check_same(beginning, config, run_id)
    place = RunPlace(config=config, config_path=path, folder=folder, run_id=run_id)
    set_up_process(place)
    connection = connection_config(config.metadata, folder.root, os.environ)
    return StepRun(place=place, files=files, beginning=beginning, connection=connection)


def _check_same(beginning: Beginning, config: Config, run_id: str) -> None:
    changes = {
        beginning.config: config_digest(config) != beginning.config_digest,
        "Faultline's sources": sources_digest() != beginning.code_digest,
    }
    changed = [name for name, is_changed in changes.items() if is_changed]
    if changed:
        raise InputError(
            f"Run {run_id} has begun with another version of {' and '.join(changed)}. Use one "
            "image for all steps of a run, or start a new run: finished steps come from the cache."
        )


def run_one_step(step: str, run_id: str, output: Path) -> int:
    """Runs one step of a run that has begun; one that has ended is left as it is.

    Raises:
        InputError: The step is unknown, is running, or waits for others, or it rejected its input.
        StepFailedError: It failed for another reason.
    """
    run = open_step_run(OutputFolder(output.absolute()), run_id)
    _check_known(step, list(run.graph.upstream), run_id)
    refusal = f"{step} of run {run_id} is running in another process. Wait for it to end."
    with (
        shared(run.place.folder),
        hold(run.files.lock(step), refusal),
        step_console(run.files.log(step)) as shown,
    ):
        turn = Turn(run.files.turn)
        if _has_ended(step, run, turn):
            shown.say(f"{step} has ended before in this run.")
            return 0
        run.files.forget_ending(step)
        started = time.monotonic()
        try:
            result = _launch(step, run, turn, shown)
            if step == READER:
                _check_data(run, turn, shown)
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - recorded, raised again
            error = as_stop(caught)
            ending = Ending.of_error(error, time.monotonic() - started, [])
            raise_recorded(run.files, step, error, ending)
        run.files.write_ending(step, Ending(state=DONE, duration_s=result.duration_s))
    return 0


def _check_known(step: str, names: Sequence[str], run_id: str) -> None:
    if step in names:
        return
    near = difflib.get_close_matches(step, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Its steps are {', '.join(names)}."
    raise InputError(f"Run {run_id} has no step {step}. {hint}")


def _has_ended(step: str, run: StepRun, turn: Turn) -> bool:
    """Whether a step has ended before; if not, checks and clears the way for it.

    Raises:
        InputError: A later run began, or a step that it depends on has not ended.
    """
    use_case = run.place.config.name
    with turn:
        store = open_store(run.connection)
        executions = executions_of(store, run.place.run_id, use_case)
        if is_successful(executions.get(step)):
            return True
        check_newest(store, run.place.folder, run.place.run_id, use_case)
        missing = [
            name for name in run.graph.upstream[step] if not is_successful(executions.get(name))
        ]
        if missing:
            raise InputError(
                f"{step} of run {run.place.run_id} needs the results of {', '.join(missing)}, not "
                "there yet. Run what is missing first."
            )
        cancel_abandoned(store, executions.get(step))
    return False


def _check_data(run: StepRun, turn: Turn, shown: RunConsole) -> None:
    """Records whether data under DVC were changed while they were read."""
    place = run.place
    with turn:
        store = open_store(run.connection)
        context = store.get_context_by_type_and_name("pipeline_run", place.run_id)
        before = opened_before(place.config, place.folder, data_versions_of(context))
        check_data(before, store, place.run_id, shown)


def _launch(step: str, run: StepRun, turn: Turn, shown: RunConsole) -> StepResult:
    shown.step_started(step)
    # As in a run within one process: no collections while TensorFlow and TFX are imported.
    gc.disable()
    from tfx.proto.orchestration import pipeline_pb2

    from pipeline.running.runner import run_step

    gc.freeze()
    gc.enable()
    compiled = pipeline_pb2.Pipeline.FromString(run.files.pipeline.read_bytes())
    kept_digests = run.place.folder.kept_digests
    results = run_step(compiled, step, run.connection, kept_digests=kept_digests, turn=turn)
    for result in results:
        shown.step_ended(result, describe_step(result.name, result.outputs).text)
    link_tensorboard(run.place, result)
    return result

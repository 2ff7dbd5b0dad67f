"""Local runner that executes a compiled pipeline step by step and reports on each step.

TFX's `LocalDagRunner` runs the same loop silently. This runner reports for each step whether it
ran or was cached, and why, uses its own run id, and runs some steps beside the next ones.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from common.errors import InputError, StepFailedError
from common.guards.stopping import stop_number
from common.internals.beam import remember_specs
from pipeline.remote.checks import check_endpoint
from pipeline.remote.engines import EngineOptions
from pipeline.running.launching.artifact_checks import ArtifactChecks, DamagedArtifactError
from pipeline.running.launching.launches import BESIDE, Launch, Turn, must_wait
from pipeline.running.launching.step_launcher import StepLauncher
from pipeline.running.launching.step_results import (
    StartCallback,
    finished_step,
    stopped_step,
)
from pipeline.running.steps import StepResult

_PYTHON_ERROR = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b.*:")
_NO_REASON = ("Traceback", "[while running")
_MAX_REASON = 500
_TRIES_ON_ENGINE = 2
_progress = logging.getLogger("faultline.progress")


def compile_pipeline(pipeline: tfx_pipeline.Pipeline, run_id: str) -> pipeline_pb2.Pipeline:
    """Returns the pipeline's intermediate representation with `run_id` filled in."""
    compiled = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    return compiled


def run_steps(
    compiled: pipeline_pb2.Pipeline,
    connection: metadata_store_pb2.ConnectionConfig,
    *,
    on_start: StartCallback,
    kept_digests: Path | None = None,
    beside: Collection[str] = BESIDE,
) -> Iterator[StepResult]:
    """Runs every node and yields the results in order, as soon as they are there.

    Args:
        compiled: The output of `compile_pipeline`.
        connection: Connection to ML Metadata.
        on_start: Called with a step's name when it starts.
        kept_digests: File in which digests of unchanged files are kept between runs.
        beside: Steps that run beside the next ones.

    Raises:
        InputError: A step rejected its input.
        StepFailedError: A step failed for another reason.
    """
    place = _place(compiled, connection, kept_digests, Turn())
    nodes = [entry.pipeline_node for entry in compiled.nodes]
    yield from _run_nodes(nodes, place, on_start=on_start, beside=beside)
    place.checks.save()


def run_step(
    compiled: pipeline_pb2.Pipeline,
    name: str,
    connection: metadata_store_pb2.ConnectionConfig,
    *,
    kept_digests: Path,
    turn: Turn,
) -> Iterator[StepResult]:
    """Runs one node, whose upstream nodes have ended in this run, and yields its result.

    Args:
        compiled: The output of `compile_pipeline`.
        name: The node's id.
        connection: Connection to ML Metadata.
        kept_digests: File in which digests of unchanged files are kept between runs.
        turn: The right to use ML Metadata, which other processes of the run share.

    Raises:
        InputError: The step rejected its input.
        StepFailedError: It failed for another reason.
    """
    place = _place(compiled, connection, kept_digests, turn)
    nodes = [entry.pipeline_node for entry in compiled.nodes]
    own = [node for node in nodes if node.node_info.id == name]
    yield from _run_nodes(own, place, on_start=lambda _: None, beside=())
    place.checks.save()


def _run_nodes(
    nodes: Sequence[pipeline_pb2.PipelineNode],
    place: "_Place",
    *,
    on_start: StartCallback,
    beside: Collection[str],
) -> Iterator[StepResult]:
    """Launches nodes in order and yields their results; waits for all, whatever happens."""
    with place.turn:
        store = MetadataStore(place.connection)
    launches: list[Launch] = []  # whose results have not been yielded
    try:
        for node in nodes:
            name, upstream = node.node_info.id, node.upstream_nodes
            _wait_for(one for one in launches if must_wait(one, before=name, upstream=upstream))
            yield from _ended(place, store, launches)
            on_start(name)
            launch = Launch(name, partial(_launch_patiently, place, node))
            launches.append(launch)
            launch.start(beside=name in beside)
        _wait_for(launches)
        yield from _ended(place, store, launches)
    finally:
        _wait_for(launches)


def _place(
    compiled: pipeline_pb2.Pipeline,
    connection: metadata_store_pb2.ConnectionConfig,
    kept_digests: Path | None,
    turn: Turn,
) -> "_Place":
    remember_specs()
    deployment = runner_utils.extract_local_deployment_config(compiled)
    return _Place(compiled, deployment, connection, ArtifactChecks(kept_digests), turn)


def _wait_for(launches: Iterable[Launch]) -> None:
    for launch in launches:
        launch.wait()


@dataclass(frozen=True)
class _Place:
    """What every step of a run is launched with."""

    compiled: pipeline_pb2.Pipeline
    deployment: Any
    connection: metadata_store_pb2.ConnectionConfig
    checks: ArtifactChecks
    turn: Turn


def _ended(place: _Place, store: MetadataStore, launches: list[Launch]) -> Iterator[StepResult]:
    """Takes the launches that have ended from the list, and yields their results in order.

    A launch that still runs holds back the results of those after it. If a step stopped, the others
    are waited for, and the stopped ones come last.

    Raises:
        InputError: A step rejected its input.
        StepFailedError: A step failed for another reason.
    """
    if any(launch.error for launch in launches):
        _wait_for(launches)
        launches.sort(key=lambda launch: launch.error is not None)
    stopped = []
    while launches and not launches[0].is_running:
        launch = launches.pop(0)
        if launch.error is None:
            yield _finished(place, store, launch)
        else:
            yield stopped_step(launch.name, launch.error, launch.duration_s)
            stopped.append((launch.name, launch.error))
    if stopped:
        # A signal counts more than what it caused.
        _raise_for_user(*min(stopped, key=lambda one: not isinstance(one[1], KeyboardInterrupt)))


def _finished(place: _Place, store: MetadataStore, launch: Launch) -> StepResult:
    with place.turn:
        return finished_step(
            store,
            launch.execution_id,
            node_id=launch.name,
            pipeline_name=place.compiled.pipeline_info.id,
            duration_s=launch.duration_s,
        )


def _launch_patiently(
    place: _Place, node: pipeline_pb2.PipelineNode, on_executing: Callable[[], None]
) -> int:
    """Launches a node; retries a Beam step on an engine once, because engines lose workers.

    A failed attempt publishes nothing: TFX deletes its output. There is no retry if the engine
    itself is gone.
    """
    spec = runner_utils.extract_executor_spec(place.deployment, node.node_info.id)
    args = tuple(getattr(spec, "beam_pipeline_args", ()))
    options = EngineOptions(args)
    tries = _TRIES_ON_ENGINE if args and not options.is_local else 1
    patient = Retrying(
        stop=stop_after_attempt(tries),
        retry=retry_if_exception(lambda error: _is_not_the_users(error) and _answers(options)),
        before_sleep=_report_retry,
        reraise=True,
    )
    return int(patient(_launch, place, node, on_executing))


def _is_not_the_users(error: BaseException) -> bool:
    is_final = isinstance(error, DamagedArtifactError) or not isinstance(error, Exception)
    return not is_final and not stop_number() and input_error_of(error) is None


def _answers(options: EngineOptions) -> bool:
    try:
        check_endpoint(options)
    except InputError as error:
        _progress.info("%s", error)
        return False
    return True


def _report_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logging.getLogger(__name__).warning("The engine failed; trying again", exc_info=error)
    _progress.info("the engine failed (%s); trying again", first_reason(str(error)))


def _launch(
    place: _Place, node: pipeline_pb2.PipelineNode, on_executing: Callable[[], None]
) -> int:
    node_id = node.node_info.id
    info = StepLauncher(
        checks=place.checks,
        turn=place.turn,
        on_executing=on_executing,
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(place.connection),
        pipeline_info=place.compiled.pipeline_info,
        pipeline_runtime_spec=place.compiled.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(place.deployment, node_id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(place.deployment, node_id),
    ).launch()
    if info is None or info.execution_id is None:
        raise RuntimeError(f"TFX did not run {node_id}: a required input does not exist.")
    return int(info.execution_id)


def _raise_for_user(node_id: str, error: BaseException) -> None:
    """Raises the `InputError` in the exception's chain if there is one, else `StepFailedError`."""
    if isinstance(error, KeyboardInterrupt | DamagedArtifactError):
        raise error
    bad_input = input_error_of(error)
    if bad_input is not None:
        raise bad_input
    reason = first_reason(str(error))
    raise StepFailedError(f"{node_id} failed: {type(error).__name__}: {reason}") from error


def input_error_of(error: BaseException) -> InputError | None:
    """Returns the `InputError` in an exception's chain, or None."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def first_reason(text: str) -> str:
    """Returns an engine's error as one line; the traceback is in the log.

    Args:
        text: The error text. Beam's contains tracebacks of the workers and of Java.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    # Traceback frames are indented; Beam appends its step to the reason.
    reasons = [line for line in lines if not line.startswith((" ", "\t", *_NO_REASON))]
    python = [line for line in reasons if _PYTHON_ERROR.match(line)]
    chosen = (python[-1:] or reasons[:1] or ["no reason given"])[0]
    return chosen if len(chosen) <= _MAX_REASON else f"{chosen[: _MAX_REASON - 1]}…"

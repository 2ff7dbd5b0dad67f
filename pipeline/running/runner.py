"""Local runner that executes a compiled pipeline step by step and reports on each step.

TFX's `LocalDagRunner` runs the same loop silently. This runner reports for each step whether it
ran or was cached, and why, and uses its own run id.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Execution
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from common.errors import InputError, StepFailedError
from common.guards.stopping import as_stop, check_not_stopped, stop_number, stop_words
from pipeline.remote.checks import check_endpoint
from pipeline.remote.engines import EngineOptions
from pipeline.running.cache_reasons import explain_execution
from pipeline.running.launching.artifact_checks import ArtifactChecks, DamagedArtifactError
from pipeline.running.launching.step_launcher import StepLauncher
from pipeline.running.steps import StepResult, StepState

StartCallback = Callable[[str], None]

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
) -> Iterator[StepResult]:
    """Runs every node in order and yields its result as soon as it has ended.

    Args:
        compiled: The output of `compile_pipeline`.
        connection: Connection to ML Metadata.
        on_start: Called with a step's name when it starts.
        kept_digests: File in which digests of unchanged files are kept between runs.

    Raises:
        InputError: A step rejected its input.
        StepFailedError: A step failed for another reason.
    """
    deployment = runner_utils.extract_local_deployment_config(compiled)
    store = MetadataStore(connection)
    checks = ArtifactChecks(kept_digests)
    place = _Place(compiled, deployment, connection, checks)
    for node in compiled.nodes:
        node_id = node.pipeline_node.node_info.id
        on_start(node_id)
        started = time.monotonic()
        try:
            check_not_stopped()
            execution_id = _launch_patiently(place, node.pipeline_node)
            check_not_stopped()
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - raised again below
            error = as_stop(caught)
            yield _stopped(node_id, error, time.monotonic() - started)
            _raise_for_user(node_id, error)
        yield _finished(store, compiled, node_id, execution_id, time.monotonic() - started)
    checks.save()


@dataclass(frozen=True)
class _Place:
    """What every step of a run is launched with."""

    compiled: pipeline_pb2.Pipeline
    deployment: Any
    connection: metadata_store_pb2.ConnectionConfig
    checks: ArtifactChecks


def _launch_patiently(place: _Place, node: pipeline_pb2.PipelineNode) -> int:
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
    return int(patient(_launch, place, node))


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


def _launch(place: _Place, node: pipeline_pb2.PipelineNode) -> int:
    node_id = node.node_info.id
    info = StepLauncher(
        checks=place.checks,
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


def _stopped(node_id: str, error: BaseException, duration_s: float) -> StepResult:
    interrupted = isinstance(error, KeyboardInterrupt)
    return StepResult(
        name=node_id,
        state=StepState.INTERRUPTED if interrupted else StepState.FAILED,
        reason=stop_words(error) if interrupted else type(error).__name__,
        duration_s=duration_s,
        execution_id=None,
        outputs={},
    )


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


def _finished(
    store: MetadataStore,
    compiled: pipeline_pb2.Pipeline,
    node_id: str,
    execution_id: int,
    duration_s: float,
) -> StepResult:
    [execution] = store.get_executions_by_id([execution_id])
    if execution.last_known_state not in {Execution.COMPLETE, Execution.CACHED}:
        message = execution.custom_properties["__execution_result__"].string_value
        raise StepFailedError(f"{node_id} failed before it started: {message or 'no reason given'}")
    cached = execution.last_known_state == Execution.CACHED and bool(_outputs(store, execution_id))
    resolver = execution.type == "tfx.dsl.components.common.resolver.Resolver"
    return StepResult(
        name=node_id,
        state=StepState.CACHED if cached and not resolver else StepState.RAN,
        # A resolver runs every time, but is recorded as "cached".
        reason="" if resolver else explain_execution(store, execution, compiled.pipeline_info.id),
        duration_s=duration_s,
        execution_id=execution_id,
        outputs=_outputs(store, execution_id),
    )


def _outputs(
    store: MetadataStore, execution_id: int
) -> dict[str, list[metadata_store_pb2.Artifact]]:
    events = [
        event
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    outputs: dict[str, list[metadata_store_pb2.Artifact]] = {}
    for event in events:
        outputs.setdefault(event.path.steps[0].key, []).append(artifacts[event.artifact_id])
    return outputs

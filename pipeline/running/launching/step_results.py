"""The result of a step, read from its execution in ML Metadata."""

from collections.abc import Callable

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event, Execution

from common.errors import StepFailedError
from common.guards.stopping import stop_words
from pipeline.running.cache_reasons import explain_execution
from pipeline.running.steps import StepResult, StepState

RESOLVER_TYPE = "tfx.dsl.components.common.resolver.Resolver"

StartCallback = Callable[[str], None]


def finished_step(
    store: MetadataStore, execution_id: int, *, node_id: str, pipeline_name: str, duration_s: float
) -> StepResult:
    """Returns the result of a step that has ended.

    Args:
        store: The metadata store.
        execution_id: The step's execution.
        node_id: The node's id.
        pipeline_name: Name of the pipeline.
        duration_s: Its wall time in seconds.

    Raises:
        StepFailedError: TFX recorded a failure before the step started.
    """
    [execution] = store.get_executions_by_id([execution_id])
    if execution.last_known_state not in {Execution.COMPLETE, Execution.CACHED}:
        message = execution.custom_properties["__execution_result__"].string_value
        raise StepFailedError(f"{node_id} failed before it started: {message or 'no reason given'}")
    outputs = _outputs(store, execution_id)
    cached = execution.last_known_state == Execution.CACHED and bool(outputs)
    resolver = execution.type == RESOLVER_TYPE
    return StepResult(
        name=node_id,
        state=StepState.CACHED if cached and not resolver else StepState.RAN,
        # A resolver runs every time, but is recorded as "cached".
        reason="" if resolver else explain_execution(store, execution, pipeline_name),
        duration_s=duration_s,
        execution_id=execution_id,
        outputs=outputs,
    )


def stopped_step(node_id: str, error: BaseException, duration_s: float) -> StepResult:
    """Returns the result of a step that failed or was interrupted.

    Args:
        node_id: The node's id.
        error: What stopped it.
        duration_s: Its wall time in seconds.
    """
    interrupted = isinstance(error, KeyboardInterrupt)
    return StepResult(
        name=node_id,
        state=StepState.INTERRUPTED if interrupted else StepState.FAILED,
        reason=stop_words(error) if interrupted else type(error).__name__,
        duration_s=duration_s,
        execution_id=None,
        outputs={},
    )


def _outputs(store: MetadataStore, execution_id: int) -> dict[str, list[Artifact]]:
    events = [
        event
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type == Event.OUTPUT
    ]
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    outputs: dict[str, list[Artifact]] = {}
    for event in events:
        outputs.setdefault(event.path.steps[0].key, []).append(artifacts[event.artifact_id])
    return outputs

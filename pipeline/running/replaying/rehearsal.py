"""The rehearsal of an unchanged run, after a complete one."""

import base64
from collections.abc import Iterable
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import inputs_utils
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2

from common.metadata import input_ids
from pipeline.running.launching.step_results import RESOLVER_TYPE
from pipeline.running.replaying.plan import Plan, PlannedStep, pipeline_state
from pipeline.running.steps import StepResult

# The only step whose driver reads something: the data, which are part of the key.
_WITH_DRIVER = {"ArrowExampleGen"}


def make_plan(
    compiled: pipeline_pb2.Pipeline,
    connection: metadata_store_pb2.ConnectionConfig,
    results: Iterable[StepResult],
    *,
    key: str,
    run_id: str,
) -> Plan | None:
    """Returns the plan of the next run if nothing changes; None if a step would run all the same.

    Each resolver is asked again: after this run it may choose other artifacts.

    Args:
        compiled: The pipeline of the complete run.
        connection: Connection to ML Metadata.
        results: The results of its steps.
        key: Its key.
        run_id: Its id.
    """
    deployment = runner_utils.extract_local_deployment_config(compiled)
    ids = {result.name: result.execution_id for result in results}
    steps = []
    with metadata.Metadata(connection) as handle:
        for entry in compiled.nodes:
            node = entry.pipeline_node
            name = node.node_info.id
            execution_id = ids[name]
            has_driver = runner_utils.extract_custom_driver_spec(deployment, name) is not None
            if execution_id is None or (has_driver and name not in _WITH_DRIVER):
                return None
            if not _repeats(handle, node, execution_id):
                return None
            record = _registered(handle, node)
            text = base64.b64encode(record.SerializeToString(deterministic=True)).decode()
            steps.append(PlannedStep(name=name, execution_id=execution_id, record=text))
        state = pipeline_state(handle.store, compiled.pipeline_info.id)
    return Plan(key=key, run_id=run_id, state=state, steps=tuple(steps))


def _repeats(handle: Any, node: pipeline_pb2.PipelineNode, execution_id: int) -> bool:
    """Whether a node would take its result from the cache, or choose what it chose."""
    if any(value.HasField("placeholder") for value in node.parameters.parameters.values()):
        return False
    if node.node_info.type.name == RESOLVER_TYPE:
        return _chooses_alike(handle, node, execution_id)
    return bool(node.execution_options.caching_options.enable_cache) and not _has_updated_inputs(
        handle, execution_id
    )


def _chooses_alike(handle: Any, node: pipeline_pb2.PipelineNode, execution_id: int) -> bool:
    resolved = inputs_utils.resolve_input_artifacts(pipeline_node=node, metadata_handle=handle)
    if isinstance(resolved, inputs_utils.Skip) or len(resolved) != 1:
        return False
    now = {
        (key, index): int(one.id)
        for key, values in resolved[0].items()
        for index, one in enumerate(values)
    }
    before = {}
    for event in handle.store.get_events_by_execution_ids([execution_id]):
        # An artifact under two keys has a single event with both keys in its path.
        path = list(event.path.steps)
        for key, index in zip(path[::2], path[1::2], strict=True):
            before[key.key, int(index.index)] = int(event.artifact_id)
    return now == before


def _has_updated_inputs(handle: Any, execution_id: int) -> bool:
    """Whether an input was updated after the step had read it: the cache would not know it."""
    [execution] = handle.store.get_executions_by_id([execution_id])
    ids = {i for group in input_ids(handle.store, execution_id).values() for i in group}
    return any(
        one.last_update_time_since_epoch > execution.create_time_since_epoch
        for one in handle.store.get_artifacts_by_id(sorted(ids))
    )


def _registered(handle: Any, node: pipeline_pb2.PipelineNode) -> Execution:
    """Returns the execution that TFX would register for a node."""
    parameters = data_types_utils.build_parsed_value_dict(
        inputs_utils.resolve_parameters_with_schema(node_parameters=node.parameters)
    )
    is_resolver = node.node_info.type.name == RESOLVER_TYPE
    state = Execution.COMPLETE if is_resolver else Execution.CACHED
    return execution_lib.prepare_execution(handle, node.node_info.type, state, parameters)

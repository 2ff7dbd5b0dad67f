"""Reasons why a step ran or was cached: a comparison with its last successful execution."""

import json
from collections.abc import Mapping

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Event, Execution

from common.metadata import input_ids
from pipeline.components.names import DAMAGE, WITHDRAWN
from pipeline.running.steps import FIRST_TIME, UNCHANGED

_NUM_FILES_NAMED = 3
_SUCCESSFUL = (Execution.COMPLETE, Execution.CACHED)


def explain_execution(store: MetadataStore, execution: Execution, pipeline_name: str) -> str:
    """Describes why `execution` was needed, or that nothing had changed.

    Args:
        store: The metadata store.
        execution: A successful execution.
        pipeline_name: Name of the pipeline; it prefixes the context of every node.
    """
    if execution.last_known_state == Execution.CACHED:
        return UNCHANGED
    previous = _previous(store, execution, pipeline_name)
    if previous is None:
        return FIRST_TIME
    changes = input_changes(store, previous, execution) + _parameter_changes(previous, execution)
    return "; ".join(changes) if changes else _lost_result(store, previous)


def _lost_result(store: MetadataStore, previous: Execution) -> str:
    """Describes why the earlier result could not be used, although nothing else changed."""
    ids = [event.artifact_id for event in store.get_events_by_execution_ids([previous.id])]
    for artifact in store.get_artifacts_by_id(ids):
        if DAMAGE in artifact.custom_properties:
            return (
                f"its earlier result is damaged: {artifact.custom_properties[DAMAGE].string_value}"
            )
    return "an earlier result no longer exists"


def _previous(store: MetadataStore, execution: Execution, pipeline_name: str) -> Execution | None:
    """Returns the previous successful execution of the same node."""
    nodes = [
        context
        for context in store.get_contexts_by_execution(execution.id)
        if context.type == "node" and context.name.startswith(f"{pipeline_name}.")
    ]
    older = [
        other
        for node in nodes
        for other in store.get_executions_by_context(node.id)
        if other.id < execution.id and other.last_known_state in _SUCCESSFUL
    ]
    latest = max(older, key=lambda other: int(other.id), default=None)
    return None if latest is None else _origin(store, latest)


def _origin(store: MetadataStore, execution: Execution) -> Execution:
    """Returns the execution that produced the outputs: itself, unless it was cached.

    A cached execution lacks the parameters that the driver adds to a real one.
    """
    if execution.last_known_state != Execution.CACHED:
        return execution
    artifacts = [event.artifact_id for event in store.get_events_by_execution_ids([execution.id])]
    makers = [
        event.execution_id
        for event in store.get_events_by_artifact_ids(artifacts)
        if event.type == Event.OUTPUT
    ]
    complete = [
        maker
        for maker in store.get_executions_by_id(sorted(set(makers)))
        if maker.type_id == execution.type_id and maker.last_known_state == Execution.COMPLETE
    ]
    return max(complete, key=lambda maker: int(maker.id), default=execution)


def input_changes(store: MetadataStore, before: Execution, after: Execution) -> list[str]:
    """Names the inputs that were added or replaced, and those that were removed."""
    old, new = input_ids(store, before.id), input_ids(store, after.id)
    changed = [key for key in sorted(new) if new[key] != old.get(key)]
    removed = sorted(set(old) - set(new))
    return [
        f"{word} input{'s' * (len(keys) > 1)}: {', '.join(keys)}"
        for word, keys in (("changed", changed), ("removed", removed))
        if keys
    ]


def _parameter_changes(before: Execution, after: Execution) -> list[str]:
    return changed_parameters(_parameters(before), _parameters(after))


def changed_parameters(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Describes which parameters differ, down to the keys of JSON objects."""
    changes: list[str] = []
    for key in sorted(set(old) | set(new)):
        if old.get(key) == new.get(key):
            continue
        before, after = _as_object(old.get(key)), _as_object(new.get(key))
        if key == WITHDRAWN:
            changes.append("withdrawn versions changed")
        elif before is not None and after is not None:
            compare = _changed_files if key == "code_digest" else changed_parameters
            changes += compare(before, after)
        else:
            changes.append(f"{_WORDS.get(key, key)} changed")
    return list(dict.fromkeys(changes))


def _changed_files(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Names the edited, added and removed files of a step's code."""
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    more = len(names) - _NUM_FILES_NAMED
    listed = ", ".join(names[:_NUM_FILES_NAMED]) + (f" and {more} more" if more > 0 else "")
    return [f"code changed: {listed}"]


# Readable names of execution properties.
_WORDS = {
    "code_digest": "code",
    "input_fingerprint": "data",
    "span": "span",
    "start_span_number": "span",
    "end_span_number": "span",
    "splits": "files",
    "model_spec": "features or training options",
    "backbones": "backbone",
}


def _as_object(value: object) -> dict[str, object] | None:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value.startswith("{"):
        return None
    try:
        loaded = json.loads(value)
    except json.JSONDecodeError:
        return None
    return loaded if isinstance(loaded, dict) else None


def _parameters(execution: Execution) -> dict[str, object]:
    """Returns the execution's parameters without the internal ones of TFX."""
    return {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in execution.custom_properties.items()
        if not key.startswith("__") and value.WhichOneof("value")
    }

"""ML Metadata follows the journal: an execution for each transition, a context for each rollout."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ml_metadata.errors import AlreadyExistsError
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.output_folder import OutputFolder
from pipeline.components.names import ROLLOUT
from pipeline.components.pusher.withdrawn import read_pushes
from pipeline.lineage.facts import time_text
from production.gateway.traffic import Pin
from production.rollout.journal import Entry
from production.rollout.state import Rollout

EXECUTION_TYPE = "RolloutTransition"
CONTEXT_TYPE = "rollout"
_NUM_DIGITS = 12  # of a line's digest

_Event = metadata_store_pb2.Event


def record_journal(store: MetadataStore, folder: OutputFolder, entries: Sequence[Entry]) -> int:
    """Records the transitions that ML Metadata does not have yet.

    Args:
        store: The metadata store.
        folder: The output folder.
        entries: All entries of a model's journal.

    Returns:
        How many were recorded.
    """
    recorded = {
        execution.name
        for execution in store.get_executions_by_type(EXECUTION_TYPE)
        if execution.name
    }
    missing = [entry for entry in entries if _name(entry) not in recorded]
    for entry in missing:
        with suppress(AlreadyExistsError):  # a command and the gateway may both be at it
            _record(store, folder, entry)
    return len(missing)


def _name(entry: Entry) -> str:
    # The digest tells a journal that was begun anew from the one before.
    return f"{entry.state.model}/{entry.sequence}/{entry.digest[:_NUM_DIGITS]}"


def _record(store: MetadataStore, folder: OutputFolder, entry: Entry) -> None:
    type_id = store.put_execution_type(metadata_store_pb2.ExecutionType(name=EXECUTION_TYPE))
    execution = metadata_store_pb2.Execution(
        type_id=type_id,
        name=_name(entry),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    for key, value in _properties(entry).items():
        kind = "int_value" if isinstance(value, int) else "string_value"
        setattr(execution.custom_properties[key], kind, value)
    store.put_execution(
        execution,
        _inputs(store, folder, entry),
        _contexts(store, entry.state.rollout),
        reuse_context_if_already_exist=True,
        force_reuse_context=True,
    )


def _properties(entry: Entry) -> dict[str, Any]:
    values = entry.to_json()
    rollout = entry.state.rollout
    texts = ("time", "event", "by", "why", "from", "to")
    return {
        "model": entry.state.model,
        "sequence": entry.sequence,
        "rollout": rollout.id if rollout else "",
        "line": entry.digest,
        **{key: values[key] for key in texts},
    }


def _inputs(store: MetadataStore, folder: OutputFolder, entry: Entry) -> list[Any]:
    """The pushes of the versions that a transition is about, with the events of their use.

    An artifact has one event of an execution: a version that is both is the candidate.
    """
    rollout = entry.state.rollout
    pins = {"stable": entry.state.stable}
    if rollout:
        pins = {"candidate": rollout.candidate, "stable": rollout.stable}
    pairs = []
    for key, pin in pins.items():
        push = _latest_push(store, folder, pin)
        if push is None:
            continue
        if key == "candidate" and rollout:
            push.custom_properties[ROLLOUT].string_value = _words(entry, rollout)
        event = _Event(type=_Event.INPUT)
        event.path.steps.add().key = key
        pairs.append((push, event))
    return pairs


def _latest_push(store: MetadataStore, folder: OutputFolder, pin: Pin) -> Any:
    pushes = read_pushes(store, folder.serving(pin.base))
    same = [push.artifact for push in pushes if push.version == pin.version]
    return same[-1] if same else None


def _words(entry: Entry, rollout: Rollout) -> str:
    phase = rollout.phase.words
    if rollout.is_active:
        phase += f" at {rollout.stage.percent} %"
    note = entry.note
    return f"{rollout.id} {phase}, by {note.by} at {time_text(entry.time)}: {note.why}"


def _contexts(store: MetadataStore, rollout: Rollout | None) -> list[metadata_store_pb2.Context]:
    if rollout is None:
        return []
    type_id = store.put_context_type(metadata_store_pb2.ContextType(name=CONTEXT_TYPE))
    name = f"{rollout.model}.{rollout.id}@{time_text(rollout.started)}"
    context = metadata_store_pb2.Context(type_id=type_id, name=name)
    for key, value in {"model": rollout.model, "strategy": rollout.strategy}.items():
        context.custom_properties[key].string_value = value
    return [context]

"""Versions that a person took out of service, as ML Metadata records them.

The record is on the `PushedModel` artifacts. It is written first, and the folders follow it: what a
command that dies in between leaves undone, the next command or run does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.components.names import (
    WITHDRAWN_AT,
    WITHDRAWN_BY,
    WITHDRAWN_DIGEST,
    WITHDRAWN_VERSION,
    WITHDRAWN_WHY,
)
from pipeline.components.pusher.version_folder import (
    restore_version,
    served_versions,
    withdraw_version,
    withdrawn_versions,
)

_Artifact: TypeAlias = metadata_store_pb2.Artifact
_Event = metadata_store_pb2.Event
_NOTES = (WITHDRAWN_BY, WITHDRAWN_WHY, WITHDRAWN_AT)


@dataclass(frozen=True, kw_only=True)
class Push:
    """The record of a push.

    Attributes:
        artifact: The `PushedModel` in ML Metadata's own form.
        name: Name of the served model.
        version: Its version.
    """

    artifact: _Artifact
    name: str
    version: int

    @property
    def is_withdrawn(self) -> bool:
        """Whether the version was taken out of service, and not put back since."""
        return bool(_text(self.artifact, WITHDRAWN_AT))

    @property
    def label(self) -> str:
        """The reference that names the version."""
        return f"{self.name}/{self.version}"


def read_pushes(store: MetadataStore, base: Path | None = None) -> list[Push]:
    """Returns the record of each push, the oldest first.

    Args:
        store: The metadata store.
        base: Base path of a served model, whose pushes are returned; by default all pushes are. A
            push into a folder of the same name that no longer exists counts: the output folder was
            moved.
    """
    pushes = []
    for artifact in sorted(store.get_artifacts_by_type("PushedModel"), key=lambda one: int(one.id)):
        place = Path(_text(artifact, "pushed_destination"))
        if not _is_pushed(artifact) or not place.name.isdecimal():
            continue
        if base is None or _is_below(place, base):
            pushes.append(Push(artifact=artifact, name=place.parent.name, version=int(place.name)))
    return pushes


def _is_below(place: Path, base: Path) -> bool:
    moved = place.parent.name == base.name and not place.parent.exists()
    return place.parent == base or moved


def withdrawn_notes(
    store: MetadataStore, bases: Iterable[Path]
) -> dict[str, dict[str, dict[str, str]]]:
    """Returns what the Pusher must not push again, and what it then notes.

    Args:
        store: The metadata store.
        bases: Base paths of served models.

    Returns:
        By name of the served model and digest of the files: custom properties.
    """
    notes: dict[str, dict[str, dict[str, str]]] = {}
    for base in bases:
        for push in read_pushes(store, base):
            if push.is_withdrawn:
                values = {key: _text(push.artifact, key) for key in _NOTES}
                digest = _text(push.artifact, WITHDRAWN_DIGEST)
                notes.setdefault(base.name, {})[digest] = {WITHDRAWN_VERSION: push.label} | values
    return notes


def withdrawal_of(properties: Mapping[str, Any], version: Any) -> dict[str, Any] | None:
    """Returns who withdrew a version, why and when, from a `PushedModel`; None if nobody did."""
    if not properties.get(WITHDRAWN_AT):
        return None
    notes = {"by": WITHDRAWN_BY, "why": WITHDRAWN_WHY, "at": WITHDRAWN_AT}
    return {"version": version} | {key: properties.get(name) for key, name in notes.items()}


def withdrawn_model_ids(store: MetadataStore) -> set[int]:
    """Returns the models that no other is compared with: those that were taken out of service.

    A later model with the same files, which the Pusher therefore did not push, is one of them. A
    model that was pushed twice is not, as long as one of its versions is in service.
    """
    pushes = read_pushes(store)
    withdrawn = {push.artifact.id for push in pushes if push.is_withdrawn}
    if not withdrawn:
        return set()
    labels = {push.label for push in pushes if push.is_withdrawn}
    held = {
        artifact.id
        for artifact in store.get_artifacts_by_type("PushedModel")
        if not _is_pushed(artifact) and _text(artifact, WITHDRAWN_VERSION) in labels
    }
    in_service = {push.artifact.id for push in pushes} - withdrawn
    return _models_of(store, withdrawn | held) - _models_of(store, in_service)


def _models_of(store: MetadataStore, pushed: set[int]) -> set[int]:
    """The models that the executions got which wrote some `PushedModel` artifacts."""
    if not pushed:
        return set()
    writers = {
        event.execution_id
        for event in store.get_events_by_artifact_ids(sorted(pushed))
        if event.type == _Event.OUTPUT
    }
    return {
        event.artifact_id
        for event in store.get_events_by_execution_ids(sorted(writers))
        if event.type == _Event.INPUT and any(step.key == "model" for step in event.path.steps)
    }


def settle_versions(store: MetadataStore, base: Path) -> None:
    """Moves the versions of a served model to where the record says that they belong.

    A server sees the highest version. Versions are put back first and taken out in rising order, so
    that one rename alone changes the model that is served.

    Args:
        store: The metadata store.
        base: Base path of the served model.
    """
    recorded = {push.version: push.is_withdrawn for push in read_pushes(store, base)}
    for version in withdrawn_versions(base):
        if recorded.get(version) is False:
            restore_version(base, version)
    for version in served_versions(base):
        if recorded.get(version):
            withdraw_version(base, version)


def _text(artifact: _Artifact, key: str) -> str:
    # Reading a key of a protobuf map would make it.
    properties = artifact.custom_properties
    return str(properties[key].string_value) if key in properties else ""


def _is_pushed(artifact: _Artifact) -> bool:
    properties = artifact.custom_properties
    return "pushed" in properties and bool(properties["pushed"].int_value)

"""Candidates of a rollout: found by their reference, judged by their records."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from common.metadata import input_ids
from common.output_folder import OutputFolder
from pipeline.components.names import APPROVED, APPROVED_BY, INCONCLUSIVE
from pipeline.components.pusher.version_folder import (
    find_version_damage,
    served_versions,
    withdrawn_versions,
)
from pipeline.components.pusher.withdrawn import Push, read_pushes, withdrawal_of
from pipeline.config import SHADOW_SUFFIX, Config
from pipeline.config_loading import config_from_json
from pipeline.lineage.graph import Artifact, read_graph
from pipeline.lineage.references import resolve
from production.gateway.traffic import Pin
from production.rollout.state import label

_BLESSED = "BLESSED"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that may take over.

    Attributes:
        pin: The version.
        verdict: `BLESSED`, `APPROVED` or `INCONCLUSIVE`.
    """

    pin: Pin
    verdict: str

    @property
    def is_judged(self) -> bool:
        """Whether it may be promoted without a person."""
        return self.verdict != INCONCLUSIVE


def model_names(folder: OutputFolder) -> list[str]:
    """Returns the names of the models with versions in service, without those pushed beside one."""
    root = folder.serving("x").parent
    names = {
        base.name
        for base in (root.iterdir() if root.is_dir() else ())
        if not base.name.startswith(".") and served_versions(base)
    }
    return sorted(name for name in names if not name.endswith(SHADOW_SUFFIX))


def resolve_model(folder: OutputFolder, name: str | None) -> str:
    """Returns the model that is meant.

    Args:
        folder: The output folder.
        name: Its name; None for the only one.

    Raises:
        InputError: There is no such model, or there are several and none is named.
    """
    names = model_names(folder)
    if not names:
        raise InputError(
            f"No model was pushed below {folder.serving('x').parent}. Run `faultline run` first, "
            "or name the output folder with --output."
        )
    if name is None and len(names) > 1:
        raise InputError(f"Several models were pushed: {', '.join(names)}. Name one of them.")
    if name is not None and name not in names:
        raise InputError(f"No model called {name} was pushed. There are {', '.join(names)}.")
    return name or names[0]


def parse_reference(folder: OutputFolder, reference: str | None) -> tuple[str, Pin | None]:
    """Returns the model and, where the reference names one, the version.

    Args:
        folder: The output folder.
        reference: `NAME`, `NAME/VERSION` or, for a model pushed beside the served one,
            `NAME_shadow/VERSION`; None for the only model.

    Raises:
        InputError: There is no such model, or the version is not a number.
    """
    base, slash, version = (reference or "").partition("/")
    if slash and not base:
        raise InputError(f"Give the name of the model: NAME/{version or 'VERSION'}.")
    model = resolve_model(folder, base.removesuffix(SHADOW_SUFFIX) or None)
    if not slash and base.endswith(SHADOW_SUFFIX):
        raise InputError(f"Give the version of {base}: {base}/VERSION.")
    if not slash:
        return model, None
    if not version.isdecimal() or int(version) < 1:
        raise InputError(f"A version is a whole number > 0, got {version!r}: {reference}.")
    return model, Pin(base=base, version=int(version))


def check_servable(folder: OutputFolder, pin: Pin) -> None:
    """Checks that a version is in service and has the files that were pushed.

    Raises:
        InputError: It is not there, withdrawn or damaged.
    """
    base = folder.serving(pin.base)
    versions = served_versions(base)
    if pin.version in withdrawn_versions(base):
        raise InputError(
            f"{label(pin)} was withdrawn, see `faultline lineage {label(pin)}`. Put it back "
            f'first: faultline rollback {label(pin)} --why "..."'
        )
    if pin.version not in versions:
        listed = ", ".join(map(str, reversed(versions))) or "none"
        raise InputError(f"{pin.base} has no version {pin.version}. In service: {listed}.")
    if not (base / str(pin.version) / "saved_model.pb").is_file():
        raise InputError(f"{label(pin)} cannot be served: it has no saved_model.pb.")
    if damage := find_version_damage(base, pin.version):
        raise InputError(
            f"{label(pin)} is damaged since its push: {damage}. Push the model again: faultline run"
        )


def judge(store: MetadataStore, folder: OutputFolder, pin: Pin) -> Candidate:
    """Returns a version with the verdict of its gate.

    Args:
        store: The metadata store.
        folder: The output folder.
        pin: The version.

    Raises:
        InputError: It cannot be served, or no run recorded that the gate let it through.
    """
    check_servable(folder, pin)
    pushes = [
        push for push in read_pushes(store, folder.serving(pin.base)) if push.version == pin.version
    ]
    if not pushes:
        raise InputError(
            f"No run recorded the push of {label(pin)}, so that nothing says that the gate let it "
            "through. Push it by `faultline run`."
        )
    if any(push.is_withdrawn for push in pushes):
        notes = withdrawal_of(_texts(pushes[-1]), label(pin)) or {}
        raise InputError(
            f"{label(pin)} was withdrawn by {notes.get('by')}: {notes.get('why')}. Put it back "
            f'first: faultline rollback {label(pin)} --why "..."'
        )
    # The same model may have been pushed again; its latest verdict counts.
    verdict = _verdict(store, pushes)
    is_shadow = pin.base.endswith(SHADOW_SUFFIX)
    if verdict not in {_BLESSED, APPROVED} and not (is_shadow and verdict == INCONCLUSIVE):
        raise InputError(
            f"The gate's verdict on {label(pin)} is {verdict or 'not recorded'}; only a BLESSED "
            "model, or an INCONCLUSIVE one that was pushed beside the served one, takes part in a "
            "rollout."
        )
    return Candidate(pin=pin, verdict=verdict)


def recorded_config(store: MetadataStore, pin: Pin) -> Config | None:
    """Returns the config that the run of a version recorded; None if it recorded none.

    Raises:
        InputError: No run recorded the push, or another version of Faultline did.
    """
    graph = read_graph(store)
    pushed = resolve(graph, label(pin))
    producer = graph.producer(pushed.id) if isinstance(pushed, Artifact) else None
    run = graph.runs.get(producer.run_id) if producer else None
    if run is None or not run.config:
        return None
    return config_from_json(json.dumps(run.config))


def _verdict(store: MetadataStore, pushes: Collection[Push]) -> str:
    """The verdict of the gate on the latest of some pushes of one version."""
    latest = max(push.artifact.id for push in pushes)
    writers = [
        event.execution_id
        for event in store.get_events_by_artifact_ids([latest])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    if not writers:
        return ""
    ids = input_ids(store, min(writers)).get("model_blessing", frozenset())
    for blessing in store.get_artifacts_by_id(sorted(ids)):
        properties = blessing.custom_properties
        if APPROVED_BY in properties and properties[APPROVED_BY].string_value:
            return APPROVED
        if "verdict" in properties:
            return str(properties["verdict"].string_value)
        if "blessed" in properties:
            return _BLESSED if properties["blessed"].int_value else "REJECTED"
    return ""


def _texts(push: Push) -> dict[str, str]:
    return {key: value.string_value for key, value in push.artifact.custom_properties.items()}

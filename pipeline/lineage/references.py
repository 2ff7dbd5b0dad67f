"""What a person may call a model or a run, and which artifact or run that is."""

from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from pipeline.components.names import WITHDRAWN_AT, WITHDRAWN_VERSION
from pipeline.lineage.graph import Artifact, Graph, Run

_NUM_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A version that was pushed.

    Attributes:
        name: Name of the served model.
        version: Its version.
        path: The version's folder.
        artifact: The record of the push.
    """

    name: str
    version: str
    path: Path
    artifact: Artifact

    @property
    def label(self) -> str:
        """The reference that names it without doubt."""
        return f"{self.name}/{self.version}"


def pushed_name(artifact: Artifact) -> str:
    """Returns `NAME/VERSION` of a push, or in words that there was none."""
    same = artifact.properties.get(WITHDRAWN_VERSION)
    if same:
        return f"none: {same}, the same model, was withdrawn"
    destination = artifact.properties.get("pushed_destination")
    if not artifact.properties.get("pushed") or not destination:
        return "none: the model was refused"
    return "/".join(Path(str(destination)).parts[-2:])


def pushed_versions(graph: Graph) -> list[Pushed]:
    """Returns every version that was pushed, the oldest first, each once."""
    versions: dict[str, Pushed] = {}
    for artifact in graph.of_type("PushedModel"):
        version = str(artifact.properties.get("pushed_version", ""))
        if artifact.properties.get("pushed") and version:
            path = Path(str(artifact.properties["pushed_destination"]))
            pushed = Pushed(name=path.parent.name, version=version, path=path, artifact=artifact)
            # A push that found its model in place names that version again; the first made it.
            versions.setdefault(pushed.label, pushed)
    return list(versions.values())


def resolve(graph: Graph, reference: str) -> Artifact | Run:
    """Returns what a reference means.

    Args:
        graph: All that is recorded.
        reference: `latest` (the last pushed version that is not withdrawn), a version,
            `NAME/VERSION`, a version's folder, a run's id, or the id of an artifact that holds a
            model.

    Raises:
        InputError: Nothing, or more than one thing, has that name; the message lists what exists.
    """
    pushed = pushed_versions(graph)
    if reference == "latest":
        in_service = [one for one in pushed if not one.artifact.properties.get(WITHDRAWN_AT)]
        if not in_service:
            raise InputError(f"No model has been pushed yet. {_listing(graph, pushed)}")
        return in_service[-1].artifact
    if reference in graph.runs:
        return graph.runs[reference]
    found = _by_path(pushed, reference) if "/" in reference else _by_version(pushed, reference)
    if len(found) > 1:
        names = ", ".join(one.label for one in found)
        raise InputError(
            f"{reference} is the version of several models: {names}. Give one of them."
        )
    if found:
        return found[0].artifact
    model = _by_artifact_id(graph, reference)
    if model is None:
        raise InputError(f"Nothing is called {reference}. {_listing(graph, pushed)}")
    return model


def _by_version(pushed: list[Pushed], reference: str) -> list[Pushed]:
    return [one for one in pushed if one.version == reference]


def _by_path(pushed: list[Pushed], reference: str) -> list[Pushed]:
    path = Path(reference).absolute()
    exact = [one for one in pushed if one.path == path]
    # By its last two parts: the whole output folder may have been moved since.
    return exact or [one for one in pushed if one.label == "/".join(path.parts[-2:])]


def _by_artifact_id(graph: Graph, reference: str) -> Artifact | None:
    number = reference.removeprefix("#")
    if not number.isdecimal():
        return None
    artifact = graph.artifacts.get(int(number))
    return artifact if artifact and artifact.type in {"Model", "PushedModel"} else None


def _listing(graph: Graph, pushed: list[Pushed]) -> str:
    if not graph.runs:
        return "There are no runs yet; start one with `faultline run`."
    versions = ", ".join(one.label for one in reversed(pushed[-_NUM_LISTED:])) or "none"
    runs = ", ".join(reversed(list(graph.runs)[-_NUM_LISTED:]))
    return f"Pushed models, the newest first: {versions}. Runs, the newest first: {runs}."

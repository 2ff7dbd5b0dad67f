"""Resolution of user references to artifacts and runs."""

from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from pipeline.components.names import WITHDRAWN_AT, WITHDRAWN_VERSION
from pipeline.config import SHADOW_SUFFIX
from pipeline.lineage.graph import Artifact, Graph, Run

_NUM_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A pushed version.

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
        """The unambiguous reference to the version."""
        return f"{self.name}/{self.version}"


def pushed_name(artifact: Artifact) -> str:
    """Returns `NAME/VERSION` of a push, or why nothing was pushed."""
    same = artifact.properties.get(WITHDRAWN_VERSION)
    if same:
        return f"none: {same}, the same model, was withdrawn"
    destination = artifact.properties.get("pushed_destination")
    if not artifact.properties.get("pushed") or not destination:
        return "none: the model was refused"
    return "/".join(Path(str(destination)).parts[-2:])


def pushed_versions(graph: Graph) -> list[Pushed]:
    """Returns the distinct pushed versions, oldest first."""
    versions: dict[str, Pushed] = {}
    for artifact in graph.of_type("PushedModel"):
        version = str(artifact.properties.get("pushed_version", ""))
        if artifact.properties.get("pushed") and version:
            path = Path(str(artifact.properties["pushed_destination"]))
            pushed = Pushed(name=path.parent.name, version=version, path=path, artifact=artifact)
            # A push of an existing model records that version again; the first push created it.
            versions.setdefault(pushed.label, pushed)
    return list(versions.values())


def default_reference(graph: Graph, use_case: str | None) -> str:
    """Returns the reference of the model that is meant where none is given.

    Args:
        graph: The metadata graph.
        use_case: The use case that is meant; None for the only one with a pushed model.

    Raises:
        InputError: No use case is given, and several have pushed models.
    """
    if use_case is not None:
        return use_case
    names = {push.name.removesuffix(SHADOW_SUFFIX) for push in pushed_versions(graph)}
    if len(names) > 1:
        listed = ", ".join(sorted(names))
        raise InputError(
            f"Several use cases have models: {listed}. Choose one with --run NAME or --config YAML."
        )
    return "latest"


def resolve(graph: Graph, reference: str) -> Artifact | Run:
    """Resolves a reference.

    Args:
        graph: The metadata graph.
        reference: `latest` (the last pushed version that is not withdrawn), the name of a served
            model (the same of this model), a version, `NAME/VERSION`, a version's folder, a run's
            id or a unique prefix of it, or the id of a model artifact.

    Raises:
        InputError: The reference matches nothing or is ambiguous; the message lists what exists.
    """
    pushed = pushed_versions(graph)
    if reference in graph.runs:
        return graph.runs[reference]
    if reference == "latest" or reference in {push.name for push in pushed}:
        return _latest(graph, pushed, reference).artifact
    matches = _by_path(pushed, reference) if "/" in reference else _by_version(pushed, reference)
    if len(matches) > 1:
        names = ", ".join(push.label for push in matches)
        raise InputError(
            f"{reference} is a version of several models: {names}. Specify one of them."
        )
    if matches:
        return matches[0].artifact
    match = _by_artifact_id(graph, reference) or match_run(graph, reference)
    if match is None:
        raise InputError(f"No model or run matches {reference}. {_listing(graph, pushed)}")
    return match


def match_run(graph: Graph, reference: str) -> Run | None:
    """Returns the run with this id, or the only one whose id starts with it, or None.

    Raises:
        InputError: Several ids start with it; the message lists the newest.
    """
    if reference in graph.runs:
        return graph.runs[reference]
    matches = [run_id for run_id in graph.runs if reference and run_id.startswith(reference)]
    if len(matches) > 1:
        newest = ", ".join(reversed(matches[-_NUM_LISTED:]))
        more = len(matches) - _NUM_LISTED
        rest = f" and {more} more" if more > 0 else ""
        raise InputError(
            f"{len(matches)} runs start with {reference}: {newest}{rest}. Give more of the id."
        )
    return graph.runs[matches[0]] if matches else None


def _latest(graph: Graph, pushed: list[Pushed], reference: str) -> Pushed:
    in_service = [
        push
        for push in pushed
        if reference in {"latest", push.name} and not push.artifact.properties.get(WITHDRAWN_AT)
    ]
    if not in_service:
        reason = "Every version is withdrawn" if pushed else "No model has been pushed yet"
        raise InputError(f"{reason}. {_listing(graph, pushed)}")
    return in_service[-1]


def _by_version(pushed: list[Pushed], reference: str) -> list[Pushed]:
    return [push for push in pushed if push.version == reference]


def _by_path(pushed: list[Pushed], reference: str) -> list[Pushed]:
    path = Path(reference).absolute()
    exact = [push for push in pushed if push.path == path]
    # Match the last two parts: the output folder may have been moved.
    return exact or [push for push in pushed if push.label == "/".join(path.parts[-2:])]


def _by_artifact_id(graph: Graph, reference: str) -> Artifact | None:
    number = reference.removeprefix("#")
    if not number.isdecimal():
        return None
    artifact = graph.artifacts.get(int(number))
    return artifact if artifact and artifact.type in {"Model", "PushedModel"} else None


def _listing(graph: Graph, pushed: list[Pushed]) -> str:
    if not graph.runs:
        return "There are no runs yet; start one with `faultline run`."
    versions = ", ".join(push.label for push in reversed(pushed[-_NUM_LISTED:])) or "none"
    runs = ", ".join(reversed(list(graph.runs)[-_NUM_LISTED:]))
    return f"Pushed models, newest first: {versions}. Runs, newest first: {runs}."

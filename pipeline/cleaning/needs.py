"""Runs and artifacts that a clean-up keeps."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.output_folder import OutputFolder
from common.run_ids import whole_run_id
from pipeline.components.example_validator.properties import DATA_SPAN_KEY
from pipeline.components.names import ANCHOR_AT
from pipeline.components.pusher.version_folder import served_versions, withdrawn_versions
from pipeline.lineage.graph import Artifact, Graph, Run, Step

_ARTIFACTS = "artifacts"


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The runs and artifacts to keep.

    Attributes:
        runs: Ids of the runs that are kept whole.
        artifacts: Ids of the artifacts that are kept.
        steps: Ids of the executions of the kept runs.
    """

    runs: frozenset[str]
    artifacts: frozenset[int]
    steps: frozenset[int]


def find_needs(graph: Graph, folder: OutputFolder, keep: int) -> Needs:
    """Returns the runs and artifacts to keep.

    The newest runs of each use case are kept whole. So is the latest run that made, or took from
    the cache, the served version, a model that the next candidate is compared with, or the accepted
    data that the next data are compared with. Of every other version that a server or a
    rollback can still reach, the model and its blessings stay: after a rollback such a model is the
    baseline. Runs of other output folders on the same metadata server are ignored: none of their
    files are here.

    Args:
        graph: Everything that ML Metadata holds.
        folder: The output folder.
        keep: How many runs of each use case are kept.
    """
    by_use_case: dict[str, list[Run]] = {}
    for run in graph.runs.values():
        if _is_of(run, graph, folder):
            by_use_case.setdefault(run.use_case, []).append(run)
    runs = {run.id for group in by_use_case.values() for run in group[-keep:]}
    pushers = _pushers(graph, folder)
    landmarks = [artifact for artifact, _, is_served in pushers if is_served]
    landmarks += [*_baselines(graph), *_anchors(graph), *_accepted(graph)]
    holders = _last_holders(graph)
    runs |= {holders[artifact.id] for artifact in landmarks if artifact.id in holders}
    runs &= {run.id for group in by_use_case.values() for run in group}
    steps = [step for run_id in runs for step in graph.runs[run_id].steps]
    needed = {
        i for step in [*steps, *(step for _, step, _ in pushers)] for i in _artifacts_of(step)
    }
    return Needs(
        runs=frozenset(runs),
        artifacts=frozenset(needed),
        steps=frozenset(step.id for step in steps),
    )


def place_of(uri: str, folder: OutputFolder) -> Path | None:
    """Returns the place of an artifact in the output folder, or None for one elsewhere.

    The folder may have been moved since the artifact was recorded, so only the part of the path
    below `artifacts/` is compared.
    """
    parts = Path(uri).parts
    if _ARTIFACTS not in parts:
        return None
    last = len(parts) - 1 - parts[::-1].index(_ARTIFACTS)
    below = parts[last + 1 :]
    return folder.artifacts.joinpath(*below) if below else None


def _is_of(run: Run, graph: Graph, folder: OutputFolder) -> bool:
    """Whether a run has files in this output folder."""
    if folder.run(run.id).is_dir():
        return True
    places = (place_of(artifact.uri, folder) for artifact in _outputs(run, graph))
    return any(place is not None and place.exists() for place in places)


def _outputs(run: Run, graph: Graph) -> Iterable[Artifact]:
    ids = (i for step in run.steps for keys in step.outputs.values() for i in keys)
    return (graph.artifacts[i] for i in ids if i in graph.artifacts)


def _artifacts_of(step: Step) -> list[int]:
    return [i for edges in (step.inputs, step.outputs) for keys in edges.values() for i in keys]


def _last_holders(graph: Graph) -> dict[int, str]:
    """The latest run that made each artifact or took it from the cache."""
    return {
        i: run.id
        for run in graph.runs.values()
        for step in run.steps
        for keys in step.outputs.values()
        for i in keys
    }


def _pushers(graph: Graph, folder: OutputFolder) -> list[tuple[Artifact, Step, bool]]:
    """Each push whose version exists, the step that made it, and whether the version is served."""
    pushers = []
    for artifact in graph.of_type("PushedModel"):
        destination = artifact.properties.get("pushed_destination")
        if not artifact.properties.get("pushed") or not destination:
            continue
        name, version = Path(str(destination)).parts[-2:]
        served = [str(one) for one in served_versions(folder.serving(name))]
        withdrawn = [str(one) for one in withdrawn_versions(folder.serving(name))]
        step = graph.producer(artifact.id)
        if step is not None and version in {*served, *withdrawn}:
            pushers.append((artifact, step, version in served[-1:]))
    return pushers


def _baselines(graph: Graph) -> list[Artifact]:
    """Both blessings of the latest model of each use case that gate and server blessed."""
    gate, server = (_blessings(graph, name) for name in ("ModelBlessing", "InfraBlessing"))
    latest = {
        graph.runs[whole_run_id(step.run_id)].use_case: model_id
        for model_id in sorted(gate.keys() & server.keys())
        if (step := graph.producer(model_id)) is not None
    }
    return [given[model_id] for model_id in latest.values() for given in (gate, server)]


def _anchors(graph: Graph) -> list[Artifact]:
    """The models that were the anchor of the latest evaluation, or that a person declared it.

    A model that has become the anchor since then is the latest blessed one.
    """
    latest = {
        run.use_case: step.inputs.get("anchor_model", ())
        for run in graph.runs.values()
        for step in run.steps
        if step.node == "Evaluator" and step.succeeded
    }
    ids = [i for ids in latest.values() for i in ids]
    ids += [
        int(blessing.properties["current_model_id"])
        for blessing in graph.of_type("ModelBlessing")
        if blessing.properties.get(ANCHOR_AT)
    ]
    return [graph.artifacts[i] for i in ids if i in graph.artifacts]


def _blessings(graph: Graph, type_name: str) -> dict[int, Artifact]:
    """The blessings of a type by the id of their model."""
    return {
        int(blessing.properties.get("current_model_id", -1)): blessing
        for blessing in graph.of_type(type_name)
        if blessing.properties.get("blessed")
    }


def _accepted(graph: Graph) -> list[Artifact]:
    """AnomalyGate's report on each use case's newest span; without spans, on its latest data."""
    newest: dict[str, Artifact] = {}
    for report in graph.of_type("ExampleValidationMetrics"):
        step = graph.producer(report.id)
        if step is not None:
            use_case = graph.runs[whole_run_id(step.run_id)].use_case
            newest[use_case] = max(report, newest.get(use_case, report), key=_span)
    return list(newest.values())


def _span(report: Artifact) -> tuple[int, int]:
    return int(report.properties.get(DATA_SPAN_KEY, 0)), report.id

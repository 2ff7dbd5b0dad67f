"""In-memory graph of ML Metadata: runs, their steps and artifacts as plain values.

ML Metadata's own filters need a query engine that its wheels lack, so the whole record is read
once, in a number of calls that grows with the number of runs, not of artifacts.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.run_ids import whole_run_id
from pipeline.lineage.provenance import Provenance, config_of, provenance_of, retraining_of
from pipeline.lineage.restoring.data_versions import VersionedData, data_versions_of
from pipeline.lineage.restoring.origins import Origins, origins_of

Values: TypeAlias = Mapping[str, Any]
Edges: TypeAlias = Mapping[str, tuple[int, ...]]

_Event = metadata_store_pb2.Event
_Execution = metadata_store_pb2.Execution
_NUM_IDS_A_CALL = 500
# Internal properties that TFX sets on artifacts and executions.
_INTERNAL = {"tfx_version", "name", "state", "is_external", "producer_component"}


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An artifact.

    Attributes:
        id: Its id in ML Metadata.
        type: Name of its type, such as `Model`.
        uri: Location of its files.
        properties: Properties and custom properties; JSON texts are decoded.
        created: When it was recorded.
    """

    id: int
    type: str
    uri: str
    properties: Values
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Step:
    """An execution of a pipeline node.

    Attributes:
        id: Its id in ML Metadata.
        node: The node's id, such as `Trainer`.
        run_id: The run it belongs to.
        state: `complete`, `cached`, `failed`, `canceled`, `running` or `new`.
        started: When it was registered.
        ended: When it was last written to.
        inputs: Artifact ids by key.
        outputs: Artifact ids by key; for a cached step, the cached artifacts.
        parameters: Execution properties.
    """

    id: int
    node: str
    run_id: str
    state: str
    started: datetime
    ended: datetime
    inputs: Edges
    outputs: Edges
    parameters: Values

    @property
    def succeeded(self) -> bool:
        """Whether its outputs are valid."""
        return self.state in {"complete", "cached"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a pipeline.

    Attributes:
        id: The run's id.
        use_case: Name of the use case, which is also the pipeline's.
        created: When it was recorded.
        provenance: Its provenance stamp, or None without one.
        steps: Its steps in the order in which they started.
        config: Its configuration; empty if it was not recorded.
        retraining: What it says of the retraining that it was part of; empty without one.
        data_versions: The data under DVC that it read.
        origins: Where its code and configuration were under version control.
    """

    id: str
    use_case: str
    created: datetime
    provenance: Provenance | None
    steps: Sequence[Step]
    config: Values = field(default_factory=dict)
    retraining: Values = field(default_factory=dict)
    data_versions: Sequence[VersionedData] = ()
    origins: Origins = field(default_factory=Origins)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """All runs, steps and artifacts of a store.

    Attributes:
        runs: Runs by id, oldest first.
        artifacts: Artifacts by id.
    """

    runs: Mapping[str, Run]
    artifacts: Mapping[int, Artifact]
    _producers: dict[int, Step] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        # A cached step outputs earlier artifacts; their producer is the first step that completed.
        steps = sorted(self.steps(), key=lambda step: (step.state == "cached", step.id))
        for step in steps:
            for ids in step.outputs.values():
                for artifact_id in ids:
                    self._producers.setdefault(artifact_id, step)

    def steps(self) -> Iterator[Step]:
        """Returns the steps of every run."""
        for run in self.runs.values():
            yield from run.steps

    def producer(self, artifact_id: int) -> Step | None:
        """Returns the step that produced an artifact, or None if none is recorded."""
        return self._producers.get(artifact_id)

    def of_type(self, type_name: str) -> list[Artifact]:
        """Returns the artifacts of a type, oldest first."""
        matches = (artifact for artifact in self.artifacts.values() if artifact.type == type_name)
        return sorted(matches, key=lambda artifact: artifact.id)

    def find(self, edges: Edges, type_name: str) -> list[Artifact]:
        """Returns the artifacts of a type among a step's inputs or outputs."""
        artifacts = (self.artifacts.get(i) for ids in edges.values() for i in ids)
        return [artifact for artifact in artifacts if artifact and artifact.type == type_name]


def read_graph(store: MetadataStore) -> Graph:
    """Returns the full record of a store."""
    nodes = _members(store, "node")
    pipelines = _members(store, "pipeline")
    executions = {execution.id: execution for execution in store.get_executions()}
    edges = _edges(store, list(executions))
    runs = []
    for parts in _runs_and_parts(store):
        context = parts[0]
        ids = sorted(
            execution.id for part in parts for execution in store.get_executions_by_context(part.id)
        )
        use_case = next((pipelines[i] for i in ids if i in pipelines), "")
        provenance = provenance_of(context)
        steps = [
            _step(executions[i], nodes.get(i, "").removeprefix(f"{use_case}."), context.name, edges)
            for i in ids
        ]
        runs.append(
            Run(
                id=context.name,
                use_case=use_case or (provenance.use_case if provenance else ""),
                created=_time(context.create_time_since_epoch),
                provenance=provenance,
                steps=steps,
                config=config_of(context),
                retraining=retraining_of(context),
                data_versions=data_versions_of(context),
                origins=origins_of(context),
            )
        )
    runs.sort(key=lambda run: (run.created, run.id))
    return Graph(
        runs={run.id: run for run in runs},
        artifacts={artifact.id: _artifact(artifact) for artifact in store.get_artifacts()},
    )


def _runs_and_parts(store: MetadataStore) -> list[list[metadata_store_pb2.Context]]:
    """Returns the contexts of each run: its own first, then those of its single-span parts."""
    runs: dict[str, list[metadata_store_pb2.Context]] = {}
    contexts = store.get_contexts_by_type("pipeline_run")
    # The run's own name is the shortest; it is a prefix of the others.
    for context in sorted(contexts, key=lambda context: (len(context.name), context.name)):
        runs.setdefault(whole_run_id(context.name), []).append(context)
    return list(runs.values())


def _members(store: MetadataStore, type_name: str) -> dict[int, str]:
    """Returns the name of each execution's context of a given type."""
    return {
        execution.id: context.name
        for context in store.get_contexts_by_type(type_name)
        for execution in store.get_executions_by_context(context.id)
    }


def _edges(
    store: MetadataStore, execution_ids: Sequence[int]
) -> dict[tuple[int, int], dict[str, tuple[int, ...]]]:
    """Returns artifact ids by execution and direction, then by key."""
    edges: dict[tuple[int, int], dict[str, tuple[int, ...]]] = {}
    for start in range(0, len(execution_ids), _NUM_IDS_A_CALL):
        for event in store.get_events_by_execution_ids(execution_ids[start:][:_NUM_IDS_A_CALL]):
            keys = edges.setdefault((event.execution_id, event.type), {})
            key = event.path.steps[0].key if event.path.steps else ""
            keys[key] = (*keys.get(key, ()), event.artifact_id)
    return edges


def _step(
    execution: metadata_store_pb2.Execution,
    node: str,
    run_id: str,
    edges: Mapping[tuple[int, int], Edges],
) -> Step:
    return Step(
        id=execution.id,
        node=node or execution.type,
        run_id=run_id,
        state=_Execution.State.Name(execution.last_known_state).lower(),
        started=_time(execution.create_time_since_epoch),
        ended=_time(execution.last_update_time_since_epoch),
        inputs=edges.get((execution.id, _Event.INPUT), {}),
        outputs=edges.get((execution.id, _Event.OUTPUT), {}),
        parameters=_values(execution),
    )


def _artifact(artifact: metadata_store_pb2.Artifact) -> Artifact:
    return Artifact(
        id=artifact.id,
        type=artifact.type,
        uri=artifact.uri,
        properties=_values(artifact),
        created=_time(artifact.create_time_since_epoch),
    )


def _values(
    holder: metadata_store_pb2.Artifact | metadata_store_pb2.Execution,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for properties in (holder.properties, holder.custom_properties):
        for key, value in sorted(properties.items()):
            kind = value.WhichOneof("value")
            if kind and key not in _INTERNAL and not key.startswith("__"):
                values[key] = _decoded(getattr(value, kind))
    return values


def _decoded(value: object) -> object:
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    # Numbers that ML Metadata stores as structures are not shown.
    return value if isinstance(value, str | int | float) else str(value)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)

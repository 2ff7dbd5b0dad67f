"""Lineage tree from a pushed model down to data, code, configuration and environment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_metadata.metadata_store import MetadataStore

from pipeline.lineage.facts import artifact_facts, data_facts, run_facts, span_dates
from pipeline.lineage.graph import Artifact, Graph, Run, read_graph
from pipeline.lineage.provenance import Provenance
from pipeline.lineage.references import pushed_name, resolve
from pipeline.lineage.restoring.bringing_back import bring_back
from pipeline.lineage.restoring.choice import most_repeatable
from pipeline.lineage.restoring.data_versions import data_node_facts
from pipeline.lineage.runs import examples_of

# Display names; inputs of a step are listed in this order.
_TITLES = {
    "PushedModel": "pushed model",
    "ModelBlessing": "verdict",
    "ModelEvaluation": "evaluation",
    "Model": "model",
    "TransformGraph": "transform graph",
    "Schema": "schema",
    "ExampleStatistics": "statistics",
    "Examples": "examples",
}
# Inputs of a verdict; its examples are already in the chain through the model.
_INPUT_TYPES = {"ModelBlessing": {"ModelEvaluation", "Model"}, "ModelEvaluation": {"Model"}}
# Artifacts that only save work; following them would lead to data not used by the model.
_SHORTCUTS = {"TransformCache"}


@dataclass(frozen=True, kw_only=True)
class LineageNode:
    """A node of the lineage tree.

    Attributes:
        kind: Kind of the node, such as `model`, `examples`, `run`, `code`.
        name: A version, an artifact's number or a run's id.
        facts: Facts about it.
        children: The nodes it was made from.
        commands: What `bring_back` says of the run that trained the model; only of the root.
    """

    kind: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    children: tuple["LineageNode", ...] = ()
    commands: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the tree as a JSON object."""
        return {
            "kind": self.kind,
            "name": self.name,
            **self.facts,
            "children": [child.to_json() for child in self.children],
        } | ({"commands": dict(self.commands)} if self.commands else {})


def lineage_of(store: MetadataStore, reference: str) -> LineageNode:
    """Returns the lineage of a model or of the output of a run.

    Args:
        store: The metadata store.
        reference: See `pipeline.lineage.references.resolve`.

    Raises:
        InputError: The reference matches nothing or is ambiguous.
    """
    graph = read_graph(store)
    target = resolve(graph, reference)
    if isinstance(target, Run):
        return replace(_run_tree(graph, target), commands=bring_back(target))
    return replace(_artifact_tree(graph, target), commands=_commands(graph, target))


def _commands(graph: Graph, target: Artifact) -> Mapping[str, Any]:
    """Returns the commands that bring back a model, or the model of a pushed version."""
    models = [i for i in _sources(graph, target) if graph.artifacts[i].type == "Model"]
    run = most_repeatable(graph, models[0]) if models else None
    trainer = graph.producer(models[0]) if models else None
    return bring_back(run, trained_in=trainer.run_id) if run and trainer else {}


def _run_tree(graph: Graph, run: Run) -> LineageNode:
    """Returns a run with its provenance, its steps and the lineage of its final artifact."""
    outputs = [
        artifact
        for type_name in ("PushedModel", "Model")
        for step in run.steps
        if step.succeeded
        for artifact in graph.find(step.outputs, type_name)
    ]
    outputs += [examples] if (examples := examples_of(graph, run)) else []
    steps = tuple(
        LineageNode(kind="step", name=step.node, facts={"state": step.state}) for step in run.steps
    )
    results = (_artifact_tree(graph, outputs[0], parent_run=run.id),) if outputs else ()
    children = _stamped_nodes(run) + steps + results
    return LineageNode(kind="run", name=run.id, facts=run_facts(run), children=children)


def _artifact_tree(graph: Graph, root: Artifact, *, parent_run: str = "") -> LineageNode:
    """Returns an artifact with its sources and the runs that made them, except `parent_run`."""
    sources = _sources(graph, root)
    chain = [i for i in sources if i not in _baselines(graph, sources)]
    node = _artifact_node(graph, root.id, sources)
    runs = tuple(
        _run_node(graph, run_id, chain)
        for run_id in _runs_involved(graph, chain)
        if run_id != parent_run
    )
    return LineageNode(
        kind=node.kind, name=node.name, facts=node.facts, children=node.children + runs
    )


def _sources(graph: Graph, root: Artifact) -> dict[int, list[int]]:
    """Returns each artifact's sources; a source appears once, below its nearest user."""
    sources: dict[int, list[int]] = {root.id: []}
    queue = [root]
    while queue:
        artifact = queue.pop(0)
        if artifact.id in _baselines(graph, sources):
            continue  # it has its own lineage
        # A refused model has no push through which its verdict would be reached.
        verdicts = _verdicts(graph, root) if artifact is root and root.type == "Model" else []
        for source in verdicts + _inputs(graph, artifact):
            if source.id not in sources:
                sources[source.id] = []
                sources[artifact.id].append(source.id)
                queue.append(source)
    return sources


def _baselines(graph: Graph, chain: Iterable[int]) -> list[int]:
    """Returns the models that the first one was compared with."""
    return [i for i in chain if graph.artifacts[i].type == "Model"][1:]


def _inputs(graph: Graph, artifact: Artifact) -> list[Artifact]:
    step = graph.producer(artifact.id)
    ids = [] if step is None else [i for keys in step.inputs.values() for i in keys]
    allowed = _INPUT_TYPES.get(artifact.type)
    sources = [
        graph.artifacts[i]
        for i in ids
        if i in graph.artifacts
        and (allowed is None or graph.artifacts[i].type in allowed)
        and graph.artifacts[i].type not in _SHORTCUTS
    ]
    order = list(_TITLES)
    return sorted(
        sources, key=lambda item: order.index(item.type) if item.type in order else len(order)
    )


def _verdicts(graph: Graph, model: Artifact) -> list[Artifact]:
    """Returns the last verdict on a model, if any."""
    on_this = [
        blessing
        for blessing in graph.of_type("ModelBlessing")
        if blessing.properties.get("current_model_id") == model.id
    ]
    return on_this[-1:]


def _artifact_node(
    graph: Graph, artifact_id: int, sources: Mapping[int, Sequence[int]]
) -> LineageNode:
    artifact = graph.artifacts[artifact_id]
    children = tuple(_artifact_node(graph, i, sources) for i in sources[artifact_id])
    step = graph.producer(artifact_id)
    facts = artifact_facts(artifact, step)
    if artifact.type == "Examples" and step is not None:
        dates = span_dates(artifact, graph.runs[step.run_id])
        if step.inputs:
            facts |= dates
        else:
            data = LineageNode(kind="data", name="", facts=data_facts(artifact, step) | dates)
            children = (*children, data)
    compared = artifact_id in _baselines(graph, sources)
    return LineageNode(
        kind="compared with model" if compared else _TITLES.get(artifact.type, artifact.type),
        name=pushed_name(artifact) if artifact.type == "PushedModel" else f"#{artifact.id}",
        facts=facts,
        children=children,
    )


def _runs_involved(graph: Graph, chain: Sequence[int]) -> list[str]:
    """Returns the runs that produced any artifact of the chain, newest first."""
    makers = {step.run_id for i in chain if (step := graph.producer(i))}
    return [run_id for run_id in reversed(list(graph.runs)) if run_id in makers]


def _run_node(graph: Graph, run_id: str, chain: Sequence[int]) -> LineageNode:
    run = graph.runs[run_id]
    steps = {step.id: step.node for i in chain if (step := graph.producer(i))}
    made = [step.node for step in run.steps if step.id in steps]
    facts = {"ran": made} | run_facts(run)
    return LineageNode(kind="run", name=run.id, facts=facts, children=_stamped_nodes(run))


def _stamped_nodes(run: Run) -> tuple[LineageNode, ...]:
    """Returns what is noted on a run itself: its reason, its data under DVC, its provenance."""
    return _retraining_nodes(run) + _data_nodes(run) + _stamp_nodes(run.provenance)


def _data_nodes(run: Run) -> tuple[LineageNode, ...]:
    return tuple(
        LineageNode(kind="versioned data", name=one.path, facts=data_node_facts(one))
        for one in run.data_versions
    )


def _retraining_nodes(run: Run) -> tuple[LineageNode, ...]:
    """Returns why the run was begun, if it was part of a retraining."""
    if not run.retraining:
        return ()
    facts = {key: value for key, value in run.retraining.items() if key != "id"}
    return (LineageNode(kind="retraining", name=str(run.retraining["id"]), facts=facts),)


def _stamp_nodes(stamp: Provenance | None) -> tuple[LineageNode, ...]:
    if stamp is None:
        return (LineageNode(kind="code", name="unknown: the run has no stamp"),)
    code = {"commit": stamp.git_commit, "dirty": stamp.git_dirty, "sources": stamp.code_digest}
    config: dict[str, Any] = {
        "digest": stamp.config_digest,
        "schema": stamp.schema_digest,
        "seed": stamp.seed,
    }
    if stamp.project_commit:
        config["project_commit"] = stamp.project_commit
        config["project_dirty"] = stamp.project_dirty
    environment = {
        "lock_file": stamp.lock_digest,
        "python": stamp.python,
        "platform": stamp.platform,
        "packages": dict(stamp.packages),
    }
    return (
        LineageNode(kind="code", name=stamp.git_label, facts=code),
        LineageNode(kind="configuration", name=stamp.config_file, facts=config),
        LineageNode(kind="environment", name=f"Python {stamp.python}", facts=environment),
    )

"""List of runs with their inputs and results."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ml_metadata.metadata_store import MetadataStore

from pipeline.components.names import APPROVED, APPROVED_BY, ROLLOUT, WITHDRAWN_VERSION
from pipeline.components.pusher.withdrawn import withdrawal_of
from pipeline.lineage.facts import span_dates, time_text
from pipeline.lineage.git_state import UNKNOWN
from pipeline.lineage.graph import Artifact, Graph, Run, read_graph
from pipeline.lineage.references import pushed_name

LAST_NODE = "Pusher"


class RunState(StrEnum):
    """State of a run: how it ended, or that it is running."""

    COMPLETE = "complete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run in the list.

    Attributes:
        run_id: The run's id.
        use_case: Name of the use case.
        started: Start time, such as `2026-11-23T10:15:00Z`.
        duration_s: From the first step's start to the last one's end, in seconds.
        state: How it ended.
        stopped_at: The step that failed, was interrupted or is at work; else empty.
        num_steps: Steps that have an execution.
        num_cached: Number of cached steps.
        data: Properties of its examples: rows, spans, fingerprint; `dates` of dated spans.
        commit: Commit of the code, or `unknown`.
        dirty: Whether the code differed from the commit.
        metrics: Metrics on the test split, by name.
        verdict: `BLESSED`, `REJECTED`, `INCONCLUSIVE`, `APPROVED`, or empty if the run
            did not reach the gate.
        version: The pushed version, or empty.
        withdrawn: The withdrawn version of the run's model, with who withdrew it, why and when;
            None if it was not withdrawn.
        rollout: The latest transition of the version's rollout, or empty.
    """

    run_id: str
    use_case: str
    started: str
    duration_s: float
    state: RunState
    stopped_at: str
    num_steps: int
    num_cached: int
    data: Mapping[str, Any]
    commit: str
    dirty: bool
    metrics: Mapping[str, float]
    verdict: str
    version: str
    withdrawn: Mapping[str, str] | None
    rollout: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the row as a JSON object."""
        return dataclasses.asdict(self) | {"state": self.state.value}


def list_runs(store: MetadataStore, *, may_be_running: bool = False) -> list[RunRow]:
    """Returns all runs, newest first.

    Args:
        store: The metadata store.
        may_be_running: Whether a process may be using this store; if not, unfinished runs were
            interrupted.
    """
    graph = read_graph(store)
    return [run_row(graph, run, may_be_running) for run in reversed(list(graph.runs.values()))]


def run_row(graph: Graph, run: Run, may_be_running: bool) -> RunRow:
    """Returns one run; for the arguments see `list_runs`."""
    state, stopped_at = _state(run, may_be_running)
    examples = examples_of(graph, run)
    blessing = run_output(graph, run, "ModelBlessing")
    pushed = run_output(graph, run, "PushedModel")
    stamp = run.provenance
    return RunRow(
        run_id=run.id,
        use_case=run.use_case,
        started=time_text(run.created),
        duration_s=_duration_s(run),
        state=state,
        stopped_at=stopped_at,
        num_steps=len(run.steps),
        num_cached=sum(step.state == "cached" and bool(step.outputs) for step in run.steps),
        data={**examples.properties, **span_dates(examples, run)} if examples else {},
        commit=stamp.git_commit if stamp else UNKNOWN,
        dirty=bool(stamp and stamp.git_dirty),
        metrics=_metrics(blessing),
        verdict=_verdict(blessing, run_output(graph, run, "InfraBlessing")),
        version=str(pushed.properties.get("pushed_version", "")) if pushed else "",
        withdrawn=withdrawal_of(pushed.properties, _withdrawn_label(pushed)) if pushed else None,
        rollout=str(pushed.properties.get(ROLLOUT, "")) if pushed else "",
    )


def _withdrawn_label(pushed: Artifact) -> str:
    """Returns `NAME/VERSION` of the push, or of the withdrawn version that prevented it."""
    return str(pushed.properties.get(WITHDRAWN_VERSION) or pushed_name(pushed))


def _state(run: Run, may_be_running: bool) -> tuple[RunState, str]:
    """Derives the state from a step that failed or has not ended, else from the last step."""
    for step in run.steps:
        if step.state == "failed":
            return RunState.FAILED, step.node
    # Of two steps side by side, the run is at the one that started last.
    for step in reversed(run.steps):
        if step.state in {"new", "running"} and may_be_running:
            return RunState.RUNNING, step.node
        if not step.succeeded:
            return RunState.INTERRUPTED, step.node
    if any(step.node == LAST_NODE for step in run.steps):
        return RunState.COMPLETE, ""
    return (RunState.RUNNING if may_be_running else RunState.INTERRUPTED), ""


def _duration_s(run: Run) -> float:
    if not run.steps:
        return 0.0
    # A cancelled step was last updated by the run that found it dead, perhaps days later.
    ends = [step.started if step.state == "canceled" else step.ended for step in run.steps]
    return round((max(ends) - min(step.started for step in run.steps)).total_seconds(), 3)


def examples_of(graph: Graph, run: Run) -> Artifact | None:
    """Returns the examples of a run whose test split was used to evaluate its model, or None.

    A run may have several: spans are combined into a window, and train may be sampled. For a run
    that did not reach the Evaluator, these are the window's, or else the ingested examples.
    """
    measured = [
        artifact
        for step in run.steps
        if step.node == "Evaluator"
        for artifact in graph.find(step.inputs, "Examples")
    ]
    made = _outputs(graph, run, "Examples")
    windows = [artifact for artifact in made if "spans" in artifact.properties]
    return next(iter(measured or windows or made), None)


def _outputs(graph: Graph, run: Run, type_name: str) -> list[Artifact]:
    return [
        artifact
        for step in run.steps
        if step.succeeded
        for artifact in graph.find(step.outputs, type_name)
    ]


def run_output(graph: Graph, run: Run, type_name: str) -> Artifact | None:
    """Returns the last artifact of a type that a run produced or took from the cache, or None.

    A run over several spans repeats its first steps; the last artifact is the newest span's.
    """
    outputs = _outputs(graph, run, type_name)
    return outputs[-1] if outputs else None


def _metrics(blessing: Artifact | None) -> dict[str, float]:
    metrics = blessing.properties.get("metrics") if blessing else None
    if not isinstance(metrics, Mapping):
        return {}
    return {key: float(value) for key, value in metrics.items() if isinstance(value, int | float)}


def _verdict(blessing: Artifact | None, infra: Artifact | None) -> str:
    if blessing is None:
        return ""
    if infra is not None and not infra.properties.get("blessed"):
        return "REJECTED"
    if blessing.properties.get(APPROVED_BY):
        return APPROVED
    blessed = "BLESSED" if blessing.properties.get("blessed") else "REJECTED"
    return str(blessing.properties.get("verdict") or blessed)

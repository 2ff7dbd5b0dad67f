"""Manual approval of an inconclusive model."""

import time
from dataclasses import dataclass
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore

from common.errors import InputError
from pipeline.components.names import (
    APPROVED_AT,
    APPROVED_BY,
    APPROVED_WHY,
    INCONCLUSIVE,
    ON_INCONCLUSIVE,
)
from pipeline.lineage.graph import Artifact, Graph, read_graph
from pipeline.lineage.references import match_run
from pipeline.lineage.runs import run_output
from pipeline.running.launching.artifact_checks import ArtifactChecks

_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A person's approval of a model.

    Attributes:
        run_id: The run whose model is approved, or a unique prefix of its id.
        by: The approving person.
        why: The reason.
    """

    run_id: str
    by: str
    why: str


def record_approval(store: MetadataStore, approval: Approval, *, now_s: int | None = None) -> str:
    """Records the approval on the model's blessing; the next run reads it and pushes the model.

    Args:
        store: The metadata store.
        approval: The approval.
        now_s: Seconds since the Unix epoch; the current time by default.

    Returns:
        The run's full id.

    Raises:
        InputError: There is no such run, several match, or its model does not await approval.
    """
    for name, value in (("--by", approval.by), ("--why", approval.why)):
        if not value.strip():
            raise InputError(f"{name} is empty; an approval must record who gave it and why.")
    graph = read_graph(store)
    run = match_run(graph, approval.run_id)
    if run is None:
        raise InputError(f"There is no run {approval.run_id}. {_waiting_text(graph)}")
    blessing = run_output(graph, run, "ModelBlessing")
    _check_waits(run.id, blessing, run_output(graph, run, "InfraBlessing"), graph)
    assert blessing is not None  # noqa: S101 - narrows the type
    [artifact] = store.get_artifacts_by_id([blessing.id])
    properties = artifact.custom_properties
    properties[APPROVED_BY].string_value = approval.by.strip()
    properties[APPROVED_WHY].string_value = approval.why.strip()
    properties[APPROVED_AT].int_value = int(time.time()) if now_s is None else now_s
    # TFX's Pusher and resolvers recognise a blessed model by this property.
    properties["blessed"].int_value = 1
    refused = Path(blessing.uri) / "NOT_BLESSED"
    if refused.exists():
        refused.rename(refused.with_name("BLESSED"))
    ArtifactChecks(None).record(artifact)
    store.put_artifacts([artifact])
    return run.id


def _check_waits(
    run_id: str, blessing: Artifact | None, infra: Artifact | None, graph: Graph
) -> None:
    if blessing is None:
        raise InputError(f"The run {run_id} has no verdict. {_waiting_text(graph)}")
    given = blessing.properties
    if given.get(APPROVED_BY):
        raise InputError(f"The model of {run_id} was already approved by {given[APPROVED_BY]}.")
    if given.get("verdict") != INCONCLUSIVE:
        raise InputError(
            f"The verdict on the model of {run_id} is {given.get('verdict')}; only "
            f"{INCONCLUSIVE} awaits approval. {_waiting_text(graph)}"
        )
    if given.get(ON_INCONCLUSIVE) != "ask":
        raise InputError(
            f"The config of {run_id} does not ask for approval (gate.on_inconclusive is "
            f"`{given.get(ON_INCONCLUSIVE)}`). Set it to `ask` and run again."
        )
    if infra is not None and not infra.properties.get("blessed"):
        raise InputError(f"The model of {run_id} failed the server check; see its summary.")


def _waiting_text(graph: Graph) -> str:
    waiting = [
        run.id
        for run in reversed(list(graph.runs.values()))
        if (blessing := run_output(graph, run, "ModelBlessing")) is not None
        and blessing.properties.get("verdict") == INCONCLUSIVE
        and blessing.properties.get(ON_INCONCLUSIVE) == "ask"
        and not blessing.properties.get(APPROVED_BY)
    ]
    return f"Awaiting approval: {', '.join(waiting[:_LISTED]) or 'none'}."

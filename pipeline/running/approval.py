"""Manual approval of an inconclusive model, and of a new anchor of the gate's comparisons."""

import time
from dataclasses import dataclass
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from pipeline.components.names import (
    ANCHOR_AT,
    ANCHOR_BY,
    ANCHOR_WHY,
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
        new_anchor: Whether later models are to be compared with this one instead of the anchor.
    """

    run_id: str
    by: str
    why: str
    new_anchor: bool = False


def record_approval(store: MetadataStore, approval: Approval, *, now_s: int | None = None) -> str:
    """Records the approval on the model's blessing; the next run reads it.

    The next run pushes an inconclusive model. A new anchor may be a model that is blessed already.

    Args:
        store: The metadata store.
        approval: The approval.
        now_s: Seconds since the Unix epoch; the current time by default.

    Returns:
        The run's full id.

    Raises:
        InputError: There is no such run, several match, or its model neither awaits approval nor,
            for a new anchor, is blessed.
    """
    for name, value in (("--by", approval.by), ("--why", approval.why)):
        if not value.strip():
            raise InputError(f"{name} is empty; an approval must record who gave it and why.")
    graph = read_graph(store)
    run = match_run(graph, approval.run_id)
    if run is None:
        raise InputError(f"There is no run {approval.run_id}. {_waiting_text(graph)}")
    blessing = run_output(graph, run, "ModelBlessing")
    is_blessed = blessing is not None and bool(blessing.properties.get("blessed"))
    if not (approval.new_anchor and is_blessed):
        _check_waits(run.id, blessing, run_output(graph, run, "InfraBlessing"), graph)
    assert blessing is not None  # noqa: S101 - narrows the type
    [artifact] = store.get_artifacts_by_id([blessing.id])
    at_s = int(time.time()) if now_s is None else now_s
    if not is_blessed:
        _note(artifact, approval, (APPROVED_BY, APPROVED_WHY, APPROVED_AT), at_s)
    if approval.new_anchor:
        _note(artifact, approval, (ANCHOR_BY, ANCHOR_WHY, ANCHOR_AT), at_s)
    properties = artifact.custom_properties
    # TFX's Pusher and resolvers recognise a blessed model by this property.
    properties["blessed"].int_value = 1
    refused = Path(blessing.uri) / "NOT_BLESSED"
    if refused.exists():
        refused.rename(refused.with_name("BLESSED"))
    ArtifactChecks(None).record(artifact)
    store.put_artifacts([artifact])
    return run.id


def _note(
    artifact: metadata_store_pb2.Artifact,
    approval: Approval,
    names: tuple[str, str, str],
    at_s: int,
) -> None:
    by, why, at = names
    artifact.custom_properties[by].string_value = approval.by.strip()
    artifact.custom_properties[why].string_value = approval.why.strip()
    artifact.custom_properties[at].int_value = at_s


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

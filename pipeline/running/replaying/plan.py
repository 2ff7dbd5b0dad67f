"""The plan of an unchanged run: the steps of the last complete run, and what they rest on."""

import base64
import hashlib
import json
import logging
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, TypeAlias

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Event, Execution

from common.run_ids import whole_run_id
from pipeline.running.launching.artifact_checks import ArtifactChecks, is_local

_Artifact: TypeAlias = metadata_store_pb2.Artifact
_SUCCESSFUL = (Execution.COMPLETE, Execution.CACHED)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step that would come from the cache, or a resolver that would choose the same artifacts.

    Attributes:
        name: The node's id.
        execution_id: Its execution in the last complete run.
        record: The execution as TFX would register it, a serialised `Execution` in base64.
    """

    name: str
    execution_id: int
    record: str

    @property
    def execution(self) -> Execution:
        """The execution as TFX would register it."""
        execution = Execution()
        execution.ParseFromString(base64.b64decode(self.record))
        return execution


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an unchanged run would do.

    Attributes:
        key: The output of `run_key` for the last complete run.
        run_id: That run.
        state: The output of `pipeline_state` after that run.
        steps: Its steps in order.
    """

    key: str
    run_id: str
    state: str
    steps: tuple[PlannedStep, ...]

    def write(self, path: Path) -> None:
        """Writes the plan, atomically; for its owner only, as the metadata that it repeats."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Returns the plan in a file; None if there is none that can be read."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            steps = tuple(PlannedStep(**step) for step in values.pop("steps"))
            return cls(steps=steps, **values)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def pipeline_state(store: MetadataStore, use_case: str) -> str:
    """Returns a digest of all artifacts of a pipeline: what its resolvers and its cache read.

    Args:
        store: The metadata store.
        use_case: Name of the pipeline.
    """
    context = store.get_context_by_type_and_name("pipeline", use_case)
    artifacts = [] if context is None else store.get_artifacts_by_context(context.id)
    lines = (
        f"{one.id} {one.state} {one.last_update_time_since_epoch} {_exists(one)}"
        for one in sorted(artifacts, key=lambda one: int(one.id))
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _exists(artifact: _Artifact) -> bool:
    return is_local(artifact.uri) and Path(artifact.uri).exists()


def find_plan(
    path: Path, store: MetadataStore, checks: ArtifactChecks, *, key: str | None, use_case: str
) -> Plan | None:
    """Returns the plan of an unchanged run; None if anything differs, and the log says what.

    Args:
        path: The file of the plan.
        store: The metadata store.
        checks: Checks the files of the artifacts.
        key: The output of `run_key`.
        use_case: Name of the pipeline.
    """
    plan = Plan.read(path)
    if plan is None or key is None:
        return None
    obstacle = _find_obstacle(plan, store, checks, key=key, use_case=use_case)
    if obstacle:
        _log.warning("Each step is compared with its earlier result: %s", obstacle)
    return None if obstacle else plan


def _find_obstacle(
    plan: Plan, store: MetadataStore, checks: ArtifactChecks, *, key: str, use_case: str
) -> str:
    if plan.key != key:
        return "data, configuration, code or environment differ from those of the last run"
    if _last_run(store, use_case) != plan.run_id:
        return "the last run was not complete"
    if pipeline_state(store, use_case) != plan.state:
        return "artifacts have changed since the last run"
    executions = store.get_executions_by_id([step.execution_id for step in plan.steps])
    if sum(one.last_known_state in _SUCCESSFUL for one in executions) != len(plan.steps):
        return "the metadata lack steps of the last run"
    return _find_damage(plan, store, checks)


def _last_run(store: MetadataStore, use_case: str) -> str:
    context = store.get_context_by_type_and_name("pipeline", use_case)
    runs = [] if context is None else store.get_children_contexts_by_context(context.id)
    last = max(runs, key=lambda run: int(run.id), default=None)
    return "" if last is None else whole_run_id(last.name)


def _find_damage(plan: Plan, store: MetadataStore, checks: ArtifactChecks) -> str:
    """Describes damage to what the steps publish; a cached result needs a digest."""
    events = store.get_events_by_execution_ids([step.execution_id for step in plan.steps])
    outputs = {event.artifact_id for event in events if event.type == Event.OUTPUT}
    resolved = {event.artifact_id for event in events if event.type == Event.INTERNAL_OUTPUT}
    damage = checks.find_damaged(_artifacts(store, outputs), needs_digest=True)
    damage |= checks.find_damaged(_artifacts(store, resolved - outputs))
    return next(iter(damage.values()), "")


def _artifacts(store: MetadataStore, ids: Iterable[int]) -> list[_Artifact]:
    return list(store.get_artifacts_by_id(sorted(ids)))

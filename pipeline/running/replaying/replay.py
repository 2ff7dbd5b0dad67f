"""The replay of a plan: an unchanged run, recorded in ML Metadata as TFX records it."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Event, Execution

from common.guards.stopping import as_stop, check_not_stopped
from common.output_folder import OutputFolder
from pipeline.running.launching.artifact_checks import ArtifactChecks
from pipeline.running.launching.step_results import StartCallback, finished_step, stopped_step
from pipeline.running.replaying.plan import Plan, PlannedStep, find_plan
from pipeline.running.steps import StepResult

_Context: TypeAlias = metadata_store_pb2.Context
_Pairs: TypeAlias = list[tuple[metadata_store_pb2.Artifact, Event]]
_CACHE_CONTEXT, _RUN_CONTEXT = "execution_cache", "pipeline_run"


@dataclass(frozen=True, kw_only=True)
class UnchangedRun:
    """A run in which nothing has changed since the last one.

    Attributes:
        store: The metadata store.
        plan: What the run does.
        checks: The checks of the artifacts' files, which the plan has passed.
        path: The file of the plan.
        use_case: Name of the pipeline.
    """

    store: MetadataStore
    plan: Plan
    checks: ArtifactChecks
    path: Path
    use_case: str

    def steps(self, run_id: str, *, on_start: StartCallback) -> Iterator[StepResult]:
        """Records every step as a step of a new run and yields its result.

        Args:
            run_id: The id of the new run, whose context exists.
            on_start: Called with a step's name when it starts.

        Raises:
            Stopped: Somebody asked this process to stop.
        """
        run = self.store.get_context_by_type_and_name(_RUN_CONTEXT, run_id)
        for step in self.plan.steps:
            on_start(step.name)
            started_s = time.monotonic()
            try:
                check_not_stopped()
                execution_id = _record(self.store, step, run)
                check_not_stopped()
            except KeyboardInterrupt as caught:
                error = as_stop(caught)
                yield stopped_step(step.name, error, time.monotonic() - started_s)
                raise error from None
            yield finished_step(
                self.store,
                execution_id,
                node_id=step.name,
                pipeline_name=self.use_case,
                duration_s=time.monotonic() - started_s,
            )
        self.checks.save()
        # The next unchanged run repeats the same executions.
        replace(self.plan, run_id=run_id).write(self.path)


def find_unchanged_run(
    store: MetadataStore, folder: OutputFolder, *, use_case: str, key: str | None
) -> UnchangedRun | None:
    """Returns the unchanged run that would start now; None if something has changed.

    Args:
        store: The metadata store.
        folder: The output folder.
        use_case: Name of the pipeline.
        key: The output of `run_key`.
    """
    path = folder.plan(use_case)
    checks = ArtifactChecks(folder.kept_digests)
    plan = find_plan(path, store, checks, key=key, use_case=use_case)
    if plan is None:
        return None
    return UnchangedRun(store=store, plan=plan, checks=checks, path=path, use_case=use_case)


def _record(store: MetadataStore, step: PlannedStep, run: _Context) -> int:
    """Records one step in two writes, as TFX does, and returns its execution."""
    contexts = [
        run if one.type == _RUN_CONTEXT else one
        for one in store.get_contexts_by_execution(step.execution_id)
    ]
    execution = step.execution
    final_state = execution.last_known_state
    execution.last_known_state = Execution.RUNNING
    execution.name = str(uuid.uuid4())
    events = store.get_events_by_execution_ids([step.execution_id])
    inputs = [event for event in events if event.type == Event.INPUT]
    outputs = [event for event in events if event.type != Event.INPUT]
    execution.id, _, _ = store.put_execution(
        execution,
        _pairs(store, inputs),
        [one for one in contexts if one.type != _CACHE_CONTEXT],
    )
    [registered] = store.get_executions_by_id([execution.id])
    registered.last_known_state = final_state
    store.put_execution(registered, _pairs(store, outputs), contexts)
    return int(execution.id)


def _pairs(store: MetadataStore, events: list[Event]) -> _Pairs:
    ids = sorted({event.artifact_id for event in events})
    artifacts = {one.id: one for one in store.get_artifacts_by_id(ids)} if ids else {}
    return [
        (artifacts[event.artifact_id], Event(type=event.type, path=event.path)) for event in events
    ]

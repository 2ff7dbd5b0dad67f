"""TFX's launcher of a step, with empty output folders and checked artifacts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.io import fileio
from tfx.orchestration.portable import data_types, inputs_utils, launcher
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.types.artifact import Artifact
from tfx.types.value_artifact import ValueArtifact

from common.guards.stopping import check_not_stopped
from common.internals.tfx import OUTPUT_RESOLVER, cached_outputs_by
from pipeline.running.launching.artifact_checks import (
    ArtifactChecks,
    DamagedArtifactError,
    give_up,
    protos_of,
)
from pipeline.running.launching.fresh_outputs import FreshOutputs, is_unused
from pipeline.running.launching.launches import Turn

_Outputs: TypeAlias = Mapping[str, Iterable[Artifact]]


class StepLauncher(launcher.Launcher):  # type: ignore[misc]
    """Launches one step.

    * Its output folders are absent or empty.
    * A cached result whose files changed since it was published is not used: the step runs again.
    * A resolver does not choose a damaged artifact, and chooses once in a run.
    * A step that runs reads undamaged artifacts only.
    * What it publishes carries a manifest of its files.

    Other steps may run at the same time, but only one of them is in its turn.

    Args:
        checks: Records and checks digests.
        turn: The right to use ML Metadata, which the executor does not need.
        on_executing: Called in the turn, before the executor starts.
        arguments: Those of TFX's launcher.
    """

    def __init__(
        self,
        *,
        checks: ArtifactChecks,
        turn: Turn,
        on_executing: Callable[[], None],
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._checks = checks
        self._turn = turn
        self._on_executing = on_executing
        fresh = FreshOutputs(
            pipeline_node=arguments["pipeline_node"],
            pipeline_info=arguments["pipeline_info"],
            pipeline_runtime_spec=arguments["pipeline_runtime_spec"],
        )
        setattr(self, OUTPUT_RESOLVER, fresh)

    def launch(self) -> Any:
        """Runs the step; returns its execution as TFX's launcher does."""
        with self._turn:
            if self._system_node_handler:
                before = self._resolved_before()
                if before is not None:
                    return before
                self._settle_candidates()
            return super().launch()

    def _prepare_execution(self) -> Any:
        with cached_outputs_by(self._intact):
            return super()._prepare_execution()

    def _resolved_before(self) -> Any:
        """Returns what a resolver has chosen earlier in this run, or None.

        The steps after it would find the choices of both attempts.
        """
        with self._mlmd_connection as handle:
            contexts = context_lib.prepare_contexts(handle, self._pipeline_node.contexts)
            executions = execution_lib.get_executions_associated_with_all_contexts(handle, contexts)
        done = [one.id for one in executions if execution_lib.is_execution_successful(one)]
        return data_types.ExecutionInfo(execution_id=done[0]) if done else None

    def _settle_candidates(self) -> None:
        """Gives up damaged artifacts until a resolver chooses intact ones."""
        with self._mlmd_connection as metadata:
            while damage := self._checks.find_damaged(protos_of(self._resolve(metadata))):
                give_up(metadata.store, damage)

    def _resolve(self, metadata: Any) -> list[Artifact]:
        resolved = inputs_utils.resolve_input_artifacts(
            pipeline_node=self._pipeline_node, metadata_handle=metadata
        )
        if isinstance(resolved, inputs_utils.Skip):
            return []
        return [one for inputs in resolved for artifacts in inputs.values() for one in artifacts]

    def _intact(self, metadata: Any, outputs: _Outputs) -> bool:
        """Whether a cached result may be used; gives up its damaged artifacts."""
        artifacts = protos_of(one for artifacts in outputs.values() for one in artifacts)
        damage = self._checks.find_damaged(artifacts, needs_digest=True)
        if damage:
            give_up(metadata.store, damage)
        return not damage

    def _run_executor(self, execution_info: Any) -> Any:
        check_not_stopped()
        self._check_inputs(execution_info.input_dict)
        _check_unused(execution_info.output_dict)
        self._on_executing()
        try:
            with self._turn.given_up():
                return super()._run_executor(execution_info)
        except Exception:
            # What a library made of a request to stop is no failure of the step.
            check_not_stopped()
            raise

    def _check_inputs(self, inputs: _Outputs) -> None:
        artifacts = protos_of(one for artifacts in inputs.values() for one in artifacts)
        damage = self._checks.find_damaged(artifacts)
        if not damage:
            return
        with self._mlmd_connection as metadata:
            give_up(metadata.store, damage)
        first = next(artifact for artifact in artifacts if artifact.id in damage)
        raise DamagedArtifactError(
            f"{first.uri} is not what was published: {damage[int(first.id)]}. It is not used any "
            "more, and nothing was pushed. Run again: the step that wrote it will be repeated."
        )

    def _publish_successful_execution(
        self,
        execution_id: int,
        contexts: list[metadata_store_pb2.Context],
        output_dict: Any,
        executor_output: Any,
    ) -> None:
        check_not_stopped()
        by_key = executor_output.output_artifacts
        for key, artifacts in output_dict.items():
            own = by_key[key].artifacts if key in by_key else ()
            for artifact in own or [one.mlmd_artifact for one in artifacts]:
                self._checks.record(artifact)
        super()._publish_successful_execution(execution_id, contexts, output_dict, executor_output)


def _check_unused(outputs: _Outputs) -> None:
    """Checks that a step would not write into files of another step.

    Raises:
        DamagedArtifactError: An output folder holds files.
    """
    for artifact in (one for artifacts in outputs.values() for one in artifacts):
        is_value = isinstance(artifact, ValueArtifact)
        unused = not fileio.exists(artifact.uri) if is_value else is_unused(artifact.uri)
        if not artifact.is_external and not unused:
            raise DamagedArtifactError(
                f"{artifact.uri} holds files that this step did not write. Run again."
            )

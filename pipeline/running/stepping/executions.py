"""Executions of the steps of one run in ML Metadata."""

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Execution

from common.errors import InputError
from common.metadata import cancel_executions
from common.output_folder import OutputFolder
from common.run_ids import whole_run_id

_SUCCESSFUL = (Execution.COMPLETE, Execution.CACHED)
_UNFINISHED = (Execution.NEW, Execution.RUNNING)


def executions_of(store: MetadataStore, run_id: str, use_case: str) -> dict[str, Execution]:
    """Returns the execution of each step of a run, that which succeeded if there are several.

    Args:
        store: The metadata store.
        run_id: The run.
        use_case: Name of its pipeline.
    """
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    executions = [] if run is None else store.get_executions_by_context(run.id)
    by_step: dict[str, Execution] = {}
    for execution in sorted(executions, key=lambda one: (is_successful(one), one.id)):
        contexts = store.get_contexts_by_execution(execution.id)
        names = [context.name for context in contexts if context.type == "node"]
        by_step |= {name.removeprefix(f"{use_case}."): execution for name in names}
    return by_step


def is_successful(execution: Execution | None) -> bool:
    """Whether a step has ended and its outputs are valid."""
    return execution is not None and execution.last_known_state in _SUCCESSFUL


def cancel_abandoned(store: MetadataStore, execution: Execution | None) -> None:
    """Cancels what a killed attempt at a step left unfinished; the caller holds the step's lock."""
    if execution is not None and execution.last_known_state in _UNFINISHED:
        cancel_executions(store, [execution])


def check_newest(store: MetadataStore, folder: OutputFolder, run_id: str, use_case: str) -> None:
    """Checks that no other run of the use case began in the output folder after this one.

    A run that is not recorded yet is the newest.

    Raises:
        InputError: One did: a step of this run might undo what it did.
    """
    context = store.get_context_by_type_and_name("pipeline", use_case)
    runs = [] if context is None else store.get_children_contexts_by_context(context.id)
    # Runs of other output folders on the same server are none of ours.
    own = [run for run in runs if folder.run(whole_run_id(run.name)).is_dir()]
    names = [whole_run_id(run.name) for run in sorted(own, key=lambda run: int(run.id))]
    newest = names[-1] if run_id in names else run_id
    if newest != run_id:
        raise InputError(
            f"Run {newest} began in {folder.root} after run {run_id}, whose remaining steps are "
            "not run any more. Start a new run: finished steps come from the cache."
        )

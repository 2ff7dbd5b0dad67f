"""`faultline runs tensorboard`, and the same after each run (`tracking.tensorboard`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.lineage.graph import Graph, Run, read_graph
from pipeline.tracking.hparams import write_logdir
from pipeline.tracking.run_record import run_records


def prepare_tensorboard(store: Any, output: Path, *, may_be_running: bool) -> dict[str, Any]:
    """Writes the log folder of all runs; returns its path and the number of runs.

    Args:
        store: The metadata store.
        output: The output folder.
        may_be_running: Whether a process may be using this store.

    Raises:
        InputError: The log folder contains other files.
    """
    folder = OutputFolder(output.absolute()).tensorboard
    records = run_records(read_graph(store), may_be_running=may_be_running)
    try:
        count = write_logdir(records, folder)
    except FileExistsError as error:
        raise InputError(f"{error}. Move it away, or name another folder with --output.") from error
    return {"logdir": str(folder), "num_runs": count}


@dataclass(frozen=True)
class TensorBoardTracker:
    """TensorBoard's log folder of all runs."""

    key = "tensorboard"
    title = "TensorBoard"

    def check_installed(self) -> None:
        """Needs no check: TensorBoard is a dependency of the project."""

    def export(self, graph: Graph, run: Run, folder: OutputFolder) -> dict[str, str]:  # noqa: ARG002 - the folder shows all runs
        """Writes the log folder of all runs and returns its path."""
        write_logdir(run_records(graph), folder.tensorboard)
        return {"tensorboard": str(folder.tensorboard)}

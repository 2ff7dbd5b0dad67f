"""`faultline runs tensorboard`."""

from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.lineage.graph import read_graph
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

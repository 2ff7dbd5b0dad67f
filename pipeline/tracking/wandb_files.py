"""Optional export of runs to Weights & Biases, as files of its offline mode.

The client starts a service of its own on this machine and writes a folder; `wandb sync` uploads it
when a person asks for that. What the client would gather about machine, command line, git and code
is switched off: commands may hold secrets, and ML Metadata has the rest.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import WandbTracking
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.runs import RunState
from pipeline.tracking.run_record import RunRecord, run_record, run_tags
from pipeline.tracking.tracker import INSTALL
from pipeline.tracking.training_curves import by_step, read_curves

_SWITCHES = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_SILENT": "true",
}
# Folders that the client would make in the home folder.
_FOLDERS = ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")


@dataclass(frozen=True)
class WandbTracker:
    """Weights & Biases, offline.

    Attributes:
        options: The project.
    """

    options: WandbTracking
    key = "wandb"
    title = "Weights & Biases"

    def check_installed(self) -> None:
        """Checks before a run that the client is installed.

        Raises:
            InputError: It is not.
        """
        if importlib.util.find_spec("wandb") is None:
            raise InputError(
                "tracking.wandb needs the client of Weights & Biases, which is not installed. In "
                f"the checkout, run `{INSTALL} wandb`, or remove `tracking.wandb` from the config."
            )

    def export(self, graph: Graph, run: Run, folder: OutputFolder) -> dict[str, str]:
        """Writes a run and returns its folder."""
        return {"wandb": str(log_run(run_record(graph, run), self.options, folder.root))}


def log_run(record: RunRecord, options: WandbTracking, output: Path) -> Path:
    """Writes a run in the format of W&B's offline mode and returns its folder.

    Args:
        record: A finished run.
        options: The project.
        output: The output folder, absolute.

    Raises:
        OSError: The output folder cannot be written. The client would take a temporary folder.
    """
    (output / "wandb").mkdir(exist_ok=True)
    os.environ.update(_SWITCHES | dict.fromkeys(_FOLDERS, str(output / "wandb" / "client")))
    import wandb

    row = record.row
    try:
        run = wandb.init(
            mode="offline",
            dir=str(output),
            project=options.project or row.use_case,
            id=row.run_id,
            name=row.run_id,
            config={**record.hyperparameters, "lineage": run_tags(record)},
            tags=[row.verdict] if row.verdict else [],
            settings=_settings(),
        )
        folder = Path(run.settings.sync_dir)
        for step, values in by_step(read_curves(record.log_dir)):
            run.log(values, step=step)
        run.summary.update(_summary(record))
        run.finish(exit_code=0 if row.state == RunState.COMPLETE else 1)
    finally:
        wandb.teardown()  # otherwise its service lives as long as this process
    if not folder.is_relative_to(output):
        raise OSError(f"{output / 'wandb'} cannot be written; the files are in {folder}")
    return folder


def _settings() -> Any:
    import wandb

    return wandb.Settings(
        console="off",
        disable_git=True,
        disable_job_creation=True,
        save_code=False,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
    )


def _summary(record: RunRecord) -> dict[str, Any]:
    row = record.row
    return {**row.metrics, "duration_s": row.duration_s, "state": row.state.value}

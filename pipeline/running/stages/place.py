"""Inputs and output locations of one run."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from common.digests import code_digest
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.lineage.provenance import CODE_FOLDERS
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

PROJECT_DIR = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True)
class RunPlace:
    """Inputs and output locations of one run.

    Attributes:
        config: The use case.
        config_path: Its config file.
        folder: The output folder.
        run_id: The run's id: its start time and the use case's name.
        beam_args: Beam options for the data-parallel steps.
        data_revision: Revision of data under DVC to run on; None for the working copy.
    """

    config: Config
    config_path: Path
    folder: OutputFolder
    run_id: str
    beam_args: tuple[str, ...] = LOCAL_BEAM_ARGS
    data_revision: str | None = None

    @property
    def run_folder(self) -> Path:
        """The run's own folder."""
        return self.folder.run(self.run_id)


@cache
def sources_digest() -> str:
    """Returns the digest of the sources of this process, as a run's provenance has it."""
    return code_digest(PROJECT_DIR / name for name in CODE_FOLDERS)


def new_run_id(folder: OutputFolder, name: str) -> str:
    """Returns the id of a run that starts now: its time and the use case's name."""
    start = datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")
    candidate, number = f"{start}-{name}", 2
    while folder.run(candidate).exists():
        candidate, number = f"{start}-{name}-{number}", number + 1
    return candidate

"""The interface of an experiment tracker, and the record of its failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from common.guards.redaction import redact_text
from common.output_folder import OutputFolder
from pipeline.lineage.graph import Graph, Run

# Installs the locked version of a package, or one compatible with the lock.
INSTALL = ".venv/bin/uv pip install -c requirements.lock"


class Tracker(Protocol):
    """An experiment tracker that a config asks for."""

    @property
    def key(self) -> str:
        """The tracker's key in the config's `tracking`."""

    @property
    def title(self) -> str:
        """The tracker's name for people."""

    def check_installed(self) -> None:
        """Checks before a run that the tracker's packages are installed.

        Raises:
            InputError: Names the missing package and how to install it.
        """

    def export(self, graph: Graph, run: Run, folder: OutputFolder) -> Mapping[str, str]:
        """Exports a run that has ended and returns what was written, by name.

        May raise anything: the caller reports it, and the result of the run is unaffected.

        Args:
            graph: Everything that ML Metadata holds.
            run: The run, complete or stopped.
            folder: The output folder.
        """


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A tracker that did not export a run.

    Attributes:
        key: The tracker's key in the config.
        title: The tracker's name for people.
        error: What the tracker raised.
    """

    key: str
    title: str
    error: BaseException

    @property
    def reason(self) -> str:
        """The first line of the error, or the error's type if it has no text."""
        text = redact_text(str(self.error)).strip()
        return text.splitlines()[0] if text else type(self.error).__name__

"""The trained model of all scenarios, and a fresh copy of its folder for each of them."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

import pyarrow.parquet as pq

from common.errors import StepFailedError
from common.output_folder import OutputFolder
from common.processes import last_words
from datasets.options import SIMULATOR_VERSION
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import Config
from pipeline.config_loading import load_config
from production.monitoring.reference.loading import load_reference
from production.simulation.candidates import Candidate
from production.simulation.traffic import Plant, draw_history

MODEL = "flight"
_PACKAGE = Path(__file__).parent
_PROJECT = _PACKAGE.parents[1]
_YAML, _SCHEMA, _KEY = "flight.yaml", "flight.pbtxt", "key"
# A run replaces none of these files in place, so that copies may share them.
_SHARED = "artifacts"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is simulated.

    Attributes:
        rows: Requests of a day, which make one chunk.
        training: Recordings that the model is trained on.
        rounds: Largest number of trees of the model.
        seed: Seed of every random draw, >= 0.
    """

    rows: int = 300
    training: int = 6_000
    rounds: int = 500
    seed: int = 7

    def with_seed(self, seed: int) -> Self:
        """Returns the same size with another seed."""
        return replace(self, seed=seed)


SHORT = Size(rows=120, training=1_800, rounds=60)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Folders of the simulator.

    Attributes:
        root: The folder `simulations` of an output folder.
        size: How much is simulated.
    """

    root: Path
    size: Size = field(default_factory=Size)

    @property
    def live(self) -> Path:
        """Folder of the scenario in progress: the use case's files and its output."""
        return self.root / "live"

    @property
    def output(self) -> OutputFolder:
        """Output folder of the scenario in progress."""
        return OutputFolder(self.live / "output")

    @property
    def config_path(self) -> Path:
        """The use case's YAML of the scenario in progress."""
        return self.live / _YAML

    @property
    def _trained(self) -> Path:
        return self.root / "trained"

    def prepare(self) -> bool:
        """Trains the model unless it is there; returns whether it was trained.

        Raises:
            StepFailedError: The run failed, or its model was not pushed.
        """
        key = self._key()
        kept = self._trained / _KEY
        if kept.is_file() and kept.read_text() == key:
            return False
        shutil.rmtree(self._trained, ignore_errors=True)
        shutil.rmtree(self.live, ignore_errors=True)
        self._write_use_case()
        faultline(self, "run", "--config", str(self.config_path))
        if not self.output.serving(MODEL).is_dir():
            raise StepFailedError(
                f"The simulator's model was not pushed; see {self.output.reports}. A larger "
                "training set gives a better model."
            )
        config = load_config(self.config_path)
        load_reference(config, self.output, MODEL, self.trained_version())
        (self.live / _KEY).write_text(key)
        self.live.rename(self._trained)
        return True

    def reset(self) -> Config:
        """Makes the live folder what it was after the training; returns the use case."""
        shutil.rmtree(self.live, ignore_errors=True)
        ignored = shutil.ignore_patterns("candidates-*")
        shutil.copytree(self._trained, self.live, copy_function=_copy, ignore=ignored)
        return load_config(self.config_path)

    def trained_version(self) -> int:
        """The version that was trained."""
        return served_versions(self.output.serving(MODEL))[0]

    def trained_key(self) -> str:
        """The digest of what the model was trained on, and how."""
        return (self._trained / _KEY).read_text()

    def candidate(self, candidate: Candidate) -> Path:
        """Returns the files of a version to push, which are written when they are first needed.

        Raises:
            StepFailedError: They cannot be written.
        """
        target = self._trained / f"candidates-{_digest(_PACKAGE / 'candidates.py')}" / candidate
        if not target.is_dir():
            served = self.output.serving(MODEL) / str(self.trained_version())
            incoming = target.with_name(f"{candidate}.incoming")
            shutil.rmtree(incoming, ignore_errors=True)
            incoming.parent.mkdir(exist_ok=True)
            module = "production.simulation.candidates"
            run_module(self, module, candidate, str(served), str(incoming))
            incoming.rename(target)
        return target

    def keep_evidence(self, scenario: str) -> None:
        """Keeps what monitor and rollouts wrote during a scenario, in a folder of its name."""
        target = self.root / "flown" / scenario
        shutil.rmtree(target, ignore_errors=True)
        for source in (self.output.monitoring(MODEL), self.output.rollouts(MODEL)):
            if source.is_dir():
                shutil.copytree(source, target / source.parent.name)

    def _key(self) -> str:
        content = b"".join((_PACKAGE / name).read_bytes() for name in (_YAML, _SCHEMA))
        return hashlib.sha256(
            content + f"{asdict(self.size)} {SIMULATOR_VERSION}".encode()
        ).hexdigest()

    def _write_use_case(self) -> None:
        span = self.live / "data" / "span-1"
        span.mkdir(parents=True)
        shutil.copyfile(_PACKAGE / _SCHEMA, self.live / _SCHEMA)
        text = (_PACKAGE / _YAML).read_text()
        for name in ("rows", "rounds", "seed"):
            text = text.replace(name.upper(), str(getattr(self.size, name)))
        self.config_path.write_text(text)
        table = draw_history(Plant(), num_rows=self.size.training, seed=self.size.seed)
        pq.write_table(table, span / "recordings.parquet")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _copy(source: str, target: str) -> None:
    if f"/output/{_SHARED}/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def command(*arguments: str) -> list[str]:
    """Returns a command line of Faultline, for a process of its own."""
    return [sys.executable, "-P", str(_PROJECT / "faultline.py"), *arguments]


def environment() -> Mapping[str, str]:
    """Returns the environment of processes of Faultline."""
    packages = os.pathsep.join([str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": packages}


def faultline(workspace: Workspace, *arguments: str, accepted: Collection[int] = (0,)) -> None:
    """Runs a command of Faultline on the live folder to its end.

    Args:
        workspace: The folders.
        *arguments: The command; the output folder is added.
        accepted: Exit codes that are no failure.

    Raises:
        StepFailedError: It failed.
    """
    output = ("--output", str(workspace.output.root))
    _run(workspace, command(*arguments, *output), accepted)


def run_module(workspace: Workspace, module: str, *arguments: str) -> None:
    """Runs a module to its end, in a process of its own.

    Raises:
        StepFailedError: It failed.
    """
    _run(workspace, [sys.executable, "-P", "-m", module, *arguments], (0,))


def _run(workspace: Workspace, arguments: Sequence[str], accepted: Collection[int]) -> None:
    log = workspace.root / "commands.log"
    with log.open("ab") as stream:
        done = subprocess.run(
            arguments,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            check=False,
        )
    if done.returncode not in accepted:
        raise StepFailedError(
            f"`{' '.join(arguments[2:5])}` ended with code {done.returncode}. Its last words:\n"
            f"{last_words(log)}"
        )

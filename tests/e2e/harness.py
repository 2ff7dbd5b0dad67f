"""The command line of a copy of the project, called as a person calls it."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.e2e.forking import run_in_fork

PROJECT = Path(__file__).resolve().parents[2]
_SOURCES = (
    *("faultline.py", "local_runner.py", "pyproject.toml", "requirements.lock", ".gitignore"),
    *("common", "measuring", "models", "serving", "datasets"),
    *("pipeline", "production", "commands"),
)
_TIMEOUT_S = 300

CONFIG = """\
name: wells
label:
  column: faulty
  positive: 1
data:
  path: wells.csv
features:
  pressure: {kind: numeric, unit: bar}
  temperature: {kind: numeric, unit: K}
  maker: {kind: categorical}
train:
  epochs: 6
  batch_size: 32
  learning_rate: 0.01
  hidden_units: [16]
evaluation:
  slices:
    - [maker]
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
    """

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Faultline:
    """The command line.

    Attributes:
        source: The checkout or a copy of it, with `faultline.py`.
        cwd: The working directory; `output/` is made in it.
    """

    source: Path
    cwd: Path

    @property
    def output(self) -> Path:
        """The default output folder."""
        return self.cwd / "output"

    @property
    def home(self) -> Path:
        """The home folder of the commands."""
        return self.cwd.with_name(f"{self.cwd.name}-home")

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of the commands."""
        return self.cwd.with_name(f"{self.cwd.name}-tmp")

    def start(self, *arguments: str, program: str = "faultline.py") -> subprocess.Popen[str]:
        """Starts a command in a process group of its own."""
        # A shell's background job ignores Ctrl-C, and so would all that it starts; a signal with a
        # handler is back at its default in a new program.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, str(self.source / program), *arguments],
            cwd=self.cwd,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        """Makes the folders of the commands; returns their environment variables."""
        for folder in (self.cwd, self.home, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        return os.environ | {"HOME": str(self.home), "TMPDIR": str(self.temporary)}

    def __call__(self, *arguments: str, program: str = "faultline.py") -> Done:
        """Runs a command to its end."""
        process = self.start(*arguments, program=program)
        try:
            out, err = process.communicate(timeout=_TIMEOUT_S)
        finally:
            process.kill()
        return Done(process.returncode, out, err)

    def in_fork(self, *arguments: str) -> Done:
        """Runs a command that imports TensorFlow in a fork that has it: takes a third less CPU.

        Only for tests that need no interpreter of the command's own, see `forking`.
        """
        program = [str(self.source / "faultline.py"), *arguments]
        environment = self._environment()
        return Done(
            *run_in_fork(program, cwd=self.cwd, environment=environment, timeout_s=_TIMEOUT_S)
        )

    def versions(self, name: str = "wells") -> list[Path]:
        """The pushed versions of a use case, the oldest first."""
        return sorted((self.output / "serving" / name).glob("[0-9]*"))

    def last_log(self) -> str:
        """The end of the last run's log, for a failing test's message."""
        logs = sorted(self.output.glob("runs/*/run.log"))
        return logs[-1].read_text(errors="replace")[-3000:] if logs else "no log"


def copy_project(folder: Path) -> Path:
    """Copies what a run needs, so that a test may edit it; returns `folder`."""
    folder.mkdir(parents=True)
    for name in _SOURCES:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)
    return folder


def wells_csv(num_rows: int = 800, *, seed: int = 0, noise: bool = False) -> str:
    """Made-up wells: high pressure, high temperature and maker `c` mean trouble.

    Args:
        num_rows: Rows; one in four is faulty.
        seed: Seed of the random numbers.
        noise: Deal the label at random instead.
    """
    random = np.random.default_rng(seed)
    pressure, temperature = random.normal(size=(2, num_rows))
    maker = random.choice(["a", "b", "c"], num_rows)
    trouble = pressure + temperature + 1.5 * (maker == "c") + random.normal(0, 0.2, num_rows)
    if noise:
        trouble = random.permutation(trouble)
    faulty = (trouble > np.quantile(trouble, 0.75)).astype(int)
    rows = zip(200 + 20 * pressure, 350 + 5 * temperature, maker, faulty, strict=True)
    lines = [f"{p:.3f},{t:.3f},{m},{f}\n" for p, t, m, f in rows]
    return "".join(["pressure,temperature,maker,faulty\n", *lines])


def write_wells(folder: Path, data: str | bytes, config: str = CONFIG) -> Path:
    """Writes `wells.csv` and `wells.yaml` into a folder; returns the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    content = data.encode() if isinstance(data, str) else data
    (folder / "wells.csv").write_bytes(content)
    (folder / "wells.yaml").write_text(config)
    return folder / "wells.yaml"


def listing(folder: Path) -> set[str]:
    """All that lies below a folder, byte code aside: Python may cache that beside its sources."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }

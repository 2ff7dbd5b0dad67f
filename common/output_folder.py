"""Layout of the output folder, which contains all output of runs."""

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from common.errors import InputError

_LOCK = ".lock"
# A command that looks whether a process holds a lock (`is_held`) holds it for an instant.
_LOOK_S = 0.5


@dataclass(frozen=True)
class OutputFolder:
    """The folder for all output of runs.

    Attributes:
        root: The folder itself, absolute.
    """

    root: Path

    @property
    def artifacts(self) -> Path:
        """Root of the artifacts of every pipeline."""
        return self.root / "artifacts"

    @property
    def reports(self) -> Path:
        """Reports for people: anomalies, quarantined rows."""
        return self.root / "reports"

    @property
    def data(self) -> Path:
        """Simulated data."""
        return self.root / "data"

    @property
    def data_versions(self) -> Path:
        """Data of earlier revisions, fetched by `faultline run --data-rev`."""
        return self.root / "data_versions"

    @property
    def tensorboard(self) -> Path:
        """Log folder of all runs, written by `faultline runs tensorboard`."""
        return self.root / "tensorboard"

    @property
    def kept_digests(self) -> Path:
        """File in which the digests of unchanged files are kept between runs."""
        return self.root / "digests.json"

    def plan(self, name: str) -> Path:
        """File that says what an unchanged run of a use case would do."""
        return self.root / "plans" / f"{name}.json"

    def serving(self, name: str) -> Path:
        """Base path of a served model; its versions are the folders below."""
        return self.root / "serving" / name

    def gateway(self, name: str) -> Path:
        """Folder of the gateway of a served model: Envoy's files, config files, logs, sockets."""
        return self.root / "gateway" / name

    def rollouts(self, name: str) -> Path:
        """Folder of the rollouts of a served model: journal, lock, state of the controller."""
        return self.root / "rollouts" / name

    def collected(self, name: str) -> Path:
        """Folder of what the servers of a model recorded: requests and their labels."""
        return self.root / "collected" / name

    def monitoring(self, name: str) -> Path:
        """Folder of the monitor of a served model: state, chunks, alarms, quarantine."""
        return self.root / "monitoring" / name

    def retraining(self, name: str) -> Path:
        """Folder of the retrainings of a served model: journal, lock."""
        return self.root / "retraining" / name

    @property
    def simulations(self) -> Path:
        """Folder of simulated months of production."""
        return self.root / "simulations"

    def run(self, run_id: str) -> Path:
        """Folder of one run: log, TensorBoard, summary.json."""
        return self.root / "runs" / run_id


def open_output(path: Path) -> OutputFolder:
    """Returns the output folder, made if need be.

    Raises:
        InputError: The folder cannot be made or written, or TensorFlow cannot list its files.
    """
    root = path.absolute()
    wildcards = set(str(root)) & set("*?[")
    if wildcards:
        raise InputError(
            f"The output folder {root} has `{min(wildcards)}` in its path. TensorFlow and Beam "
            "take that for a pattern and find no files. Give another folder with --output."
        )
    probe = root / f".probe-{uuid.uuid4().hex}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"Cannot write to the output folder {path}: {error.strerror or error}. "
            "Give a folder that you may write to with --output."
        ) from error
    return OutputFolder(root)


@contextmanager
def exclusive(folder: OutputFolder) -> Iterator[None]:
    """Holds the output folder for one run; the lock goes with the process, however it ends.

    Raises:
        InputError: Another run holds it.
    """
    refusal = (
        f"Another run is writing to {folder.root}. Wait for it to end, or give another "
        "folder with --output."
    )
    with hold(folder.root / _LOCK, refusal):
        yield


@contextmanager
def shared(folder: OutputFolder) -> Iterator[None]:
    """Holds the output folder together with other steps of the same run, and keeps runs out.

    Raises:
        InputError: A run holds it alone.
    """
    lock = folder.root / _LOCK
    descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"Another run is writing to {folder.root}. Start this step again when it has ended."
            ) from error
        except OSError as error:
            raise InputError(
                f"The file system of {folder.root} has no locks ({error.strerror}), so that steps "
                "and runs could write at the same time. Use a volume that has them, such as NFS 4."
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def hold(lock: Path, refusal: str) -> Iterator[None]:
    """Holds the lock of a file; it goes with the process, however it ends.

    Args:
        lock: The file; its folder is made.
        refusal: The error if another process holds it.

    Raises:
        InputError: Another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=_LOOK_S)
    except Timeout as error:
        raise InputError(refusal) from error
    try:
        yield
    finally:
        held.release()


def open_log(path: Path) -> IO[bytes]:
    """Opens a log to append to; a new one is for its owner only, who may allow others to read."""
    return open(path, "ab", buffering=0, opener=open_private)


def open_private(path: str, flags: int) -> int:
    """The `opener` of a file that is for its owner only, if it is new."""
    return os.open(path, flags, 0o600)


def replace_file(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Writes a file that a reader sees either as it was or as it is to be.

    Args:
        path: The file; one writer at a time.
        content: What is in it from then on.
        mode: Its permissions, less those that the umask takes.
    """
    incoming = path.with_name(f".{path.name}.incoming")
    incoming.unlink(missing_ok=True)
    incoming.touch(mode)
    incoming.write_bytes(content)
    incoming.replace(path)


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Yields a folder that becomes `place` if nothing fails; an interruption leaves nothing."""
    draft = place.with_name(f".{place.name}")
    for remains in (draft, place):  # of a process that was killed
        shutil.rmtree(remains, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_abandoned(target: Path, prefix: str, *, lock: Path) -> None:
    """Removes the drafts of processes that were killed: whoever writes a draft holds the lock."""
    drafts = list(target.glob(f".{prefix}*"))
    if drafts and not is_held(lock):
        for draft in drafts:
            shutil.rmtree(draft, ignore_errors=True)


def remove_superseded(target: Path, prefix: str, *, num_kept: int) -> None:
    """Removes all but the newest folders; another run may still read an earlier one."""
    folders = sorted(target.glob(f"{prefix}*"), key=lambda path: path.stat().st_mtime)
    for old in folders[:-num_kept]:
        shutil.rmtree(old, ignore_errors=True)


def log_of_reader(path: Path) -> Path:
    """Returns the log of a command that only reads, emptied.

    It is `path`, or a temporary file if this account may not write there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        open_log(path).close()
    except OSError:
        descriptor, name = tempfile.mkstemp(prefix=f"faultline-{path.stem}-", suffix=".log")
        os.close(descriptor)
        return Path(name)
    return path


def is_locked(folder: OutputFolder) -> bool:
    """Whether a run or a single step is in progress; needs no right to write."""
    steps = folder.root.glob("runs/*/steps/*.lock")
    return is_held(folder.root / _LOCK) or any(map(is_held, steps))


def is_held(lock: Path) -> bool:
    """Whether a process holds the lock of a file; needs no right to write."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def captured_output(log_path: Path) -> Iterator[tuple[int, int]]:
    """Sends what libraries print, Python and C++ alike, to a log file.

    Args:
        log_path: The log; its folder is made.

    Yields:
        Duplicates of the real standard output and standard error, for our own words.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    real_out, real_err = os.dup(1), os.dup(2)
    with open_log(log_path) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield real_out, real_err
    finally:
        os.dup2(real_out, 1)
        os.dup2(real_err, 2)
        os.close(real_out)
        os.close(real_err)

"""Kills and damages a run in each step: is the model after the next run the same?

    python -m benchmarks.kill_points --output-file benchmarks/kill_points.md
    python -m benchmarks.kill_points --places database recordings

In each of ten steps, and in the places of `benchmarks.kill_places`, where a run writes outside of
its steps' artifacts: `kill -9` at work, a disk that takes no more bytes from there on, a file cut
to half, and a file with one byte changed. Each time a run follows. It must push the weights of an
undisturbed run, with a valid signature where versions are signed, or stop with an error; a push of
anything else is false.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kill_places import CASES, WELLS, Case, Place
from common.guards.manifests import Manifest, make_manifest
from common.signing.verification import SignatureError, Verifier

PROJECT = Path(__file__).resolve().parents[1]
KILL, FULL, CUT, EDIT = "kill -9", "full disk", "cut to half", "one byte changed"
KINDS = (KILL, FULL, CUT, EDIT)
_DEADLINE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one point.

    Attributes:
        step: The step or place.
        kind: One of `KINDS`.
        disturbed_code: Exit code of the disturbed run; None where files were damaged between runs.
        code: Exit code of the run that followed.
        outcome: `same weights`, `stopped`, or `FALSE PUSH`.
    """

    step: str
    kind: str
    disturbed_code: int | None
    code: int
    outcome: str

    @property
    def is_right(self) -> bool:
        """Whether nothing false was pushed, and the run ended as one that an operator can trust."""
        return self.outcome == "same weights" or (self.outcome == "stopped" and self.code != 0)


class Bench:
    """A use case with one undisturbed run, to which it returns before each point.

    Args:
        folder: An empty folder. Artifacts have absolute paths, so every run is in it.
        case: The use case.
    """

    def __init__(self, folder: Path, case: Case = WELLS) -> None:
        self._folder, self._kept = folder / "work", folder / "kept"
        self._case = case
        self._folder.mkdir()
        case.write(self._folder)
        if self._run() != 0:
            raise RuntimeError(f"The undisturbed run failed; see {self._folder}/output/runs")
        [version] = self._versions()
        self._weights = make_manifest(version / "variables")
        shutil.copytree(self._folder, self._kept, symlinks=True)

    def try_point(self, step: str, kind: str) -> Result:
        """Disturbs a run in a step or place, or damages what was written there, and runs again."""
        place = self._case.places[step]
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept, self._folder, symlinks=True)
        disturbed = None
        if kind in {KILL, FULL}:
            shutil.rmtree(self._serving)
            for written in self._written(place.removed or place.written):
                _remove(written)  # so that it is written again
            disturbed = self._disturb(place, kind)
        else:
            if not place.is_pushed:
                shutil.rmtree(self._serving)  # so that the model is pushed again
            for damaged in self._written(place.written):
                _damage(damaged, kind)
        # A pushed version that was damaged afterwards is no false push.
        before = "" if disturbed is None and place.is_pushed else self._outcome(nothing="")
        code = self._run()
        outcome = before if before == "FALSE PUSH" else self._outcome(nothing="stopped")
        return Result(step=step, kind=kind, disturbed_code=disturbed, code=code, outcome=outcome)

    @property
    def _serving(self) -> Path:
        return self._folder / "output" / "serving"

    def _written(self, pattern: str) -> list[Path]:
        """What matches a pattern in the folder, of which there must be something.

        Raises:
            RuntimeError: There is nothing, so that the point would show nothing.
        """
        written = sorted(self._folder.glob(pattern))
        if not written:
            raise RuntimeError(f"Nothing matches {pattern} in {self._folder}")
        return written

    def _versions(self) -> list[Path]:
        return sorted((self._serving / "wells").glob("[0-9]*"), key=lambda path: int(path.name))

    def _outcome(self, *, nothing: str) -> str:
        """What a server would answer with: the newest version."""
        versions = self._versions()
        if not versions:
            return nothing
        weights: Manifest = make_manifest(versions[-1] / "variables")
        is_right = weights == self._weights and self._is_signed(versions[-1])
        return "same weights" if is_right else "FALSE PUSH"

    def _is_signed(self, version: Path) -> bool:
        """Whether a version has a valid signature, if versions of the case are signed."""
        if not self._case.public_key:
            return True
        verifier = Verifier([self._folder / self._case.public_key])
        try:
            verifier.verify(version)
        except SignatureError:
            return False
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(PROJECT / "faultline.py"), "run", "--config", "wells.yaml"],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _run(self) -> int:
        with self._start() as process:
            return process.wait(_DEADLINE_S)

    def _disturb(self, place: Place, kind: str) -> int:
        """Starts a run and disturbs it as soon as something is written in the place."""
        process = self._start()
        deadline = time.monotonic() + _DEADLINE_S
        try:
            while not any(self._folder.glob(place.begun or place.written)):
                if process.poll() is not None:
                    raise RuntimeError(f"A run ended before anything was at {place}")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Nothing was at {place} within {_DEADLINE_S} s")
                time.sleep(0.005)
            if kind == KILL:
                os.killpg(process.pid, signal.SIGKILL)
            else:  # every write beyond this size fails, also to the log and to the metadata
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
            return process.wait(_DEADLINE_S)
        finally:
            process.kill()
            process.wait()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _damage(folder: Path, kind: str) -> None:
    """Damages a file, or the largest one below a folder; an empty one is removed or gets a byte."""
    files = [path for path in (folder, *folder.rglob("*")) if path.is_file()]
    victim = max(files, key=lambda path: path.stat().st_size, default=None)
    if victim is None:  # an artifact without files: a stray one is damage too
        next(folder.iterdir()).joinpath("stray").touch()
        return
    content = bytearray(victim.read_bytes())
    if kind == CUT:
        if content:
            os.truncate(victim, len(content) // 2)
        else:
            victim.unlink()
        return
    status = victim.stat()
    if content:
        content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content) or b"x")
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))  # the kernel's time remains


def try_points(
    steps: Sequence[str], kinds: Sequence[str], folder: Path, case: Case = WELLS
) -> Iterator[Result]:
    """Yields the result of each step or place and kind."""
    bench = Bench(folder, case)
    for step in steps:
        for kind in kinds:
            yield bench.try_point(step, kind)


def table(results: Sequence[Result]) -> str:
    """Returns the results as a Markdown table, a row a step."""
    rows = [f"| step | {' | '.join(KINDS)} |", "|---" * (len(KINDS) + 1) + "|"]
    for step in dict.fromkeys(result.step for result in results):
        by_kind = {result.kind: result for result in results if result.step == step}
        cells = [
            f"{by_kind[kind].outcome}, exit {by_kind[kind].code}" if kind in by_kind else ""
            for kind in KINDS
        ]
        rows.append(f"| {step} | {' | '.join(cells)} |")
    num_right = sum(result.is_right for result in results)
    return "\n".join([*rows, "", f"{num_right} of {len(results)} as they must be."])


def main() -> None:
    """Tries all points and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", nargs="+", default=list(WELLS.places))
    parser.add_argument("--places", nargs="+", choices=list(CASES), help="instead of the steps")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--output-file", type=Path)
    options = parser.parse_args()
    points = [(CASES[name], list(CASES[name].places)) for name in options.places or ()]
    results: list[Result] = []
    for case, places in points or [(WELLS, options.steps)]:
        with tempfile.TemporaryDirectory(prefix="faultline-points-") as folder:
            for result in try_points(places, options.kinds, Path(folder), case):
                results.append(result)
                print(result, flush=True)
                if options.output_file:
                    options.output_file.write_text(table(results) + "\n", encoding="utf-8")
    print(table(results))
    sys.exit(0 if all(result.is_right for result in results) else 1)


if __name__ == "__main__":
    main()

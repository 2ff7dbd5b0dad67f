"""A run of the pipeline in a process of its own, which frees its memory and may be killed."""

import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import StepFailedError
from common.processes import Process, last_words, log_lines, start_child, stop
from production.retraining.state import Outcome, Result

PROJECT_DIR = Path(__file__).resolve().parents[2]
_SUMMARY, _LOG = "run.json", "run.log"
_BAD_INPUT = 2
_WITH_SUMMARY = {0, 3}  # exit codes of a run that came to a verdict
_SIGNALS = 128  # exit codes above name a signal
_BY_VERDICT: dict[str, Outcome] = {"REJECTED": "rejected", "INCONCLUSIVE": "inconclusive"}


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run.

    Attributes:
        config_path: The YAML of the use case.
        output: The output folder.
        folder: The folder `retraining/NAME`, which gets what the run prints.
        champion: The version that is served.
    """

    config_path: Path
    output: Path
    folder: Path
    champion: int


class TrainingRun:
    """A run that has been started; it ends with this process.

    Args:
        order: What to run.

    Attributes:
        cpu_s: Its CPU seconds, once it has ended.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._summary, self._log = order.folder / _SUMMARY, order.folder / _LOG
        for path in (self._summary, self._log):
            path.unlink(missing_ok=True)
        command = [
            *(sys.executable, str(PROJECT_DIR / "faultline.py"), "run", "--json"),
            *("--config", str(order.config_path), "--output", str(order.output)),
        ]
        self._process: Process = start_child(command, log=self._log, output=self._summary)
        self.cpu_s = 0.0

    def result(self) -> Result | None:
        """Returns its result; None while it runs.

        Raises:
            StepFailedError: A signal ended it.
        """
        before_s = _children_cpu_s()
        if self._process.poll() is None:
            return None
        self.cpu_s += _children_cpu_s() - before_s  # a process is counted when it is waited for
        code = self._process.returncode
        if code < 0 or code > _SIGNALS:
            raise StepFailedError(f"A signal ended the run (exit code {code}).")
        return read_result(self._summary, self._log, code, self._order.champion, self.cpu_s)

    def stop(self) -> None:
        """Ends the run; the next one takes its complete steps from the cache."""
        stop(self._process)


def read_result(summary: Path, log: Path, code: int, champion: int, cpu_s: float) -> Result:
    """Returns the result of a run that has ended.

    Args:
        summary: What it printed on standard output.
        log: What it printed on standard error.
        code: Its exit code.
        champion: The version that was served.
        cpu_s: CPU seconds that it took.
    """
    if code not in _WITH_SUMMARY:
        outcome: Outcome = "stopped" if code == _BAD_INPUT else "failed"
        return Result(outcome=outcome, words=_error(log), cpu_s=cpu_s)
    values = json.loads(summary.read_text(encoding="utf-8"))
    version = values["pushed_version"] and int(values["pushed_version"])
    outcome = _outcome(values, version, champion)
    words = _words(values, outcome, version)
    return Result(
        outcome=outcome, words=words, run_id=values["run_id"], version=version, cpu_s=cpu_s
    )


def _error(log: Path) -> str:
    """Returns the error that a command ended with, or its last words."""
    _, mark, error = "\n".join(log_lines(log)).rpartition("Error: ")
    return error.strip() if mark else last_words(log)


def _outcome(values: dict[str, Any], version: int | None, champion: int) -> Outcome:
    if values["shadow"]:
        return "shadow"
    if version is not None:
        return "pushed" if version > champion else "unchanged"
    return _BY_VERDICT.get(values["verdict"], "rejected")


def _words(values: dict[str, Any], outcome: Outcome, version: int | None) -> str:
    if outcome == "pushed":
        return f"version {version} was pushed"
    if outcome == "shadow":
        return f"version {version} was pushed beside the served model: the gate could not judge it"
    if outcome == "unchanged":
        return f"the model is that of version {version}"
    failed = [one["text"] for one in values["reasons"] if one["verdict"] != "BLESSED"]
    return "; ".join([*failed, *values["infra_problems"]]) or f"the verdict is {values['verdict']}"


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

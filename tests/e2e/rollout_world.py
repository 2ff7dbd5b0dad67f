"""A served model with several versions behind `faultline serve --gateway`, in real processes.

Each version answers its own probability, so that an answer names its version.
"""

import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from commands.command_line import main
from common.output_folder import OutputFolder
from common.processes import free_ports
from production.rollout.actions import open_journal
from production.rollout.state import State
from serving.client import Client
from tests.e2e.harness import Faultline
from tests.production.rollout.pushes import new_store, record

KEYS = [f"pump {number}" for number in range(40)]
WHY = ("--why", "a test", "--by", "Ada")
CONFIG = """\
name: wells
label: {column: faulty, positive: 1}
data: {path: wells.csv}
features:
  x: {kind: numeric}
rollout:
  steps:
    - {percent: 20, min_requests: 100000, min_time_s: 0}
    - {percent: 60}
automation:
  level: LEVEL
"""
# Versions that decide as the others do, and one that always raises an alarm.
VERSIONS, ALARMED, SHADOW = (1, 2, 3, 4), 9, 12


def write_version(folder: OutputFolder, version: int, base: str = "wells") -> None:
    """Puts a model in service that answers `version` / 100, and decides by the sign of x."""
    import tensorflow as tf

    from tests.serving import tiny_models

    def build() -> dict[str, Any]:
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        probability = tf.zeros_like(x) + version / 100
        decision = tf.cast((x > 0) | (version == ALARMED), tf.int64)
        outputs = {"probability": probability, "decision": decision}
        return {tiny_models.SERVING: tiny_models.signature({"x": x}, outputs)}

    tiny_models.write(folder.serving(base) / str(version), build)


class World:
    """An output folder, the gateway on it, its clients, and the command line."""

    def __init__(self, source: Path, cwd: Path, *, level: int = 0) -> None:
        """Pushes version 1, the only one; starts nothing yet.

        Args:
            source: The checkout.
            cwd: Working directory of the commands.
            level: Level of the automation.
        """
        self.faultline = Faultline(source, cwd)
        self.folder = OutputFolder(cwd / "output")
        cwd.mkdir(parents=True)
        self.config = cwd / "wells.yaml"
        self.config.write_text(CONFIG.replace("LEVEL", str(level)))
        self.folder.root.mkdir()
        self.grpc_port, self.rest_port = free_ports(2)
        self.lines: list[str] = []
        self.push(1)

    def push(self, version: int, *, base: str = "wells", verdict: str = "BLESSED") -> None:
        """Puts a version in service, and records its run."""
        write_version(self.folder, version, base)
        record(new_store(self.folder), self.folder, version, base=base, verdict=verdict)

    def start(self) -> subprocess.Popen[str]:
        """Starts the gateway, and waits until it answers."""
        flags = (f"--port={self.grpc_port}", f"--rest_api_port={self.rest_port}", "--grace=3")
        process = self.faultline.start(
            "serve", "--gateway", "--config", str(self.config), "--", *flags
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        self.wait(lambda: self.said("Serving wells") or process.poll() is not None, timeout_s=120)
        assert process.poll() is None, (self.lines, process.stderr and process.stderr.read())
        return process

    def end(self, process: subprocess.Popen[str], number: int) -> int:
        """Ends the gateway by a signal; returns its exit code."""
        process.send_signal(number)
        code = process.wait(60)
        self._reader.join(60)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return code

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, pattern: str) -> bool:
        """Whether the gateway has printed a line that matches."""
        return any(re.search(pattern, line) for line in self.lines)

    def rollout(self, *arguments: str) -> Result:
        """Calls `faultline rollout`, in this process."""
        named = ("--config", str(self.config)) if arguments[0] == "start" else ()
        output = ("--output", str(self.folder.root))
        done = CliRunner().invoke(main, ["rollout", *arguments, *named, *WHY, *output])
        assert done.exit_code == 0, (done.output, self.lines)
        return done

    def state(self) -> State:
        """The state in the journal."""
        state = open_journal(self.folder, "wells").state()
        assert state is not None
        return state

    def wait(self, is_true: Callable[[], object], *, timeout_s: float = 30.0) -> float:
        """Waits until something is true; returns the seconds it took."""
        began_s = time.monotonic()
        while not is_true():
            assert time.monotonic() - began_s < timeout_s, self.lines
            time.sleep(0.02)
        return time.monotonic() - began_s

    def answers(self, wire: str, x: float = 1.0) -> list[int]:
        """The version that answers each key."""
        url = {
            "grpc": f"grpc://127.0.0.1:{self.grpc_port}",
            "rest": f"http://127.0.0.1:{self.rest_port}",
        }[wire]
        with Client(url, model="wells") as client:
            return [self._version(client, key, x) for key in KEYS]

    def _version(self, client: Client, key: str, x: float) -> int:
        outputs = client.predict([{"x": x}], key=key).outputs
        return round(float(outputs["probability"][0]) * 100)

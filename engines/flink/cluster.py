"""A standalone Flink session cluster: a JobManager, and TaskManagers of one slot each."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from common.processes import (
    EngineFailedError,
    Process,
    child_process,
    free_ports,
    last_words,
    wait_for_port,
)
from engines.flink.server import POM
from engines.java import class_path, java_command

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_HEAP_MB = 1024
_START_S = 60.0
_POLL_S = 0.2

# Flink's start scripts compute the memory of a TaskManager and pass it in these keys; without them
# it fails with an empty IllegalArgumentException. The short heartbeats detect a lost TaskManager
# within seconds.
_CONFIG = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc_port}
jobmanager.memory.process.size: 1600m
rest.address: localhost
rest.bind-address: localhost
rest.port: {rest_port}
blob.server.port: 0
io.tmp.dirs: {temporary}
taskmanager.host: localhost
taskmanager.numberOfTaskSlots: 1
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 768m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.network.min: 128m
taskmanager.memory.network.max: 128m
taskmanager.memory.managed.size: 256m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
heartbeat.interval: 1000
heartbeat.timeout: 10000
restart-strategy.type: none
"""
# No restarts by Flink: it would repeat part of the job in surviving workers, although sinks have
# already moved their files and TFT's workers still hold the earlier graph. A lost worker fails the
# job, and the step is run again as a new job.


@dataclass(kw_only=True)
class FlinkCluster:
    """A running cluster.

    Attributes:
        rest_port: The JobManager's REST port on the loopback.
        folder: Configuration, logs and temporary files.
        task_managers: The processes that hold the slots, in the order of their start.
    """

    rest_port: int
    folder: Path
    task_managers: list[Process] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def master(self) -> str:
        """The REST address for the job server."""
        return f"localhost:{self.rest_port}"

    def start_task_manager(self) -> None:
        """Starts another TaskManager, which joins the cluster on its own."""
        number = len(self.task_managers)
        command = self._command(_TASK_MANAGER)
        log = self.folder / f"task-manager-{number}.log"
        self.task_managers.append(self._stack.enter_context(child_process(command, log=log)))

    def start_job_manager(self) -> None:
        """Starts the JobManager and waits until its REST port answers."""
        log = self.folder / "job-manager.log"
        process = self._stack.enter_context(child_process(self._command(_JOB_MANAGER), log=log))
        wait_for_port(process, self.rest_port, log=log, timeout_s=_START_S)

    def ask(self, path: str) -> dict[str, Any]:
        """Returns the JobManager's JSON answer, such as that of `/overview`."""
        # Without the environment's proxy: the JobManager is on the loopback.
        answer = httpx.get(f"http://{self.master}{path}", timeout=5, trust_env=False)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def wait_for_slots(self, count: int) -> None:
        """Waits until `count` slots have joined.

        Raises:
            EngineFailedError: They did not; ends with the log of the last TaskManager.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if self.ask("/overview")["slots-total"] == count:
                    return
            time.sleep(_POLL_S)
        words = last_words(self.folder / f"task-manager-{len(self.task_managers) - 1}.log")
        raise EngineFailedError(f"{count} slots did not join the cluster. End of the log:\n{words}")

    def close(self) -> None:
        """Stops every process."""
        self._stack.close()

    def _command(self, main_class: str) -> list[str]:
        return java_command(
            main_class,
            ["--configDir", str(self.folder)],
            jars=class_path(POM),
            temporary=self.folder,
            heap_mb=_HEAP_MB,
        )


@contextmanager
def flink_cluster(*, num_task_managers: int = 2) -> Iterator[FlinkCluster]:
    """Runs a session cluster while the context is open.

    Args:
        num_task_managers: Number of TaskManagers, with one slot each.

    Raises:
        InputError: Java, Maven or the jars are missing.
        EngineFailedError: It did not start.
    """
    rpc_port, rest_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="faultline-engine-") as folder:
        cluster = FlinkCluster(rest_port=rest_port, folder=Path(folder))
        config = _CONFIG.format(rpc_port=rpc_port, rest_port=rest_port, temporary=folder)
        (cluster.folder / "config.yaml").write_text(config, encoding="utf-8")
        try:
            cluster.start_job_manager()
            for _ in range(num_task_managers):
                cluster.start_task_manager()
            cluster.wait_for_slots(num_task_managers)
            yield cluster
        finally:
            cluster.close()

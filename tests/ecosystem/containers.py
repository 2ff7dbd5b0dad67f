"""Runs the container commands of a Kubeflow specification as processes, without a cluster.

Each process has what its container would have: a fresh temporary folder as home, the image's
programs on its path, the variables of the secrets, and the volume. It has no access to the
checkout's environment variables.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RUN = "{{$.pipeline_job_uuid}}"
_TIMEOUT_S = 280


@dataclass(frozen=True, kw_only=True)
class ContainerTask:
    """A task of the specification with its parameters filled in.

    Attributes:
        name: Its name on Kubeflow.
        command: The container's whole command.
        after: Tasks that must succeed first.
    """

    name: str
    command: tuple[str, ...]
    after: frozenset[str]


@dataclass(frozen=True)
class Ended:
    """A container that has ended; its code is negative if a signal killed it."""

    code: int
    out: str
    err: str


def container_tasks(
    spec: Mapping[str, Any], *, run: str, parameters: Mapping[str, int]
) -> tuple[list[ContainerTask], ContainerTask]:
    """Returns the tasks inside the exit handler, and the exit task.

    Args:
        spec: The pipeline specification that Kubeflow's SDK has validated, as plain values.
        run: The id that Kubeflow would give the run.
        parameters: Values of the pipeline's parameters; others have their defaults.
    """
    defaults = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    values = {name: int(one["defaultValue"]) for name, one in defaults.items()} | dict(parameters)
    inner = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    [(end_name, end)] = [
        (name, task)
        for name, task in spec["root"]["dag"]["tasks"].items()
        if name != "exit-handler-1"
    ]
    assert end["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    tasks = [_task(spec, name, task, run, values) for name, task in inner.items()]
    return tasks, _task(spec, end_name, end, run, values)


def _task(
    spec: Mapping[str, Any],
    name: str,
    task: Mapping[str, Any],
    run: str,
    values: Mapping[str, int],
) -> ContainerTask:
    inputs = {}
    for key, source in task.get("inputs", {}).get("parameters", {}).items():
        if "runtimeValue" in source:
            assert source["runtimeValue"]["constant"] == _RUN
            inputs[key] = run
        else:
            inputs[key] = str(values[source["componentInputParameter"].split("--")[-1]])
    label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
    container = spec["deploymentSpec"]["executors"][label]["container"]
    words = [*container["command"], *container["args"]]
    for key, value in inputs.items():
        words = [word.replace(f"{{{{$.inputs.parameters['{key}']}}}}", value) for word in words]
    assert not [word for word in words if "{{" in word]
    after = [one for one in task.get("dependentTasks", []) if one != "exit-handler-1"]
    return ContainerTask(name=name, command=tuple(words), after=frozenset(after))


@dataclass
class Cluster:
    """Starts containers as processes; at most two at a time.

    Attributes:
        programs: Folder with the image's programs.
        scratch: Folder for homes and temporary files of the containers.
        secrets: Environment variables from secrets.
        ended: All containers that have ended, by task.
    """

    programs: Path
    scratch: Path
    secrets: Mapping[str, str]
    ended: dict[str, list[Ended]] = field(default_factory=dict)

    def run(self, task: ContainerTask, on_start: Callable[[int], None] | None = None) -> Ended:
        """Runs a container to its end.

        Args:
            task: Its task.
            on_start: Called with the process's id in another thread.
        """
        home = self.scratch / f"{task.name}-{len(self.ended.get(task.name, []))}"
        home.mkdir(parents=True)
        process = subprocess.Popen(
            task.command,
            cwd=home,
            env={
                "PATH": f"{self.programs}:/usr/bin:/bin",
                "HOME": str(home),
                "TMPDIR": str(home),
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                **self.secrets,
            },
            executable=str(self.programs / task.command[0]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if on_start is not None:
            threading.Thread(target=on_start, args=(process.pid,), daemon=True).start()
        try:
            out, err = process.communicate(timeout=_TIMEOUT_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        ended = Ended(process.returncode, out, err)
        self.ended.setdefault(task.name, []).append(ended)
        return ended

    def run_all(self, tasks: list[ContainerTask], done: set[str]) -> dict[str, Ended]:
        """Runs tasks as soon as those before them have succeeded; returns those that failed.

        Args:
            tasks: The tasks.
            done: Names of tasks that have succeeded; those that succeed are added.
        """
        waiting = {task.name: task for task in tasks if task.name not in done}
        failed: dict[str, Ended] = {}
        with ThreadPoolExecutor(max_workers=2) as pool:
            running: dict[Future[Ended], str] = {}
            while True:
                ready = [task for task in waiting.values() if task.after <= done]
                for task in ready:
                    running[pool.submit(self.run, task)] = task.name
                    del waiting[task.name]
                if not running:
                    return failed
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name, ended = running.pop(future), future.result()
                    if ended.code == 0:
                        done.add(name)
                    else:
                        failed[name] = ended

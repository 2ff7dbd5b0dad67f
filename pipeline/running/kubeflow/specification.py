"""The specification of a pipeline for Kubeflow Pipelines, version 2, by Kubeflow's own SDK."""

import importlib.util
import inspect
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import replace_file
from pipeline.running.kubeflow.settings import Settings
from pipeline.running.kubeflow.tasks import Task, TaskPlan

_RUN = "run"  # the parameter of each task with the id of Kubeflow's run
_BACKOFF = "30s"
_FIRST_WITHOUT = (3, 12)  # no release of the SDK that fits TFX installs there


def check_sdk(python: tuple[int, int] = sys.version_info[:2]) -> None:
    """Checks that Kubeflow's SDK is there.

    Args:
        python: Version of the interpreter.

    Raises:
        InputError: It is not installed, or this Python is too new for the releases that fit TFX.
    """
    if python >= _FIRST_WITHOUT:
        raise InputError(
            f"This is Python {python[0]}.{python[1]}. The releases of "
            "Kubeflow's SDK that fit TFX 1.21 need Python 3.11. Compile the specification there; "
            "the containers that it starts may have any Python from 3.11 to 3.13."
        )
    for package in ("kfp", "kfp.kubernetes"):
        if importlib.util.find_spec("kfp") is None or importlib.util.find_spec(package) is None:
            raise InputError(
                f"{package} is not installed. In the checkout, run `make ecosystem-tools`; "
                "elsewhere install the extra `kfp` of Faultline."
            )


def write_specification(plan: TaskPlan, settings: Settings, path: Path) -> None:
    """Writes the specification of a pipeline as YAML.

    Args:
        plan: Its tasks.
        settings: What they need to know of the cluster.
        path: The file; `.yaml`.

    Raises:
        InputError: The file cannot be written.
    """
    from kfp import compiler, dsl

    pipeline = dsl.pipeline(
        name=plan.use_case.replace("_", "-"),
        description=f"The use case {plan.use_case}: a task for each step of `faultline run`.",
    )(_wiring(plan, settings))
    with tempfile.TemporaryDirectory(prefix="faultline-kubeflow-") as folder:
        draft = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, package_path=str(draft))
        content = draft.read_bytes()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}.") from error


def _wiring(plan: TaskPlan, settings: Settings) -> Callable[..., None]:
    """Returns the function that Kubeflow's SDK calls to learn the tasks and their order."""
    from kfp import dsl

    def wire(*values: Any) -> None:
        parameters = dict(zip(plan.parameters, values, strict=True))
        with dsl.ExitHandler(_started(plan.end, settings, {})):
            tasks: dict[str, Any] = {}
            for task in plan.tasks:
                tasks[task.step] = _started(task, settings, parameters)
                tasks[task.step].after(*(tasks[step] for step in task.after))

    wire.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(name, int, default) for name, default in plan.parameters.items()]
    )
    return wire


def _parameter(name: str, kind: type, default: object = inspect.Parameter.empty) -> Any:
    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, place, default=default, annotation=kind)


def _started(task: Task, settings: Settings, values: Mapping[str, Any]) -> Any:
    """Returns a task of the pipeline that is being wired."""
    from kfp import dsl, kubernetes

    own = {name: values[name] for name in task.parameters}
    started = _component(task, settings)(**{_RUN: dsl.PIPELINE_JOB_ID_PLACEHOLDER}, **own)
    # Faultline's own cache decides, which knows the data, the code and the artifacts' files.
    started.set_caching_options(enable_caching=False)
    options = task.options
    if options.cpu is not None:
        started.set_cpu_request(f"{options.cpu:g}")
    if options.memory is not None:
        started.set_memory_request(options.memory).set_memory_limit(options.memory)
    if options.retries:
        started.set_retry(options.retries, backoff_duration=_BACKOFF, backoff_factor=2.0)
    for volume in settings.volumes:
        kubernetes.mount_pvc(started, pvc_name=volume.claim, mount_path=volume.path)
    for secret in settings.secrets:
        kubernetes.use_secret_as_env(started, secret.name, {secret.key: secret.variable})
    return started


def _component(task: Task, settings: Settings) -> Any:
    from kfp import dsl

    def container(*values: Any) -> Any:
        names = (_RUN, *task.parameters)
        pairs = zip(names, values, strict=True)
        options = [part for name, value in pairs for part in (f"--{name}", value)]
        return dsl.ContainerSpec(image=settings.image, command=list(task.command), args=options)

    container.__name__ = task.name.replace("-", "_")
    container.__doc__ = f"`faultline step {task.step}`."
    container.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(_RUN, str), *(_parameter(name, int) for name in task.parameters)],
        return_annotation=dsl.ContainerSpec,
    )
    return dsl.container_component(container)

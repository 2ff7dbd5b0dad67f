"""The tasks of a use case on Kubeflow: their commands, order, resources and parameters."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import InputError
from pipeline.config import Config
from pipeline.production_options.kubeflow import TaskOptions
from pipeline.running.kubeflow.settings import Settings
from pipeline.running.stepping.files import BEGIN, END
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.overrides import AS_IN_CONFIG
from pipeline.running.stepping.preview import has_spans

_PROGRAM = "faultline"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: a container that runs one step.

    Attributes:
        step: `begin`, `end` or the step's id.
        command: The container's command; `--run` and the pipeline's parameters follow it.
        parameters: Names of the parameters that the command takes, besides the run.
        after: Steps whose tasks must succeed first.
        options: Resources and retries.
    """

    step: str
    command: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    options: TaskOptions

    @property
    def name(self) -> str:
        """Its name on Kubeflow."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.step)
        return words.lstrip("-")


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """All tasks of a use case.

    Attributes:
        use_case: Its name.
        tasks: `begin` and the steps, in an order in which they can run.
        end: The task that runs last, whatever happened.
        parameters: Parameters of the pipeline with their defaults.
    """

    use_case: str
    tasks: tuple[Task, ...]
    end: Task
    parameters: Mapping[str, int]


def plan_tasks(config: Config, graph: StepGraph, settings: Settings) -> TaskPlan:
    """Returns the tasks of a use case.

    Args:
        config: The use case.
        graph: Its steps and what each depends on.
        settings: What the tasks need to know of the cluster.

    Raises:
        InputError: `kubeflow.steps` names a step that the use case does not have.
    """
    _check_steps(config, graph)
    parameters = pipeline_parameters(config)
    begin = [
        *("--config", settings.config),
        *(("--metadata-url", settings.metadata_url) if settings.metadata_url else ()),
        *("--steps", graph.digest),
    ]

    def task(step: str, *extra: str, **values: tuple[str, ...]) -> Task:
        command = (_PROGRAM, "step", step, "--output", settings.output, *extra)
        return Task(step=step, command=command, options=config.kubeflow.of(step), **values)

    steps = [
        task(step, after=tuple(sorted(before)) or (BEGIN,))
        for step, before in graph.upstream.items()
    ]
    return TaskPlan(
        use_case=config.name,
        tasks=(task(BEGIN, *begin, parameters=tuple(parameters)), *steps),
        end=task(END),
        parameters=parameters,
    )


def pipeline_parameters(config: Config) -> dict[str, int]:
    """Returns the parameters of the pipeline with their defaults.

    `span` and `window` exist for data that come in spans; their defaults leave the choice to the
    config: its own values, or the newest span.
    """
    parameters = {"seed": config.seed}
    if has_spans(config):
        parameters["span"] = AS_IN_CONFIG
    if has_spans(config) and config.data.has_window:
        parameters["window"] = AS_IN_CONFIG
    return parameters


def _check_steps(config: Config, graph: StepGraph) -> None:
    known = [BEGIN, *graph.upstream, END]
    for step in config.kubeflow.steps:
        if step not in known:
            near = difflib.get_close_matches(step, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"its steps are {', '.join(known)}"
            raise InputError(
                f"kubeflow.steps names `{step}`, which is no step of this use case; {hint}"
            )

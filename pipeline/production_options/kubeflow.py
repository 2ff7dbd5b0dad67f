"""Options for Kubeflow: resources and retries of the steps' containers."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

Cpus = Annotated[float, Field(gt=0)]
Memory = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(M|G|T|Mi|Gi|Ti)$")]
Retries = Annotated[int, Field(ge=0, le=100)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class TaskOptions:
    """Resources and retries of one step; what is not given is that of all steps.

    Attributes:
        cpu: Requested CPUs, > 0.
        memory: Requested memory, which is also its limit, such as `4Gi`.
        retries: How often a failed container is started again.
    """

    cpu: Cpus | None = None
    memory: Memory | None = None
    retries: Retries | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class KubeflowOptions:
    """Resources and retries of the tasks of `kubeflow_runner.py`; by default the cluster's own.

    Attributes:
        cpu: Requested CPUs of each step, > 0.
        memory: Requested memory of each step, which is also its limit, such as `4Gi`.
        retries: How often a failed container is started again. A step that is repeated resumes its
            run. Kubeflow also repeats steps that bad data stopped: they stop again.
        steps: Other values for single steps, by id, such as `Trainer`; `begin` and `end` too.
    """

    cpu: Cpus | None = None
    memory: Memory | None = None
    retries: Retries = 0
    steps: dict[str, TaskOptions] = Field(default_factory=dict)

    def of(self, step: str) -> TaskOptions:
        """Returns the options of a step, with those of all steps filled in."""
        own = self.steps.get(step, TaskOptions())
        return TaskOptions(
            cpu=self.cpu if own.cpu is None else own.cpu,
            memory=self.memory if own.memory is None else own.memory,
            retries=self.retries if own.retries is None else own.retries,
        )

"""Transform: TFX's component, with an executor that reads large Arrow batches."""

from tfx.components.transform import component
from tfx.dsl.components.base import executor_spec

from pipeline.components.transform.executor import Executor


class Transform(component.Transform):  # type: ignore[misc]
    """TFX's Transform; its arguments, artifacts and files are TFX's."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

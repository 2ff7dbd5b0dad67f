"""TFX's Tuner with an executor that passes the sampling record on."""

from tfx.components import Tuner as StockTuner
from tfx.dsl.components.base import executor_spec

from pipeline.components.tuner.executor import Executor


class Tuner(StockTuner):  # type: ignore[misc]
    """TFX's Tuner, with the same inputs, outputs and parameters."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

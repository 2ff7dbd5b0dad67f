"""TFX's Trainer with an executor that passes the sampling record on."""

from tfx.components import Trainer as StockTrainer
from tfx.dsl.components.base import executor_spec

from pipeline.components.trainer.executor import Executor


class Trainer(StockTrainer):  # type: ignore[misc]
    """TFX's Trainer, with the same inputs, outputs and parameters."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

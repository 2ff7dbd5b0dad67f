"""The executor of Tuner: its trials train on what the Trainer trains on."""

from typing import Any

from tfx.components.tuner.executor import Executor as StockExecutor
from tfx.types.artifact import Artifact

from pipeline.components.trainer.executor import told_of_sampling


class Executor(StockExecutor):  # type: ignore[misc]
    """TFX's executor, which gives its function no artifact's properties; this one gives one."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Searches; `custom_config` holds the record of the sampling, if there was one."""
        super().Do(input_dict, output_dict, told_of_sampling(input_dict, exec_properties))

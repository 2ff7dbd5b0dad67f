"""The executor of Tuner, whose trials train on the same examples as the Trainer."""

from typing import Any

from tfx.components.tuner.executor import Executor as StockExecutor
from tfx.types.artifact import Artifact

from pipeline.components.trainer.executor import told_of_sampling


class Executor(StockExecutor):  # type: ignore[misc]
    """TFX's executor, which also passes the record of the sampling to its function."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the search, with the record of the sampling, if any, in `custom_config`."""
        super().Do(input_dict, output_dict, told_of_sampling(input_dict, exec_properties))

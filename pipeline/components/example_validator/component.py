"""The ExampleValidator component.

TFX 1.21's own passes TFDV no earlier data, so the schema's drift comparators have no effect; and
their thresholds know no sample size.
"""

from tfx.components.example_validator import component
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import Channel, standard_artifacts, standard_component_specs
from tfx.types.channel import BaseChannel
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import json_utils

from pipeline.components.example_validator.drift import DriftOptions
from pipeline.components.example_validator.executor import (
    DRIFT_OPTIONS_KEY,
    EARLIER_REPORT_KEY,
    EARLIER_STATISTICS_KEY,
    Executor,
)

CODE_DIGEST_KEY = "code_digest"


class ExampleValidatorSpec(standard_component_specs.ExampleValidatorSpec):  # type: ignore[misc]
    """TFX's interface, and the statistics of earlier data."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads a plain dict
        **standard_component_specs.ExampleValidatorSpec.PARAMETERS,
        DRIFT_OPTIONS_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012 - TFX reads a plain dict
        **standard_component_specs.ExampleValidatorSpec.INPUTS,
        EARLIER_STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        EARLIER_REPORT_KEY: ChannelParameter(
            type=standard_artifacts.ExampleValidationMetrics, optional=True
        ),
    }


class ExampleValidator(component.ExampleValidator):  # type: ignore[misc]
    """Compares the statistics of every split with the schema, and train with earlier data's.

    The output `anomalies` is what TFX's ExampleValidator gives, `Split-NAME/SchemaDiff.pb`, and
    `Split-train/drift.json`, a `DriftReport`; of rows without a label also
    `Split-unlabelled/drift.json`.
    """

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        statistics: BaseChannel,
        schema: BaseChannel,
        drift: DriftOptions,
        code_digest: str,
        earlier_statistics: BaseChannel,
        earlier_report: BaseChannel,
    ) -> None:
        """Makes the component.

        Args:
            statistics: The statistics of the data.
            schema: The curated schema.
            drift: What is compared with the earlier data.
            code_digest: Digest of the code that decides the result.
            earlier_statistics: Statistics of accepted earlier data; may resolve to none.
            earlier_report: The gate's report that accepted them.
        """
        spec = ExampleValidatorSpec(
            statistics=statistics,
            schema=schema,
            earlier_statistics=earlier_statistics,
            earlier_report=earlier_report,
            drift_options=drift.to_json(),
            exclude_splits=json_utils.dumps([]),
            code_digest=code_digest,
            anomalies=Channel(type=standard_artifacts.ExampleAnomalies),
        )
        # TFX's constructor would build its own interface, which has no earlier statistics.
        base_component.BaseComponent.__init__(self, spec=spec)

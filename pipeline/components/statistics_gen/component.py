"""StatisticsGen: TFX's artifact, computed from large Arrow batches.

TFX's own executor spends nearly all of its time on Beam's work for each split and small batch.
"""

import json
from collections.abc import Sequence

from tfx.components.statistics_gen import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import Channel, standard_artifacts, standard_component_specs
from tfx.types.channel import BaseChannel
from tfx.types.component_spec import ExecutionParameter

from pipeline.components.statistics_gen.executor import MEDIA_KEY, Executor

CODE_DIGEST_KEY = "code_digest"


class StatisticsGenSpec(standard_component_specs.StatisticsGenSpec):  # type: ignore[misc]
    """TFX's interface, a parameter that puts our code into the cache key, and the media."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads a plain dict
        **standard_component_specs.StatisticsGenSpec.PARAMETERS,
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
        MEDIA_KEY: ExecutionParameter(type=str),
    }


class StatisticsGen(component.StatisticsGen):  # type: ignore[misc]
    """Computes TFDV's statistics of every split.

    The output `statistics` is what TFX's StatisticsGen gives: `Split-NAME/FeatureStats.pb`. It
    takes none of TFX's options: all columns and rows of all splits count.
    """

    SPEC_CLASS = StatisticsGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self, *, examples: BaseChannel, code_digest: str, media: Sequence[str] = ()
    ) -> None:
        """Makes the component.

        Args:
            examples: The examples, gzip TFRecords of tf.Examples.
            code_digest: Digest of the code that decides the result.
            media: Columns that hold the bytes of files; their statistics are those of digests.
        """
        spec = StatisticsGenSpec(
            examples=examples,
            code_digest=code_digest,
            media=json.dumps(list(media)),
            statistics=Channel(type=standard_artifacts.ExampleStatistics),
        )
        # TFX's constructor would build its own interface, which has no code digest.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)

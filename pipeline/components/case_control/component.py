"""The CaseControl component: a train split with all positives and some of the negatives."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from pipeline.components.case_control.executor import (
    CODE_DIGEST_KEY,
    EXAMPLES_KEY,
    LABEL_KEY,
    SAMPLED_KEY,
    SAMPLING_KEY,
    SEED_KEY,
    Executor,
)
from pipeline.sampling_options import Sampling


class CaseControlSpec(ComponentSpec):  # type: ignore[misc]
    """The interface."""

    INPUTS = {EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012
    OUTPUTS = {SAMPLED_KEY: ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012
    PARAMETERS = {  # noqa: RUF012 - as TFX declares them
        SAMPLING_KEY: ExecutionParameter(type=str),
        LABEL_KEY: ExecutionParameter(type=str),
        SEED_KEY: ExecutionParameter(type=int),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }


class CaseControl(base_beam_component.BaseBeamComponent):  # type: ignore[misc]
    """Keeps all positives of `train` and a share of its negatives; other splits are unchanged.

    Only Trainer and Tuner read the output. Its custom property `sampling` is a `SamplingRecord`:
    nominal rate, kept and total negatives of each stratum. The exported model's correction is
    derived from it and checked against it.

    Attributes:
        outputs: `sampled_examples`.
    """

    SPEC_CLASS = CaseControlSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        sampling: Sampling,
        label: str,
        seed: int,
        code_digest: str,
    ) -> None:
        """Makes the component.

        Args:
            examples: The examples of ArrowExampleGen, with its counts as properties.
            sampling: Which negatives to keep.
            label: The label column.
            seed: Changes which negatives are kept.
            code_digest: Digest of the code that decides the result.
        """
        super().__init__(
            spec=CaseControlSpec(
                examples=examples,
                sampling=sampling.to_json(),
                label=label,
                seed=seed,
                code_digest=code_digest,
                sampled_examples=types.Channel(type=standard_artifacts.Examples),
            )
        )

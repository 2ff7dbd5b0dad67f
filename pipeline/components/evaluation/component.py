"""Evaluator: TFX's interface and TFMA's results, with exact metrics and few Beam steps."""

from collections.abc import Sequence

from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import Channel, standard_artifacts, standard_component_specs
from tfx.types.channel import BaseChannel
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import json_utils

from pipeline.components.evaluation.executor import (
    ANCHOR_MODEL_KEY,
    MODEL_RUN_KEY,
    OPTIONS_KEY,
    SLICES_KEY,
    Executor,
)
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.evaluation.slices import SliceOptions

CODE_DIGEST_KEY = "code_digest"


class EvaluatorSpec(standard_component_specs.EvaluatorSpec):  # type: ignore[misc]
    """TFX's interface, our own parameters, and no blessing.

    Only ModelGate writes a blessing, so that no step finds an empty one.
    """

    PARAMETERS = {  # noqa: RUF012 - TFX reads a plain dict
        **standard_component_specs.EvaluatorSpec.PARAMETERS,
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
        OPTIONS_KEY: ExecutionParameter(type=str),
        SLICES_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012 - TFX reads a plain dict
        **standard_component_specs.EvaluatorSpec.INPUTS,
        ANCHOR_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
        MODEL_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012 - TFX reads a plain dict
        standard_component_specs.EVALUATION_KEY: standard_component_specs.EvaluatorSpec.OUTPUTS[
            standard_component_specs.EVALUATION_KEY
        ]
    }


class Evaluator(component.Evaluator):  # type: ignore[misc]
    """Measures a model, the model blessed before it and the anchor, overall and by slice.

    The output `evaluation` is what TFX's Evaluator gives; `tfma.load_eval_result` reads it. PR-AUC
    is average precision and ROC-AUC the Mann-Whitney statistic, both exact. Intervals are TFMA's
    bounded values; changes from the baseline are its `…_diff` metrics.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(  # noqa: PLR0913 - its interface
        self,
        *,
        examples: BaseChannel,
        model: BaseChannel,
        eval_config: config_pb2.EvalConfig,
        example_splits: Sequence[str],
        code_digest: str,
        options: MeasureOptions | None = None,
        slices: SliceOptions | None = None,
        baseline_model: BaseChannel | None = None,
        anchor_model: BaseChannel | None = None,
        model_run: BaseChannel | None = None,
    ) -> None:
        """Makes the component.

        Args:
            examples: The examples, gzip TFRecords of tf.Examples.
            model: The candidate.
            eval_config: The result of `make_eval_config`.
            example_splits: The splits to measure on.
            code_digest: Digest of the code that decides the result.
            options: Confidence of intervals, prices of decisions and groups of examples; by
                default 95 %, none and none.
            slices: The slices, as `eval_config` has them in TFMA's terms; by default none.
            baseline_model: The model to compare with; may resolve to none.
            anchor_model: Another model to compare with; may resolve to none or to the baseline.
            model_run: The candidate's run; where it has predictions out of fold, these are measured
                together with the splits, in the folder `out_of_fold` of the evaluation.
        """
        spec = EvaluatorSpec(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            anchor_model=anchor_model,
            model_run=model_run,
            eval_config=eval_config,
            example_splits=json_utils.dumps(list(example_splits)),
            code_digest=code_digest,
            measure_options=(options or MeasureOptions()).to_json(),
            slices=(slices or SliceOptions()).to_json(),
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
        )
        # TFX's constructor would build its own interface, which has no code digest.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)

"""Wiring from the trained model to its blessings: evaluation, gate and validation of the export."""

from dataclasses import dataclass

from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing

from pipeline.components.baseline import BlessedBeforeStrategy
from pipeline.components.evaluation.component import Evaluator
from pipeline.components.evaluation.eval_config import make_eval_config
from pipeline.components.evaluation.measurement import measure_options
from pipeline.components.evaluation.slices import SliceOptions
from pipeline.components.infra_validator.component import InfraValidator
from pipeline.components.model_gate.component import ModelGate
from pipeline.components.model_gate.verdict import Terms
from pipeline.config import Config
from pipeline.wiring.step_code import step_code
from pipeline.wiring.training import Training


@dataclass(frozen=True)
class Evaluation:
    """The steps that decide whether a model is pushed.

    Attributes:
        nodes: All of them, in order.
        evaluation: The metrics.
        blessing: The ModelGate's verdict.
        infra_blessing: The InfraValidator's verdict.
    """

    nodes: tuple[BaseNode, ...]
    evaluation: BaseChannel
    blessing: BaseChannel
    infra_blessing: BaseChannel


def wire_evaluation(config: Config, examples: BaseChannel, training: Training) -> Evaluation:
    """Returns the steps that evaluate and validate a model.

    Args:
        config: The use case.
        examples: The examples, with the test split.
        training: The steps that trained the model.
    """
    terms = Terms.of(config)
    baseline = _baseline(training.model, terms)
    evaluator = Evaluator(
        examples=examples,
        model=training.model,
        baseline_model=baseline.outputs["model"],
        anchor_model=baseline.outputs["anchor_model"],
        model_run=training.model_run if config.evaluation.cross_fit else None,
        eval_config=make_eval_config(config),
        example_splits=["test"],
        options=measure_options(config),
        slices=SliceOptions.of(config),
        code_digest=step_code("Evaluator"),
    )
    model_gate = ModelGate(
        evaluation=evaluator.outputs["evaluation"],
        model=training.model,
        baseline_model=baseline.outputs["model"],
        anchor_blessings=baseline.outputs["anchor_blessings"],
        terms=terms.to_json(),
        code_digest=step_code("ModelGate"),
    )
    infra_validator = InfraValidator(
        model=training.model,
        model_run=training.model_run,
        examples=examples,
        label=config.label.column,
        code_digest=step_code("InfraValidator"),
    )
    return Evaluation(
        nodes=(baseline, evaluator, model_gate, infra_validator),
        evaluation=evaluator.outputs["evaluation"],
        blessing=model_gate.outputs["blessing"],
        infra_blessing=infra_validator.outputs["blessing"],
    )


def _baseline(model: BaseChannel, terms: Terms) -> Resolver:
    """Resolves the last blessed model and the anchor, which a new model is compared with."""
    return Resolver(
        strategy_class=BlessedBeforeStrategy,
        config={"definition": terms.definition},
        candidate=model,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
        infra_blessing=Channel(type=InfraBlessing),
        # The strategy fills these two; a resolver's outputs have the names of its inputs.
        anchor_model=Channel(type=Model),
        anchor_blessings=Channel(type=ModelBlessing),
    ).with_id("BaselineResolver")

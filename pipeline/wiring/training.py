"""Wiring from the transform graph to the trained model: sampling, tuning and training."""

import json
from dataclasses import dataclass, replace

from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing

from models.threshold_rule import ThresholdRule
from pipeline.components.baseline import LatestBlessedStrategy
from pipeline.components.case_control.component import CaseControl
from pipeline.components.trainer.component import Trainer
from pipeline.components.tuner.component import Tuner
from pipeline.config import Config
from pipeline.reading.ingest_spec import make_ingest_spec, reading_contract
from pipeline.wiring.analysis import Analysis
from pipeline.wiring.backbones import backbone_digests
from pipeline.wiring.framing import framing_properties
from pipeline.wiring.step_code import step_code


@dataclass(frozen=True)
class Training:
    """The steps that train a model.

    Attributes:
        nodes: All of them, in order.
        model: The exported model.
        model_run: Logs, and the predictions out of fold.
    """

    nodes: tuple[BaseNode, ...]
    model: BaseChannel
    model_run: BaseChannel


def wire_training(config: Config, analysis: Analysis, gate: BaseNode) -> Training:
    """Returns the steps that train a model.

    Args:
        config: The use case.
        analysis: The preceding steps.
        gate: The AnomalyGate, before which nothing is sampled.
    """
    examples, transform_graph = analysis.examples, analysis.transform_graph
    # Transform analyses all of train: means and vocabularies are those of the data to come.
    case_control = _case_control(config, examples, gate)
    sample = case_control.outputs["sampled_examples"] if case_control else examples
    latest_model = _latest_model() if config.train.hard_negatives else None
    tuner = _tuner(config, sample, transform_graph, latest_model)
    trainer = Trainer(
        examples=sample,
        transform_graph=transform_graph,
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        base_model=latest_model.outputs["model"] if latest_model else None,
        run_fn="models.training.trainer.run_fn",
        custom_config={
            "model_spec": config.model_spec.to_json(),
            "reading": reading_contract(make_ingest_spec(config)).to_json(),
            "reference": True,
            "code_digest": step_code("Trainer"),
            **_backbones(config),
            **framing_properties(config),
        },
    )
    nodes = [case_control, latest_model, tuner, trainer]
    return Training(
        nodes=tuple(node for node in nodes if node),
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
    )


def _case_control(config: Config, examples: BaseChannel, gate: BaseNode) -> BaseNode | None:
    if config.sampling is None:
        return None
    case_control = CaseControl(
        examples=examples,
        sampling=config.sampling,
        label=config.label.column,
        seed=config.seed,
        code_digest=step_code("CaseControl"),
    )
    case_control.add_upstream_node(gate)
    return case_control


def _latest_model() -> Resolver:
    return Resolver(
        strategy_class=LatestBlessedStrategy,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
        infra_blessing=Channel(type=InfraBlessing),
    ).with_id("LatestModelResolver")


def _tuner(
    config: Config,
    examples: BaseChannel,
    transform_graph: BaseChannel,
    latest_model: BaseNode | None,
) -> Tuner | None:
    if config.tuning is None:
        return None
    # A trial trains once on train and is judged on eval.
    spec = replace(config.model_spec, cross_fit=None)
    settings = {"tuning": config.tuning.to_json(), "code_digest": step_code("Tuner")}
    if config.tuning.objective == "expected_cost" and config.cost is not None:
        settings["cost"] = config.cost.to_json()
    else:
        # Nothing is decided in these trials: a new price or threshold must not search again.
        spec = replace(spec, threshold=ThresholdRule())
    return Tuner(
        examples=examples,
        transform_graph=transform_graph,
        base_model=latest_model.outputs["model"] if latest_model else None,
        tuner_fn="models.tuning.tuning.tuner_fn",
        custom_config=settings | {"model_spec": spec.to_json(), **_backbones(config)},
    )


def _backbones(config: Config) -> dict[str, str]:
    """What a cached model depends on besides: the content of saved models."""
    digests = backbone_digests(config)
    return {"backbones": json.dumps(digests)} if digests else {}

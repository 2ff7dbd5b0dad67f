"""The wiring of every component, on one page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import (
    InfraBlessing,
    Model,
    ModelBlessing,
)

from common.output_folder import OutputFolder
from models.features import features_to_json
from models.threshold_rule import ThresholdRule
from pipeline.components.baseline import BlessedBeforeStrategy, LatestBlessedStrategy
from pipeline.components.case_control.component import CaseControl
from pipeline.components.error_analyzer.component import ErrorAnalyzer
from pipeline.components.evaluation.component import Evaluator
from pipeline.components.evaluation.eval_config import make_eval_config
from pipeline.components.evaluation.measurement import measure_options
from pipeline.components.evaluation.slices import SliceOptions
from pipeline.components.infra_validator.component import InfraValidator
from pipeline.components.model_gate.component import ModelGate
from pipeline.components.model_gate.verdict import Terms
from pipeline.components.model_report.component import ModelReport
from pipeline.components.names import SIGNING, WITHDRAWN
from pipeline.components.pusher.component import Pusher
from pipeline.components.pusher.signing import check_signing
from pipeline.components.trainer.component import Trainer
from pipeline.components.tuner.component import Tuner
from pipeline.config import Config
from pipeline.reading.files.locations import Source
from pipeline.reading.ingest_spec import make_ingest_spec, reading_contract
from pipeline.wiring.analysis import wire_analysis
from pipeline.wiring.backbones import backbone_digests
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from pipeline.wiring.ingestion import page_features, wire_ingestion
from pipeline.wiring.step_code import step_code


def create_pipeline(
    config: Config,
    source: Source,
    folder: OutputFolder,
    connection: metadata_store_pb2.ConnectionConfig,
    beam_args: Sequence[str] = LOCAL_BEAM_ARGS,
    withdrawn: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Returns the pipeline of a use case.

    Args:
        config: The use case.
        source: Where its data is.
        folder: Where everything is written.
        connection: Where ML Metadata lives.
        beam_args: Beam's options for the data-parallel steps.
        withdrawn: What `pipeline.components.pusher.withdrawn.withdrawn_notes` returned.
    """
    ingestion = wire_ingestion(config, source, folder)
    analysis = wire_analysis(config, source, ingestion)
    examples, transform_graph = analysis.examples, analysis.transform_graph
    # Transform analyses all of train: means and vocabularies are those of the data to come.
    case_control = _case_control(config, examples, ingestion.gate)
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
        },
    )
    model = trainer.outputs["model"]
    terms = Terms.of(config)
    baseline = Resolver(
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
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["model"],
        anchor_model=baseline.outputs["anchor_model"],
        model_run=trainer.outputs["model_run"] if config.evaluation.cross_fit else None,
        eval_config=make_eval_config(config),
        example_splits=["test"],
        options=measure_options(config),
        slices=SliceOptions.of(config),
        code_digest=step_code("Evaluator"),
    )
    model_gate = ModelGate(
        evaluation=evaluator.outputs["evaluation"],
        model=model,
        baseline_model=baseline.outputs["model"],
        anchor_blessings=baseline.outputs["anchor_blessings"],
        terms=terms.to_json(),
        code_digest=step_code("ModelGate"),
    )
    infra_validator = InfraValidator(
        model=model,
        model_run=trainer.outputs["model_run"],
        examples=examples,
        label=config.label.column,
        code_digest=step_code("InfraValidator"),
    )
    pusher = Pusher(
        model=model,
        model_blessing=model_gate.outputs["blessing"],
        infra_blessing=infra_validator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=str(folder.serving(config.name))
            )
        ),
        custom_config={
            "code_digest": step_code("Pusher"),
            WITHDRAWN: withdrawn or {},
            **_signing(config),
        },
    )
    error_analyzer = ErrorAnalyzer(
        model=model,
        examples=examples,
        name=config.name,
        label=config.label.column,
        features=features_to_json(page_features(config)),
        bars=json.dumps(config.gate.bars.given),
        group=measure_options(config).group or "",
        code_digest=step_code("ErrorAnalyzer"),
    )
    error_analyzer.add_upstream_node(pusher)  # no model waits for it
    model_report = ModelReport(
        model=model,
        analysis=error_analyzer.outputs["analysis"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=model_gate.outputs["blessing"],
        infra_blessing=infra_validator.outputs["blessing"],
        name=config.name,
        options=measure_options(config).to_json(),
        code_digest=step_code("ModelReport"),
    )
    components: list[BaseNode] = [
        *ingestion.nodes,
        *analysis.nodes,
        *([case_control] if case_control else []),
        *([latest_model] if latest_model else []),
        *([tuner] if tuner else []),
        trainer,
        baseline,
        evaluator,
        model_gate,
        infra_validator,
        pusher,
        error_analyzer,
        model_report,
    ]
    return _pipeline(config, folder, connection, components, beam_args)


def create_span_pipeline(
    config: Config,
    source: Source,
    folder: OutputFolder,
    connection: metadata_store_pb2.ConnectionConfig,
    beam_args: Sequence[str] = LOCAL_BEAM_ARGS,
) -> Pipeline:
    """Returns the first steps of the same pipeline, which read and judge one span.

    Args:
        config: The use case.
        source: Where its data is; `span` says which span.
        folder: Where everything is written.
        connection: Where ML Metadata lives.
        beam_args: Beam's options for the data-parallel steps.
    """
    nodes = wire_ingestion(config, source, folder).nodes
    return _pipeline(config, folder, connection, nodes, beam_args)


def _pipeline(
    config: Config,
    folder: OutputFolder,
    connection: metadata_store_pb2.ConnectionConfig,
    nodes: Sequence[BaseNode],
    beam_args: Sequence[str],
) -> Pipeline:
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=f"{config.beam.artifacts or folder.artifacts}/{config.name}",
        components=list(nodes),
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=list(beam_args),
    )


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


def _signing(config: Config) -> dict[str, dict[str, str]]:
    """What the Pusher signs with; nothing for use cases that sign nothing."""
    note = check_signing(config)
    return {SIGNING: note} if note else {}


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

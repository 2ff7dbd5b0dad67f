"""The wiring of every component, on one page."""

from collections.abc import Sequence
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2
from pydantic import TypeAdapter
from tfx.components import SchemaGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import (
    ExampleStatistics,
    ExampleValidationMetrics,
    InfraBlessing,
    Model,
    ModelBlessing,
)

from models.features import features_to_json
from pipeline.beam_options import LOCAL_BEAM_ARGS
from pipeline.components.anomaly_gate.component import AnomalyGate
from pipeline.components.arrow_example_gen.component import ArrowExampleGen
from pipeline.components.arrow_example_gen.locations import Source
from pipeline.components.baseline import BlessedBeforeStrategy, LatestBlessedStrategy
from pipeline.components.case_control.component import CaseControl
from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.evaluation.component import Evaluator
from pipeline.components.evaluation.eval_config import make_eval_config
from pipeline.components.evaluation.measurement import measure_options
from pipeline.components.example_validator.component import ExampleValidator
from pipeline.components.example_validator.earlier_span import (
    AcceptedEarlierSpanStrategy,
    has_spans,
)
from pipeline.components.infra_validator.component import InfraValidator
from pipeline.components.model_gate.component import ModelGate
from pipeline.components.model_gate.verdict import Terms
from pipeline.components.pusher.component import Pusher
from pipeline.components.statistics_gen.component import StatisticsGen
from pipeline.components.trainer.component import Trainer
from pipeline.components.transform.component import Transform
from pipeline.components.tuner.component import Tuner
from pipeline.config import Config, Validation
from pipeline.output_folder import OutputFolder
from pipeline.provenance import code_digest

_PIPELINE = Path(__file__).parent
_MODELS, _SERVING = _PIPELINE.parent / "models", _PIPELINE.parent / "serving"

# The code that decides each step's result, for the cache: an edit reruns the step.
_INGESTION_CODE = (_PIPELINE / "components" / "arrow_example_gen",)
_STATISTICS_CODE = (_PIPELINE / "components" / "statistics_gen",)
_VALIDATION_CODE = (_PIPELINE / "components" / "example_validator",)
_ANOMALY_CODE = (_PIPELINE / "components" / "anomaly_gate",)
_TRANSFORM_CODE = (
    *(_MODELS / f for f in ("features.py", "encoding.py", "preprocessing.py")),
    _PIPELINE / "components" / "transform",
)
_SAMPLING_CODE = (
    _PIPELINE / "components" / "case_control",
    _PIPELINE / "components" / "arrow_example_gen" / "hashing.py",
    _MODELS / "sampling.py",
)
_TRAINING_CODE = (_MODELS, _PIPELINE / "components" / "trainer")
_EVALUATION_CODE = (_PIPELINE / "components" / "evaluation", _MODELS / "export.py")
_GATE_CODE = (_PIPELINE / "components" / "model_gate", _PIPELINE / "components" / "evaluation")
_INFRA_CODE = (_PIPELINE / "components" / "infra_validator", _SERVING)


def create_pipeline(
    config: Config,
    source: Source,
    folder: OutputFolder,
    connection: metadata_store_pb2.ConnectionConfig,
    beam_args: Sequence[str] = LOCAL_BEAM_ARGS,
) -> Pipeline:
    """Returns the pipeline of a use case.

    Args:
        config: The use case.
        source: Where its data is.
        folder: Where everything is written.
        connection: Where ML Metadata lives.
        beam_args: Beam's options for the data-parallel steps.
    """
    example_gen = ArrowExampleGen(
        config,
        source,
        code_digest=code_digest(_INGESTION_CODE),
        reports_dir=str(folder.reports),
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples=examples, code_digest=code_digest(_STATISTICS_CODE))
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = SchemaGen(statistics=statistics)
    curated = _curated_schema(config)
    schema = (curated or schema_gen).outputs["schema"]
    earlier_span = _earlier_span(examples) if has_spans(source) else None
    validator = ExampleValidator(
        statistics=statistics,
        schema=schema,
        earlier_statistics=earlier_span.outputs["statistics"] if earlier_span else None,
        earlier_report=earlier_span.outputs["report"] if earlier_span else None,
        code_digest=code_digest(_VALIDATION_CODE),
    )
    anomaly_gate = AnomalyGate(
        examples=examples,
        anomalies=validator.outputs["anomalies"],
        schema=schema,
        inferred_schema=schema_gen.outputs["schema"],
        name=config.name,
        features=features_to_json(config.features),
        validation=TypeAdapter(Validation).dump_json(config.validation).decode(),
        reports_dir=str(folder.reports),
        code_digest=code_digest(_ANOMALY_CODE),
    )
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        custom_config={
            "label": config.label.column,
            "features": features_to_json(config.features),
            "code_digest": code_digest(_TRANSFORM_CODE),
        },
        # Trainer applies the graph itself: nobody reads transformed examples or their statistics.
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
    )
    # The gate has no output that Transform needs; without this edge it would not stop anything.
    transform.add_upstream_node(anomaly_gate)
    # Transform analyses all of train: means and vocabularies are those of the data to come.
    case_control = _case_control(config, examples, anomaly_gate)
    sample = case_control.outputs["sampled_examples"] if case_control else examples
    latest_model = _latest_model() if config.train.hard_negatives else None
    tuner = _tuner(config, sample, transform.outputs["transform_graph"], latest_model)
    trainer = Trainer(
        examples=sample,
        transform_graph=transform.outputs["transform_graph"],
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        base_model=latest_model.outputs["model"] if latest_model else None,
        run_fn="models.training.run_fn",
        custom_config={
            "model_spec": config.model_spec.to_json(),
            "code_digest": code_digest(_TRAINING_CODE),
        },
    )
    model = trainer.outputs["model"]
    baseline = Resolver(
        strategy_class=BlessedBeforeStrategy,
        candidate=model,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
        infra_blessing=Channel(type=InfraBlessing),
    ).with_id("BaselineResolver")
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["model"],
        eval_config=make_eval_config(config),
        example_splits=["test"],
        options=measure_options(config),
        code_digest=code_digest(_EVALUATION_CODE),
    )
    model_gate = ModelGate(
        evaluation=evaluator.outputs["evaluation"],
        model=model,
        baseline_model=baseline.outputs["model"],
        terms=Terms.of(config).to_json(),
        code_digest=code_digest(_GATE_CODE),
    )
    infra_validator = InfraValidator(
        model=model,
        model_run=trainer.outputs["model_run"],
        examples=examples,
        label=config.label.column,
        code_digest=code_digest(_INFRA_CODE),
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
    )
    components: list[BaseNode] = [
        example_gen,
        statistics_gen,
        schema_gen,
        *([curated] if curated else []),
        *([earlier_span] if earlier_span else []),
        validator,
        anomaly_gate,
        transform,
        *([case_control] if case_control else []),
        *([latest_model] if latest_model else []),
        *([tuner] if tuner else []),
        trainer,
        baseline,
        evaluator,
        model_gate,
        infra_validator,
        pusher,
    ]
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=f"{config.beam.artifacts or folder.artifacts}/{config.name}",
        components=components,
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=list(beam_args),
    )


def _curated_schema(config: Config) -> BaseNode | None:
    path = config.schema_path
    return None if path is None else CuratedSchema(text=path.read_text(encoding="utf-8"))


def _tuner(
    config: Config,
    examples: BaseChannel,
    transform_graph: BaseChannel,
    latest_model: BaseNode | None,
) -> Tuner | None:
    if config.tuning is None:
        return None
    return Tuner(
        examples=examples,
        transform_graph=transform_graph,
        base_model=latest_model.outputs["model"] if latest_model else None,
        tuner_fn="models.tuning.tuner_fn",
        custom_config={
            "model_spec": config.model_spec.to_json(),
            "tuning": config.tuning.to_json(),
            "code_digest": code_digest(_TRAINING_CODE),
        },
    )


def _case_control(config: Config, examples: BaseChannel, gate: BaseNode) -> BaseNode | None:
    if config.sampling is None:
        return None
    case_control = CaseControl(
        examples=examples,
        sampling=config.sampling,
        label=config.label.column,
        seed=config.seed,
        code_digest=code_digest(_SAMPLING_CODE),
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


def _earlier_span(examples: BaseChannel) -> Resolver:
    return Resolver(
        strategy_class=AcceptedEarlierSpanStrategy,
        candidate=examples,
        statistics=Channel(type=ExampleStatistics),
        report=Channel(type=ExampleValidationMetrics),
    ).with_id("EarlierSpanResolver")

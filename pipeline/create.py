"""The whole pipeline: the wired steps, the push, and the pages of the model."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2
from tfx.types.channel import BaseChannel

from common.output_folder import OutputFolder
from models.features import features_to_json
from pipeline.components.error_analyzer.component import ErrorAnalyzer
from pipeline.components.evaluation.measurement import measure_options
from pipeline.components.model_report.component import ModelReport
from pipeline.components.names import SIGNING, WITHDRAWN
from pipeline.components.pusher.component import Pusher
from pipeline.components.pusher.signing import check_signing
from pipeline.config import Config
from pipeline.reading.files.locations import Source
from pipeline.wiring.analysis import wire_analysis
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from pipeline.wiring.evaluation import Evaluation, wire_evaluation
from pipeline.wiring.ingestion import page_features, wire_ingestion
from pipeline.wiring.step_code import step_code
from pipeline.wiring.training import wire_training


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
    training = wire_training(config, analysis, ingestion.gate)
    evaluation = wire_evaluation(config, analysis.examples, training)
    pusher = Pusher(
        model=training.model,
        model_blessing=evaluation.blessing,
        infra_blessing=evaluation.infra_blessing,
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
    nodes = [*ingestion.nodes, *analysis.nodes, *training.nodes, *evaluation.nodes, pusher]
    nodes += _page_steps(config, analysis.examples, training.model, evaluation, pusher)
    return _pipeline(config, folder, connection, nodes, beam_args)


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


def _page_steps(
    config: Config,
    examples: BaseChannel,
    model: BaseChannel,
    evaluation: Evaluation,
    pusher: BaseNode,
) -> tuple[BaseNode, ...]:
    """The steps that write the pages of a model."""
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
        evaluation=evaluation.evaluation,
        blessing=evaluation.blessing,
        infra_blessing=evaluation.infra_blessing,
        name=config.name,
        options=measure_options(config).to_json(),
        code_digest=step_code("ModelReport"),
    )
    return error_analyzer, model_report


def _signing(config: Config) -> dict[str, dict[str, str]]:
    """What the Pusher signs with; nothing for use cases that sign nothing."""
    note = check_signing(config)
    return {SIGNING: note} if note else {}

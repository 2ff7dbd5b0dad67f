"""Wiring of the steps from files to accepted examples, the same for every span."""

import hashlib
import json
from dataclasses import dataclass

from tfx.components import SchemaGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import ExampleStatistics, ExampleValidationMetrics

from common.output_folder import OutputFolder
from models.features import (
    Feature,
    Time,
    features_to_json,
    media_names,
    raw_feature_names,
)
from pipeline.components.anomaly_gate.component import AnomalyGate
from pipeline.components.anomaly_gate.slice_names import slices_to_json
from pipeline.components.arrow_example_gen.component import ArrowExampleGen
from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.data_report.component import DataReport
from pipeline.components.example_validator.component import ExampleValidator
from pipeline.components.example_validator.drift import DriftOptions
from pipeline.components.example_validator.earlier_span import (
    AcceptedEarlierDataStrategy,
    AcceptedEarlierSpanStrategy,
    has_spans,
)
from pipeline.components.statistics_gen.component import StatisticsGen
from pipeline.config import Config
from pipeline.reading.files.locations import Source
from pipeline.reading.ingest_spec import make_ingest_spec
from pipeline.wiring.step_code import step_code

# The steps that decide whether data are accepted.
_ACCEPTANCE = ("ArrowExampleGen", "StatisticsGen", "ExampleValidator", "AnomalyGate")


@dataclass(frozen=True)
class Ingestion:
    """The steps up to the gate.

    Attributes:
        nodes: All of them, in order.
        examples: The examples of the source.
        schema: The effective schema, curated or inferred.
        gate: AnomalyGate; steps that need accepted data depend on it.
    """

    nodes: tuple[BaseNode, ...]
    examples: BaseChannel
    schema: BaseChannel
    gate: BaseNode


def wire_ingestion(config: Config, source: Source, folder: OutputFolder) -> Ingestion:
    """Returns the steps that read, measure and judge one source.

    Args:
        config: The use case.
        source: Location of its data.
        folder: The output folder.
    """
    example_gen = ArrowExampleGen(
        config,
        source,
        code_digest=step_code("ArrowExampleGen"),
        reports_dir=str(folder.reports),
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(
        examples=examples,
        code_digest=step_code("StatisticsGen"),
        media=media_names(config.features),
    )
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = SchemaGen(statistics=statistics)
    curated = _curated_schema(config)
    schema = (curated or schema_gen).outputs["schema"]
    earlier = _earlier_data(examples, has_spans=has_spans(source))
    validator = ExampleValidator(
        statistics=statistics,
        schema=schema,
        drift=DriftOptions(
            features=config.features,
            label=config.label.column,
            floor=config.validation.min_drift,
            ignored=config.validation.drift_ignore,
            has_spans=has_spans(source),
        ),
        earlier_statistics=earlier.outputs["statistics"],
        earlier_report=earlier.outputs["report"],
        code_digest=step_code("ExampleValidator"),
    )
    anomaly_gate = AnomalyGate(
        examples=examples,
        anomalies=validator.outputs["anomalies"],
        schema=schema,
        inferred_schema=schema_gen.outputs["schema"],
        name=config.name,
        features=features_to_json(config.features),
        validation=config.validation.to_json(),
        slices=slices_to_json(config),
        needed=json.dumps(needed_columns(config)),
        reports_dir=str(folder.reports),
        acceptance=acceptance_digest(config),
        code_digest=step_code("AnomalyGate"),
    )
    data_report = DataReport(
        examples=examples,
        statistics=statistics,
        anomalies=validator.outputs["anomalies"],
        report=anomaly_gate.outputs["report"],
        name=config.name,
        label=config.label.column,
        features=features_to_json(page_features(config)),
        code_digest=step_code("DataReport"),
    )
    nodes = [example_gen, statistics_gen, schema_gen, curated, earlier, validator]
    return Ingestion(
        nodes=(*(node for node in nodes if node), anomaly_gate, data_report),
        examples=examples,
        schema=schema,
        gate=anomaly_gate,
    )


def page_features(config: Config) -> dict[str, Feature]:
    """Returns the features, and the other columns that hold points in time."""
    formats = config.data.columns
    names = [name for name, form in formats.items() if form.type == "time"]
    if config.split.strategy == "time" and config.split.column:
        names.append(config.split.column)
    elapsed = {name for name, form in formats.items() if form.elapsed}
    return {name: Time() for name in names if name not in elapsed} | dict(config.features)


def needed_columns(config: Config) -> list[str]:
    """Returns the columns of the examples that the model, the split and the slices need."""
    needed = [*make_ingest_spec(config).needed, *raw_feature_names(config.features)]
    return list(dict.fromkeys(needed))


def acceptance_digest(config: Config) -> str:
    """Returns a digest of everything except the data that determines ingestion and acceptance.

    A span accepted under another digest goes through these steps again; steps with unchanged inputs
    are cached.
    """
    schema = config.schema_path
    parts = [
        make_ingest_spec(config).to_json(),
        features_to_json(config.features),
        config.validation.to_json(),
        "" if schema is None else schema.read_text(encoding="utf-8"),
        *(step_code(step) for step in _ACCEPTANCE),
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}\0{part}".encode())
    return digest.hexdigest()


def _curated_schema(config: Config) -> BaseNode | None:
    path = config.schema_path
    return (
        None
        if path is None
        else CuratedSchema(
            text=path.read_text(encoding="utf-8"), code_digest=step_code("CuratedSchema")
        )
    )


def _earlier_data(examples: BaseChannel, *, has_spans: bool) -> Resolver:
    return Resolver(
        strategy_class=AcceptedEarlierSpanStrategy if has_spans else AcceptedEarlierDataStrategy,
        candidate=examples,
        statistics=Channel(type=ExampleStatistics),
        report=Channel(type=ExampleValidationMetrics),
    ).with_id("EarlierSpanResolver" if has_spans else "EarlierDataResolver")

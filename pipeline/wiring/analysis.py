"""Wiring from accepted examples to the transform graph, for one span or a window of spans."""

import sys
from dataclasses import dataclass

import tensorflow_transform as tft
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import Examples, ExampleValidationMetrics, TransformCache
from tfx.utils import json_utils

from models.features import Signal, features_to_json, media_names, of_kind
from models.train_options import wants_trees
from pipeline.components.span_window.component import SpanWindow
from pipeline.components.span_window.resolvers import EarlierAnalysisStrategy, SpanWindowStrategy
from pipeline.components.transform.component import Transform
from pipeline.config import Config
from pipeline.reading.files.locations import Source
from pipeline.wiring.ingestion import Ingestion, acceptance_digest
from pipeline.wiring.spans import Window, find_window
from pipeline.wiring.step_code import step_code


@dataclass(frozen=True)
class Analysis:
    """The steps from accepted examples to the transform graph.

    Attributes:
        nodes: All of them, in order.
        examples: Examples for training and evaluation: one artifact, of one span or a window.
        transform_graph: Graph that turns raw examples into the network's inputs.
    """

    nodes: tuple[BaseNode, ...]
    examples: BaseChannel
    transform_graph: BaseChannel


def wire_analysis(config: Config, source: Source, ingestion: Ingestion) -> Analysis:
    """Returns the steps that produce the transform graph of the training data.

    Args:
        config: The use case.
        source: Location of its data.
        ingestion: The preceding steps, of the newest span.
    """
    window = find_window(source, acceptance_digest(config))
    if window is None:
        transform = _transform(config, ingestion.examples, ingestion.schema)
        nodes: tuple[BaseNode, ...] = (transform,)
        examples = ingestion.examples
    else:
        spans = _window_resolver(window, ingestion)
        together = SpanWindow(spans=spans.outputs["examples"], code_digest=step_code("SpanWindow"))
        examples = together.outputs["examples"]
        earlier = _analysis_resolver(config, spans.outputs["examples"], ingestion.schema)
        transform = _transform(
            config, spans.outputs["examples"], ingestion.schema, cache=earlier.outputs["cache"]
        )
        nodes = (spans, together, earlier, transform)
    # Transform uses no output of the gate; without this edge the gate would not stop it.
    transform.add_upstream_node(ingestion.gate)
    return Analysis(nodes, examples, transform.outputs["transform_graph"])


def _transform(
    config: Config,
    examples: BaseChannel,
    schema: BaseChannel,
    *,
    cache: BaseChannel | None = None,
) -> Transform:
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.inputs.preprocessing.preprocessing_fn",
        custom_config=_custom_config(config, has_cache=cache is not None),
        # Trainer applies the graph itself: transformed examples and their statistics are not used.
        materialize=False,
        disable_statistics=True,
        analyzer_cache=cache,
        disable_analyzer_cache=cache is None,
    )


def _custom_config(config: Config, *, has_cache: bool) -> dict[str, str]:
    """Returns the keys of the analysis; an analyzer cache is valid for the same versions only."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    versions = {"cache_versions": f"tft {tft.__version__}, python {python}"} if has_cache else {}
    # The network takes the samples themselves, and does not pay for what it does not read.
    whole = (*of_kind(config.features, Signal), *media_names(config.features))
    summarised = wants_trees(config.train) and whole
    summaries = {"summaries": "true"} if summarised else {}
    return {
        "label": config.label.column,
        "features": features_to_json(config.features),
        "code_digest": step_code("Transform"),
        **summaries,
        **versions,
    }


def _window_resolver(window: Window, ingestion: Ingestion) -> Resolver:
    fingerprints = {str(span): text for span, text in window.fingerprints.items()}
    return Resolver(
        strategy_class=SpanWindowStrategy,
        config={"window": fingerprints, "acceptance": window.acceptance},
        candidate=ingestion.gate.outputs["report"],
        examples=Channel(type=Examples),
        report=Channel(type=ExampleValidationMetrics),
    ).with_id("SpanWindowResolver")


def _analysis_resolver(config: Config, examples: BaseChannel, schema: BaseChannel) -> Resolver:
    return Resolver(
        strategy_class=EarlierAnalysisStrategy,
        config={"custom_config": json_utils.dumps(_custom_config(config, has_cache=True))},
        examples=examples,
        schema=schema,
        cache=Channel(type=TransformCache),
    ).with_id("AnalysisResolver")

"""TFX's executor of Transform, with bulk reading, stacked columns and an analysis of each span."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfx.components.transform import executor
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import io_utils, json_utils

from common.internals.tfx import transform_reading_by
from models.features import Signal, features_from_json, of_kind
from models.inputs.stacks import (
    Stacking,
    stack_columns,
    stacked_schema,
    stacks_to_json,
)
from pipeline.components.beam_progress import ReportingExecutor
from pipeline.components.transform.bulk_records import BulkExampleRecord
from pipeline.components.transform.span_analysis import analyse_spans

Artifacts = dict[str, list[Artifact]]


class Executor(ReportingExecutor, executor.Executor):  # type: ignore[misc]
    """Analyses examples as TFX does, from batches of thousands of rows with stacked columns.

    TFX reads each record as a Beam element, which takes longer than its analysis; and it traces the
    preprocessing once for each of its own purposes, at a cost that grows with the columns.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: Artifacts,
        output_dict: Artifacts,
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs TFX's Transform; arguments and results are TFX's, but the graph takes stacks.

        With an analyzer cache to write, every span is analysed on its own, or taken from the
        cache; see `span_analysis`.

        Args:
            input_dict: `examples`, gzip TFRecords of tf.Examples, `schema`, and perhaps
                `analyzer_cache`.
            output_dict: `transform_graph`, which also gets the stacking, and perhaps
                `updated_analyzer_cache`.
            exec_properties: Those of TFX's Transform.
        """
        scratch = self._get_tmp_dir()
        stacking, schema, properties = _prepare(input_dict, exec_properties, scratch)

        def transform(inputs: Artifacts, outputs: Artifacts) -> list[str]:
            with _reading_in_bulk(stacking) as read:
                super(Executor, self).Do(inputs, outputs, properties)
            [graph] = outputs[standard_component_specs.TRANSFORM_GRAPH_KEY]
            stacking.write(graph.uri)
            return read

        inputs = input_dict | {standard_component_specs.SCHEMA_KEY: [schema]}
        if output_dict.get(standard_component_specs.UPDATED_ANALYZER_CACHE_KEY):
            analyse_spans(transform, inputs, output_dict, scratch=scratch)
        else:
            transform(inputs, output_dict)


def _prepare(
    input_dict: Artifacts, exec_properties: dict[str, Any], scratch: str
) -> tuple[Stacking, Artifact, dict[str, Any]]:
    """Returns the stacking, a Schema artifact of stacked columns, and properties that name them."""
    [artifact] = input_dict[standard_component_specs.SCHEMA_KEY]
    schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(artifact.uri))
    key = standard_component_specs.CUSTOM_CONFIG_KEY
    config = json_utils.loads(exec_properties[key])
    table = features_from_json(config["features"])
    stacks = stack_columns(schema, table, config["label"])
    others = {config["label"], *of_kind(table, Signal)}
    stacked = standard_artifacts.Schema()
    stacked.uri = f"{scratch}/stacked_schema"
    io_utils.write_pbtxt_file(f"{stacked.uri}/schema.pbtxt", stacked_schema(schema, stacks, others))
    config |= {"stacks": stacks_to_json(stacks)}
    return Stacking(schema, stacks), stacked, exec_properties | {key: json_utils.dumps(config)}


@contextmanager
def _reading_in_bulk(stacking: Stacking) -> Iterator[list[str]]:
    """Yields the list that gets the file patterns that are read while the context is open."""
    read: list[str] = []

    def create_source(file_pattern: str, schema: Any) -> BulkExampleRecord:
        return BulkExampleRecord(
            on_read=lambda: read.append(file_pattern),
            examples_schema=stacking.schema,
            stacks=stacking.stacks,
            file_pattern=file_pattern,
            schema=schema,
            telemetry_descriptors=["Transform"],
        )

    with transform_reading_by(create_source):
        yield read

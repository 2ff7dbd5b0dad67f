"""The executor of ExampleValidator: TFDV's validation, drift comparators included."""

from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.components.example_validator import executor as tfx_executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import io_utils, writer_utils

from common.example_files import split_folder
from pipeline.components.example_validator.properties import (
    DATA_SPAN_KEY,
    DRIFT_KEY,
    STATISTICS_ID_KEY,
)

EARLIER_STATISTICS_KEY, EARLIER_REPORT_KEY = "earlier_statistics", "earlier_report"
HAS_SPANS_KEY = "has_spans"
# The other splits come from the same rows and are so small that their distances are mostly noise.
_COMPARED_SPLIT = "train"


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]
    """Validates the statistics of every split."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `Split-NAME/SchemaDiff.pb` for every split.

        Args:
            input_dict: `statistics`, `schema`; and `earlier_statistics` with the `earlier_report`
                that accepted them, which both may be empty.
            output_dict: `anomalies`.
            exec_properties: `has_spans`, 0 or 1.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        statistics = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.STATISTICS_KEY]
        )
        anomalies = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.ANOMALIES_KEY]
        )
        earlier = _first(input_dict, EARLIER_STATISTICS_KEY)
        report = _first(input_dict, EARLIER_REPORT_KEY)
        has_spans = bool(exec_properties[HAS_SPANS_KEY])
        schema = _read_schema(input_dict[standard_component_specs.SCHEMA_KEY])
        anomalies.split_names = statistics.split_names
        anomalies.span = statistics.span
        clean = _validate_splits(statistics, earlier, schema, anomalies.uri)
        anomalies.set_json_value_custom_property(
            tfx_executor.ARTIFACT_PROPERTY_BLESSED_KEY,
            {split: int(is_clean) for split, is_clean in clean.items()},
        )
        if has_spans:
            anomalies.set_int_custom_property(STATISTICS_ID_KEY, statistics.id)
        earlier_span = None if report is None else report.get_int_custom_property(DATA_SPAN_KEY)
        anomalies.set_string_custom_property(
            DRIFT_KEY, describe_comparison(schema, has_spans=has_spans, earlier_span=earlier_span)
        )


def _first(input_dict: dict[str, list[Artifact]], key: str) -> Artifact | None:
    return next(iter(input_dict.get(key, [])), None)


def _validate_splits(
    statistics: Artifact, earlier: Artifact | None, schema: schema_pb2.Schema, uri: str
) -> dict[str, bool]:
    """Writes the anomalies of every split; returns whether it has none."""
    clean = {}
    for split in artifact_utils.decode_split_names(statistics.split_names):
        compared = earlier if split == _COMPARED_SPLIT else None
        differences = tfdv.validate_statistics(
            _read_statistics(statistics, split),
            schema,
            previous_statistics=_read_statistics(compared, split) if compared else None,
        )
        file = f"{split_folder(uri, split)}/{tfx_executor.DEFAULT_FILE_NAME}"
        writer_utils.write_anomalies(file, differences)
        clean[split] = not differences.anomaly_info and not differences.HasField(
            "dataset_anomaly_info"
        )
    return clean


def describe_comparison(
    schema: schema_pb2.Schema, *, has_spans: bool, earlier_span: int | None
) -> str:
    """Describes which span the data were compared with, or why there was no comparison.

    Args:
        schema: The schema, with or without drift comparators.
        has_spans: Whether the data come in spans.
        earlier_span: The span that they were compared with, if there is one.
    """
    if not has_spans:
        return "drift not checked: the data have no spans"
    if not _has_comparators(schema):
        return "drift not checked: the schema has no drift comparators"
    if earlier_span is None:
        return "drift not checked: no earlier span was accepted"
    return f"drift checked against span {earlier_span}"


def _has_comparators(schema: schema_pb2.Schema) -> bool:
    return any(
        feature.HasField("drift_comparator") for feature in schema.feature
    ) or schema.dataset_constraints.HasField("num_examples_drift_comparator")


def _read_schema(artifacts: list[Artifact]) -> schema_pb2.Schema:
    uri = artifact_utils.get_single_uri(artifacts)
    schema: schema_pb2.Schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(uri))
    return schema


def _read_statistics(
    statistics: Artifact, split: str
) -> statistics_pb2.DatasetFeatureStatisticsList:
    read: statistics_pb2.DatasetFeatureStatisticsList = stats_artifact_utils.load_statistics(
        statistics, split
    ).proto()
    return read

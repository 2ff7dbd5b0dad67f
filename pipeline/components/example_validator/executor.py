"""The executor of ExampleValidator: TFDV's validation, and drift from earlier data."""

from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.components.example_validator import executor as tfx_executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import io_utils, writer_utils

from common.example_files import UNLABELLED, split_folder
from models.features import raw_feature_names
from pipeline.components.example_validator.drift import (
    DRIFT_FILE,
    DriftOptions,
    DriftReport,
    compare_profiles,
)
from pipeline.components.example_validator.properties import (
    DATA_SPAN_KEY,
    DRIFT_KEY,
    HAS_SPANS_KEY,
    STATISTICS_ID_KEY,
)
from pipeline.components.statistics_gen.profiles import PROFILE_FILE, DataProfile
from pipeline.counting import count

EARLIER_STATISTICS_KEY, EARLIER_REPORT_KEY = "earlier_statistics", "earlier_report"
DRIFT_OPTIONS_KEY = "drift_options"
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
        """Writes `Split-NAME/SchemaDiff.pb` for every split, and `Split-train/drift.json`.

        `Split-unlabelled/drift.json` compares the rows without a label, where there are any.

        Args:
            input_dict: `statistics`, `schema`; and `earlier_statistics` with the `earlier_report`
                that accepted them, which both may be empty.
            output_dict: `anomalies`.
            exec_properties: `drift_options`, JSON of `DriftOptions`.
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
        schema = _read_schema(input_dict[standard_component_specs.SCHEMA_KEY])
        anomalies.split_names = statistics.split_names
        anomalies.span = statistics.span
        clean = _validate_splits(statistics, earlier, schema, anomalies.uri)
        options = DriftOptions.from_json(exec_properties[DRIFT_OPTIONS_KEY])
        has_spans = options.has_spans
        drift = _compare_profiles(statistics, earlier, schema, options)
        folder = split_folder(anomalies.uri, _COMPARED_SPLIT)
        io_utils.write_string_file(f"{folder}/{DRIFT_FILE}", (drift or DriftReport()).to_json())
        clean[_COMPARED_SPLIT] &= not any(one.alarm for one in (drift or DriftReport()).comparisons)
        anomalies.set_json_value_custom_property(
            tfx_executor.ARTIFACT_PROPERTY_BLESSED_KEY,
            {split: int(is_clean) for split, is_clean in clean.items()},
        )
        anomalies.set_int_custom_property(STATISTICS_ID_KEY, statistics.id)
        anomalies.set_int_custom_property(HAS_SPANS_KEY, int(has_spans))
        if earlier is not None and report is not None:
            text = describe_comparison(
                schema, options, drift, against=_describe_earlier(report, has_spans=has_spans)
            )
        else:
            text = describe_no_comparison(has_spans=has_spans, is_accepted=report is not None)
        text += _compare_unlabelled(statistics, options, anomalies.uri)
        anomalies.set_string_custom_property(DRIFT_KEY, text)


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


def _compare_profiles(
    statistics: Artifact,
    earlier: Artifact | None,
    schema: schema_pb2.Schema,
    options: DriftOptions,
) -> DriftReport | None:
    """Compares train with that of earlier data; None without earlier data."""
    if earlier is None:
        return None
    now, then = (_read_profile(artifact) for artifact in (statistics, earlier))
    if now is None or then is None:
        return None
    return compare_profiles(now, then, options, skip=sorted(_with_comparator(schema)))


def _compare_unlabelled(statistics: Artifact, options: DriftOptions, uri: str) -> str:
    """Writes how far the rows without a label are from train; returns a part of a sentence."""
    train, unlabelled = (
        _read_profile(statistics, split) for split in (_COMPARED_SPLIT, UNLABELLED)
    )
    if train is None or unlabelled is None:
        return ""
    drift = compare_profiles(unlabelled, train, options, words=("in train", "without a label"))
    io_utils.write_string_file(f"{split_folder(uri, UNLABELLED)}/{DRIFT_FILE}", drift.to_json())
    return f"; {count(drift.num_rows, 'row')} without a label compared with train"


def _read_profile(statistics: Artifact, split: str = _COMPARED_SPLIT) -> DataProfile | None:
    """Returns the profile of a split, or None for statistics without one."""
    path = f"{split_folder(statistics.uri, split)}/{PROFILE_FILE}"
    return DataProfile.from_json(io_utils.read_string_file(path)) if fileio.exists(path) else None


def _describe_earlier(report: Artifact, *, has_spans: bool) -> str:
    span = report.get_int_custom_property(DATA_SPAN_KEY)
    return f"span {span}" if has_spans else "the data accepted before"


def describe_no_comparison(*, has_spans: bool, is_accepted: bool) -> str:
    """Describes why the data were compared with nothing.

    Args:
        has_spans: Whether the data come in spans.
        is_accepted: Whether these data were accepted before, with their drift.
    """
    if is_accepted:
        return "drift not checked: these data were accepted with their drift"
    earlier = "span was" if has_spans else "data were"
    return f"drift not checked: no earlier {earlier} accepted"


def describe_comparison(
    schema: schema_pb2.Schema,
    options: DriftOptions,
    drift: DriftReport | None,
    *,
    against: str,
) -> str:
    """Describes how many features were compared, and with what.

    Args:
        schema: The schema, with or without drift comparators.
        options: What was to be compared.
        drift: The comparisons by profile; None if a profile is missing.
        against: The earlier data.
    """
    features = raw_feature_names(options.features)
    columns = _with_comparator(schema) | (drift.columns if drift else set())
    label = " and the label" if drift and drift.has_label else ""
    num_compared = len(columns.intersection(features))
    return f"drift checked on {num_compared} of {len(features)} columns{label} against {against}"


def _with_comparator(schema: schema_pb2.Schema) -> set[str]:
    return {feature.name for feature in schema.feature if feature.HasField("drift_comparator")}


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

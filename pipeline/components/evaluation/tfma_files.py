"""Results in the files that `tfma.load_eval_result` reads."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_model_analysis import constants, version
from tensorflow_model_analysis.metrics.metric_types import MetricKey
from tensorflow_model_analysis.proto import (
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.writers import eval_config_writer
from tensorflow_model_analysis.writers.metrics_plots_and_validations_writer import (
    convert_slice_metrics_to_proto,
)

from pipeline.components.evaluation.eval_config import DECISION, PROBABILITY
from pipeline.components.evaluation.scores import (
    ScoreTable,
    decision_metrics,
    probability_metrics,
)
from pipeline.components.evaluation.slices import SliceKey

# Bars of the calibration plot.
_CALIBRATION_BUCKETS = 20

Tables = Mapping[str, ScoreTable]


def write_metrics(folder: str, results: Mapping[SliceKey, Tables]) -> None:
    """Writes the metrics and calibration plots.

    Args:
        folder: The folder of the ModelEvaluation artifact.
        results: Slice to model name to what the model answered there.
    """
    keys = sorted(results, key=str)
    _write_records(folder, constants.METRICS_KEY, [_metrics(key, results[key]) for key in keys])
    _write_records(folder, constants.PLOTS_KEY, [_plots(key, results[key]) for key in keys])
    # No thresholds: the verdict is the ModelGate's.
    unjudged = validation_result_pb2.ValidationResult(missing_thresholds=True)
    _write_records(folder, constants.VALIDATIONS_KEY, [unjudged])


def write_config(
    folder: str,
    config: config_pb2.EvalConfig,
    *,
    examples: str,
    models: Mapping[str, str],
) -> None:
    """Writes what was evaluated.

    Args:
        folder: The folder of the ModelEvaluation artifact.
        config: What was measured.
        examples: Where the examples are.
        models: Model name to the SavedModel's folder.
    """
    run = config_pb2.EvalRun(
        eval_config=config,
        version=version.VERSION,
        data_location=examples,
        file_format="tfrecords_gzip",
        model_locations=models,
    )
    name = f"{eval_config_writer.EVAL_CONFIG_FILE}.{eval_config_writer.EVAL_CONFIG_FILE_FORMAT}"
    with tf.io.gfile.GFile(_path(folder, name), "w") as file:
        file.write(json_format.MessageToJson(run))


def _metrics(key: SliceKey, tables: Tables) -> metrics_for_slice_pb2.MetricsForSlice:
    values = {
        MetricKey(name=name, model_name=model, output_name=output): value
        for model, table in tables.items()
        for output, metrics in (
            (PROBABILITY, probability_metrics(table)),
            (DECISION, decision_metrics(table)),
        )
        for name, value in metrics.items()
    }
    return convert_slice_metrics_to_proto((key, values), None)


def _plots(key: SliceKey, tables: Tables) -> metrics_for_slice_pb2.PlotsForSlice:
    plots = metrics_for_slice_pb2.PlotsForSlice(slice_key=slicer_lib.serialize_slice_key(key))
    for model, table in tables.items():
        plot = plots.plot_keys_and_values.add()
        plot.key.model_name = model
        plot.key.output_name = PROBABILITY
        plot.value.calibration_histogram_buckets.CopyFrom(_calibration(table))
    return plots


def _calibration(table: ScoreTable) -> metrics_for_slice_pb2.CalibrationHistogramBuckets:
    """Examples, sum of labels and sum of predictions in buckets of equal width over [0, 1]."""
    histogram = metrics_for_slice_pb2.CalibrationHistogramBuckets()
    finite = np.isfinite(table.scores)
    scores, positives = table.scores[finite], table.positives[finite]
    counts = positives + table.negatives[finite]
    places = np.clip((scores * _CALIBRATION_BUCKETS).astype(int), 0, _CALIBRATION_BUCKETS - 1)
    sums = [
        np.bincount(places, weights=weights, minlength=_CALIBRATION_BUCKETS)
        for weights in (counts, positives, counts * scores)
    ]
    for bucket in range(_CALIBRATION_BUCKETS):
        added = histogram.buckets.add()
        added.lower_threshold_inclusive = bucket / _CALIBRATION_BUCKETS
        added.upper_threshold_exclusive = (bucket + 1) / _CALIBRATION_BUCKETS
        added.num_weighted_examples.value = sums[0][bucket]
        added.total_weighted_label.value = sums[1][bucket]
        added.total_weighted_refined_prediction.value = sums[2][bucket]
    return histogram


def _write_records(folder: str, name: str, messages: list[Message]) -> None:
    tf.io.gfile.makedirs(folder)
    with tf.io.TFRecordWriter(_path(folder, f"{name}-00000-of-00001.tfrecord")) as writer:
        for message in messages:
            writer.write(message.SerializeToString(deterministic=True))


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}"

"""Writer of the files that `tfma.load_eval_result` reads."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import Message
from numpy.typing import NDArray
from tensorflow_model_analysis import constants, version
from tensorflow_model_analysis.proto import (
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)

from common.internals.tfma import (
    EVAL_CONFIG_NAME,
    MetricKey,
    convert_slice_metrics_to_proto,
    serialize_slice_key,
)
from measuring.answers import Answers
from pipeline.components.evaluation.eval_config import CANDIDATE, PROBABILITY
from pipeline.components.evaluation.measurement import (
    FROM_ANCHOR,
    Estimate,
    Measured,
    MeasureOptions,
    measure,
)
from pipeline.components.evaluation.slices import SliceKey

# Bins of the calibration plot.
_CALIBRATION_BUCKETS = 20


def write_metrics(
    folder: str, results: Mapping[SliceKey, Answers], options: MeasureOptions
) -> None:
    """Writes the metrics, their intervals, the differences of models, and calibration plots.

    Args:
        folder: The folder of the ModelEvaluation artifact.
        results: Slice to the models' answers in it.
        options: Confidence of intervals and prices of decisions.
    """
    keys = sorted(results, key=str)
    measured = [_metrics(key, measure(results[key], options)) for key in keys]
    _write_records(folder, constants.METRICS_KEY, measured)
    _write_records(folder, constants.PLOTS_KEY, [_plots(key, results[key]) for key in keys])
    # No thresholds: ModelGate gives the verdict.
    unjudged = validation_result_pb2.ValidationResult(missing_thresholds=True)
    _write_records(folder, constants.VALIDATIONS_KEY, [unjudged])


def write_config(
    folder: str,
    config: config_pb2.EvalConfig,
    *,
    examples: str,
    models: Mapping[str, str],
) -> None:
    """Writes the configuration of the evaluation.

    Args:
        folder: The folder of the ModelEvaluation artifact.
        config: The configuration.
        examples: Folder of the examples.
        models: Model name to the SavedModel's folder.
    """
    run = config_pb2.EvalRun(
        eval_config=config,
        version=version.VERSION,
        data_location=examples,
        file_format="tfrecords_gzip",
        model_locations=models,
    )
    with tf.io.gfile.GFile(_path(folder, EVAL_CONFIG_NAME), "w") as file:
        file.write(json_format.MessageToJson(run))


def _metrics(key: SliceKey, measured: Measured) -> metrics_for_slice_pb2.MetricsForSlice:
    estimates = {
        MetricKey(name=name, model_name=model, output_name=output): estimate
        for model, outputs in measured.models.items()
        for output, metrics in outputs.items()
        for name, estimate in metrics.items()
    } | {
        # TFMA's own form of a change: the candidate's metric, marked as a difference.
        MetricKey(name=name, model_name=CANDIDATE, output_name=output, is_diff=True): estimate
        for output, metrics in measured.differences.items()
        for name, estimate in metrics.items()
    }
    # TFMA has one baseline: changes from the anchor are metrics of the candidate.
    estimates |= {
        MetricKey(name=f"{name}{FROM_ANCHOR}", model_name=CANDIDATE, output_name=output): estimate
        for output, metrics in measured.from_anchor.items()
        for name, estimate in metrics.items()
    }
    values = {metric: estimate.value for metric, estimate in estimates.items()}
    slice_metrics = convert_slice_metrics_to_proto((key, values), None)
    by_key = {metric.to_proto().SerializeToString(): metric for metric in estimates}
    for pair in slice_metrics.metric_keys_and_values:
        _add_interval(pair, estimates[by_key[pair.key.SerializeToString()]])
    return slice_metrics


def _add_interval(
    pair: metrics_for_slice_pb2.MetricsForSlice.MetricKeyAndValue, estimate: Estimate
) -> None:
    if estimate.interval is not None:
        limits = pair.confidence_interval
        limits.lower_bound.double_value.value, limits.upper_bound.double_value.value = (
            estimate.interval
        )


def _plots(key: SliceKey, answers: Answers) -> metrics_for_slice_pb2.PlotsForSlice:
    plots = metrics_for_slice_pb2.PlotsForSlice(slice_key=serialize_slice_key(key))
    for model in answers.models:
        plot = plots.plot_keys_and_values.add()
        plot.key.model_name = model
        plot.key.output_name = PROBABILITY
        plot.value.calibration_histogram_buckets.CopyFrom(
            _calibration(answers.labels, answers.of(model)[0])
        )
    return plots


def _calibration(
    labels: NDArray[np.int8], probabilities: NDArray[np.float64]
) -> metrics_for_slice_pb2.CalibrationHistogramBuckets:
    """Examples, sum of labels and sum of predictions in buckets of equal width over [0, 1]."""
    histogram = metrics_for_slice_pb2.CalibrationHistogramBuckets()
    finite = np.isfinite(probabilities)
    probabilities, positives = probabilities[finite], labels[finite] == 1
    places = np.clip(
        (probabilities * _CALIBRATION_BUCKETS).astype(int), 0, _CALIBRATION_BUCKETS - 1
    )
    sums = [
        np.bincount(places, weights=weights, minlength=_CALIBRATION_BUCKETS)
        for weights in (np.ones(len(places)), positives, probabilities)
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

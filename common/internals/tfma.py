"""Names of TensorFlow Model Analysis that its package does not export: its files, its keys."""

from tensorflow_model_analysis.metrics.metric_types import MetricKey
from tensorflow_model_analysis.slicer.slicer_lib import serialize_slice_key
from tensorflow_model_analysis.writers.eval_config_writer import (
    EVAL_CONFIG_FILE,
    EVAL_CONFIG_FILE_FORMAT,
)
from tensorflow_model_analysis.writers.metrics_plots_and_validations_writer import (
    convert_slice_metrics_to_proto,
)

__all__ = [
    "EVAL_CONFIG_NAME",
    "MetricKey",
    "convert_slice_metrics_to_proto",
    "serialize_slice_key",
]

VERSION = "0.52"
NAMES = (
    "tensorflow_model_analysis.metrics.metric_types:MetricKey.to_proto",
    "tensorflow_model_analysis.slicer.slicer_lib:serialize_slice_key",
    "tensorflow_model_analysis.writers.eval_config_writer:EVAL_CONFIG_FILE",
    "tensorflow_model_analysis.writers.eval_config_writer:EVAL_CONFIG_FILE_FORMAT",
    "tensorflow_model_analysis.writers.metrics_plots_and_validations_writer:"
    "convert_slice_metrics_to_proto",
)

EVAL_CONFIG_NAME = f"{EVAL_CONFIG_FILE}.{EVAL_CONFIG_FILE_FORMAT}"

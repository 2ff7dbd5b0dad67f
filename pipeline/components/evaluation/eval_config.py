"""TFMA's configuration: probabilities, decisions at the model's own threshold, slices."""

import json

from tensorflow_model_analysis.proto import config_pb2

from pipeline.config import Config
from pipeline.slicing import Slice

CANDIDATE, BASELINE, ANCHOR = "candidate", "baseline", "anchor"
SIGNATURE = "serve_examples"
PROBABILITY, DECISION = "probability", "decision"

# TFMA's metrics, with the names that the results carry. The stock Evaluator runs this configuration
# as it is; of the two areas, ours writes the exact ones under these names (see `scores`).
_PROBABILITY_METRICS = {
    "pr_auc": "AUCPrecisionRecall",
    "roc_auc": "AUC",
    "brier": "MeanSquaredError",
    "mean_prediction": "MeanPrediction",
    "prevalence": "MeanLabel",
    "calibration": "Calibration",
    "num_examples": "ExampleCount",
}
_DECISION_METRICS = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1Score",
    "true_positives": "TruePositives",
    "false_positives": "FalsePositives",
    "false_negatives": "FalseNegatives",
    "true_negatives": "TrueNegatives",
}
METRICS = (*_PROBABILITY_METRICS, *_DECISION_METRICS)


def make_eval_config(config: Config) -> config_pb2.EvalConfig:
    """Returns TFMA's configuration of a use case.

    It names both models; TFX drops the baseline if there is none. It has no thresholds, because
    ModelGate gives the verdict.
    """
    labels = {PROBABILITY: config.label.column, DECISION: config.label.column}
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=CANDIDATE, signature_name=SIGNATURE, label_keys=labels),
            config_pb2.ModelSpec(
                name=BASELINE, signature_name=SIGNATURE, label_keys=labels, is_baseline=True
            ),
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(_slicing_spec(parts) for parts in dict.fromkeys(config.slices.values())),
        ],
        metrics_specs=[_probability_specs(), _decision_specs()],
    )


def _slicing_spec(parts: Slice) -> config_pb2.SlicingSpec:
    """A slice in TFMA's terms, in which ranges and troubles are columns too."""
    return config_pb2.SlicingSpec(
        feature_keys=[part.key_name for part in parts if part.key_value is None],
        feature_values={p.key_name: p.key_value for p in parts if p.key_value is not None},
    )


def _probability_specs() -> config_pb2.MetricsSpec:
    metrics = [
        config_pb2.MetricConfig(class_name=class_name, config=json.dumps({"name": name}))
        for name, class_name in _PROBABILITY_METRICS.items()
    ]
    plot = config_pb2.MetricConfig(class_name="CalibrationPlot")
    return config_pb2.MetricsSpec(output_names=[PROBABILITY], metrics=[*metrics, plot])


def _decision_specs() -> config_pb2.MetricsSpec:
    """Metrics of the decision, 0 or 1: any threshold in between is the model's own."""
    return config_pb2.MetricsSpec(
        output_names=[DECISION],
        metrics=[
            config_pb2.MetricConfig(
                class_name=class_name, config=json.dumps({"name": name, "thresholds": [0.5]})
            )
            for name, class_name in _DECISION_METRICS.items()
        ],
    )

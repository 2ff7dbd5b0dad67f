"""What TFMA measures: probabilities, the decision at the model's own threshold, slices."""

import json

from tensorflow_model_analysis.proto import config_pb2

from pipeline.config import Config

CANDIDATE, BASELINE = "candidate", "baseline"
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

    It names both models; TFX drops the baseline where there is none. It has no thresholds: the
    verdict is the ModelGate's.
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
            *(config_pb2.SlicingSpec(feature_keys=list(keys)) for keys in _slices(config)),
        ],
        metrics_specs=[_probability_specs(), _decision_specs()],
    )


def _slices(config: Config) -> list[tuple[str, ...]]:
    """What is to be reported, and what the gate asks something of; each once."""
    watched = (part.columns for part in config.gate.slices)
    return list(dict.fromkeys([*config.evaluation.slices, *watched]))


def _probability_specs() -> config_pb2.MetricsSpec:
    metrics = [
        config_pb2.MetricConfig(class_name=class_name, config=json.dumps({"name": name}))
        for name, class_name in _PROBABILITY_METRICS.items()
    ]
    plot = config_pb2.MetricConfig(class_name="CalibrationPlot")
    return config_pb2.MetricsSpec(output_names=[PROBABILITY], metrics=[*metrics, plot])


def _decision_specs() -> config_pb2.MetricsSpec:
    """The decision is 0 or 1: any threshold between is the model's own."""
    return config_pb2.MetricsSpec(
        output_names=[DECISION],
        metrics=[
            config_pb2.MetricConfig(
                class_name=class_name, config=json.dumps({"name": name, "thresholds": [0.5]})
            )
            for name, class_name in _DECISION_METRICS.items()
        ],
    )

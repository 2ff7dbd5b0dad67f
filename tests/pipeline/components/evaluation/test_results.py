import math

import pytest

from common.errors import InputError
from models.features import Numeric
from pipeline.components.evaluation.eval_config import make_eval_config
from pipeline.components.evaluation.results import Evaluation, _flat, _text, check_slices
from pipeline.config import Config, Data, Label
from pipeline.config import Evaluation as EvaluationOptions
from pipeline.slicing import make_slice


def _config() -> Config:
    return Config(
        name="pumps",
        label=Label(column="failed"),
        data=Data(path="a.csv"),
        features={"x": Numeric()},
        evaluation=EvaluationOptions(slices=(("site",), ("site", "shift"))),
    )


def test_the_whole_split_and_every_slice_are_asked_for():
    specs = make_eval_config(_config()).slicing_specs
    assert [list(spec.feature_keys) for spec in specs] == [[], ["site"], ["shift", "site"]]


def test_both_outputs_are_measured_against_the_label_of_the_use_case():
    config = make_eval_config(_config())
    assert [spec.name for spec in config.model_specs] == ["candidate", "baseline"]
    for spec in config.model_specs:
        assert dict(spec.label_keys) == {"probability": "failed", "decision": "failed"}
        assert spec.signature_name == "serve_examples"


def test_no_threshold_is_left_to_tfma():
    # A threshold here would make TFMA bless or refuse by itself, past the ModelGate.
    for spec in make_eval_config(_config()).metrics_specs:
        assert not any(metric.HasField("threshold") for metric in spec.metrics)


def test_metrics_of_both_outputs_are_one_table_without_plots_and_odds():
    bounded = {"value": 0.75, "upperBound": 0.9}  # a limit of 0 is left out
    outputs = {
        "probability": {"": {"pr_auc": {"boundedValue": bounded}, "loss": {"other": 1}}},
        "decision": {"": {"precision": {"doubleValue": "NaN"}, "recall": {}}},
    }
    values, intervals = _flat(outputs)
    assert values["pr_auc"] == 0.75
    assert intervals == {"pr_auc": (0.0, 0.9)}
    assert math.isnan(values["precision"])
    assert math.isnan(values["recall"])
    assert set(values) == {"pr_auc", "precision", "recall"}


def test_a_slice_that_was_asked_for_and_not_measured_is_named():
    measured = Evaluation(overall={}, slices={(("site", "A"),): {}})
    check_slices(measured, [make_slice(["site"])])
    with pytest.raises(InputError, match=r"gate\.slices asks for \[\['sit'\]\]"):
        check_slices(measured, [make_slice(["site"]), make_slice(["sit"])])


def test_the_order_of_columns_in_a_slice_does_not_matter():
    measured = Evaluation(overall={}, slices={(("shift", "1"), ("site", "A")): {}})
    check_slices(measured, [make_slice(["site", "shift"])])


def test_a_number_in_a_slices_key_is_the_shortest_that_means_it():
    # TFMA keeps 0.3 as the float32 0.30000001192092896.
    assert [_text(value) for value in (0.30000001192092896, 2.0, 7, "0.30")] == [
        "0.3",
        "2.0",
        "7",
        "0.30",
    ]

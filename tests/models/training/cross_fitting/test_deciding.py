import dataclasses

import numpy as np
import pytest

from common.errors import InputError
from measuring.events.timeline import Timeline
from models.features import Numeric
from models.model_spec import FoldRule, ModelSpec
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions
from models.training.cross_fitting.deciding import Held, decide, fit_rule, predictions_table
from models.training.cross_fitting.fitting import OutOfFold
from models.training.data import Dataset

SPEC = ModelSpec(label="y", features={"x": Numeric()}, train=TrainOptions(), cross_fit=4)


def _held(seed: int = 3, *, num: int = 400) -> Held:
    rng = np.random.default_rng(seed)
    labels = (np.arange(num) % 10 == 0).astype(np.float64)
    return Held(
        places=np.arange(num),
        logits=rng.normal(size=num) + 2 * labels - 2,
        labels=labels,
        folds=rng.permutation(num) % 4,
        groups=None,
    )


def test_the_labels_of_a_fold_do_not_change_its_own_probabilities_and_decisions():
    held = _held()
    labels = held.labels.copy()
    own = held.folds == 2
    labels[own] = np.roll(labels[own], 7)
    other = dataclasses.replace(held, labels=labels)
    first, second = (decide(one, SPEC, fit_rule(one, SPEC)) for one in (held, other))
    assert first[0][own].tolist() == second[0][own].tolist()
    assert first[1][own].tolist() == second[1][own].tolist()
    assert first[0][~own].tolist() != second[0][~own].tolist()


def test_the_exported_rule_is_fitted_on_all_folds():
    held = _held()
    rule = fit_rule(held, SPEC)
    # The intercept of Platt scaling gives the probabilities the mean of the labels, here 1/10.
    assert rule.calibration.probabilities(held.logits).mean() == pytest.approx(0.1)


def test_where_the_other_folds_are_too_few_for_the_promise_the_rule_of_all_decides():
    # 5 % false alarms at 90 %: 45 healthy examples are needed; 54 are there, without a fold 40.
    threshold = ThresholdRule(kind="recall_at_false_alarm_rate", value=0.05)
    spec = dataclasses.replace(SPEC, threshold=threshold)
    held = _held(num=60)
    with pytest.raises(InputError, match="at least 45 healthy"):
        fit_rule(held.rows(held.folds != 0), spec)
    rule = fit_rule(held, spec)
    probabilities, decisions = decide(held, spec, rule)
    assert probabilities == pytest.approx(rule.calibration.probabilities(held.logits))
    assert decisions.tolist() == (probabilities >= rule.threshold).astype(int).tolist()


def test_only_predicted_examples_count_and_groups_are_those_of_the_folds():
    examples = Dataset(
        inputs={}, labels=np.array([0, 1, 0, 1], np.float32), keys=np.array([70, 90, 90, 80])
    )
    logits = np.array([np.nan, 0.5, -0.5, 1.0])
    predictions = OutOfFold(logits=logits, folds=np.array([-1, 0, 0, 1]))
    grouped = dataclasses.replace(SPEC, folds=FoldRule(strategy="group", column="g"))
    held = Held.of(predictions, examples, grouped)
    assert held.places.tolist() == [1, 2, 3]
    assert held.logits.tolist() == [0.5, -0.5, 1.0]
    assert held.groups is not None
    assert held.groups.tolist() == [1, 1, 0]
    assert Held.of(predictions, examples, SPEC).groups is None


def test_windows_out_of_fold_keep_their_places_in_time():
    examples = Dataset(inputs={}, labels=np.array([0, 1, 0], np.float32))
    predictions = OutOfFold(logits=np.zeros(3), folds=np.array([-1, 0, 1]))
    starts_s = np.array([0.0, 10.0, 20.0])
    timeline = Timeline(
        streams=np.zeros(3, np.uint64),
        starts_s=starts_s,
        ends_s=starts_s + 10,
        events=np.array(["", "e1@12.0", ""], object),
    )
    held = Held.of(predictions, examples, SPEC, timeline)
    assert held.timeline is not None
    assert held.timeline.starts_s.tolist() == [10.0, 20.0]
    others = held.rows(held.folds != 0)
    assert others.timeline is not None
    assert others.timeline.starts_s.tolist() == [20.0]


def test_the_table_names_split_and_row_of_each_example():
    held = dataclasses.replace(_held(num=40).rows(np.arange(40) < 3), places=np.array([1, 4, 6]))
    table = predictions_table(held, np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]), num_train=4)
    assert table.to_pydict() == {
        "split": ["train", "eval", "eval"],
        "row": [1, 0, 2],
        "label": [1, 0, 0],
        "probability": [0.1, 0.2, 0.3],
        "decision": [0, 0, 1],
        "fold": held.folds.tolist(),
    }

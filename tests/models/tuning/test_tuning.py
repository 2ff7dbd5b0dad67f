"""The search with a judge that trains nothing, and with the Trainer's own network."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from models.probabilities.cost import Cost, expected_cost
from models.search_space import Dimension, Tuning
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions
from models.training.trainer import run_fn
from models.tuning.tuning import OptionsTuner, tuner_fn
from tests.models.tiny_transform import ROWS, SPEC, write_examples

pytestmark = [
    # TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # KerasTuner names its thread in the old way.
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
]

OPTIONS = TrainOptions(epochs=9)
SPACE = {
    "learning_rate": Dimension(min=1e-4, max=1e-1, scale="log"),
    "dropout": Dimension(min=0, max=0.5),
    "batch_size": Dimension(min=16, max=64),
    "hidden_units": Dimension(choices=([8], [16, 8])),
}


class Judge:
    """Best at a learning rate of 0.01; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[TrainOptions] = []

    def __call__(self, options: TrainOptions) -> float:
        self.asked.append(options)
        return -abs(math.log10(options.learning_rate) + 2)


def _search(folder, strategy="random", *, trials=6, seed=0, space=SPACE):
    judge = Judge()
    tuning = Tuning(strategy=strategy, trials=trials, space=space)
    tuner = OptionsTuner(tuning, OPTIONS, judge, seed=seed, folder=folder)
    tuner.search()
    return judge, tuner


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_every_strategy_stays_in_the_space_and_keeps_the_best(strategy, tmp_path):
    judge, tuner = _search(tmp_path, strategy)
    assert len(judge.asked) == 6
    for options in judge.asked:
        assert 1e-4 <= options.learning_rate <= 1e-1
        assert 0 <= options.dropout <= 0.5
        assert options.batch_size in range(16, 65)
        assert options.hidden_units in {(8,), (16, 8)}
        assert options.class_weight == OPTIONS.class_weight
    best = max(judge.asked, key=lambda options: -abs(math.log10(options.learning_rate) + 2))
    assert tuner.get_best_hyperparameters()[0]["learning_rate"] == best.learning_rate


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_the_same_seed_tries_the_same_and_another_seed_does_not(strategy, tmp_path):
    # Seed 0 too: KerasTuner itself takes it for "any".
    first, second = (_search(tmp_path / name, strategy)[0].asked for name in ("a", "b"))
    assert first == second
    assert _search(tmp_path / "c", strategy, seed=1)[0].asked != first


def test_hyperband_trains_many_networks_shortly_and_few_for_all_epochs(tmp_path):
    judge, _ = _search(tmp_path, "hyperband", trials=100)
    epochs = [options.epochs for options in judge.asked]
    # 9 epochs at factor 3: brackets begin with 1, 3 and 9 epochs, and each ends with 9.
    assert sorted(set(epochs)) == [1, 3, 9]
    assert epochs.count(1) > epochs.count(9)


def test_a_space_that_is_used_up_ends_the_search(tmp_path):
    judge, _ = _search(tmp_path, space={"hidden_units": Dimension(choices=([8], [16, 8]))})
    assert sorted(options.hidden_units for options in judge.asked) == [(8,), (16, 8)]


@pytest.mark.parametrize("trials", [2, 20])
def test_a_judge_that_always_fails_ends_the_search_with_its_error(trials, tmp_path):
    def judge(options):
        raise ValueError("no such data")

    tuner = OptionsTuner(
        Tuning(space=SPACE, trials=trials), OPTIONS, judge, seed=0, folder=tmp_path
    )
    with pytest.raises(RuntimeError, match="no such data"):
        tuner.search()


def test_a_trial_that_fails_is_left_out(tmp_path):
    asked = []

    def judge(options):
        asked.append(options)
        if len(asked) == 2:
            raise ValueError("it diverged")
        return options.learning_rate

    tuner = OptionsTuner(Tuning(space=SPACE, trials=3), OPTIONS, judge, seed=0, folder=tmp_path)
    tuner.search()
    best = max(asked[0].learning_rate, asked[2].learning_rate)
    assert tuner.get_best_hyperparameters()[0]["learning_rate"] == best


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder / "rows.gz", 8)
    return str(folder / "*.gz")


def _fn_args(examples, transform_folder, folder, **more):
    spec = dataclasses.replace(SPEC, train=dataclasses.replace(SPEC.train, epochs=2))
    custom = {"model_spec": spec.to_json(), "tuning": more.pop("tuning", "")}
    return SimpleNamespace(
        custom_config=custom,
        transform_graph_path=str(transform_folder),
        train_files=[examples],
        eval_files=[examples],
        working_dir=str(folder / "work"),
        serving_model_dir=str(folder / "model"),
        model_run_dir=str(folder / "run"),
        base_model=None,
        **more,
    )


def test_by_cost_the_cheapest_trial_is_the_best_and_its_cost_is_what_the_trainers_model_costs(
    examples, transform_folder, tmp_path
):
    cost = Cost(missed_fault=50, false_alarm=1, inspection=1)
    tuning = Tuning(trials=3, space=SPACE, objective="expected_cost").to_json()
    args = _fn_args(examples, transform_folder, tmp_path, tuning=tuning)
    args.custom_config["cost"] = cost.to_json()
    result = tuner_fn(args)
    result.tuner.search()
    best, *others = result.tuner.oracle.get_best_trials(3)
    assert all(best.score <= other.score for other in others)
    found = best.hyperparameters.get_config()
    run_fn(_fn_args(examples, transform_folder, tmp_path, hyperparameters=found))
    probabilities = pq.read_table(tmp_path / "run" / "eval_predictions.parquet")["probability"]
    labels = np.tile([row["faulty"][0] for row in ROWS], 8)
    threshold = json.loads((tmp_path / "run" / "eval_metrics.json").read_text())["threshold"]
    measured = expected_cost(probabilities.to_numpy(), labels, threshold=threshold, cost=cost)
    assert measured == best.score


def test_a_threshold_that_eval_is_too_small_for_ends_the_search_before_a_trial(
    examples, transform_folder, tmp_path
):
    tuning = Tuning(trials=2, space=SPACE).to_json()
    args = _fn_args(examples, transform_folder, tmp_path, tuning=tuning)
    rule = ThresholdRule(kind="recall_at_false_alarm_rate", value=1e-6)
    spec = dataclasses.replace(SPEC, threshold=rule)
    args.custom_config["model_spec"] = spec.to_json()
    # ln 0.1 / ln(1 - 1e-6) = 2,302,584.
    with pytest.raises(InputError, match="at least 2,302,584 healthy examples in eval"):
        tuner_fn(args)


def test_the_trainer_repeats_the_best_trial_to_the_last_bit(examples, transform_folder, tmp_path):
    tuning = Tuning(trials=2, space=SPACE).to_json()
    result = tuner_fn(_fn_args(examples, transform_folder, tmp_path, tuning=tuning))
    result.tuner.search(**result.fit_kwargs)
    [trial] = result.tuner.oracle.get_best_trials()
    found = json.loads(json.dumps(trial.hyperparameters.get_config()))
    run_fn(_fn_args(examples, transform_folder, tmp_path, hyperparameters=found))
    metrics = json.loads((tmp_path / "run" / "eval_metrics.json").read_text())
    assert metrics["eval_pr_auc"] == trial.score

"""A forest gives XGBoost's own predictions, in NumPy and as TensorFlow core operations."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trees.forest import Forest
from tests.models.trees.boosters import KINDS, hard_rows, sum_of_leaves, thresholds, train

# Depth, rounds and further options: numeric splits, partitions of up to 300 categories, one-hot
# splits where a feature has fewer than `max_cat_to_onehot` categories, lopsided trees.
MODELS: list[tuple[int, int, dict[str, Any]]] = [
    (1, 1, {}),
    (1, 500, {}),
    (2, 30, {"max_cat_to_onehot": 1000}),
    (3, 100, {"learning_rate": 0.05, "base_score": 0.01}),
    (4, 100, {"subsample": 0.5, "max_cat_to_onehot": 7}),
    (5, 20, {"max_cat_threshold": 200, "min_child_weight": 0}),
    (6, 300, {"scale_pos_weight": 20}),
    (7, 10, {"max_bin": 4, "num_parallel_tree": 3}),
    (8, 200, {"min_child_weight": 0, "learning_rate": 0.05}),
    (8, 5, {"grow_policy": "lossguide", "max_leaves": 9}),
    (6, 3, {"gamma": 1e6}),  # no split is worth as much: every tree is a leaf
]
each_model = pytest.mark.parametrize(
    "number", range(len(MODELS)), ids=[f"depth_{depth}_rounds_{n}" for depth, n, _ in MODELS]
)


@cache
def booster_of(number: int) -> Any:
    depth, rounds, options = MODELS[number]
    return train(number, rounds=rounds, max_depth=depth, **options)


@cache
def forest_of(number: int) -> Forest:
    return Forest.from_booster(booster_of(number))


@pytest.fixture(scope="module", autouse=True)
def _free_boosters() -> Iterator[None]:
    """Frees the boosters: one that lives until the interpreter ends outlives XGBoost's library."""
    yield
    booster_of.cache_clear()
    forest_of.cache_clear()


def assert_leaves_of_xgboost(booster: Any, forest: Forest, seed: int, num_rows: int) -> None:
    rows = hard_rows(seed, num_rows, booster)
    rows = np.clip(rows, -3e38, 3e38)  # a DMatrix takes no infinity
    data = xgboost.DMatrix(rows, feature_types=KINDS, enable_categorical=True)
    leaves = sum_of_leaves(booster, booster.predict(data, pred_leaf=True))
    np.testing.assert_allclose(forest.margins(rows), forest.bias + leaves, rtol=1e-12, atol=1e-12)


@each_model
def test_rows_reach_the_leaves_that_xgboost_reaches(number: int):
    assert_leaves_of_xgboost(booster_of(number), forest_of(number), seed=7, num_rows=2_000)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    depth=st.integers(1, 8),
    rounds=st.integers(1, 20),
    onehot=st.sampled_from([1, 8, 1_000]),
    child_weight=st.sampled_from([0.0, 1.0]),
)
def test_rows_of_random_models_reach_the_leaves_that_xgboost_reaches(
    seed: int, depth: int, rounds: int, onehot: int, child_weight: float
):
    options = {"max_cat_to_onehot": onehot, "min_child_weight": child_weight}
    booster = train(seed, rounds=rounds, num_rows=200, max_depth=depth, **options)
    assert_leaves_of_xgboost(booster, Forest.from_booster(booster), seed, num_rows=200)


@each_model
def test_probabilities_are_those_of_xgboost_at_infinities_too(number: int):
    rows = hard_rows(8, 10_000, booster_of(number))
    assert np.isposinf(rows).any()
    assert np.isneginf(rows).any()
    probability = 1 / (1 + np.exp(-forest_of(number).margins(rows)))
    expected = booster_of(number).inplace_predict(rows)
    np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-6)


def test_value_at_a_threshold_goes_right():
    booster = train(1, rounds=1, max_depth=1)
    forest = Forest.from_booster(booster)
    (feature,) = forest.split_feature
    (threshold,) = thresholds(booster, feature)
    rows = np.zeros((3, len(KINDS)), np.float32)
    rows[:, feature] = [np.nextafter(threshold, np.float32(-np.inf)), threshold, threshold + 1]
    left, right = forest.leaves[0]
    np.testing.assert_allclose(forest.margins(rows) - forest.bias, [left, right, right])


def test_base_score_is_the_log_odds_of_a_probability():
    # log(0.01 / 0.99) = -4.5951
    booster = train(1, rounds=1, max_depth=1, base_score=0.01)
    assert Forest.from_booster(booster).bias == pytest.approx(-4.5951, abs=1e-4)


def test_another_objective_is_refused():
    booster = train(1, rounds=1, objective="reg:squarederror")
    with pytest.raises(ValueError, match=r"got `reg:squarederror` and `gbtree`"):
        Forest.from_booster(booster)


def test_dropout_of_trees_is_refused():
    with pytest.raises(ValueError, match=r"got `binary:logistic` and `dart`"):
        Forest.from_booster(train(1, rounds=1, booster="dart"))


def test_deeper_trees_are_refused():
    booster = train(1, rounds=1, num_rows=3_000, max_depth=9, min_child_weight=0)
    with pytest.raises(ValueError, match=r"A tree is deeper than 8. Lower `max_depth`."):
        Forest.from_booster(booster)


def test_another_number_of_features_is_refused():
    with pytest.raises(ValueError, match=r"must be float32 \[batch, 5\], got shape \(2, 4\)"):
        forest_of(0).margins(np.zeros((2, 4), np.float32))


@pytest.mark.tensorflow
@each_model
def test_graph_gives_the_margins_of_numpy(number: int):
    import tensorflow as tf

    forest = forest_of(number)
    spec = tf.TensorSpec([None, len(KINDS)], tf.float32)
    graph = tf.function(forest.in_graph, input_signature=[spec], autograph=False)
    for num_rows in [0, 1, 7, 8, 65, 10_000]:
        rows = hard_rows(9, num_rows, booster_of(number))
        margins = graph(rows).numpy()
        assert (margins.dtype, margins.shape) == (np.float64, (num_rows, 1))
        np.testing.assert_allclose(margins[:, 0], forest.margins(rows), rtol=1e-12, atol=1e-12)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel from `features` to `margin`, of model 6."""
    import tensorflow as tf

    folder: Path = tmp_path_factory.mktemp("forest")
    forest = forest_of(6)
    spec = tf.TensorSpec([None, len(KINDS)], tf.float32, "features")
    graph = tf.function(lambda features: {"margin": forest.in_graph(features)}, autograph=False)
    signatures = {"serving_default": graph.get_concrete_function(spec)}
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)
    return folder


@pytest.mark.tensorflow
def test_saved_model_answers_in_a_session(saved_model: Path):
    from models.exporting.export import load_in_session

    answer = load_in_session(saved_model, "serving_default")
    for num_rows in [0, 1, 5_000]:
        rows = hard_rows(10, num_rows, booster_of(6))
        margins = answer({"features": rows})["margin"]
        np.testing.assert_allclose(margins[:, 0], forest_of(6).margins(rows), rtol=1e-12)


@pytest.mark.tensorflow
def test_saved_model_answers_in_the_embedded_server(saved_model: Path):
    from serving.runtime.loading import SessionOptions, SessionRunner

    runner = SessionRunner(str(saved_model), SessionOptions())
    signature = runner.signatures["serving_default"]
    rows = hard_rows(11, 5_000, booster_of(6))
    try:
        feeds, fetches = signature.inputs["features"].name, signature.outputs["margin"].name
        (margins,) = runner.run({feeds: rows}, [fetches])
    finally:
        runner.close()
    np.testing.assert_allclose(margins[:, 0], forest_of(6).margins(rows), rtol=1e-12)


@pytest.mark.tensorflow
def test_saved_model_has_core_operations_only(saved_model: Path):
    assert _custom_operations(saved_model) == set()


def _custom_operations(folder: Path) -> set[str]:
    """The operations of a SavedModel that run Python or need more than TensorFlow's core."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    library = saved.meta_graphs[0].graph_def.library
    operations = {node.op for function in library.function for node in function.node_def}
    assert {"Bitcast", "BitwiseXor"} <= operations  # those of the forest are among them
    return {name for name in operations if "PyFunc" in name or "BoostedTrees" in name}


@pytest.mark.tensorflow
def test_graph_refuses_another_number_of_features():
    import tensorflow as tf

    with pytest.raises(ValueError, match=r"must be float32 \[batch, 5\], got shape \(2, 4\)"):
        forest_of(0).in_graph(tf.zeros([2, 4]))

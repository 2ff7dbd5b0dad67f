"""The choice among network, trees and blend, on synthetic data that suit one of them."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from common.errors import InputError
from models.folds import deal_folds
from models.inputs.encoding import Encoding, IndexSpace, Role
from models.model_spec import ModelSpec
from models.stored_rows import RowStore
from models.train_options import TrainOptions, TreeOptions
from models.training import choice as choosing
from models.training.choice import best_trees, choose_model, train_folds
from models.training.data import TREES_KEY, Dataset
from models.trees.fitting import TreeData
from models.trees.inputs import TreeColumn

# TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NUM = 1_500
TRAIN = TrainOptions(
    model="auto",
    epochs=40,
    batch_size=64,
    learning_rate=0.02,
    hidden_units=(16,),
    dropout=0.0,
    trees=TreeOptions(rounds=60, patience=10, max_depth=3),
)
SPEC = ModelSpec(label="y", features={}, train=TRAIN, seed=1)
# Four numbers are what the network takes.
GRAPH = SimpleNamespace(index_space=IndexSpace(0, (Encoding("x", Role.DENSE, 4),)))


def _split(network, trees, score, *, monotone=0):
    """A split of which the network and the trees see different columns."""
    rng = np.random.default_rng(2)
    labels = (rng.random(NUM) < 1 / (1 + np.exp(2 - score))).astype(np.float32)
    train = Dataset(
        {"dense": network.astype(np.float32), TREES_KEY: trees.astype(np.float32)},
        labels,
        keys=rng.permutation(NUM).astype(np.int64),
    )
    columns = [TreeColumn(feature=f"x{i}", monotone=monotone) for i in range(trees.shape[1])]
    return train, TreeData(trees.astype(np.float32), labels, None, columns)


def _choose(split, **options):
    spec = dataclasses.replace(SPEC, train=dataclasses.replace(TRAIN, **options))
    return choose_model(*split, GRAPH, spec)


def _noise(seed):
    return np.random.default_rng(seed).normal(size=(NUM, 4))


def test_trees_are_chosen_where_they_win_and_the_network_ends_after_its_first_fold(monkeypatch):
    trained = []
    fit_epochs = choosing.fit_epochs

    def counted(network, train, **more):
        trained.append(train.labels.size)
        fit_epochs(network, train, **more)

    monkeypatch.setattr(choosing, "fit_epochs", counted)
    seen = _noise(0)
    choice = _choose(_split(_noise(1), seen, 3 * np.sign(seen[:, 0] * seen[:, 1])))
    assert choice.kind == "trees"
    # Four of five folds, once.
    assert trained == pytest.approx([NUM * 4 / 5], abs=2)
    assert choice.num_examples == pytest.approx(NUM / 5, abs=2)
    assert re.fullmatch(r"log loss out of fold on 300 examples: trees 0.*", choice.reason)
    # Both see the same: the simpler one.
    both = _noise(0)
    assert _choose(_split(both, both, 3 * np.sign(both[:, 0] * both[:, 1]))).kind == "trees"


def test_the_network_is_chosen_where_only_it_sees_the_cause():
    seen = _noise(0)
    choice = _choose(_split(seen, _noise(1), 3 * seen[:, 0]))
    assert choice.kind == "network"
    assert choice.log_loss["network"] < choice.log_loss["trees"] - 0.1
    # Tried on three of five folds.
    assert choice.num_examples == pytest.approx(NUM * 3 / 5, abs=3)


def test_a_blend_is_chosen_where_each_sees_a_cause_of_its_own():
    of_network, of_trees = _noise(0), _noise(1)
    score = 3 * of_network[:, 0] + 3 * np.sign(of_trees[:, 0])
    choice = _choose(_split(of_network, of_trees, score))
    assert choice.kind == "blend"
    assert 0.05 <= choice.network_weight <= 0.95
    assert choice.log_loss["blend"] < min(choice.log_loss["network"], choice.log_loss["trees"])


def test_a_blend_that_is_asked_for_is_taken_with_its_best_weight():
    seen = _noise(0)
    choice = _choose(_split(_noise(1), seen, 3 * np.sign(seen[:, 0])), model="blend")
    assert choice.kind == "blend"
    # The network sees noise alone.
    assert choice.network_weight < 0.3


def test_a_monotone_column_leaves_the_trees_alone():
    seen = _noise(0)
    choice = _choose(_split(seen, seen, 3 * seen[:, 0], monotone=1))
    assert (choice.kind, choice.network_weight) == ("trees", 0.0)
    assert list(choice.log_loss) == ["trees"]


def test_the_same_data_are_chosen_for_alike():
    seen = _noise(0)
    first, again = (_choose(_split(seen, seen, 3 * seen[:, 0])) for _ in range(2))
    assert first == again


def test_many_examples_have_one_fold_of_the_keys_in_a_file(monkeypatch):
    train, _ = _split(_noise(0), _noise(1), np.zeros(NUM))
    in_file = dataclasses.replace(train, keys=RowStore().in_file(train.keys))
    monkeypatch.setattr(choosing, "_MANY_ROWS", NUM - 1)
    (fold,) = train_folds(in_file, SPEC)
    expected = deal_folds(SPEC.folds, train.keys, train.labels, 5)[-1]
    np.testing.assert_array_equal(fold.train, expected.train)
    np.testing.assert_array_equal(fold.held_out, expected.held_out)
    np.testing.assert_array_equal(in_file.rows(fold.train).keys[:], train.keys[fold.train])


def test_of_many_examples_only_those_that_the_fold_holds_out_have_logits(monkeypatch):
    seen = _noise(0)
    train, trees = _split(seen, seen, 3 * seen[:, 0])
    monkeypatch.setattr(choosing, "_MANY_ROWS", NUM - 1)
    (fold,) = train_folds(train, SPEC)
    compared = []
    comparison = choosing.Comparison.of

    def noted(logits, labels, clusters):
        compared.append((logits, labels))
        return comparison(logits, labels, clusters)

    monkeypatch.setattr(choosing.Comparison, "of", noted)
    choice = _choose((train, trees), epochs=2)
    [(logits, labels)] = compared
    assert {values.shape for values in logits.values()} == {fold.held_out.shape}
    np.testing.assert_array_equal(labels, train.labels[fold.held_out])
    assert choice.num_examples == fold.held_out.size


def test_too_few_faults_for_folds_are_named():
    train, trees = _split(_noise(0), _noise(1), np.zeros(NUM))
    labels = np.zeros(NUM, np.float32)
    labels[0] = 1
    with pytest.raises(InputError, match=r"has 1 positive examples among 1500, too few to compare"):
        _choose((dataclasses.replace(train, labels=labels), trees))


@pytest.mark.parametrize("is_missing_the_cause", [True, False])
def test_the_values_of_a_large_category_are_ranked_only_where_that_predicts_better(
    is_missing_the_cause,
):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 100, NUM).astype(np.float32)
    if is_missing_the_cause:
        values[rng.random(NUM) < 0.1] = np.nan
        is_risky = np.isnan(values)
    else:
        is_risky = values % 3 == 0  # nothing that an order of the values tells
    labels = (rng.random(NUM) < np.where(is_risky, 0.8, 0.05)).astype(np.float32)
    column = TreeColumn(feature="name", is_category=True, num_values=100)
    data = TreeData(values[:, None], labels, None, (column,))
    options, _ = _best(data, labels)
    assert options.max_set_values == (64 if is_missing_the_cause else None)


def _best(data, labels):
    folds = deal_folds(SPEC.folds, np.arange(NUM), labels, 5)
    return best_trees(data, folds, SPEC)


def test_several_trees_a_round_are_taken_where_they_predict_better_and_a_request_can_pay_for_them(
    monkeypatch,
):
    values = _noise(5)
    _, data = _split(values, values, values.sum(axis=1))
    options, scores = _best(data, data.labels)
    assert (options.parallel_trees, options.subsample) == (3, 0.8)
    for limit, too_low in (("_MAX_TREES", scores.rounds), ("_MANY_ROWS", NUM - 1)):
        with monkeypatch.context() as patch:
            patch.setattr(choosing, limit, too_low)
            assert _best(data, data.labels)[0].parallel_trees == 1


def test_of_many_examples_a_part_compares_the_variants_and_all_grow_the_best(monkeypatch):
    values = _noise(5)
    _, data = _split(values, values, values.sum(axis=1))
    folds = deal_folds(SPEC.folds, np.arange(NUM), data.labels, 5)[-1:]
    for name, limit in (("_MANY_ROWS", NUM - 1), ("_COMPARED_ROWS", NUM // 3)):
        monkeypatch.setattr(choosing, name, limit)
    monkeypatch.setattr(choosing, "_COMPARED_POSITIVES", 1)
    grown = []
    out_of_fold = choosing.out_of_fold

    def noted(data, folds, options, *, seed):
        grown.append((folds[0].train.size, options))
        return out_of_fold(data, folds, options, seed=seed)

    monkeypatch.setattr(choosing, "out_of_fold", noted)
    options, scores = best_trees(data, folds, SPEC)
    sizes = [size for size, _ in grown]
    assert sizes[-1] == folds[0].train.size
    assert max(sizes[:-1]) <= sizes[-1] / 3 + 1
    assert options == grown[-1][1]
    assert scores.places.size == folds[0].held_out.size

"""Growing of trees: weights, constraints, folds and repeatability."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import xgboost

from models.folds import deal_folds
from models.model_spec import FoldRule
from models.stored_rows import RowStore
from models.train_options import TreeOptions
from models.trees.fitting import TreeData, grow, margins, out_of_fold
from models.trees.inputs import TreeColumn

NUM = 2_000
OPTIONS = TreeOptions(max_depth=3, rounds=60, patience=10)
COLUMNS = (TreeColumn(feature="x"), TreeColumn(feature="maker", is_category=True))


def _data(weights=None, seed=0) -> TreeData:
    """A fault grows likelier with x, and likelier still with maker 1."""
    rng = np.random.default_rng(seed)
    x, maker = rng.normal(size=NUM), rng.integers(0, 2, NUM)
    labels = rng.random(NUM) < 1 / (1 + np.exp(2 - 1.5 * x - maker))
    features = np.column_stack([x, maker]).astype(np.float32)
    return TreeData(features, labels.astype(np.float32), weights, COLUMNS)


def _grow(data, options=OPTIONS, **more):
    return grow(data, options, rounds=options.rounds, seed=1, **more)[0]


def test_the_same_data_give_the_same_bits():
    options = dataclasses.replace(OPTIONS, subsample=0.7, column_share=0.5)
    first, again = (bytes(_grow(_data(), options).save_raw("ubj")) for _ in range(2))
    assert first == again
    other = grow(_data(), options, rounds=60, seed=2)[0]
    assert bytes(other.save_raw("ubj")) != first


def test_parallel_trees_of_a_round_are_a_step_as_large_as_one_tree():
    options = dataclasses.replace(OPTIONS, subsample=0.8, learning_rate=1.0)
    one = grow(_data(), options, rounds=1, seed=1)[0]
    several = dataclasses.replace(options, parallel_trees=5)
    mean = grow(_data(), several, rounds=1, seed=1)[0]
    assert mean.num_boosted_rounds() == 1
    assert len(mean.get_dump()) == 5
    steps = [margins(trees, _data()) - margins(trees, _data()).mean() for trees in (one, mean)]
    # A sum of five trees would be a step five times as large.
    assert 0.8 < np.std(steps[1]) / np.std(steps[0]) < 1.1


def test_equal_parallel_trees_are_refused():
    with pytest.raises(ValueError, match=r"parallel_trees 5 would grow the same tree several"):
        TreeOptions(parallel_trees=5)


def test_a_weight_counts_as_copies_of_the_example():
    data = _data()
    weights = np.where(data.labels > 0.5, 3, 1).astype(np.float32)
    weighted = _grow(dataclasses.replace(data, weights=weights))
    copied = _grow(data.rows(np.repeat(np.arange(NUM), weights.astype(int))))
    # Bins of the quantiles may differ a little, so that single splits may.
    difference = margins(weighted, data) - margins(copied, data)
    assert np.abs(difference).mean() < 0.1
    assert (margins(weighted, data) - margins(_grow(data), data)).mean() > 0.5


def test_without_weights_the_mean_probability_is_the_prevalence_and_with_weights_that_of_them():
    data = _data()
    weights = np.where(data.labels > 0.5, 5, 1).astype(np.float32)
    for given in (None, weights):
        grown = _grow(dataclasses.replace(data, weights=given))
        predicted = 1 / (1 + np.exp(-margins(grown, data)))
        assert np.average(predicted, weights=given) == pytest.approx(
            np.average(data.labels, weights=given), abs=0.005
        )


@pytest.mark.parametrize(("monotone", "sign"), [(1, 1), (-1, -1)])
def test_a_monotone_column_never_moves_the_logit_the_other_way(monotone, sign):
    columns = (TreeColumn(feature="x", monotone=monotone), COLUMNS[1])
    grown = _grow(dataclasses.replace(_data(), columns=columns))
    free = _grow(_data())
    x = np.linspace(-4, 4, 500)

    def steps(booster):
        row = np.column_stack([x, np.ones_like(x)]).astype(np.float32)
        return sign * np.diff(margins(booster, TreeData(row, row[:, 0], None, columns)))

    assert (steps(grown) >= -1e-6).all()
    # Trees without the constraint follow the noise.
    assert (steps(free) < -1e-3).any()


def test_watched_examples_end_the_growing_after_patience():
    watched = _data(seed=1)
    options = dataclasses.replace(OPTIONS, rounds=500, learning_rate=0.5)
    booster, losses = grow(_data(), options, rounds=500, seed=1, watched=watched)
    assert booster.num_boosted_rounds() == losses.size == int(np.argmin(losses)) + 1 + 10


def test_out_of_fold_predictions_are_of_trees_that_did_not_see_the_example():
    data = _data()
    folds = deal_folds(FoldRule(), np.arange(NUM), data.labels, 5)
    scores = out_of_fold(data, folds, OPTIONS, seed=1)
    assert scores.rounds == int(np.argmin(scores.log_loss)) + 1
    for fold in folds:
        booster, _ = grow(data.rows(fold.train), OPTIONS, rounds=scores.rounds, seed=1)
        expected = margins(booster, data.rows(fold.held_out))
        assert np.array_equal(scores.logits[fold.held_out], expected)


def test_only_the_examples_that_a_fold_holds_out_have_predictions_each_at_its_place():
    data = _data()
    folds = deal_folds(FoldRule(), np.arange(NUM), data.labels, 5)
    some = out_of_fold(data, folds[3:], OPTIONS, seed=1)
    assert some.places.tolist() == sorted([*folds[3].held_out, *folds[4].held_out])
    of_all = [out_of_fold(data, [fold], OPTIONS, seed=1) for fold in folds[3:]]
    for fold, alone in zip(folds[3:], of_all, strict=True):
        assert alone.logits.size == fold.held_out.size
        booster, _ = grow(data.rows(fold.train), OPTIONS, rounds=some.rounds, seed=1)
        expected = margins(booster, data.rows(fold.held_out))
        assert np.array_equal(some.logits[np.isin(some.places, fold.held_out)], expected)


def _in_a_file(data: TreeData, folder: Path | None = None) -> TreeData:
    store = RowStore(limit_bytes=0, folder=folder)
    return dataclasses.replace(data, features=store.collect([{"x": data.features}])["x"])


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_one_batch_from_a_file_gives_the_bits_of_the_same_features_in_memory(share):
    options = dataclasses.replace(OPTIONS, subsample=share, column_share=share)
    data = _data(weights=np.linspace(1, 2, NUM, dtype=np.float32))
    folds = deal_folds(FoldRule(), np.arange(NUM), data.labels, 3)
    in_memory, in_file = (
        out_of_fold(own, folds, options, seed=1) for own in (data, _in_a_file(data))
    )
    assert in_file.logits.tobytes() == in_memory.logits.tobytes()
    assert in_file.rounds == in_memory.rounds


def test_trees_from_a_file_leave_nothing_in_its_folder(tmp_path):
    stored = _in_a_file(_data(), tmp_path)
    margins(_grow(stored, watched=stored), stored)
    assert list(tmp_path.iterdir()) == []


def test_several_batches_from_a_file_give_bins_that_differ_little():
    # 2**17 rows a batch: two batches.
    rng = np.random.default_rng(3)
    x = rng.normal(size=150_000)
    labels = (rng.random(x.size) < 1 / (1 + np.exp(2 - 1.5 * x))).astype(np.float32)
    features = np.column_stack([x, rng.integers(0, 2, x.size)]).astype(np.float32)
    data = TreeData(features, labels, None, COLUMNS)
    options = dataclasses.replace(OPTIONS, rounds=10)
    in_memory, in_file = (margins(_grow(own, options), data) for own in (data, _in_a_file(data)))
    assert np.abs(in_file - in_memory).mean() < 0.01
    assert np.abs(in_file - in_memory).max() < 0.3


def _named(num_values, seed=0):
    """Rows with one of many names, a tenth of them without a name: those are all faulty."""
    rng = np.random.default_rng(seed)
    names = rng.integers(0, num_values, NUM).astype(np.float32)
    labels = rng.random(NUM) < 0.1
    names[labels & (rng.random(NUM) < 0.5)] = np.nan
    column = TreeColumn(feature="name", is_category=True, num_values=num_values)
    return TreeData(names[:, None], labels.astype(np.float32), None, (column,))


def test_ranks_tell_missing_values_of_a_large_category_from_all_others():
    data = _named(400)
    splits = deal_folds(FoldRule(), np.arange(NUM), data.labels, 5)
    by_sets = out_of_fold(data, splits, OPTIONS, seed=0)
    by_rank = out_of_fold(data, splits, dataclasses.replace(OPTIONS, max_set_values=64), seed=0)
    assert by_rank.log_loss.min() < 0.9 * by_sets.log_loss.min()
    missing = np.isnan(data.features[:, 0])
    assert by_rank.logits[missing].min() > by_rank.logits[~missing].max()


def test_a_small_category_stays_one_and_the_booster_knows_which():
    data = _named(400)
    columns = (dataclasses.replace(data.columns[0], num_values=64), *data.columns)
    both = dataclasses.replace(data, features=np.repeat(data.features, 2, axis=1), columns=columns)
    grown = _grow(both, dataclasses.replace(OPTIONS, max_set_values=64))
    assert grown.feature_types == ["c", "q"]
    # Explanations read the types from the saved trees.
    loaded = xgboost.Booster(model_file=bytearray(grown[:3].save_raw("ubj")))
    assert loaded.feature_types == ["c", "q"]

"""Folds: who is held out where, for every strategy of the split."""

import numpy as np
import pytest

from models.folds import deal_folds, last_fold, thinned
from models.model_spec import FoldRule

NUM = 600
RNG = np.random.default_rng(0)
LABELS = (RNG.random(NUM) < 0.2).astype(np.float32)
# 60 groups of ten examples, or times with ten examples each.
KEYS = RNG.permutation(np.repeat(np.arange(60), 10)).astype(np.int64)


def _folds(strategy, keys=KEYS, labels=LABELS, num_folds=5):
    return deal_folds(FoldRule(strategy=strategy), keys, labels, num_folds)


@pytest.mark.parametrize("strategy", ["stratified", "group", "blocks", "time"])
def test_the_last_fold_alone_is_the_last_of_all(strategy):
    last, of_all = last_fold(FoldRule(strategy=strategy), KEYS, LABELS, 5), _folds(strategy)[-1]
    assert last is not None
    np.testing.assert_array_equal(last.train, of_all.train)
    np.testing.assert_array_equal(last.held_out, of_all.held_out)


def test_one_fault_gives_no_last_fold():
    labels = np.zeros(NUM, np.float32)
    labels[0] = 1
    assert last_fold(FoldRule(), KEYS, labels, 5) is None


@pytest.mark.parametrize("strategy", ["stratified", "group", "blocks"])
def test_every_example_is_held_out_once_and_trained_on_otherwise(strategy):
    folds = _folds(strategy)
    assert len(folds) == 5
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == list(range(NUM))
    for fold in folds:
        assert sorted([*fold.train, *fold.held_out]) == list(range(NUM))


@pytest.mark.parametrize("strategy", ["group", "blocks"])
def test_groups_stay_whole_and_faults_are_spread(strategy):
    for fold in _folds(strategy):
        assert not set(KEYS[fold.train]) & set(KEYS[fold.held_out])
        # A fifth of the faults, give or take half of the largest group's.
        assert LABELS[fold.held_out].sum() == pytest.approx(LABELS.sum() / 5, abs=4)


def test_stratified_folds_have_the_prevalence_to_the_row():
    keys = RNG.permutation(NUM).astype(np.int64)
    faults = [int(LABELS[fold.held_out].sum()) for fold in _folds("stratified", keys)]
    assert max(faults) - min(faults) <= 1
    assert {fold.held_out.size for fold in _folds("stratified", keys)} <= {119, 120, 121}


def test_by_time_every_model_has_seen_only_the_past():
    folds = _folds("time")
    assert len(folds) == 5
    for fold in folds:
        assert KEYS[fold.train].max() < KEYS[fold.held_out].min()
    held_out = np.concatenate([fold.held_out for fold in folds])
    # The first of six periods is never predicted; everything after it is, once.
    assert len(set(held_out)) == held_out.size
    assert set(range(NUM)) - set(held_out) == set(folds[0].train)
    # Equal numbers of faults, give or take those of one time.
    faults = [LABELS[fold.held_out].sum() for fold in folds]
    assert faults == pytest.approx([LABELS.sum() / 6] * 5, abs=6)


@pytest.mark.parametrize("strategy", ["stratified", "group", "time"])
def test_the_order_of_the_examples_decides_nothing(strategy):
    keys = np.arange(NUM, dtype=np.int64) if strategy == "stratified" else KEYS
    order = RNG.permutation(NUM)
    for fold, turned in zip(
        _folds(strategy, keys), _folds(strategy, keys[order], LABELS[order]), strict=True
    ):
        assert set(order[turned.held_out]) == set(fold.held_out)


def test_folds_without_both_classes_are_left_out():
    labels = np.zeros(NUM, np.float32)
    labels[:3] = 1
    # Three faults for five folds: two folds would have none to predict.
    assert len(_folds("stratified", np.arange(NUM), labels)) == 3
    assert _folds("stratified", np.arange(NUM), np.zeros(NUM, np.float32)) == []


def test_a_single_time_gives_no_folds():
    assert _folds("time", np.zeros(NUM, np.int64)) == []


def test_a_thinned_fold_keeps_every_kth_example_of_each_class():
    fold = _folds("stratified")[-1]
    thin = thinned(fold, LABELS, most=200, positives=10)
    for whole, part in ((fold.train, thin.train), (fold.held_out, thin.held_out)):
        assert set(part) <= set(whole)
        assert (np.diff(part) > 0).all()
        for label in (0, 1):
            assert abs((LABELS[part] == label).sum() - (LABELS[whole] == label).sum() / 3) < 1


@pytest.mark.parametrize(("most", "positives"), [(NUM, 10), (100, NUM), (100, 100)])
def test_a_fold_is_not_thinned_where_it_is_small_or_has_few_faults(most, positives):
    fold = _folds("stratified")[-1]
    thin = thinned(fold, LABELS, most=most, positives=positives)
    np.testing.assert_array_equal(thin.train, fold.train)
    np.testing.assert_array_equal(thin.held_out, fold.held_out)

import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from models.probabilities.sampling import Kept
from pipeline.components.case_control.selection import Selection, Tally

NUM = 20_000


def batch(*, seed: int = 0, num: int = NUM) -> pa.RecordBatch:
    """Examples as their decoder gives them: lists, an empty one where a value is missing."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(num) % 50 == 0).astype(np.int64)
    makers = np.where(np.arange(num) % 4 == 0, b"a", b"b").astype(object)
    makers[1::100] = None
    return pa.record_batch(
        {
            "faulty": _lists(labels, pa.int64()),
            "pressure": _lists(rng.normal(size=num).astype(np.float32), pa.float32()),
            "maker": _lists(makers, pa.large_binary()),
            "nothing": pa.nulls(num),
        }
    )


def _lists(values, kind) -> pa.Array:
    rows = [[] if value is None else [value] for value in values]
    return pa.array(rows, pa.large_list(kind))


def selection(**changes) -> Selection:
    options = {"label": "faulty", "seed": 3, "by": None, "rates": {None: 0.1}} | changes
    return Selection(**options)


def labels_of(examples: pa.RecordBatch) -> np.ndarray:
    return np.asarray(examples.column("faulty").flatten())


def test_all_positives_are_kept_and_negatives_at_the_rate():
    examples = batch()
    keep, tally = selection().choose(examples)
    labels = labels_of(examples)
    assert keep[labels == 1].all()
    # 19,600 negatives at 0.1: 1,960 with a standard deviation of 42.
    assert keep[labels == 0].sum() == pytest.approx(1_960, abs=4 * 42)
    assert tally == Tally(
        positives=400, kept={None: int(keep[labels == 0].sum())}, total={None: 19_600}
    )


def test_the_order_of_the_examples_and_their_batches_decide_nothing():
    examples = batch()
    keep, _ = selection().choose(examples)
    order = np.random.default_rng(1).permutation(NUM)
    shuffled, _ = selection().choose(examples.take(pa.array(order)))
    assert (shuffled == keep[order]).all()
    parts = [selection().choose(examples.slice(start, 777))[0] for start in range(0, NUM, 777)]
    assert (np.concatenate(parts) == keep).all()


def test_another_seed_keeps_other_negatives():
    examples = batch()
    first, again, other = (selection(seed=seed).choose(examples)[0] for seed in (3, 3, 4))
    assert (first == again).all()
    negative = labels_of(examples) == 0
    # Independent of each other: of those that one keeps, the other keeps a tenth.
    assert other[negative & first].mean() == pytest.approx(0.1, abs=0.03)


def test_a_higher_rate_keeps_what_a_lower_one_keeps():
    examples = batch()
    few, _ = selection(rates={None: 0.05}).choose(examples)
    many, _ = selection(rates={None: 0.3}).choose(examples)
    assert (many >= few).all()


def test_what_is_kept_does_not_follow_the_hash_that_dealt_the_splits():
    from pipeline.reading.hashing import hash_rows

    examples = batch().drop_columns(["maker", "nothing"])
    flat = pa.RecordBatch.from_arrays(
        [column.flatten() for column in examples.columns], names=examples.schema.names
    )
    # As if train were the three quarters of lowest hashes.
    in_train = hash_rows(flat, 3) < np.uint64(2**63)
    keep, _ = selection().choose(examples)
    negative = labels_of(examples) == 0
    assert keep[negative & in_train].mean() == pytest.approx(0.1, abs=0.02)


def test_strata_have_rates_of_their_own_and_what_is_missing_the_common_one():
    examples = batch()
    keep, tally = selection(by="maker", rates={None: 0.1, "a": 0.5}).choose(examples)
    negative = labels_of(examples) == 0
    is_a = np.array([row == [b"a"] for row in examples.column("maker").to_pylist()])
    assert keep[negative & is_a].mean() == pytest.approx(0.5, abs=0.03)
    assert keep[negative & ~is_a].mean() == pytest.approx(0.1, abs=0.02)
    assert tally.total == {"a": int((negative & is_a).sum()), None: int((negative & ~is_a).sum())}


def test_whole_numbers_are_strata_by_their_digits():
    codes = _lists(np.arange(NUM) % 2 + 7, pa.int64())
    examples = batch().append_column("code", codes)
    keep, _ = selection(by="code", rates={None: 0.001, "7": 1.0}).choose(examples)
    negative = labels_of(examples) == 0
    assert keep[negative & (np.arange(NUM) % 2 == 0)].all()
    assert not keep[negative & (np.arange(NUM) % 2 == 1)].all()


def test_fractional_numbers_are_no_strata():
    with pytest.raises(InputError, match=r"sampling.by names `pressure`, a column of fractional"):
        selection(by="pressure", rates={None: 0.1, "1": 0.5}).choose(batch())


def test_a_stratum_that_keeps_nothing_is_named():
    tally = Tally(positives=3, kept={None: 5, "a": 0}, total={None: 50, "a": 40})
    with pytest.raises(InputError, match=r"none of the 40 negatives of `a` .* rate of 0.01"):
        tally.strata({None: 0.1, "a": 0.01})


def test_a_stratum_that_does_not_occur_is_no_mistake():
    tally = Tally(positives=3, kept={None: 5}, total={None: 50})
    assert tally.strata({None: 0.1, "z": 0.5})["z"] == Kept(nominal=0.5, kept=0, total=0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.components.arrow_example_gen.splitting import splits
from pipeline.components.arrow_example_gen.splitting.blocks import BlockNumberer, block_keys
from pipeline.components.arrow_example_gen.splitting.groups import plan_groups

SHARES = (0.75, 0.15, 0.10)


def number(labels, block_rows, rows=None, num_batches=1):
    labels = np.asarray(labels, bool)
    rows = np.arange(1, len(labels) + 1) if rows is None else np.asarray(rows)
    numberer = BlockNumberer(block_rows=block_rows)
    batches = zip(
        np.array_split(labels, num_batches), np.array_split(rows, num_batches), strict=True
    )
    return np.concatenate([numberer.number(*batch) for batch in batches])


def test_a_run_that_fits_in_a_block_is_not_cut():
    # Rows 1-3, 4-8 and 9-10 are runs. With blocks of 5 rows, the second begins in the first block
    # and stays there whole; the third begins in the second block.
    assert number([0, 0, 0, 1, 1, 1, 1, 1, 0, 0], 5).tolist() == [0] * 8 + [1] * 2


def test_a_longer_run_is_cut_every_block_from_its_start():
    # The run of rows 3-9 is cut at row 7; both parts begin in another stretch of four rows.
    assert number([1, 1, 0, 0, 0, 0, 0, 0, 0], 4).tolist() == [0] * 6 + [1] * 3


def test_rows_that_could_not_be_read_leave_the_others_in_their_blocks():
    # Without rows 2 and 6: the run of positives still begins at row 4.
    labels, rows = [0, 0, 1, 1, 1, 0], [1, 3, 4, 5, 7, 8]
    assert number(labels, 4, rows=rows).tolist() == [0, 0, 0, 0, 0, 1]


labels_strategy = st.lists(st.booleans(), min_size=1, max_size=120)


@given(labels_strategy, st.integers(1, 20), st.integers(1, 7))
def test_batches_make_no_difference(labels, block_rows, num_batches):
    whole = number(labels, block_rows)
    assert number(labels, block_rows, num_batches=num_batches).tolist() == whole.tolist()


@given(labels_strategy, st.integers(1, 20))
def test_blocks_are_neighbouring_rows_and_cut_no_run_that_fits(labels, block_rows):
    blocks = number(labels, block_rows)
    assert np.all(np.diff(blocks) >= 0)
    assert np.bincount(blocks).max() < 2 * block_rows
    ends = np.flatnonzero(np.diff(np.asarray(labels, np.int8))) + 1
    for run in np.split(blocks, ends):
        # A longer run is cut in parts of `block_rows`, each of which begins in a block of its own.
        assert len(set(run.tolist())) == -(-len(run) // block_rows)


def test_blocks_of_another_file_and_another_seed_have_other_keys():
    blocks = np.array([0, 0, 1])
    first = block_keys(blocks, 0, 0)
    assert first[0] == first[1] != first[2]
    assert not set(first) & set(block_keys(blocks, 1, 0))
    assert not set(first) & set(block_keys(blocks, 0, 1))


def test_a_model_that_knows_neighbours_by_heart_is_found_out_by_blocks():
    """Runs of 20 rows share one random number, and one run in four is faulty, by chance alone."""
    random = np.random.default_rng(0)
    runs = np.repeat(np.arange(2_000), 20)
    labels = np.repeat(random.random(2_000) < 0.25, 20)
    values = np.repeat(random.normal(size=2_000), 20) + random.normal(0, 1e-4, len(runs))

    keys = block_keys(number(labels, 100), file=0, seed=0)
    counts = splits.KeyCounts()
    counts.add(keys, labels)
    plan = plan_groups(counts, SHARES)
    places = np.zeros((len(keys), 2), np.int64)
    by_blocks = plan.assign(splits.Rows(labels=labels, keys=keys, places=places))
    by_rows = random.choice(3, len(keys), p=SHARES)

    def precision(assigned):
        train, test = assigned == 0, assigned == 2
        order = np.argsort(values[train])
        at = np.searchsorted(values[train][order], values[test]).clip(max=train.sum() - 1)
        said = labels[train][order][at]
        return (said & labels[test]).sum() / said.sum()

    assert precision(by_rows) > 0.8
    # Chance has 0.25; of the 200 runs of test about 50 are said to be faulty, 12 of them rightly,
    # give or take 3.
    assert precision(by_blocks) < 0.5


def test_blocks_give_the_splits_their_shares():
    random = np.random.default_rng(1)
    labels = np.repeat(random.random(2_000) < 0.1, 10)
    keys = block_keys(number(labels, 40), file=0, seed=0)
    counts = splits.KeyCounts()
    counts.add(keys, labels)
    plan = plan_groups(counts, SHARES)
    places = np.zeros((len(keys), 2), np.int64)
    assigned = plan.assign(splits.Rows(labels=labels, keys=keys, places=places))
    # A block has 40 rows of 20,000 and 10 to 40 of the 2,000 positives.
    for chosen in (np.ones(len(labels), bool), labels):
        shares = np.bincount(assigned[chosen], minlength=3) / chosen.sum()
        assert shares == pytest.approx(SHARES, abs=0.025)

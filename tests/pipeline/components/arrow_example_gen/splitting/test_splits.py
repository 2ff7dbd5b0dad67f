import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.components.arrow_example_gen.splitting import splits, time_units
from pipeline.components.arrow_example_gen.splitting.splits import KeyCounts, Rows

SHARES = (0.75, 0.15, 0.10)


def rows_of(labels, keys, pieces=None):
    pieces = np.zeros(len(keys), np.int64) if pieces is None else np.asarray(pieces)
    places = np.stack([pieces, np.arange(1, len(keys) + 1)], axis=1)
    return Rows(labels=np.asarray(labels, bool), keys=np.asarray(keys, np.uint64), places=places)


def stratify(rows, shares=SHARES, num_parts=1):
    """Deals rows as ingestion does: counts by part, cuts, thresholds, assignment."""
    counts = splits.bucket_counts()
    parts = np.array_split(np.arange(len(rows.keys)), num_parts)
    for part in parts:
        piece = splits.bucket_counts()
        piece.add(rows.keys[part], rows.labels[part])
        counts.merge(piece)
    cuts = splits.stratified_cuts(counts, shares)
    thresholds = splits.find_thresholds(cuts, rows.at_cuts(cuts))
    return splits.StratifiedPlan(thresholds=tuple(thresholds)).assign(rows)


def table(assigned, labels):
    return [
        [int(((assigned == split) & (np.asarray(labels, bool) == label)).sum()) for label in (0, 1)]
        for split in range(3)
    ]


def test_200_rows_of_160_and_40_are_dealt_exactly():
    labels = np.arange(200) % 5 == 0
    keys = np.random.default_rng(0).integers(0, 2**64, 200, np.uint64)
    assert table(stratify(rows_of(labels, keys)), labels) == [[120, 30], [24, 6], [16, 4]]


def test_equal_rows_are_dealt_exactly_too():
    # All 200 have one of two keys: piece and row decide.
    labels = np.arange(200) % 5 == 0
    keys = np.where(labels, 7, 9).astype(np.uint64)
    assert table(stratify(rows_of(labels, keys)), labels) == [[120, 30], [24, 6], [16, 4]]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (160, [120, 24, 16]),
        (40, [30, 6, 4]),
        (112, [84, 17, 11]),  # 84, 16.8, 11.2
        (3, [1, 1, 1]),  # 2.25, 0.45, 0.3, and at least one each
        (2, [2, 0, 0]),  # 1.5, 0.3, 0.2: too few for one each
    ],
)
def test_largest_remainder(total, expected):
    assert splits.largest_remainder(total, SHARES) == expected


shares_strategy = st.tuples(*[st.integers(1, 20)] * 3).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)


@given(st.integers(3, 100_000), shares_strategy)
def test_largest_remainder_is_off_by_less_than_one_where_shares_are_not_tiny(total, shares):
    counts = splits.largest_remainder(total, shares)
    assert sum(counts) == total
    assert min(counts) >= 1
    if min(shares) * total >= 1:
        assert all(abs(c - s * total) < 1 for c, s in zip(counts, shares, strict=True))


def rows_by_class(negative, positive):
    counts = splits.bucket_counts()
    counts.add(
        np.arange(negative + positive, dtype=np.uint64), np.arange(negative + positive) < positive
    )
    return counts


@given(st.integers(20, 5_000), st.integers(20, 5_000), shares_strategy)
def test_classes_and_all_rows_together_are_off_by_less_than_one(negative, positive, shares):
    rows = splits.stratified_rows(rows_by_class(negative, positive), shares)
    assert rows.sum(axis=0).tolist() == [negative, positive]
    if min(shares) * min(negative, positive) >= 1:
        assert np.abs(rows - np.outer(shares, [negative, positive])).max() < 1
        assert np.abs(rows.sum(axis=1) - np.multiply(shares, negative + positive)).max() < 1


def test_remainders_of_two_classes_do_not_meet_in_one_split():
    # 0.2 of 793 and 207 is 158.6 and 41.4: each class alone would give eval the greater part.
    rows = splits.stratified_rows(rows_by_class(793, 207), (0.6, 0.2, 0.2))
    assert rows.sum(axis=1).tolist() == [600, 200, 200]


@settings(max_examples=50)
@given(st.integers(3, 80), st.integers(3, 80), st.integers(0, 2**32), st.integers(1, 5))
def test_stratified_is_exact_and_blind_to_order_and_shards(num_negative, num_positive, seed, parts):
    random = np.random.default_rng(seed)
    labels = np.repeat([False, True], [num_negative, num_positive])
    # Few distinct keys, so that buckets are shared and rows repeat.
    keys = random.integers(0, 50, len(labels), np.uint64) << np.uint64(random.integers(0, 58))
    assigned = stratify(rows_of(labels, keys))
    expected = splits.stratified_rows(rows_by_class(num_negative, num_positive), SHARES)
    assert table(assigned, labels) == expected.tolist()

    order = random.permutation(len(labels))
    shuffled = rows_of(labels[order], keys[order], pieces=random.integers(0, 3, len(labels)))
    again = stratify(shuffled, num_parts=parts)
    dealt = sorted(zip(keys.tolist(), labels.tolist(), assigned.tolist(), strict=True))
    dealt_again = zip(keys[order].tolist(), labels[order].tolist(), again.tolist(), strict=True)
    assert dealt == sorted(dealt_again)


def groups_of(group_keys, labels):
    counts = KeyCounts()
    counts.add(np.asarray(group_keys, np.uint64), np.asarray(labels, bool))
    return counts


def plan_time(times, labels, limit=splits.MAX_UNITS):
    """Plans by time as ingestion does, counting again beside the cuts."""
    times, labels = np.asarray(times, np.uint64), np.asarray(labels, bool)

    def count(wanted):
        counts = KeyCounts(limit=limit)
        counts.add(times[wanted], labels[wanted])
        return counts

    units = time_units.refine_units(
        count(np.ones(len(times), bool)),
        SHARES,
        lambda ranges: count(time_units.in_ranges(times, ranges)),
    )
    return time_units.plan_time(units, SHARES)


@settings(max_examples=20)  # each counts up to 3,000 rows twice
@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), min_size=100, max_size=300),
    st.integers(0, 2**63),
    st.integers(1, 2**40),
)
def test_times_that_crowd_are_cut_as_if_counted_one_by_one(spread, crowd_start, crowd_step):
    # Nine of ten rows lie within a stretch that the first count, of 16 units, sees as one.
    crowd = [(crowd_start + crowd_step * i, i % 3 == 0) for i in range(9 * len(spread))]
    times = np.array([time for time, _ in spread + crowd], np.uint64)
    labels = np.array([label for _, label in spread + crowd])
    rows = rows_of(labels, times)
    exact, bounded = plan_time(times, labels), plan_time(times, labels, limit=16)
    sizes = [np.bincount(plan.assign(rows), minlength=3) for plan in (exact, bounded)]
    # Equal times stay together, so single rows may lie between two ways to cut that are as good.
    assert np.abs(sizes[0] - sizes[1]).max() <= 2


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=3, max_size=200))
def test_time_never_trains_on_the_future(pairs):
    times = np.array([time for time, _ in pairs], np.uint64)
    labels = np.array([label for _, label in pairs])
    plan = plan_time(times, labels)
    if plan is None:
        return
    assigned = plan.assign(rows_of(labels, times))
    for earlier, later in ((0, 1), (1, 2)):
        assert times[assigned == earlier].max() < times[assigned == later].min()
    assert min(min(row) for row in table(assigned, labels)) >= 1


def test_time_moves_a_cut_so_that_the_newest_positive_is_in_test_and_one_is_in_eval():
    # 100 rows one a second; by shares train ends at 75 and eval at 90, but the positives are at
    # 10, 50 and 60: train may only reach 50, eval 60.
    labels = np.isin(np.arange(100), [10, 50, 60])
    times = np.arange(100, dtype=np.uint64)
    assigned = plan_time(times, labels).assign(rows_of(labels, times))
    assert [int((assigned == split).sum()) for split in range(3)] == [50, 10, 40]


def test_two_distinct_times_cannot_be_cut_in_three():
    assert plan_time([1, 1, 2, 2], [0, 1, 0, 1]) is None


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), min_size=1, max_size=200),
    st.integers(1, 4),
)
def test_counts_keep_to_their_limit_and_do_not_depend_on_the_order_of_merging(pairs, num_parts):
    keys = np.array([key for key, _ in pairs], np.uint64)
    labels = np.array([label for _, label in pairs])
    whole = KeyCounts(limit=16)
    whole.add(keys, labels)
    merged = KeyCounts(limit=16)
    for part in reversed(np.array_split(np.arange(len(keys)), num_parts)):
        piece = KeyCounts(limit=16)
        piece.add(keys[part], labels[part])
        merged.merge(piece)
    assert len(whole.keys) <= 16
    assert (whole.shift, whole.keys.tolist()) == (merged.shift, merged.keys.tolist())
    assert whole.counts.tolist() == merged.counts.tolist()
    assert whole.counts.sum() == len(keys)


def worst_ratio(parts, shares):
    """The largest factor by which a part misses its share, up or down."""
    total = sum(parts)
    ratios = [part / (share * total) for part, share in zip(parts, shares, strict=True)]
    return max(max(ratio, 1 / ratio) for ratio in ratios)


def brute_force(weights, needs, shares):
    worst = []
    for first in range(len(weights) + 1):
        for second in range(first, len(weights) + 1):
            parts = (slice(0, first), slice(first, second), slice(second, None))
            if all(sum(need[part]) >= 1 for need in needs for part in parts):
                worst.append(worst_ratio([sum(weights[part]) for part in parts], shares))
    return min(worst, default=None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=8), shares_strategy)
def test_best_cuts_are_the_best(units, shares):
    weights = np.array([a + b for a, b in units], np.int64)
    needs = [np.array([a for a, _ in units], np.int64), np.array([b for _, b in units], np.int64)]
    first, second = time_units.best_cuts(weights, needs, shares)
    best = brute_force(weights.tolist(), [need.tolist() for need in needs], shares)
    if best is None:
        assert (first, second) == (-1, -1)
    else:
        parts = [int(part.sum()) for part in np.split(weights, [first, second])]
        assert worst_ratio(parts, shares) == pytest.approx(best)


def test_of_equally_bad_cuts_those_that_serve_the_other_parts_count():
    # The last time holds half of the rows, so test is five times its share wherever the first cut
    # is. The other 50 rows are nearest to 75 and 15 with 75 / 41 = 1.83 and 15 / 9 = 1.67.
    weights = np.array([1] * 50 + [50])
    assert time_units.best_cuts(weights, [], SHARES) == (41, 50)


def span_counts(num_positive, seed):
    keys = np.random.default_rng(seed).integers(0, 2**64, 100 + num_positive, np.uint64)
    counts = splits.bucket_counts()
    counts.add(keys, np.arange(len(keys)) < num_positive)
    return counts


@pytest.mark.parametrize("num_positive", [0, 1, 2])
def test_a_span_without_a_fault_or_with_one_is_dealt(num_positive):
    labels = np.arange(100 + num_positive) < num_positive
    keys = np.random.default_rng(1).integers(0, 2**64, len(labels), np.uint64)
    dealt = np.array(table(stratify(rows_of(labels, keys)), labels))
    assert dealt[:, 0].tolist() == [75, 15, 10]
    assert dealt[:, 1].sum() == num_positive


def test_spans_of_one_fault_give_each_split_its_share_of_the_faults():
    dealt = sum(
        splits.stratified_rows(span_counts(1, seed), SHARES, in_window=True) for seed in range(400)
    )
    # 300, 60 and 40 of 400; four standard deviations of 400 draws are 35, 29 and 24.
    assert dealt[:, 1] == pytest.approx([300, 60, 40], abs=24)
    assert dealt[:, 0].tolist() == [75 * 400, 15 * 400, 10 * 400]


def test_without_a_window_three_positives_are_one_for_each_split():
    assert splits.stratified_rows(span_counts(3, 0), SHARES)[:, 1].tolist() == [1, 1, 1]

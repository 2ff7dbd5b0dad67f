"""Splits of 10 million rows: what reaches the driver does not grow with them."""

import functools
import pickle
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from pipeline.components.arrow_example_gen import staging, steps
from pipeline.components.arrow_example_gen.splitting import groups, splits, time_units
from pipeline.reading import hashing
from pipeline.reading.files.pieces import Piece
from tests.pipeline.reading.specs import spec

ROWS_A_PIECE = 250_000
FEW, MANY = 4, 40  # pieces: a million rows, and ten
FIRST_S = 1_700_000_000
SHARES = spec().shares


def distinct(place):
    return hashing.mix(place.astype(np.uint64))


def half_of_them_equal(place):
    return np.where(place % 2 == 0, np.uint64(1 << 63), distinct(place))


def seconds_that_crowd(place):
    """Every tenth row at any time of ten thousand years, the others one after the other."""
    anywhere = distinct(place) % np.uint64(1 << 38)
    return np.where(place % 10 == 0, anywhere, (FIRST_S + place).astype(np.uint64))


class Rows:
    """Stands in for the staging folder's files of keys: makes those of a piece when asked."""

    def __init__(self, make_keys, num_pieces) -> None:
        self.make_keys = make_keys
        self.pieces = [Piece(index=i, path="", format="csv") for i in range(num_pieces)]
        self.num_rows = num_pieces * ROWS_A_PIECE

    def load(self, _folder, piece):
        numbers = np.arange(ROWS_A_PIECE, dtype=np.int64)
        place = numbers + piece * ROWS_A_PIECE
        keys = self.make_keys(place)
        # By another hash than the key, so that equal keys have both labels.
        labels = distinct(place + 7) % np.uint64(10) == 0
        return staging.RowKeys(keys=keys, content=keys, labels=labels, numbers=numbers + 1)


class Driver:
    """Merges what the pieces send, two at a time, and notes how much it is."""

    def __init__(self, rows) -> None:
        self.pieces, self.largest, self.peak = rows.pieces, 0, 0

    def run(self, work, merge):
        merged = None
        for piece in self.pieces:
            part = work(piece)
            tracemalloc.start()
            merged = merge([part]) if merged is None else merge([merged, part])
            self.peak = max(self.peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            self.largest = max(self.largest, len(pickle.dumps(part)), len(pickle.dumps(merged)))
        return merged


@pytest.fixture
def plan_of(monkeypatch, tmp_path):
    """Plans a strategy by ingestion's own passes: the driver, the plan and rows at cuts."""
    folder = str(tmp_path)

    def make(strategy, rows):
        monkeypatch.setattr(staging, "load_keys", rows.load)
        driver = Driver(rows)
        config = spec(strategy=strategy)
        count = functools.partial(steps.count_piece, spec=config, folder=folder)
        counts = driver.run(count, steps.merge_counts)
        if strategy == "stratified":
            cuts = splits.stratified_cuts(counts, SHARES)
            at_cuts = functools.partial(steps.rows_at_cuts, cuts=cuts, folder=folder)
            found = driver.run(at_cuts, splits.CutCounts.concatenate)
            thresholds = splits.find_thresholds(cuts, found)
            return driver, splits.StratifiedPlan(thresholds=tuple(thresholds)), len(found.keys)
        if strategy == "group":
            return driver, groups.plan_groups(counts, SHARES), len(counts.keys)

        def recount(ranges):
            work = functools.partial(steps.count_in_ranges, ranges=ranges, folder=folder)
            return driver.run(work, steps.merge_counts)

        units = time_units.refine_units(counts, SHARES, recount)
        return driver, time_units.plan_time(units, SHARES), len(units.starts)

    return make


def shares_dealt(rows, plan):
    dealt = np.zeros(3, np.int64)
    for piece in rows.pieces:
        assigned = plan.assign(rows.load("", piece.index).as_rows(piece.index))
        dealt += np.bincount(assigned, minlength=3)
    assert dealt.sum() == rows.num_rows
    return dealt / rows.num_rows


@pytest.mark.parametrize(
    ("strategy", "make_keys"),
    [
        ("stratified", distinct),
        ("stratified", half_of_them_equal),
        ("group", distinct),
        ("time", functools.partial(np.add, FIRST_S)),
        ("time", seconds_that_crowd),
    ],
)
def test_ten_million_rows_need_no_more_of_the_driver_than_one_million(plan_of, strategy, make_keys):
    def keys(place):
        return make_keys(place).astype(np.uint64)

    few, _, _ = plan_of(strategy, Rows(keys, FEW))
    rows = Rows(keys, MANY)
    many, plan, num_entries = plan_of(strategy, rows)
    # A bucket takes 8 bytes for its key and 16 for its two counts; there are at most 65,536.
    assert few.largest <= many.largest <= (24 << splits.BUCKET_BITS) + 2_000
    assert many.peak <= 1.05 * few.peak
    assert many.peak < 16e6
    if strategy == "stratified":
        # Of a class's rows about one in 65,536 lies in a cut's bucket, equal ones as one a piece.
        assert num_entries < rows.num_rows / 1_000
    # Of groups the positives are dealt first; the rows follow as nearly as chance lets them.
    tolerance = 1e-3 if strategy == "group" else 1e-4
    assert shares_dealt(rows, plan) == pytest.approx(SHARES, abs=tolerance)


@pytest.mark.parametrize(
    ("make_keys", "num_travelling"),
    # Of equal rows one a piece travels.
    [(distinct, 10_000_000), (half_of_them_equal, 5_000_000 + MANY)],
)
def test_no_group_of_content_hashes_holds_a_thousandth_of_ten_million_rows(
    monkeypatch, tmp_path, make_keys, num_travelling
):
    from pipeline.components.arrow_example_gen import ingest

    rows = Rows(make_keys, MANY)
    monkeypatch.setattr(staging, "load_keys", rows.load)
    groups = Counter()
    for piece in rows.pieces:
        parts = steps.content_parts(piece, str(tmp_path), ingest._NUM_PARTS)
        groups.update({part: len(hashes) for part, (_, hashes, _) in parts})
    assert max(groups.values()) < rows.num_rows / 1_000
    assert sum(groups.values()) == num_travelling

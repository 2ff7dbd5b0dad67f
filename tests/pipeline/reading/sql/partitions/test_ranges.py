"""Ranges of a key: every row in exactly one of them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from pipeline.reading.sql.partitions.ranges import check_key, make_ranges

KEYS = {
    "integers": st.integers(-(2**63), 2**63 - 1),
    "dates": st.dates(),
    "texts": st.text(),
}


@pytest.mark.parametrize("kind", KEYS)
@given(data=st.data())
def test_every_row_is_in_exactly_one_range(kind, data):
    keys = data.draw(st.lists(KEYS[kind] | st.none()))
    present = sorted(key for key in keys if key is not None)
    places = data.draw(st.lists(st.integers(0, max(0, len(present) - 1)), max_size=5))
    lowest = [present[place] for place in sorted({0, *places})] if present else []
    ranges = make_ranges(lowest)
    assert [part.index for part in ranges] == list(range(len(ranges)))
    assert all(sum(part.contains(key) for part in ranges) == 1 for key in keys)


def test_a_bound_leaves_out_what_is_above_it():
    ranges = make_ranges([1, 4, 7], last=9, has_nulls=False)
    # Of the keys 0 to 10 the last range has 7, 8 and 9.
    held = [[key for key in range(11) if part.contains(key)] for part in ranges]
    assert held == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_key_that_fills_several_groups_is_in_one_range():
    ranges = make_ranges([1, 5, 5, 5, 8])
    assert [(part.low, part.high) for part in ranges[:-1]] == [(None, 5), (5, 8), (8, None)]
    assert ranges[-1].is_null


def test_rows_without_a_key_may_be_first():
    ranges = make_ranges([1, 5], nulls_first=True)
    assert [part.is_null for part in ranges] == [True, False, False]
    assert [part.index for part in ranges] == [0, 1, 2]


def test_no_keys_leave_the_rows_without_a_key():
    [part] = make_ranges([], has_nulls=False)
    assert part.is_null


@pytest.mark.parametrize("key", [1.5, True, b"a"])
def test_keys_of_other_types_are_refused(key):
    with pytest.raises(InputError, match="partition column `k` holds"):
        check_key(key, "k")
    assert check_key(date(2026, 1, 1), "k") == date(2026, 1, 1)

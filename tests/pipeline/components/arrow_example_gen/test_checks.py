import numpy as np
import pytest

from common.errors import InputError
from pipeline.components.arrow_example_gen.checks import check_classes, check_shares
from pipeline.components.arrow_example_gen.splitting.splits import KeyCounts
from tests.pipeline.reading.specs import spec


def check(rows, **changes):
    """Checks negative and positive rows of train, eval and test against shares of 75, 15, 10 %."""
    return check_shares(np.array(rows), spec(in_window=False, **changes))


def test_a_split_with_four_positives_is_refused_and_the_message_says_which_share_would_do():
    # 40 positives: 5 are a share of 0.125, rounded up.
    with pytest.raises(InputError, match=r"test would get 4 positives of 40, at least 5 .* 0.13"):
        check([[120, 30], [24, 6], [16, 4]])


def test_fourteen_positives_are_too_few_for_any_shares():
    with pytest.raises(InputError, match="at least 15 positives, 5 for each split"):
        check([[120, 8], [24, 3], [16, 3]], strategy="group", split_column="g")


def test_a_split_below_two_fifths_of_its_share_of_positives_is_refused():
    # Eval should get 15 of 100 positives, and 6 are just enough.
    assert check([[75, 84], [15, 6], [10, 10]])
    with pytest.raises(InputError, match="eval would get 5 positives of 100, at least 6 needed"):
        check([[75, 85], [15, 5], [10, 10]], strategy="time", split_column="t")


def test_a_split_below_two_fifths_of_its_share_of_rows_is_refused():
    # Eval has 31 + 15 of 5,000 rows, as where half of all rows have one time.
    with pytest.raises(
        InputError, match=r"`time` by `t`: eval would get 0.9% of the rows, not 15%"
    ):
        check([[4_000, 75], [31, 15], [869, 10]], strategy="time", split_column="t")


def test_a_prevalence_and_a_share_beyond_a_factor_of_1_25_are_reported():
    # All rows: 100 of 1,000. Eval: 15 of 100, and 100 rows instead of 150.
    remarks = check([[675, 75], [85, 15], [140, 10]], strategy="group", split_column="g")
    assert remarks == (
        "eval has a prevalence of 0.1500, all rows 0.1000",
        "eval has 10.0% of the rows, not 15%",
        "test has a prevalence of 0.0667, all rows 0.1000",
        "test has 15.0% of the rows, not 10%",
    )


def test_exact_splits_need_no_remark():
    assert check([[750, 75], [150, 15], [100, 10]]) == ()


def test_a_span_of_a_window_may_have_few_positives():
    assert check_shares(np.array([[20, 1], [5, 1], [4, 1]]), spec(in_window=True)) == ()


@pytest.mark.parametrize("num_positive", [0, 1])
def test_a_span_of_a_window_may_be_without_a_fault(num_positive):
    counts = KeyCounts()
    counts.add(np.arange(60, dtype=np.uint64), np.arange(60) < num_positive)
    check_classes(counts, {"0": 60 - num_positive}, spec(in_window=True))
    with pytest.raises(InputError, match=r"one class only|Too few rows"):
        check_classes(counts, {"0": 60 - num_positive}, spec(in_window=False))

import numpy as np
import pytest

from models.features import Categorical, Numeric
from pipeline.onboarding.findings.kinds import choose_kind
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.tally import ColumnTally

RNG = np.random.default_rng(4)
VALUES = RNG.integers(0, 7, 4_000)


def _column(name: str, values: np.ndarray) -> Column:
    tally = ColumnTally(num_present=len(values))
    return Column(name=name, kind="int", num_rows=len(values), tally=tally, sample=values * 1.0)


def _feature(name: str, share_by_value: list[float]) -> object:
    positive = RNG.random(len(VALUES)) < np.array(share_by_value)[VALUES]
    return choose_kind(_column(name, VALUES), positive).feature


@pytest.mark.parametrize(
    "shares",
    [
        [0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3],  # a count
        [0.3, 0.2, 0.12, 0.1, 0.12, 0.2, 0.3],  # a level with a best value
        [0.1] * 7,
    ],
)
def test_few_whole_numbers_whose_order_counts_are_a_measurement(shares):
    assert isinstance(_feature("children", shares), Numeric)


def test_few_whole_numbers_whose_order_says_nothing_are_codes():
    shares = [0.02, 0.3, 0.02, 0.25, 0.01, 0.3, 0.02]
    assert isinstance(_feature("children", shares), Categorical)


@pytest.mark.parametrize("name", ["region_code", "machine", "month"])
def test_a_name_of_codes_decides_before_the_label(name):
    assert isinstance(_feature(name, [0.1] * 7), Categorical)


@pytest.mark.parametrize("name", ["duration_in_month", "number_of_shifts"])
def test_a_name_of_a_count_decides_before_the_label(name):
    assert isinstance(_feature(name, [0.02, 0.3, 0.02, 0.25, 0.01, 0.3, 0.02]), Numeric)

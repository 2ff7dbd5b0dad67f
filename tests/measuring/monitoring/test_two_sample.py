"""P-values against a reference: known answers, levels with dependent rows, and power."""

import math

import numpy as np
import pytest
from scipy import signal, stats

from measuring.monitoring.two_sample import (
    ASPECTS,
    NumberReference,
    compare_categories,
    compare_numbers,
    compare_shares,
)


def autoregressive(rng, size, correlation):
    noise = rng.normal(size=size + 500) * np.sqrt(1 - correlation**2)
    return signal.lfilter([1], [1, -correlation], noise)[500:]


def test_the_level_of_a_shift_is_found_in_standard_deviations():
    rng = np.random.default_rng(0)
    reference = NumberReference.of(rng.normal(size=20_000))
    comparison = compare_numbers(reference, rng.normal(0.5, size=2_000))
    assert comparison.what == "level"
    assert comparison.effect == pytest.approx(0.5, abs=0.08)
    # z = 0.5 sqrt(3 / pi) / sqrt(1 / 2,000 + 1 / 20,000) = 20.8.
    assert comparison.p_value < 1e-60
    assert not comparison.reference_is_short


@pytest.mark.parametrize(("degree", "what"), [*enumerate(ASPECTS, 1)])
def test_what_differs_most_is_named(degree, what):
    rng = np.random.default_rng(1)
    reference = NumberReference.of(rng.normal(size=20_000))
    # Ranks of density 1 + 0.2 sqrt(2 k + 1) P_k, so that only the mean of component k is not 0.
    ranks = rng.random(8_000)
    density = 1 + 0.2 * math.sqrt(2 * degree + 1) * np.polynomial.Legendre.basis(degree)(
        2 * ranks - 1
    )
    values = stats.norm.ppf(ranks[rng.random(8_000) * 1.6 < density])
    comparison = compare_numbers(reference, values)
    assert comparison.p_value < 1e-6
    assert comparison.what == what


def test_the_p_value_is_that_of_a_t_test_of_ranks():
    # The reference 0..9: values 2.5 and 8.5 have ranks 0.3 and 0.9, so x = -0.4 and 0.8.
    reference = NumberReference.of(np.arange(10.0) * 1.0)
    reference = NumberReference(**{**vars(reference), "block_length": 1, "num_blocks": 10.0})
    comparison = compare_numbers(reference, np.array([2.5, 8.5]))
    x = np.array([-0.4, 0.8])
    polynomials = [np.polynomial.Legendre.basis(k)(x) * math.sqrt(2 * k + 1) for k in range(1, 5)]
    scores = [
        abs(p.mean() - mean) / math.sqrt(max(p.var(ddof=1), variance) * (1 / 2 + 1 / 10))
        for p, mean, variance in zip(polynomials, reference.means, reference.variances, strict=True)
    ]
    assert comparison.p_value == pytest.approx(min(1, 8 * stats.t.sf(max(scores), 9)))


def test_a_chunk_of_longer_recordings_than_the_reference_is_worth_less():
    reference = NumberReference.of(np.random.default_rng(8).normal(size=5_000), np.arange(5_000))
    values = np.repeat([2.0, 1.5, -1.0, 0.5], 50)
    dependent = compare_numbers(reference, values, np.repeat(np.arange(4), 50))
    assert compare_numbers(reference, values, np.arange(200)).p_value < 1e-10
    assert dependent.p_value > 0.1
    assert dependent.effective_rows < 5


def test_few_rows_allow_no_small_p_value():
    # Two blocks among 12 can be chosen in 66 ways.
    reference = NumberReference.of(np.arange(10.0), np.arange(10))
    comparison = compare_numbers(reference, np.array([1e6, 1e6]), np.arange(2))
    assert comparison.p_value >= 1 / 66
    assert comparison.reference_is_short


def test_a_constant_column_that_stays_constant_has_not_changed():
    reference = NumberReference.of(np.full(1_000, 7.0))
    assert compare_numbers(reference, np.full(100, 7.0)).p_value == 1
    assert compare_numbers(reference, np.full(100, 7.1)).p_value < 1e-50


def test_missing_values_are_left_out_and_none_say_nothing():
    reference = NumberReference.of(np.array([1.0, math.nan, 2.0, 3.0]))
    assert reference.num_rows == 3
    comparison = compare_numbers(reference, np.full(5, math.nan))
    assert (comparison.p_value, comparison.num_rows) == (1.0, 0)
    assert math.isnan(comparison.effect)


def test_a_reference_needs_two_values():
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        NumberReference.of(np.array([1.0, math.nan]))


def test_recordings_are_in_both_or_in_neither():
    reference = NumberReference.of(np.arange(10.0), np.arange(10))
    with pytest.raises(ValueError, match="or neither"):
        compare_numbers(reference, np.arange(5.0))


def test_a_large_reference_keeps_as_many_quantiles_as_matter():
    reference = NumberReference.of(np.random.default_rng(2).normal(size=10_000))
    assert (reference.num_rows, len(reference.quantiles)) == (10_000, 4_096)


def test_a_tolerated_shift_raises_no_alarm_however_many_rows():
    rng = np.random.default_rng(3)
    reference = NumberReference.of(rng.normal(size=200_000))
    values = rng.normal(0.05, size=200_000)
    assert compare_numbers(reference, values).p_value < 1e-20
    assert compare_numbers(reference, values, tolerance=0.1).p_value == 1


def test_shares_are_compared_by_fishers_test():
    # All 4 of 4 against none of 4: one of C(8, 4) = 70 tables, twice.
    assert compare_shares(4, 4, 0, 4).p_value == pytest.approx(2 / 70)
    # Four rows worth one: 1 of 1 against 0 of 1, twice 1/2.
    assert compare_shares(4, 4, 0, 4, effect=4).p_value == 1
    assert compare_shares(0, 0, 3, 10).p_value == 1


def test_categories_name_the_one_that_differs():
    comparison = compare_categories({"a": 50, "c": 50}, {"a": 500, "b": 500})
    assert comparison.what in {"b", "c"}
    assert comparison.p_value < 1e-20
    assert abs(comparison.effect) == 0.5
    dependent = compare_categories({"a": 50, "c": 50}, {"a": 500, "b": 500}, effect=25)
    assert dependent.p_value > comparison.p_value
    assert dependent.effective_rows == 4
    assert compare_categories({}, {"a": 1}).p_value == 1


def test_autocorrelated_rows_are_worth_fewer():
    rng = np.random.default_rng(7)
    reference = NumberReference.of(autoregressive(rng, 50_000, 0.8))
    comparison = compare_numbers(reference, autoregressive(rng, 5_000, 0.8))
    # AR(1), 0.8: (1 - 0.8) / (1 + 0.8) of the rows, 556; its ranks are slightly less correlated.
    assert comparison.effective_rows == pytest.approx(556, rel=0.25)


@pytest.mark.simulation
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_p_values_hold_their_level_on_autocorrelated_rows(correlation):
    rng, num_sets = np.random.default_rng(4), 400
    p_values = np.empty(num_sets)
    for number in range(num_sets):
        reference = NumberReference.of(autoregressive(rng, 5_000, correlation))
        chunk = autoregressive(rng, 500, correlation)
        p_values[number] = compare_numbers(reference, chunk).p_value
    # At 5 %, more than 34 of 400 have a probability of 0.1 %; at 1 %, more than 11.
    assert (p_values < 0.05).sum() <= 34
    assert (p_values < 0.01).sum() <= 11
    assert (p_values < 0.2).sum() >= 10  # it tests


@pytest.mark.simulation
def test_p_values_hold_their_level_on_recordings_of_unequal_length():
    rng, num_sets = np.random.default_rng(5), 300

    def draw(num_recordings):
        sizes = rng.integers(5, 50, num_recordings)
        ids = np.repeat(np.arange(num_recordings), sizes)
        return rng.normal(size=num_recordings)[ids] + 0.3 * rng.normal(size=ids.size), ids

    p_values = np.array(
        [
            compare_numbers(NumberReference.of(*draw(200)), *draw(20)).p_value
            for _ in range(num_sets)
        ]
    )
    # At 5 %, more than 27 of 300 have a probability of 0.1 %.
    assert (p_values < 0.05).sum() <= 27

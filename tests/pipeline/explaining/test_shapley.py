"""Shapley values against values worked out by hand, for models of NumPy."""

import numpy as np
import pytest

from pipeline.explaining.shapley import shapley_values


def _row(**values):
    return {name: np.array([value]) for name, value in values.items()}


BACKGROUND = {"a": np.array([0.0, 1.0]), "b": np.array([0.0, 0.0])}


def test_of_a_sum_each_column_gets_its_own_difference_from_the_background():
    found = shapley_values(lambda c: 0.1 * c["a"] + 0.2 * c["b"], _row(a=2.0, b=1.0), BACKGROUND)
    # a: 0.1 * (2 - mean 0.5) = 0.15; b: 0.2 * (1 - 0) = 0.2, in every order.
    assert found.parts == pytest.approx({"a": 0.15, "b": 0.2})
    assert found.background_probability == pytest.approx(0.05)
    assert found.probability == pytest.approx(0.4)
    assert found.errors["b"] == pytest.approx(0, abs=1e-12)


def test_of_a_product_the_columns_share_alike():
    background = {"a": np.zeros(1), "b": np.zeros(1)}
    found = shapley_values(lambda c: c["a"] * c["b"], _row(a=1.0, b=1.0), background)
    # Whichever comes last makes the whole difference; with both orders each gets a half.
    assert found.parts == pytest.approx({"a": 0.5, "b": 0.5})


def test_texts_whole_numbers_and_signals_have_parts_too():
    example = {
        "code": np.array([7]),
        "maker": np.array([b"x"], object),
        "wave": np.array([[3.0, np.nan]]),
    }
    background = {
        "code": np.array([0, 0]),
        "maker": np.array([b"y", b"z"], object),
        "wave": np.zeros((2, 2)),
    }

    def ask(c):
        return 0.1 * (c["code"] == 7) + 0.2 * (c["maker"] == b"x") + 0.1 * np.nansum(c["wave"], 1)

    found = shapley_values(ask, example, background)
    assert found.parts == pytest.approx({"code": 0.1, "maker": 0.2, "wave": 0.3})


def test_the_parts_add_up_without_a_remainder_and_the_seed_decides():
    rng = np.random.default_rng(3)
    background = {name: rng.normal(size=30) for name in "abcd"}

    def ask(c):
        logit = c["a"] * c["b"] + np.sin(c["c"]) * c["d"] - c["a"]
        return 1 / (1 + np.exp(-logit))

    example = _row(a=1.0, b=-2.0, c=0.5, d=3.0)
    found = shapley_values(ask, example, background, num_pairs=60)
    difference = found.probability - found.background_probability
    assert sum(found.parts.values()) == pytest.approx(difference, abs=1e-12)
    assert found.background_probability == pytest.approx(ask(background).mean())
    assert found == shapley_values(ask, example, background, num_pairs=60)
    assert found != shapley_values(ask, example, background, num_pairs=60, seed=1)


def test_sampling_comes_as_near_as_its_standard_error_says():
    rng = np.random.default_rng(3)
    background = {name: rng.normal(size=30) for name in "abc"}

    def ask(c):
        return 1 / (1 + np.exp(-(c["a"] * c["b"] + c["c"])))

    example = _row(a=1.0, b=-2.0, c=0.5)
    rough = shapley_values(ask, example, background, num_pairs=300)
    fine = shapley_values(ask, example, background, num_pairs=30_000, seed=9)
    for name, part in fine.parts.items():
        assert abs(rough.parts[name] - part) < 4 * rough.errors[name]
        assert 0 < rough.errors[name] < 0.05


def test_a_column_that_the_model_does_not_read_has_no_part():
    found = shapley_values(lambda c: 0.1 * c["a"], _row(a=2.0, b=1.0), BACKGROUND)
    assert found.parts["b"] == 0


def test_without_background_there_is_no_usual_answer():
    with pytest.raises(ValueError, match="at least one background row"):
        shapley_values(lambda c: c["a"], _row(a=1.0), {"a": np.zeros(0)})

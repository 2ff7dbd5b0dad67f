import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from benchmarks.statistics.pages import Design, GroupedDesign, causes_in_groups, causes_now
from pipeline.components.error_analyzer.causes import (
    compare_with_labels,
    find_causes,
    poisson_binomial,
    recalibrate,
    says_label,
)
from pipeline.slicing import SlicePart


def test_with_equal_probabilities_the_number_of_successes_is_binomial():
    chances = poisson_binomial(np.full(7, 0.3), 4)
    assert chances == pytest.approx(stats.binom.pmf(np.arange(5), 7, 0.3), abs=1e-12)


def test_unequal_probabilities_are_convolved():
    # None: 0.9 * 0.5 * 0.8 = 0.36. One: 0.1 * 0.5 * 0.8 + 0.9 * 0.5 * 0.8 + 0.9 * 0.5 * 0.2.
    assert poisson_binomial(np.array([0.1, 0.5, 0.2]), 1) == pytest.approx([0.36, 0.49])
    assert poisson_binomial(np.zeros(0), 2).tolist() == [1, 0, 0]


def test_the_chances_of_many_unequal_trials_are_scipys():
    probability = np.random.default_rng(0).beta(0.1, 2.5, 501)
    chances = stats.poisson_binom(list(probability)).pmf(np.arange(31))
    assert poisson_binomial(probability, 30) == pytest.approx(chances, abs=1e-13)


def test_with_equal_probabilities_the_test_is_fishers():
    labels = np.array([1] * 4 + [0] * 6 + [1] * 2 + [0] * 18)
    members = np.arange(30) < 10
    expected, p_value = compare_with_labels(labels, np.full(30, 0.1), members)
    # Given 6 faults of 30, the 10 hold a hypergeometric number of them: 2 on average.
    assert expected == pytest.approx(6 * 10 / 30)
    assert p_value == pytest.approx(2 * stats.hypergeom.sf(3, 30, 6, 10))


def test_the_intercept_does_not_matter():
    rng = np.random.default_rng(0)
    odds = rng.gamma(1, 0.1, 200)
    labels, members = (rng.random(200) < 0.1).astype(int), rng.random(200) < 0.3
    results = [compare_with_labels(labels, k * odds / (1 + k * odds), members) for k in (1, 3)]
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_recalibration_undoes_a_shift_and_a_slope_of_the_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(-2, 1.5, 50_000)
    labels = (rng.random(50_000) < 1 / (1 + np.exp(-logits))).astype(int)
    fitted = recalibrate(labels, 1 / (1 + np.exp(-(1 + 1.6 * logits))))
    # The standard error of the slope is about 0.02.
    assert np.polyfit(logits, np.log(fitted / (1 - fitted)), 1) == pytest.approx([1, 0], abs=0.08)


def test_a_value_with_more_faults_than_expected_is_a_cause_with_its_counts():
    rng = np.random.default_rng(0)
    probability = np.full(800, 0.1)
    maker = rng.choice(["a", "b", "c"], 800)
    labels = (rng.random(800) < np.where(maker == "b", 0.3, 0.1)).astype(int)
    table = pa.table({"maker": maker.tolist(), "noise": rng.normal(size=800), "y": labels})

    cause = find_causes(table, {}, labels, probability, skip=("y",))[0]

    assert cause.part == SlicePart(column="maker", value="b")
    assert (cause.observed, cause.size) == (labels[maker == "b"].sum(), (maker == "b").sum())
    # All probabilities are equal, so the 113 faults are expected in proportion to the rows.
    assert cause.expected == pytest.approx(labels.sum() * cause.size / 800)


LABELS = np.array([0] * 80 + [1] * 20)
# 20 of 100 examples are faults: that 12 examples are all faults has a probability of 1e-10.
SAYS_LABEL = {
    "a kind of fault": ["none"] * 80 + ["scratch"] * 8 + ["pit"] * 12,
    "its strength": [0.0] * 80 + [0.1 * n for n in range(1, 21)],
    "a date of repair": [None] * 80 + ["Monday"] * 12 + ["Friday"] * 8,
    "a copy": [1] * 80 + [2] * 20,
    "a verdict": ["fine"] * 40 + ["good"] * 40 + ["faulty"] * 20,
    "some kinds": ["none"] * 88 + ["scratch"] * 6 + ["pit"] * 6,
}
NO_COPIES = {
    "a site with all faults": ["a"] * 40 + ["b"] * 20 + ["c"] * 40,
    "a site with few parts": ["a"] * 97 + ["b"] * 3,
    "a measurement": [0.1 * n for n in range(100)],
    "a constant": ["a"] * 100,
}


@pytest.mark.parametrize("name", SAYS_LABEL)
def test_a_column_that_says_the_label_in_other_words_is_no_cause(name):
    column = pa.chunked_array([pa.array(SAYS_LABEL[name])])
    assert says_label(column, LABELS)
    table, probability = pa.table({name: column}), np.full(100, 0.2)
    assert find_causes(table, {}, LABELS, probability, skip=()) == []


@pytest.mark.parametrize("name", NO_COPIES)
def test_other_columns_may_be_causes(name):
    assert not says_label(pa.chunked_array([pa.array(NO_COPIES[name])]), LABELS)


def test_with_one_class_there_is_no_cause():
    table = pa.table({"a": ["x", "y"] * 5})
    assert find_causes(table, {}, np.zeros(10, int), np.full(10, 0.9), skip=()) == []


@pytest.mark.simulation
@pytest.mark.parametrize("slope", [1.0, 1.6])
def test_a_model_with_the_true_probabilities_has_a_cause_in_at_most_one_of_20_splits(slope):
    rng = np.random.default_rng(1)
    design = Design(num_rows=324, slope=slope)
    reported = sum(bool(causes_now(*design.draw(rng))) for _ in range(100))
    # At 5 %, more than 10 of 100 have a probability of 1 %.
    assert reported <= 10


@pytest.mark.simulation
def test_planted_causes_are_found():
    rng = np.random.default_rng(2)
    strong = Design(num_rows=324, distance=2, effect=3.0)
    found = sum("maker = v0" in causes_now(*strong.draw(rng)) for _ in range(40))
    assert found >= 28  # the power is about 0.80
    weak = Design(num_rows=3_000, distance=2, effect=1.5)
    found = sum("maker = v0" in causes_now(*weak.draw(rng)) for _ in range(8))
    assert found >= 7


def test_a_value_of_one_group_is_no_cause_where_groups_differ():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 40)
    labels = (rng.random(400) < np.where(groups == 0, 0.5, 0.1)).astype(int)
    table = pa.table({"maker": np.where(groups == 0, "a", "b").tolist()})

    def causes(dependent):
        probability = np.full(400, 0.1)
        return find_causes(table, {}, labels, probability, skip=(), dependent=dependent)

    assert {cause.name for cause in causes(None)} == {"maker = a", "maker = b"}
    assert causes(groups) == []


@pytest.mark.simulation
def test_groups_with_log_odds_of_their_own_are_no_shared_cause():
    rng = np.random.default_rng(3)
    design = GroupedDesign(sizes=(50,) * 20, spread=1.5)
    sets = [design.draw(rng) for _ in range(40)]
    alone, grouped = (
        sum(bool(causes_in_groups(one, is_grouped=is_grouped)) for one in sets)
        for is_grouped in (False, True)
    )
    # At 5 %, more than 6 of 40 have a probability of 0.3 %.
    assert grouped <= 6
    assert alone >= 20


@pytest.mark.simulation
def test_planted_causes_are_found_in_groups_too():
    rng = np.random.default_rng(4)
    design = GroupedDesign(sizes=(20,) * 100, spread=0.5, effect=3.0)
    drawn = [design.draw(rng) for _ in range(20)]
    found = sum("maker = v0" in causes_in_groups(one, is_grouped=True) for one in drawn)
    assert found >= 10


def test_a_model_that_separates_the_classes_has_no_cause_in_groups():
    # 131 healthy examples share one probability, and the fit takes the positives to exactly 1.
    probability = np.array([0.0035] * 131 + [0.0046, 0.0082, 0.011, 0.0379, 0.95] + [0.955] * 3)
    labels = (np.arange(139) >= 133).astype(np.int64)
    table = pa.table({"machine": [f"m{number % 4}" for number in range(139)]})
    dependent = np.arange(139) // 10
    assert recalibrate(labels, probability).max() < 1
    assert find_causes(table, {}, labels, probability, skip=(), dependent=dependent) == []

import numpy as np
import pyarrow as pa
import pytest

from pipeline.components.error_analyzer.analysis import (
    cross_entropy,
    expected_suspects,
    find_clusters,
    scalar_columns,
    suspect_labels,
    worst,
)
from pipeline.slicing import SlicePart


def test_the_loss_is_minus_the_logarithm_of_the_own_labels_probability():
    losses = cross_entropy(np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 1.0, 1.0]))

    assert losses == pytest.approx([np.log(2), np.log(2), 0, -np.log(1e-7)])


def test_planted_wrong_labels_are_suspected():
    rng = np.random.default_rng(1)
    truth = (rng.random(2_000) < 0.1).astype(int)
    probability = np.where(truth == 1, rng.beta(40, 2, 2_000), rng.beta(1, 20, 2_000))
    planted = rng.choice(2_000, 20, replace=False)
    labels = truth.copy()
    labels[planted] = 1 - labels[planted]

    suspected = suspect_labels(labels, probability)

    assert suspected[planted].mean() >= 0.8
    assert np.delete(suspected, planted).mean() <= 0.02


def test_as_many_suspects_are_expected_as_right_labels_give():
    """d 2, prevalence 3.5 %, 324 rows: about 2.5 right labels a split are suspected."""
    rng = np.random.default_rng(4)
    counts = []
    for _ in range(30):
        score = rng.normal(size=324) + 2 * (rng.random(324) < 0.035)
        probability = 1 / (1 + np.exp(2 - 2 * score + np.log(0.965 / 0.035)))
        labels = (rng.random(324) < probability).astype(int)
        counts.append([suspect_labels(labels, probability).sum(), expected_suspects(probability)])
    found, expected = np.mean(counts, axis=0)
    # The standard error of the mean number found is 0.3.
    assert 1 < expected < 4
    assert found == pytest.approx(expected, abs=1)


def test_with_one_class_no_label_is_suspected():
    assert not suspect_labels(np.zeros(5, int), np.full(5, 0.9)).any()


def test_errors_are_the_wrong_decisions_and_at_least_the_worst_by_loss():
    losses = np.arange(400.0)
    wrong = np.zeros(400, bool)
    wrong[3] = True

    # 5 % of 400 are 20.
    assert set(np.flatnonzero(worst(losses, wrong))) == {3, *range(380, 400)}
    assert worst(losses[:4], wrong[:4]).all()


def test_what_errors_share_beyond_chance_is_named_with_its_counts():
    rng = np.random.default_rng(2)
    maker = rng.choice(["a", "b", "c"], 600)
    errors = np.zeros(600, bool)
    errors[np.flatnonzero(maker == "b")[:25]] = True
    errors[np.flatnonzero(maker == "a")[:3]] = True
    table = pa.table(
        {"maker": maker.tolist(), "noise": rng.normal(size=600), "label": errors.astype(int)}
    )

    [cluster] = find_clusters(table, {}, errors, skip=("label",))

    assert (cluster.name, cluster.observed) == ("maker = b", 25)
    assert cluster.part == SlicePart(column="maker", value="b")
    assert cluster.size == (maker == "b").sum()
    assert cluster.expected == pytest.approx(28 * cluster.size / 600)
    assert cluster.p_value < 1e-6


def test_quarters_of_numbers_missing_values_and_troubles_are_candidates():
    number = np.arange(400.0)
    errors = number < 30
    table = pa.table({"number": number, "other": [None if error else "x" for error in errors]})

    names = {c.name for c in find_clusters(table, {"noise": errors}, errors, skip=())}

    assert {"recording trouble: noise", "number below 100", "other is missing"} <= names


def test_ids_beyond_2_to_the_53_are_candidates():
    number = np.arange(400) + 2**60  # no float64 holds most of them
    errors = np.arange(400) < 100

    (cluster,) = find_clusters(pa.table({"id": number}), {}, errors, skip=())

    assert cluster.part.column == "id"


def test_what_is_by_chance_is_not_named():
    rng = np.random.default_rng(3)
    named = 0
    for _ in range(40):
        errors = rng.random(300) < 0.1
        table = pa.table({"a": rng.choice(list("xyz"), 300).tolist(), "b": rng.normal(size=300)})
        named += bool(find_clusters(table, {}, errors, skip=()))

    # At most 5 % of analyses name anything, by Bonferroni; of 40, 7 would be far out.
    assert named <= 7


def test_lists_of_one_become_plain_columns_and_signals_are_left_out():
    table = pa.table(
        {
            "x": pa.array([[1.5], [], None], pa.large_list(pa.float32())),
            "maker": pa.array([[b"a"], [b"b"], []], pa.large_list(pa.large_binary())),
            "signal": pa.array([[1.0, 2.0], [3.0], []], pa.large_list(pa.float32())),
            "nothing": pa.nulls(3),
        }
    )

    assert scalar_columns(table).to_pydict() == {
        "x": [1.5, None, None],
        "maker": ["a", "b", None],
    }

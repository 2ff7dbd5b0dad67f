"""The comparison with boosting: paired intervals and the tables."""

import pytest

from benchmarks.against_boosting.report import paired_interval, report


def test_interval_of_splits_that_share_no_rows_is_students() -> None:
    mean, low, high = paired_interval([0.01, 0.03], test_share=0.0)
    # Mean 0.02; standard error 0.02 / sqrt(2) / sqrt(2) = 0.01; t of one degree of freedom 12.706.
    assert mean == pytest.approx(0.02)
    assert low == pytest.approx(0.02 - 0.12706, abs=1e-5)
    assert high == pytest.approx(0.02 + 0.12706, abs=1e-5)


def test_interval_widens_with_the_rows_that_splits_share() -> None:
    _, _, high = paired_interval([0.01, 0.03], test_share=0.5)
    # The variance is (1/2 + 1/2) instead of 1/2 times that of a difference: sqrt(2) as wide.
    assert high == pytest.approx(0.02 + 0.12706 * 2**0.5, abs=1e-5)


def test_one_split_says_nothing_about_the_spread() -> None:
    interval = paired_interval([0.01], test_share=0.2)
    assert interval == pytest.approx((0.01, -float("inf"), float("inf")))


def test_difference_is_taken_within_a_split_that_both_models_have() -> None:
    def row(seed: int, model: str, pr_auc: float) -> dict[str, object]:
        costs = {"cpu_s": 1.0, "peak_mb": 100.0}
        rows = {"train_rows": 200, "test_rows": 50, "test_faults": 5}
        return {"table": "pumps", "seed": seed, "model": model, "pr_auc": pr_auc, **costs, **rows}

    results = [
        row(0, "trees", 0.50),
        row(0, "boosting", 0.40),
        row(1, "trees", 0.70),
        row(1, "boosting", 0.60),
        row(2, "trees", 0.90),
    ]
    # 0.1 in both pairs; the third split has no boosting.
    assert "| pumps | +0.100 [+0.100, +0.100] |" in report(results)

"""The comparison with boosting: paired intervals and the tables."""

import pytest

from benchmarks.against_boosting.report import paired_interval, report


def test_interval_of_paired_differences_is_students() -> None:
    mean, low, high = paired_interval([0.01, 0.03])
    # Mean 0.02; standard error 0.02 / sqrt(2) / sqrt(2) = 0.01; t of one degree of freedom 12.706.
    assert mean == pytest.approx(0.02)
    assert low == pytest.approx(0.02 - 0.12706, abs=1e-5)
    assert high == pytest.approx(0.02 + 0.12706, abs=1e-5)


def test_one_pair_says_nothing_about_the_spread() -> None:
    assert paired_interval([0.01]) == (pytest.approx(0.01), -float("inf"), float("inf"))


def test_difference_is_taken_within_a_split_that_both_models_have() -> None:
    def row(seed: int, model: str, pr_auc: float) -> dict[str, object]:
        costs = {"cpu_s": 1.0, "peak_mb": 100.0, "test_rows": 50, "test_faults": 5}
        return {"table": "pumps", "seed": seed, "model": model, "pr_auc": pr_auc, **costs}

    results = [
        row(0, "trees", 0.50),
        row(0, "boosting", 0.40),
        row(1, "trees", 0.70),
        row(1, "boosting", 0.60),
        row(2, "trees", 0.90),
    ]
    # 0.1 in both pairs; the third split has no boosting.
    assert "| pumps | +0.100 [+0.100, +0.100] |" in report(results)

import numpy as np
import pytest

from pipeline.onboarding.findings.leaks import roc_auc


def test_roc_auc_counts_ties_half():
    # Pairs (positive, negative): 2>1 yes, 2=2 half, 3>1 yes, 3>2 yes: 3.5 of 4.
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert roc_auc(scores, np.array([False, False, True, True])) == pytest.approx(0.875)


def test_roc_auc_of_one_class_is_chance():
    assert roc_auc(np.array([1.0, 2.0]), np.array([True, True])) == 0.5

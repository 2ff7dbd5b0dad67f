"""Hypotheses of promotion: at each margin, the values have the largest mean."""

import numpy as np
import pytest

from measuring.sequential.promotion import (
    answer_values,
    largest_answer_means,
    largest_loss_mean,
    loss_values,
)

MEANS = largest_answer_means(alarm_change=0.25, differing=0.5)


@pytest.mark.parametrize(
    ("differences", "at_its_margin"),
    [
        ([1.0, 0, 0, 0], 0),  # one alarm more in four requests
        ([-1.0, 0, 0, 0], 1),  # one fewer
        ([1.0, -1.0, 0, 0], 2),  # half of the decisions differ
    ],
)
def test_a_candidate_at_a_margin_has_the_largest_mean(differences, at_its_margin):
    means = answer_values(np.array(differences)).mean(axis=1)
    assert means[at_its_margin] == MEANS[at_its_margin]


def test_a_loss_at_its_margin_has_the_largest_mean():
    assert loss_values(np.array([1.0, 0, 0, 0])).mean() == largest_loss_mean(0.25)

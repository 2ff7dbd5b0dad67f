"""The hypotheses that promotion has to reject, for the tests and for their plan alike."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What is expected of equal models before the first value; it affects power only.
ANSWER_GUESSES = (0.5, 0.5, 1.0)
LOSS_GUESS = 0.5


def largest_answer_means(*, alarm_change: float, differing: float) -> tuple[float, float, float]:
    """Returns the largest means of `answer_values` under each hypothesis.

    Args:
        alarm_change: Alarms per request, more or fewer, in (0, 1).
        differing: Share of the requests with differing decisions, in (0, 1).
    """
    least = (1 - alarm_change) / 2
    return least, least, 1 - differing


def answer_values(differences: Floats) -> Floats:
    """Returns the values of the tests of both models' answers, float64 `[3, ...]` in [0, 1].

    Args:
        differences: The candidate's decisions minus the stable model's, float64 `[...]`.
    """
    return np.stack([(1 - differences) / 2, (1 + differences) / 2, 1 - np.abs(differences)])


def largest_loss_mean(loss_rise: float) -> float:
    """Returns the largest mean of `loss_values` if the loss rises by `loss_rise` or more."""
    return (1 - loss_rise) / 2


def loss_values(differences: Floats) -> Floats:
    """Returns the values of the test of the losses, in [0, 1], from their differences."""
    return np.asarray((1 - differences) / 2, np.float64)

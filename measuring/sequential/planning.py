"""How many requests a rollout takes, said before it starts."""

import math
from dataclasses import dataclass

import numpy as np

from measuring.sequential.betting import expected_growth
from measuring.sequential.evidence import Margins


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What promotion will take.

    Attributes:
        requests: Requests that both models answer; None if promotion is out of reach.
        labels: Labels among them, of requests with differing decisions; 0 if none are required.
        keys: Least effective number of keys, if requests have keys.
    """

    requests: int | None
    labels: int
    keys: int


def expected_requests(margins: Margins, *, differing: float = 0.01) -> Expectation:
    """Returns what the promotion of a candidate that is as good as the stable model takes.

    A capital's logarithm grows by a known mean with each request, and has to reach log(2 / alpha).
    The slowest test counts. Half of such rollouts take less, few take twice as many.

    Args:
        margins: The margins of the rollout.
        differing: Expected share of requests with differing decisions, as often more alarms as
            fewer, in [0, 1). The share on the test split is a good guess.
    """
    # Values of the tests: alarms (both directions are alike), agreement, loss.
    averages = np.array([0.5, 1 - differing, 0.5])
    variances = np.array([differing / 4, differing * (1 - differing), differing / 4])
    means = np.array(
        [(1 - margins.alarm_change) / 2, 1 - margins.differing, (1 - margins.loss_rise) / 2]
    )
    growths = expected_growth(averages, variances, means)
    if not margins.labels_required:
        growths = growths[:2]
    if growths.min() <= 0:
        return Expectation(requests=None, labels=0, keys=margins.min_keys)
    requests = max(math.ceil(math.log(margins.threshold) / growths.min()), margins.min_pairs)
    labels = math.ceil(differing * requests) if margins.labels_required else 0
    return Expectation(requests=requests, labels=labels, keys=margins.min_keys)

"""Number of requests that a rollout takes, estimated before it starts."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring.sequential import promotion
from measuring.sequential.betting import BettingTests
from measuring.sequential.evidence import Margins

_NUM_ROLLOUTS, _CHUNK, _MOST_REQUESTS = 100, 1_000, 100_000


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What promotion will take.

    Attributes:
        requests: Requests that both models answer, in half of the rollouts; None if more than
            100,000, or if so many decisions differ that there is no promotion.
        nine_of_ten: As many as suffice in nine of ten rollouts; None if more than 100,000.
        labels: Labels that `requests` need, of requests with differing decisions; 0 if none are
            required.
        keys: Least effective number of keys, if requests have keys.
    """

    requests: int | None
    nine_of_ten: int | None
    labels: int
    keys: int


@lru_cache
def expected_requests(margins: Margins, *, differing: float = 0.01) -> Expectation:
    """Returns what the promotion of a candidate that is as good as the stable model takes.

    A hundred rollouts are simulated, always with the same random numbers.

    Args:
        margins: The margins of the rollout.
        differing: Expected share of requests with differing decisions, as often more alarms as
            fewer, in [0, 1). The share on the test split is a good guess.
    """
    if differing >= margins.differing:
        return Expectation(requests=None, nine_of_ten=None, labels=0, keys=margins.min_keys)
    needed = np.maximum(_simulate(margins, differing), margins.min_pairs)
    half, nine_of_ten = (
        None if math.isinf(requests) else int(requests)
        for requests in np.quantile(needed, [0.5, 0.9], method="inverted_cdf").tolist()
    )
    return Expectation(
        requests=half,
        nine_of_ten=nine_of_ten,
        labels=math.ceil(differing * half) if half and margins.labels_required else 0,
        keys=margins.min_keys,
    )


def _simulate(margins: Margins, differing: float) -> NDArray[np.float64]:
    """Requests until each rollout's promotion, `[rollouts]`; infinite beyond the most."""
    means = [
        *promotion.largest_answer_means(
            alarm_change=margins.alarm_change, differing=margins.differing
        )
    ]
    guesses = [*promotion.ANSWER_GUESSES]
    if margins.labels_required:
        means.append(promotion.largest_loss_mean(margins.loss_rise))
        guesses.append(promotion.LOSS_GUESS)
    tests = BettingTests(np.repeat(means, _NUM_ROLLOUTS), np.repeat(guesses, _NUM_ROLLOUTS))
    rng = np.random.default_rng(0)
    needed = np.full((len(means), _NUM_ROLLOUTS), np.inf)
    log_threshold = math.log(margins.threshold)
    while tests.num_values < _MOST_REQUESTS and np.isinf(needed.max(axis=0)).mean() > 0.1:
        # Half of the differences are an alarm more; a differing decision is right in a half too.
        draws = rng.random((_NUM_ROLLOUTS, _CHUNK))
        more, fewer = draws < differing / 2, draws > 1 - differing / 2
        signs = more.astype(np.float64) - fewer
        values = [*promotion.answer_values(signs)]
        if margins.labels_required:
            losses = np.where(rng.random(draws.shape) < 0.5, signs, -signs)
            values.append(promotion.loss_values(losses))
        before = tests.num_values
        logs = tests.update(np.concatenate(values))
        _note_first(needed, logs >= log_threshold, before)
    return np.asarray(needed.max(axis=0))


def _note_first(needed: NDArray[np.float64], reached: NDArray[Any], before: int) -> None:
    """Notes the first request at which each test reached its threshold."""
    reached = reached.reshape(*needed.shape, -1)
    first = before + reached.argmax(axis=-1) + 1.0
    is_new = np.isinf(needed) & reached.any(axis=-1)
    needed[is_new] = first[is_new]

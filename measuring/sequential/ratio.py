"""Test of which of two arms has more events, for each request that both could have had."""

import math
from collections.abc import Sequence
from typing import Self

from measuring.sequential.betting import e_value

# Ratios of the rates, in equal parts. The last one is for an arm that fails outright.
_RATIOS = (1.25, 1.5, 2.0, 4.0, 8.0, 64.0)


class RatioTest:
    """Test of H0: an event of the candidate is at most as likely as one of the stable arm.

    Only events count. If the rates are equal, an event is the candidate's with probability w, its
    share of the requests; if its rate is r times the other's, with q = r w / (r w + 1 - w). The
    e-value is the mean over r of (q / w)^candidate ((1 - q) / (1 - w))^stable. It needs no rate and
    holds under any trend that both arms share. The share may change: each update has its own. With
    the realised share of few requests instead of the drawn one, the number of the candidate's
    events is hypergeometric, and the expectation is smaller still.

    It holds for events that are independent given the past. Requests that stick to an arm by their
    key are not: equal models whose keys have unequal rates fail it in a quarter of rollouts with
    few keys. So it is used for failures of the server, not for answers.

    References:
        Lindon & Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS 35;
        Hoeffding (1963), Probability inequalities for sums of bounded random variables, JASA 58,
        theorem 4: sampling without replacement is smaller in the convex order.
    """

    def __init__(self) -> None:
        """Starts with a capital of 1."""
        self._logs = [0.0] * len(_RATIOS)

    def update(self, *, candidate: int, stable: int, weight: float) -> None:
        """Counts events.

        Args:
            candidate: Events of the candidate.
            stable: Events of the stable arm.
            weight: The candidate's share of the requests that these events are from. At 0 or 1, one
                arm had no requests and its events say nothing.
        """
        if not 0 < weight < 1 or not candidate + stable:
            return
        for place, ratio in enumerate(_RATIOS):
            mixed = ratio * weight + 1 - weight
            # q / w is ratio / mixed, and (1 - q) / (1 - w) is 1 / mixed.
            self._logs[place] += candidate * math.log(ratio)
            self._logs[place] -= (candidate + stable) * math.log(mixed)

    @property
    def e_value(self) -> float:
        """The evidence that the candidate has more events."""
        return e_value(self.log_e_value)

    @property
    def log_e_value(self) -> float:
        """Logarithm of the evidence, finite however small that is."""
        largest = max(self._logs)
        mean = sum(math.exp(log - largest) for log in self._logs) / len(self._logs)
        return largest + math.log(mean)

    def to_state(self) -> list[float]:
        """Returns the state, exact in JSON."""
        return list(self._logs)

    def with_state(self, state: Sequence[float]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self._logs = list(state)
        return self

"""Production's cost and recall against what the gate promised, once labels are known."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from measuring.intervals import Interval
from measuring.sequential.betting import PRIOR_VARIANCE, BettingTests, accumulate, e_value

Floats = NDArray[np.float64]

_MAX_BET = 0.5
# Rises of the mean that a change is looked for at, in limits; no bet may lose more than half.
_RISES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
_MAX_LOSS = 0.5


class MeanSequence:
    """A confidence sequence of the mean of values in [0, 1]: an interval that holds at any time.

    After t values it is sum(b_i x_i) / sum(b_i) +- (ln(2 / alpha) + sum v_i psi(b_i)) / sum(b_i),
    with v_i = 4 (x_i - mu_{i-1})^2, psi(b) = (-ln(1 - b) - b) / 4 and the bets b_i = sqrt(2 ln(2 /
    alpha) / (s_{i-1}^2 i ln(i + 1))), at most 1/2. All intervals contain the mean of the values
    given the past, if it is constant, with a probability of at least 1 - alpha.

    References:
        Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting,
        JRSS-B 86: theorem 2, the predictable plug-in empirical Bernstein confidence sequence.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        """Starts without values.

        Args:
            alpha: Probability that the mean is ever outside.
        """
        self._log = math.log(2 / alpha)
        self.num_values = 0
        # Of values, squared deviations, bets, bets times values, and the widths' numerator.
        self._sums = np.zeros(5)

    def update(self, values: Floats) -> None:
        """Takes values in order, float64 `[n]` in [0, 1]."""
        values = np.asarray(values, np.float64)
        # A running sum is in order, so that the division into chunks changes no bit.
        ages = self.num_values + 1 + np.arange(len(values) + 1)
        totals = accumulate(self._sums[0], values)
        averages = (0.5 + totals) / ages
        squares = accumulate(self._sums[1], (values - averages[1:]) ** 2)
        ages, variances = ages[:-1], (PRIOR_VARIANCE + squares[:-1]) / ages[:-1]
        bets = np.minimum(np.sqrt(2 * self._log / (variances * ages * np.log1p(ages))), _MAX_BET)
        widths = (values - averages[:-1]) ** 2 * (-np.log1p(-bets) - bets)
        weighted = accumulate(self._sums[2:], np.stack([bets, bets * values, widths]))
        self._sums = np.array([totals[-1], squares[-1], *weighted[:, -1]])
        self.num_values += len(values)

    @property
    def interval(self) -> Interval:
        """The interval now; [0, 1] without values."""
        if not self.num_values:
            return 0.0, 1.0
        middle = self._sums[3] / self._sums[2]
        reach = (self._log + self._sums[4]) / self._sums[2]
        return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {"num_values": self.num_values, "sums": self._sums.tolist()}

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self.num_values = int(state["num_values"])
        self._sums = np.array(state["sums"], np.float64)
        return self


class RiseTest:
    """Tests whether the mean of values in [0, 1] rises above a limit, at a time that is unknown.

    At the beginning of update j, from 0, the share 1 / ((j + 1) (j + 2)) of a capital of 1 is put
    equally on several bets b, which stay: each grows by 1 + b (x - limit). What is kept for later
    updates, 1 / n after n of them with one added, counts too. So days of lower values, however
    many, cost little. If the mean of each value given the past is at most the limit, the whole is a
    nonnegative supermartingale: it reaches 1 / alpha at any time with a probability of at most
    alpha.

    References:
        Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting,
        JRSS-B 86: capital processes and their mixtures. Shin, Ramdas & Rinaldo (2024), E-detectors,
        New England Journal of Statistics in Data Science 2: baselines that begin at each time.
    """

    def __init__(self, limit: float) -> None:
        """Starts with the whole capital kept.

        Args:
            limit: The largest mean without a rise, in (0, 1).
        """
        self._limit = limit
        self._bets = np.minimum(_RISES / (1 - limit), _MAX_LOSS / limit)
        self._logs = np.full(len(self._bets), -np.inf)
        self._peak = 0.0
        self.num_updates = 0

    def update(self, values: Floats) -> None:
        """Takes the values of a chunk, float64 `[n]` in [0, 1]."""
        share = -math.log((self.num_updates + 1) * (self.num_updates + 2) * len(self._bets))
        steps = np.log1p(self._bets[:, None] * (values - self._limit)).sum(axis=1)
        self._logs = np.logaddexp(self._logs, share) + steps
        self.num_updates += 1
        self._peak = max(self._peak, self.log_capital)

    @property
    def log_capital(self) -> float:
        """Logarithm of the capital now."""
        kept = -math.log(self.num_updates + 1)
        return float(np.logaddexp(np.logaddexp.reduce(self._logs), kept))

    @property
    def log_peak(self) -> float:
        """Logarithm of the largest capital after any update."""
        return self._peak

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        logs = [None if math.isinf(log) else log for log in self._logs.tolist()]
        return {"num_updates": self.num_updates, "logs": logs, "peak": self._peak}

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self.num_updates, self._peak = int(state["num_updates"]), float(state["peak"])
        self._logs = np.array([-np.inf if log is None else log for log in state["logs"]])
        return self


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the gate promised of a loss in [0, 1], such as the share of missed faults.

    Attributes:
        limit: Upper limit of the interval of the mean loss on the test split.
        tolerance: Rise that does not matter.
    """

    limit: float
    tolerance: float = 0.0

    @property
    def worst(self) -> float:
        """The largest mean loss that keeps the promise."""
        return self.limit + self.tolerance


class BrokenPromise:
    """Tests at every chunk whether the mean loss in production exceeds what was promised.

    Two things may be wrong: the limit, with the error of its interval, and this test, at `alpha`.
    Half of `alpha` is for a mean that is too large over all chunks, half for one that rises.

    References:
        Podkopaev & Ramdas (2022), Tracking the risk of a deployed model and detecting harmful
        distribution shifts, ICLR: a lower confidence sequence of the risk in production beside an
        upper limit of that on the test data plus a tolerance.
    """

    def __init__(self, promise: Promise, alpha: float = 0.025) -> None:
        """Starts without labels.

        Args:
            promise: What was promised; `worst` in (0, 1).
            alpha: Probability of ever calling a kept promise broken.

        Raises:
            ValueError: The promise allows any loss, or none.
        """
        if not 0 < promise.worst < 1:
            raise ValueError(f"limit + tolerance must be in (0, 1), got {promise.worst}.")
        self._alpha = alpha
        self._test = BettingTests([promise.worst], [promise.worst])
        self._rise = RiseTest(promise.worst)
        self._mean = MeanSequence(2 * alpha)

    def update(self, losses: Floats) -> bool:
        """Takes the losses of a complete chunk; returns whether the promise is broken.

        Args:
            losses: float64 `[n]` in [0, 1], in order: of each request for the cost, of each fault
                for the recall.

        Raises:
            ValueError: A loss is outside [0, 1].
        """
        if not ((losses >= 0) & (losses <= 1)).all():
            raise ValueError(
                "Losses must be in [0, 1]. Divide the cost by that of the worst error."
            )
        self._test.update(losses[None])
        self._rise.update(losses)
        self._mean.update(losses)
        return self.is_broken

    @property
    def is_broken(self) -> bool:
        """Whether the promise has been broken at any time."""
        peak = max(float(self._test.log_peaks[0]), self._rise.log_peak)
        return peak >= -math.log(self._alpha / 2)

    @property
    def e_value(self) -> float:
        """The evidence now; 1 / alpha is enough."""
        return (e_value(float(self._test.log_capitals[0])) + e_value(self._rise.log_capital)) / 2

    @property
    def interval(self) -> Interval:
        """Interval of the mean loss that holds at any time, with a probability of 1 - 2 alpha."""
        return self._mean.interval

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {
            "test": self._test.to_state(),
            "rise": self._rise.to_state(),
            "mean": self._mean.to_state(),
        }

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self._test.with_state(state["test"])
        if "rise" in state:  # states of earlier releases have none: it starts
            self._rise.with_state(state["rise"])
        self._mean.with_state(state["mean"])
        return self


def misses_of_faults(labels: NDArray[np.generic], decisions: NDArray[np.generic]) -> Floats:
    """Returns 1 for each missed fault and 0 for each that was found, float64 `[faults]`."""
    return np.asarray(decisions[labels == 1] != 1, np.float64)

"""Betting tests of the means of bounded values."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Largest share of the capital that one value can lose.
_MAX_LOSS = 0.5
# Of a value in [0, 1], before there are any: the largest.
PRIOR_VARIANCE = 0.25
_MAX_LOG = 700.0  # exp(709.8) is the largest float64


def e_value(log_capital: float) -> float:
    """Returns the capital of its logarithm, at most exp(700)."""
    return math.exp(min(log_capital, _MAX_LOG))


class BettingTests:
    """Several tests of H0: the mean of values in [0, 1] is at most `means[i]`.

    The capital of test i is W_t = prod_s (1 + b_s (x_s - m)), with the bet b_s in [0, 1 / (2 m)]
    chosen from the values before x_s: b = (mu - m) / (var + (mu - m)^2), aGRAPA. If the mean of x_t
    given the past is at most m at each t, W is a nonnegative supermartingale, so that it reaches
    1 / alpha at any time with a probability of at most alpha. Nothing else is assumed of the
    distribution. The result does not depend on how the values are divided into updates.

    References:
        Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting,
        JRSS-B 86: the capital process (theorem 1) and aGRAPA (appendix B); Ville (1939), Étude
        critique de la notion de collectif.
    """

    def __init__(self, means: ArrayLike, guesses: ArrayLike) -> None:
        """Starts with a capital of 1 for each test.

        Args:
            means: The largest mean under H0, in (0, 1), of each test.
            guesses: Expected mean before the first value; it affects power only.
        """
        self._means = np.array(means, dtype=np.float64)[:, None]
        self._guesses = np.array(guesses, dtype=np.float64)[:, None]
        num_tests = self._means.shape[0]
        self.num_values = 0
        self._sums, self._squares, self._logs, self._peaks = np.zeros((4, num_tests))

    def update(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bets on each value in order.

        Args:
            values: float64 `[tests, values]` in [0, 1].

        Returns:
            Logarithm of each capital after each value, `[tests, values]`.
        """
        ages = self.num_values + 1 + np.arange(values.shape[1] + 1)
        sums = accumulate(self._sums, values)
        averages = (self._guesses + sums) / ages
        squares = accumulate(self._squares, (values - averages[:, 1:]) ** 2)
        variances = (PRIOR_VARIANCE + squares[:, :-1]) / ages[:-1]
        bets = _best_bets(averages[:, :-1] - self._means, variances, self._means)
        logs = accumulate(self._logs, np.log1p(bets * (values - self._means)))
        self.num_values += values.shape[1]
        self._sums, self._squares, self._logs = sums[:, -1], squares[:, -1], logs[:, -1]
        self._peaks = np.maximum(self._peaks, logs.max(axis=1))
        return logs[:, 1:]

    @property
    def log_capitals(self) -> NDArray[np.float64]:
        """Logarithm of each capital now, `[tests]`."""
        return self._logs

    @property
    def log_peaks(self) -> NDArray[np.float64]:
        """Logarithm of the largest capital at any time, `[tests]`."""
        return self._peaks

    def growth(self) -> NDArray[np.float64]:
        """Returns the expected growth of each logarithm per value, if all goes on as before.

        To the second order in the bet b: b edge - b^2 (variance + edge^2) / 2.
        """
        age = self.num_values + 1
        edges = (self._guesses[:, 0] + self._sums) / age - self._means[:, 0]
        variances = (PRIOR_VARIANCE + self._squares) / age
        bets = _best_bets(edges, variances, self._means[:, 0])
        growth: NDArray[np.float64] = bets * edges - bets**2 * (variances + edges**2) / 2
        return growth

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {
            "num_values": self.num_values,
            "sums": self._sums.tolist(),
            "squares": self._squares.tolist(),
            "logs": self._logs.tolist(),
            "peaks": self._peaks.tolist(),
        }

    def with_state(self, state: dict[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self.num_values = int(state["num_values"])
        self._sums, self._squares, self._logs, self._peaks = (
            np.array(state[name], dtype=np.float64) for name in ("sums", "squares", "logs", "peaks")
        )
        return self


def _best_bets(
    edges: NDArray[np.float64], variances: NDArray[np.float64], means: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Returns the bets that let the capital grow fastest, to the second order; none below 0.

    Args:
        edges: Mean of the values minus the largest mean under H0.
        variances: Variance of the values.
        means: The largest mean under H0.
    """
    bets: NDArray[np.float64] = np.clip(edges / (variances + edges**2), 0.0, _MAX_LOSS / means)
    return bets


def accumulate(start: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the running sums from a start: additions in order, whatever the chunks.

    Args:
        start: float64 `[...]`.
        steps: float64 `[..., steps]`.

    Returns:
        float64 `[..., steps + 1]`.
    """
    first = np.asarray(start)[..., None]
    return np.asarray(np.cumsum(np.concatenate([first, steps], axis=-1), axis=-1), np.float64)

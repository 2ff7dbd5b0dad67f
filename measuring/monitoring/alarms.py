"""E-detectors: alarms whose rate of false ones is bounded, however many features are watched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_MIN_P_VALUE = 1e-300
# Below this -ln p, (exp(u) - 1 - u) / u^2 loses digits and its series has them all.
_NEAR_ONE = 1e-3


def log_e_values(p_values: ArrayLike) -> Floats:
    """Returns the logarithms of the e-values of p-values.

    e = (1 - p + p ln p) / (p ln(p)^2), the mean of kappa p^(kappa - 1) over kappa in (0, 1). Under
    the null hypothesis its mean is at most 1.

    >>> np.exp(log_e_values([1.0, 0.05, 0.001])).round(2).tolist()
    [0.5, 1.78, 20.79]

    Args:
        p_values: In [0, 1]; any shape.

    References:
        Vovk & Wang (2021), E-values: calibration, combination and applications, Annals of
        Statistics 49, equation 2.
    """
    u = -np.log(np.clip(np.asarray(p_values, np.float64), _MIN_P_VALUE, 1.0))
    large = np.maximum(u, _NEAR_ONE)
    exact = np.log((np.expm1(large) - large) / large**2)
    return np.asarray(np.where(u < _NEAR_ONE, np.log(0.5 + u / 6 + u**2 / 24), exact), np.float64)


def chunks_between_alarms(*, chunks_per_year: float, false_alarms_per_year: float) -> float:
    """Returns the threshold of a detector that keeps a budget of false alarms.

    Raises:
        ValueError: The budget allows an alarm in every chunk, or none at all.
    """
    if not 0 < false_alarms_per_year < chunks_per_year:
        raise ValueError(
            f"false_alarms_per_year must be > 0 and below the chunks of a year, {chunks_per_year:g}"
            f", got {false_alarms_per_year:g}. Lower it, or use shorter chunks."
        )
    return chunks_per_year / false_alarms_per_year


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A channel's part in the evidence.

    Attributes:
        channel: Name of the channel.
        share: Its share of the evidence of all channels, in [0, 1].
        since: Number of the chunk, from 0, since which its evidence is largest.
    """

    channel: str
    share: float
    since: int


class DriftDetector:
    """Shiryaev-Roberts e-detectors of several channels and of their mean.

    A channel is whatever has one p-value per chunk: a feature, its missing share, the scores. With
    e-values e_t of the p-values, the detector of channel c is M_t = (M_{t-1} + 1) e_t. The evidence
    is the mean of the mean M over the channels, which finds one channel that drifts slowly, and of
    the detector of the mean e-value, which finds many at once. There is an alarm when the evidence
    reaches the threshold A. Without drift, the expected number of chunks until then is at least A,
    whatever the dependence of the channels, if each p-value is valid given the chunks before it.

    That last condition is only almost met: chunks that share a reference share its error. It is
    small if the reference has at least ten times the rows of a chunk.

    References:
        Shin, Ramdas & Rinaldo (2024), E-detectors: a nonparametric framework for sequential change
        detection, New England Journal of Statistics in Data Science 2: definition 2.2, theorem 2.4,
        and mixtures. Shiryaev (1963), On optimum methods in quickest detection problems.
    """

    def __init__(self, channels: Sequence[str], threshold: float) -> None:
        """Starts without evidence.

        Args:
            channels: Names, at least one.
            threshold: Least expected number of chunks between false alarms, > 1.

        Raises:
            ValueError: No channel, a repeated one, or a threshold of at most 1.
        """
        if not channels or len(set(channels)) < len(channels):
            raise ValueError(f"channels must be distinct names, at least one, got {channels}.")
        if not threshold > 1:
            raise ValueError(f"threshold must be > 1, got {threshold}.")
        self.channels = tuple(channels)
        self.threshold = threshold
        self.num_chunks = 0
        self.reset()

    def reset(self) -> None:
        """Forgets the evidence, after an alarm that was acknowledged; chunks count on."""
        # The last place is that of the mean over the channels. Logarithms of M + 1, so M = 0.
        num_detectors = len(self.channels) + 1
        self._log_next, self._log_best = np.zeros((2, num_detectors))
        self._since = np.full(num_detectors, self.num_chunks)

    def update(self, p_values: Mapping[str, float]) -> bool:
        """Takes the p-values of the next chunk; returns whether there is an alarm.

        Args:
            p_values: Channel to p-value. A channel without one in this chunk counts as e = 1.

        Raises:
            ValueError: A channel is unknown, or a p-value is not in [0, 1].
        """
        wrong = {n: p for n, p in p_values.items() if n not in self.channels or not 0 <= p <= 1}
        if wrong:
            raise ValueError(
                f"p-values of unknown channels or outside [0, 1]: {wrong}. "
                f"The channels are {list(self.channels)}."
            )
        logs = np.zeros(len(self.channels) + 1)
        for place, channel in enumerate(self.channels):
            if channel in p_values:
                logs[place] = log_e_values(p_values[channel])
        logs[-1] = np.logaddexp.reduce(logs[:-1]) - math.log(len(self.channels))
        starts_anew = self._log_best <= 0
        self._since = np.where(starts_anew, self.num_chunks, self._since)
        self._log_best = np.maximum(self._log_best, 0) + logs
        self._log_next = np.logaddexp(0, self._log_next + logs)
        self.num_chunks += 1
        return self.is_alarm

    @property
    def is_alarm(self) -> bool:
        """Whether the evidence has reached the threshold."""
        return self.log_evidence >= math.log(self.threshold)

    @property
    def log_evidence(self) -> float:
        """Logarithm of the evidence; -inf before the first chunk."""
        return float(np.logaddexp(self._log_mean(), self._log_values()[-1]) - math.log(2))

    @property
    def since(self) -> int:
        """Number of the chunk, from 0, since which the evidence is largest."""
        if self._log_values()[-1] >= self._log_mean():
            return int(self._since[-1])
        return int(self._since[int(np.argmax(self._log_next[:-1]))])

    def drivers(self) -> list[Driver]:
        """Returns the channels and their shares of the evidence, the largest first."""
        logs = self._log_values()[:-1]
        if not np.isfinite(logs).any():
            return []
        shares = np.exp(logs - np.logaddexp.reduce(logs))
        return [
            Driver(channel=self.channels[i], share=float(shares[i]), since=int(self._since[i]))
            for i in np.argsort(-shares, kind="stable")
        ]

    def _log_values(self) -> Floats:
        with np.errstate(divide="ignore"):
            logs = self._log_next + np.log(-np.expm1(-self._log_next))
        return np.asarray(logs, np.float64)

    def _log_mean(self) -> float:
        return float(np.logaddexp.reduce(self._log_values()[:-1]) - math.log(len(self.channels)))

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {
            "channels": list(self.channels),
            "num_chunks": self.num_chunks,
            "log_next": self._log_next.tolist(),
            "log_best": self._log_best.tolist(),
            "since": self._since.tolist(),
        }

    def with_state(self, state: dict[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object.

        Raises:
            ValueError: The state is that of other channels.
        """
        if tuple(state["channels"]) != self.channels:
            raise ValueError(
                f"The state has the channels {state['channels']}, not {list(self.channels)}. "
                "Start a new detector when the channels change."
            )
        self.num_chunks = int(state["num_chunks"])
        self._log_next = np.array(state["log_next"], np.float64)
        self._log_best = np.array(state["log_best"], np.float64)
        self._since = np.array(state["since"], np.int64)
        return self

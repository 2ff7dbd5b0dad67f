"""Tests of slower answers, paired by time."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from measuring.sequential.ratio import RatioTest

# Pairs that fix the limit of a slow answer, the stable model's 95 % quantile.
_NUM_FIRST = 200
_QUANTILE = 0.95
_MIN_WINDOW = 20


class LatencyTests:
    """Tests of H0: the candidate takes at most `ratio` times as long as the stable model.

    The candidate's time is divided by `ratio`; then the arms are compared window by window, a
    window being one update of at least 20 pairs. *Typical*: the slower arm is the one that was
    slower in most pairs. *Tail*: the one with more slow answers, above the stable model's 95 %
    quantile in its first 200 pairs. Under H0 the candidate is the slower arm of a window with a
    probability of at most 1/2, given the past; undecided windows are left out. So the tests are
    those of `RatioTest` with weight 1/2. Pairs are not counted one by one because slow answers come
    in bursts, as when a server collects garbage. A burst longer than a window still counts more
    than once. The test for promotion has the opposite hypothesis, for typical times.
    """

    def __init__(self, ratio: float) -> None:
        """Takes the ratio of the times that is still allowed."""
        self._ratio = ratio
        self._first: list[float] = []
        self._limit: float | None = None
        # Pairs; those with a slower candidate, slower stable; slow answers of candidate, stable.
        self._window = [0, 0, 0, 0, 0]
        self._typical, self._tail, self._not_slower = RatioTest(), RatioTest(), RatioTest()
        self.is_measured = False

    def update(self, *, stable: NDArray[np.floating], candidate: NDArray[np.floating]) -> None:
        """Takes the times of pairs, float `[pairs]` in any unit; NaN for unknown."""
        known = np.isfinite(stable) & np.isfinite(candidate)
        stable, candidate = stable[known], candidate[known] / self._ratio
        if not stable.size:
            return
        self.is_measured = True
        slow_candidate = slow_stable = 0
        if self._limit is not None:
            slow_candidate = int((candidate > self._limit).sum())
            slow_stable = int((stable > self._limit).sum())
        else:
            self._first += stable.tolist()
            if len(self._first) >= _NUM_FIRST:
                self._limit, self._first = float(np.quantile(self._first, _QUANTILE)), []
        slower = (int((candidate > stable).sum()), int((stable > candidate).sum()))
        steps = (stable.size, *slower, slow_candidate, slow_stable)
        self._window = [count + step for count, step in zip(self._window, steps, strict=True)]
        if self._window[0] >= _MIN_WINDOW:
            self._end_window()

    def _end_window(self) -> None:
        _, *typical, slow_candidate, slow_stable = self._window
        _decide(self._typical, *typical)
        _decide(self._not_slower, *reversed(typical))
        _decide(self._tail, slow_candidate, slow_stable)
        self._window = [0, 0, 0, 0, 0]

    @property
    def e_value(self) -> float:
        """The evidence that the candidate is slower, typically or in the tail."""
        return (self._typical.e_value + self._tail.e_value) / 2

    @property
    def log_not_slower(self) -> float:
        """Logarithm of the evidence that the candidate takes less than `ratio` times as long."""
        return self._not_slower.log_e_value

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {
            "first": self._first,
            "limit": self._limit,
            "window": self._window,
            "is_measured": self.is_measured,
            "tests": [test.to_state() for test in self._tests],
        }

    def with_state(self, state: dict[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self._first, self._limit = list(state["first"]), state["limit"]
        self._window, self.is_measured = list(state["window"]), state["is_measured"]
        for test, values in zip(self._tests, state["tests"], strict=True):
            test.with_state(values)
        return self

    @property
    def _tests(self) -> tuple[RatioTest, RatioTest, RatioTest]:
        return self._typical, self._tail, self._not_slower


def _decide(test: RatioTest, candidate: int, stable: int) -> None:
    test.update(candidate=int(candidate > stable), stable=int(stable > candidate), weight=0.5)

"""Differences of two models' losses on the same requests, in order, as labels arrive."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# Beyond these, the oldest requests are settled without a label, and the oldest labels forgotten.
MAX_WAITING, _MAX_EARLY = 10_000, 100_000

Answer = tuple[str, int]  # request id and row


@dataclass(kw_only=True)
class _Waiting:
    """A request on which the two decisions differ.

    Attributes:
        request_id: Id of the request.
        row: Row of the request.
        alarm: Whether it is the candidate that raises the alarm.
        counted: Whether it counts for rolling back.
        agreeing: Number of requests with equal decisions since the one before, not yet taken.
        positive: The label, if known.
    """

    request_id: str
    row: int
    alarm: bool
    counted: bool
    agreeing: int
    positive: bool | None = None


class LossDifferences:
    """The candidate's loss minus the stable model's, for each request in order.

    Equal decisions have equal losses whatever the label, so that only requests with differing
    decisions need one. The differences come out in the order of the requests: one without a label
    holds up all later ones. So it does not matter which labels come first or soonest, as for faults
    that show at once. Beyond 10,000 waiting requests the oldest counts against each decision:
    against the candidate for promotion, for it for rolling back.
    """

    def __init__(self, *, miss: float, false_alarm: float) -> None:
        """Takes the cost of each error, as shares of the dearer one."""
        self._miss, self._false_alarm = miss, false_alarm
        self._waiting: deque[_Waiting] = deque()
        self._index: dict[Answer, _Waiting] = {}
        self._early: OrderedDict[Answer, bool] = OrderedDict()
        self._agreeing = 0  # since the last waiting request
        self.num_labelled = 0

    @property
    def num_waiting(self) -> int:
        """Requests with differing decisions that have no label yet."""
        return sum(waiting.positive is None for waiting in self._waiting)

    def add(
        self,
        answers: Sequence[Answer],
        differences: NDArray[np.int64],
        counted: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Adds requests in order; one whose id is that of a waiting request is left out.

        Args:
            answers: Id and row of each.
            differences: The candidate's decision minus the stable model's, int64 `[requests]`.
            counted: Which of them count for rolling back, bool `[requests]`.

        Returns:
            float64 `[2, differences]` in [-1, 1]: those that are known now, for promotion and for
            rolling back.
        """
        before = 0
        for place in np.flatnonzero(differences).tolist():
            request_id, row = answer = answers[place]
            if answer in self._index:  # two requests share an id, and the label is of one of them
                self._agreeing += place - before
                before = place + 1
                continue
            waiting = _Waiting(
                request_id=request_id,
                row=row,
                alarm=bool(differences[place] > 0),
                counted=bool(counted[place]),
                agreeing=self._agreeing + place - before,
                positive=self._early.pop(answer, None),
            )
            self._agreeing, before = 0, place + 1
            self._waiting.append(waiting)
            self._index[answer] = waiting
        self._agreeing += differences.size - before
        return self._take()

    def label(self, labels: Iterable[tuple[Answer, bool]]) -> NDArray[np.float64]:
        """Takes labels of requests, in any order; a later label of the same request is ignored.

        Args:
            labels: Id and row of each request, and whether it is positive.

        Returns:
            As `add`.
        """
        for answer, positive in labels:
            waiting = self._index.get(answer)
            if waiting is None:
                self._early.setdefault(answer, positive)
            elif waiting.positive is None:
                waiting.positive = positive
        while len(self._early) > _MAX_EARLY:
            self._early.popitem(last=False)
        return self._take()

    def _take(self) -> NDArray[np.float64]:
        """Removes and returns the differences up to the first request without a label."""
        parts: list[NDArray[np.float64]] = []
        while self._waiting:
            first = self._waiting[0]
            parts.append(np.zeros((2, first.agreeing)))
            first.agreeing = 0
            if first.positive is None and len(self._waiting) <= MAX_WAITING:
                break
            self._waiting.popleft()
            del self._index[first.request_id, first.row]
            parts.append(np.array(self._losses(first))[:, None])
            self.num_labelled += first.positive is not None
        if not self._waiting:
            parts.append(np.zeros((2, self._agreeing)))
            self._agreeing = 0
        return np.concatenate(parts, axis=1) if parts else np.zeros((2, 0))

    def _losses(self, waiting: _Waiting) -> tuple[float, float]:
        """The difference for promotion and for rolling back."""
        if waiting.alarm:
            right, wrong = -self._miss, self._false_alarm
        else:
            right, wrong = -self._false_alarm, self._miss
        if waiting.positive is None:
            return wrong, right if waiting.counted else 0.0
        loss = right if waiting.positive == waiting.alarm else wrong
        return loss, loss if waiting.counted else 0.0

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON, without the labels of requests yet to come."""
        return {
            "waiting": [list(asdict(waiting).values()) for waiting in self._waiting],
            "agreeing": self._agreeing,
            "num_labelled": self.num_labelled,
        }

    def with_state(self, state: dict[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        names = ("request_id", "row", "alarm", "counted", "agreeing", "positive")
        self._waiting = deque(
            _Waiting(**dict(zip(names, values, strict=True))) for values in state["waiting"]
        )
        self._index = {(request.request_id, request.row): request for request in self._waiting}
        self._agreeing, self.num_labelled = state["agreeing"], state["num_labelled"]
        return self

"""Alarms of a detector, from rows or chunks that exceed its limit."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.nab.recordings import Recording, Window


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """The alarms of one detector in one recording.

    Attributes:
        recording: The recording.
        rows: Row at whose time each alarm is raised, ascending.
    """

    recording: Recording
    rows: tuple[int, ...]

    @property
    def num_inside(self) -> int:
        """Alarms inside a window."""
        return sum(self.recording.window_of(row) is not None for row in self.rows)

    @property
    def detected(self) -> dict[Window, int]:
        """Each window with an alarm, and the row of the first one."""
        first = {self.recording.window_of(row): row for row in reversed(self.rows)}
        return {window: row for window, row in first.items() if window is not None}

    @property
    def delays(self) -> list[tuple[float, float]]:
        """From the start of each detected window to its first alarm: share of the window, hours."""
        times = self.recording.times
        return [
            (
                (row - window[0]) / (window[1] - window[0]),
                float((times[row] - times[window[0]]) / np.timedelta64(1, "h")),
            )
            for window, row in self.detected.items()
        ]

    @property
    def expected_by_chance(self) -> float:
        """Windows that as many alarms in random rows after the probation would detect."""
        num_rows = self.recording.num_rows - self.recording.num_probation_rows
        misses = [(1 - (end - start) / num_rows) ** len(self.rows) for start, end in self.windows]
        return len(misses) - sum(misses)

    @property
    def windows(self) -> tuple[Window, ...]:
        """All windows of the recording."""
        return self.recording.windows


def first_of_runs(exceeds: NDArray[np.bool_], *, quiet: int) -> list[int]:
    """Returns the places that raise an alarm, which ends after enough quiet places in a row.

    Args:
        exceeds: bool `[n]`: which rows exceed the limit.
        quiet: Places without an excess after which the next one is a new alarm, > 0.
    """
    places = np.flatnonzero(exceeds)
    return [int(place) for place in places[np.diff(places, prepend=-quiet - 1) > quiet]]


def after_probation(recording: Recording, rows: Iterable[int]) -> Alarms:
    """Returns alarms of a detector that counts rows from the end of the probation."""
    return Alarms(
        recording=recording, rows=tuple(row + recording.num_probation_rows for row in rows)
    )

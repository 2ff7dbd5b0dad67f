"""A chunk beside the reference, as the searches for troubles need it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring.intervals import proportion_interval
from measuring.monitoring.dependence import choose_block_length, design_effect, mean_in_order
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns
from production.monitoring.performance.answers import keys_of
from production.monitoring.reference.reference import Reference

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

# Probability of a trouble in a chunk without one, over all searches: one in 27 years of days.
LEVEL = 1e-4
# A trouble of fewer rows is reported, but does not make the chunk broken.
BROKEN_SHARE = 0.01
# What is up to this many times as frequent as in the training data is drift.
_FACTOR = 2.0
_CONFIDENCE = 0.98
_MAX_ROWS = 1 << 16
_TESTS_PER_CHANNEL = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A chunk beside the reference.

    Attributes:
        chunk: The chunk.
        columns: Its features.
        reference: The reference.
        chance: Probability of a trouble in a chunk without one, over all searches.
    """

    chunk: Chunk
    columns: Columns
    reference: Reference
    chance: float = LEVEL

    @property
    def num_rows(self) -> int:
        """Rows of the chunk."""
        return self.columns.num_rows

    @cached_property
    def level(self) -> float:
        """Probability of a false trouble of one test of one channel."""
        num_channels = len(self.columns.missing) + len(self.columns.numbers)
        return self.chance / (_TESTS_PER_CHANNEL * num_channels + 1)

    @cached_property
    def keys(self) -> Ints | None:
        """int64 `[n]`, the sticky key of each row; None if a row has none."""
        return keys_of(self.chunk.records)

    @cached_property
    def by_key(self) -> Ints:
        """int64 `[n]`, the rows by key and then by time; by time without keys."""
        if self.keys is None:
            return np.arange(self.num_rows)
        return np.argsort(self.keys, kind="stable")

    def key_words(self, row: int) -> str:
        """Returns ` of the key` with the key of a row; empty without keys."""
        if self.keys is None:
            return ""
        return f" of the key `{self.chunk.records['key'][row].as_py()}`"

    def training_values(self, channel: str) -> Floats:
        """Returns the values of a number in the training data, or enough of them, ascending.

        Args:
            channel: The number.
        """
        values = self.reference.columns.numbers[channel]
        values = values[:: max(1, len(values) // _MAX_ROWS)]
        return np.sort(values[np.isfinite(values)])

    def exceeds(self, flags: Flags, then: int, num_then: int, *, scale: float = 1.0) -> bool:
        """Returns whether far more rows have a property than in the training data.

        The exact test is against twice the upper confidence limit of the training's share. Where
        the training data have such rows too, these may come in bursts: then the chunk's rows count
        as the independent rows that they are worth, judged without the longest burst.

        Args:
            flags: bool `[n]`, rows of the chunk with the property.
            then: Rows of the training data with it.
            num_then: Rows of the training data.
            scale: Factor of the training's share that the size of the chunk explains.
        """
        now = int(flags.sum())
        if not now or not num_then:
            return False
        usual = proportion_interval(then, num_then, _CONFIDENCE)[1]
        effect = self._effect(flags) if then else 1.0
        least = min(1.0, _FACTOR * scale * usual)
        return exact_p_value(now / effect, len(flags) / effect, least) <= self.level

    def _effect(self, flags: Flags) -> float:
        orders = [flags] if self.keys is None else [flags, flags[self.by_key]]
        effects = []
        for ordered in orders:
            column = _without_longest_run(ordered)[:, None].astype(np.float64)
            length = choose_block_length(column[:_MAX_ROWS])
            effects.append(design_effect(mean_in_order(column, length)) if len(column) else 1.0)
        return max(effects)


def _without_longest_run(flags: Flags) -> Flags:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return flags
    longest = int(np.argmax(ends - starts))
    return np.delete(flags, np.s_[starts[longest] : ends[longest]])


def exact_p_value(successes: float, trials: float, share: float) -> float:
    """Returns the probability of at least so many successes at a share.

    Args:
        successes: Number of successes; rounded down.
        trials: Number of trials; rounded up.
        share: Probability of a success.
    """
    return float(stats.binom.sf(int(successes) - 1, int(np.ceil(trials)), share))


def percent(share: float) -> str:
    """Returns a share in words.

    >>> percent(0.0), percent(0.1234), percent(0.00012)
    ('0 %', '12.3 %', '0.012 %')
    """
    return f"{100 * share:.3g} %"

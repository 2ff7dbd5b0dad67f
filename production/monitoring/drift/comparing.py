"""Comparisons of a chunk's columns with the training data, for rows that depend on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from measuring.monitoring.dependence import (
    are_dependent,
    choose_block_length,
    design_effect,
    mean_in_order,
)
from measuring.monitoring.two_sample import (
    LEAST_REFERENCE,
    Comparison,
    NumberReference,
    compare_categories,
    compare_numbers,
    compare_shares,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows from which the dependence of a column is estimated.
_MAX_ROWS = 1 << 16
# Categories whose dependence is estimated, the most frequent ones.
_MAX_CATEGORIES = 8
# A short reference errs in all chunks alike. Differences within so many standard errors of its own
# do not count, or every few references would raise an alarm that no chunk takes back.
_REFERENCE_ERRORS = 3.0
# With fewer blocks, their length is estimated from too few independent values: it is doubled.
_FEWEST_BLOCKS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class RowOrders:
    """Orders of a chunk's rows in which neighbours may depend on each other.

    Rows of one machine resemble each other, and so do rows of one time. With keys, each comparison
    is made in both orders, and the one that sees more dependence counts.

    Attributes:
        num_rows: Number of rows; they are in order of time.
        by_key: int64 `[n]`, the rows by key and then by time; None without keys.
        block_lengths: Least rows of a block of numbers, in order of time and by key.
    """

    num_rows: int
    by_key: Ints | None = None
    block_lengths: tuple[int, ...] = (1, 1)

    @classmethod
    def of(cls, keys: Ints | None, num_rows: int) -> "RowOrders":
        """Returns the orders of rows.

        Args:
            keys: int64 `[n]`, key of each row; None without keys.
            num_rows: Number of rows.
        """
        if keys is None:
            return cls(num_rows=num_rows)
        return cls(num_rows=num_rows, by_key=np.argsort(keys, kind="stable"))

    def of_values(self, values: Floats) -> list[Floats]:
        """Returns values in each of the orders.

        Args:
            values: float64 `[n, …]` in order of time.
        """
        return [values] if self.by_key is None else [values, values[self.by_key]]

    def with_blocks(
        self, references: Mapping[str, NumberReference], columns: Mapping[str, Floats]
    ) -> Self:
        """Returns the orders with the block length that the most dependent column needs.

        All columns take it: what makes rows resemble their neighbours reaches other columns too,
        where noise may hide it from the autocorrelations and not from the mean. A column whose
        dependence may be chance lends its length to no other.

        Args:
            references: Column to its training data.
            columns: Column to its values, float64 `[n]` in order of time; NaN is no value.
        """
        longest = [1, 1]
        for name, values in columns.items():
            for place, ordered in enumerate(self.of_values(values)):
                ranks = _ranks(references[name], ordered[~np.isnan(ordered)])
                if are_dependent(ranks, num_columns=len(columns)):
                    longest[place] = max(longest[place], _length_of(ranks))
        return replace(self, block_lengths=tuple(longest))

    @property
    def blocks(self) -> Ints:
        """int64 `[n]`: the block of each row, in the order that has longer ones."""
        place = int(np.argmax(self.block_lengths))
        blocks = np.arange(self.num_rows) // self.block_lengths[place]
        if place == 0 or self.by_key is None:
            return blocks
        placed = np.empty_like(blocks)
        placed[self.by_key] = blocks
        return placed


def compare_number_column(
    reference: NumberReference, values: Floats, orders: RowOrders
) -> Comparison:
    """Compares a column of numbers, such as a feature or the scores.

    Args:
        reference: The training data.
        values: float64 `[n]` in order of time; NaN is no value.
        orders: Orders of the rows.
    """
    results = [
        _compare_in_order(reference, ordered[~np.isnan(ordered)], least)
        for ordered, least in zip(orders.of_values(values), orders.block_lengths, strict=False)
    ]
    return max(results, key=lambda result: result.p_value)


def _compare_in_order(reference: NumberReference, present: Floats, least: int) -> Comparison:
    length = max(_length_of(_ranks(reference, present)), min(least, len(present) // 3))
    if length > reference.block_length:
        # The blocks of the chunk are the fewer ones; the t-test has their degrees of freedom.
        num_blocks = min(reference.num_blocks, max(len(present) / length, 1.0))
        reference = replace(reference, block_length=length, num_blocks=num_blocks)
    tolerance = 0.0
    if reference.num_rows < LEAST_REFERENCE * len(present):
        error = float(np.sqrt(reference.variances.max() / reference.num_rows))
        tolerance = _REFERENCE_ERRORS * error
    return compare_numbers(reference, present, tolerance=tolerance)


def _ranks(reference: NumberReference, present: Floats) -> Floats:
    """float64 `[n, 2]`: ranks in the reference and their squares, of the first rows."""
    places = np.searchsorted(reference.quantiles, present[:_MAX_ROWS])
    ranks = places / len(reference.quantiles) - 0.5
    return np.column_stack([ranks, ranks**2])


def _length_of(ranks: Floats) -> int:
    length = choose_block_length(ranks)
    if length > 1 and len(ranks) < _FEWEST_BLOCKS * length:
        return min(2 * length, len(ranks) // 3)
    return length


def compare_flags(
    now: NDArray[np.bool_], then: int, num_then: int, orders: RowOrders
) -> Comparison:
    """Compares the share of rows with a property, such as a missing value or an alarm.

    Args:
        now: bool `[n]` in order of time.
        then: Rows of the training data with the property.
        num_then: Rows of the training data, > 0.
        orders: Orders of the rows.
    """
    effect = _effect(now[:, None].astype(np.float64), orders)
    worth = _worth(len(now), num_then)
    num_now = int(now.sum())
    result = compare_shares(
        round(num_now * worth), round(len(now) * worth), then, num_then, effect=effect
    )
    exact = num_now / max(len(now), 1) - then / num_then
    return replace(
        result, effect=exact, num_rows=len(now), effective_rows=result.effective_rows / worth
    )


def compare_category_column(
    codes: Ints, names: Sequence[str], then: Mapping[str, int], orders: RowOrders
) -> Comparison:
    """Compares the categories of a column.

    Args:
        codes: int64 `[n]` in order of time: place of each row's category in `names`, or -1.
        names: The categories of the chunk.
        then: Count of each category in the training data.
        orders: Orders of the rows.
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    frequent = np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]
    flags = (codes[:, None] == frequent).astype(np.float64)
    worth = _worth(int(counts.sum()), sum(then.values()))
    now = {name: round(n * worth) for name, n in zip(names, counts.tolist(), strict=True)}
    return compare_categories(now, then, effect=_effect(flags, orders))


def _worth(num_now: int, num_then: int) -> float:
    """What a row of the chunk counts for beside a short reference: at most a tenth of it in all."""
    return min(1.0, num_then / (LEAST_REFERENCE * max(num_now, 1)))


def _effect(flags: Floats, orders: RowOrders) -> float:
    """How many rows are worth one independent row, in the order in which they depend more."""
    if not flags.any():
        return 1.0
    effects = [1.0]
    for ordered in orders.of_values(flags):
        length = choose_block_length(ordered[:_MAX_ROWS])
        effects.append(design_effect(mean_in_order(ordered, length)))
    return max(effects)

"""Ranges of a key that together cover every row of a query exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from common.errors import InputError

Key = int | str | date | datetime


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """Rows whose key is in a half-open interval, or that have no key.

    Attributes:
        index: Its place among all ranges, in the order of the keys.
        low: The lowest key; None for all below `high`.
        high: The key above the highest; None for all from `low` on.
        last: The highest key, if the range has an end that belongs to it.
        is_null: Whether these are the rows without a key.
    """

    index: int
    low: Key | None = None
    high: Key | None = None
    last: Key | None = None
    is_null: bool = False

    def contains(self, key: Key | None) -> bool:
        """Tells whether a row with this key is in the range, by Python's order of keys."""
        if key is None or self.is_null:
            return key is None and self.is_null
        return (
            (self.low is None or key >= self.low)  # type: ignore[operator]
            and (self.high is None or key < self.high)  # type: ignore[operator]
            and (self.last is None or key <= self.last)  # type: ignore[operator]
        )


def make_ranges(
    lowest_keys: Sequence[Key],
    *,
    last: Key | None = None,
    has_nulls: bool = True,
    nulls_first: bool = False,
) -> list[KeyRange]:
    """Returns ranges between the lowest keys of groups of rows.

    A key that many rows share is in one range, however many groups it fills: the groups that begin
    with the same key become one.

    Args:
        lowest_keys: The lowest key of each group, ascending in the order of the database; the
            groups have about as many rows each.
        last: The highest key to read; None for all keys. Rows above it are in no range.
        has_nulls: Whether rows may be without a key; they are a range of their own.
        nulls_first: Whether that range is the first, in place of the last.
    """
    starts = list(dict.fromkeys(lowest_keys))
    # The first range has no lowest key: it takes whatever the database sorts first.
    lows = [None, *starts[1:]] if starts else []
    highs = [*starts[1:], None] if starts else []
    lasts = [None] * (len(starts) - 1) + [last] if starts else []
    ranges = [
        KeyRange(index=0, low=low, high=high, last=end)
        for low, high, end in zip(lows, highs, lasts, strict=True)
    ]
    if has_nulls or not ranges:
        ranges.insert(0 if nulls_first else len(ranges), KeyRange(index=0, is_null=True))
    return [replace(part, index=index) for index, part in enumerate(ranges)]


def check_key(key: object, column: str) -> Key:
    """Checks that a key has a type whose order every worker sees alike.

    Args:
        key: A key as the driver returns it.
        column: Its column, for the message.

    Raises:
        InputError: It is neither a whole number nor a date, a time or a text.
    """
    if isinstance(key, bool) or not isinstance(key, int | str | date):
        raise InputError(
            f"The partition column `{column}` holds {type(key).__name__} values, such as {key!r}. "
            "Name a column of whole numbers, dates, times or text."
        )
    return key

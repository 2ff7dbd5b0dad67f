"""A trouble of a chunk's data."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class TroubleKind(StrEnum):
    """What is wrong with the data."""

    NO_VALUE = "no_value"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    UNSEEN_CATEGORIES = "unseen_categories"
    WRONG_UNIT = "wrong_unit"
    OUT_OF_RANGE = "out_of_range"
    WRONG_RATE = "wrong_rate"
    STUCK = "stuck"
    CLOCK = "clock"
    DUPLICATES = "duplicates"
    REPEATED_IDS = "repeated_ids"
    SWAPPED = "swapped"
    LATE_ROWS = "late_rows"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A trouble of a chunk's data.

    Attributes:
        kind: What is wrong.
        feature: Column that has it; None if it is about whole rows.
        share: Share of the chunk's rows that have it, in [0, 1].
        words: What was found, what the training data have, and what to do.
        is_broken: Whether the chunk's figures cannot be trusted: it is quarantined.
    """

    kind: TroubleKind
    feature: str | None
    share: float
    words: str
    is_broken: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns the trouble as JSON values."""
        return asdict(self)

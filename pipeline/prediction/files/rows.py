"""The table of the rows to predict."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The table of the rows to predict.

    Attributes:
        data: Its path.
        keys: Columns that identify a row; empty for the number of the row.
        sources: The raw files that it was assembled from, and the table of labels.
        notes: What the assembly counted, in words.
    """

    data: str
    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

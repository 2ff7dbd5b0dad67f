"""The reference of a served version."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from models.features import Feature
from production.monitoring.chunks.columns import Columns
from production.monitoring.chunks.repeats import find_repeats, row_hashes
from production.monitoring.report import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class MissingReferenceError(InputError):
    """A version has no reference: lineage lacks it, or its run's artifacts are gone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Answers of the version to the test split.

    Attributes:
        probabilities: float64 `[n]`, calibrated.
        decisions: int64 `[n]`, 1 for an alarm.
        labels: int64 `[n]`, 1 for a fault.
    """

    probabilities: Floats
    decisions: Ints
    labels: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What the gate measured of a version.

    Attributes:
        held_out: Answers to the test split.
        measured: Metric to its value and interval on the test split, as the gate judged it:
            `recall`, `precision`, `pr_auc`, `expected_cost` per 1,000 examples, and others.
    """

    held_out: HeldOut
    measured: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference(Judged):
    """The training data of a served version, and what its gate measured.

    Attributes:
        model: Name of the served model.
        version: The version.
        run: The run that trained it.
        features: The features table that it was trained with.
        num_train: Rows of the train split.
        num_faults: Those of them that are faults.
        columns: A sample of its rows as requests have them, in their order; all rows, if they are
            few enough.
        recordings: int64 `[n]`, equal for rows that are not independent: the groups or blocks of
            the split; None if it has none.
        num_repeated: Rows of the sample that equal an earlier one in all features.
        threshold: Threshold of the decision; None if the model does not say.
        confidence: Two-sided confidence of the intervals of `measured`.
    """

    model: str
    version: int
    run: str
    features: dict[str, Feature]
    num_train: int
    num_faults: int
    columns: Columns
    recordings: Ints | None
    num_repeated: int
    threshold: float | None
    confidence: float = 0.95

    @property
    def num_rows(self) -> int:
        """Rows of the sample."""
        return self.columns.num_rows

    @property
    def prevalence(self) -> float:
        """Share of faults in the train split."""
        return self.num_faults / self.num_train

    def without(self, features: Collection[str]) -> "Reference":
        """Returns the reference without some features, such as those redacted since it was made."""
        columns = self.columns.without(features)
        if len(columns.missing) == len(self.columns.missing):
            return self
        num_repeated = int(find_repeats(row_hashes(columns)).sum())
        return replace(self, columns=columns, num_repeated=num_repeated)

    def size_note(self, num_rows: int) -> str:
        """Returns a sentence if the reference is short beside a chunk; empty if it is not.

        Args:
            num_rows: Rows of the chunk.
        """
        if self.num_rows >= 10 * num_rows:
            return ""
        all_of = "all " if self.num_rows == self.num_train else ""
        return (
            f"The reference has {all_of}{self.num_rows:,} training rows, less than 10 times the "
            f"{num_rows:,} of the chunk: small changes do not count."
        )

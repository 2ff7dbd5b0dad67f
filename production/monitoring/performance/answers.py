"""The answers of a chunk as arrays."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from measuring.monitoring.dependence import MeanOfRows, choose_block_length, mean_in_order

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a model answered to the rows of a chunk, in order of time.

    Attributes:
        probabilities: float64 `[n]`, calibrated probability of a fault; NaN without one.
        decisions: int64 `[n]`, 1 for an alarm.
        keys: `[n]`, equal for rows of one key, from 0; None if some row has no key.
        block_length: Rows of a block that hardly depends on the next one.
    """

    probabilities: Floats
    decisions: NDArray[np.int64]
    keys: NDArray[np.int64] | None
    block_length: int

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.probabilities)

    @property
    def has_probability(self) -> NDArray[np.bool_]:
        """Which rows have a probability."""
        return ~np.isnan(self.probabilities)

    def rows(self, chosen: NDArray[np.bool_]) -> "Answers":
        """Returns some of the rows.

        Args:
            chosen: bool `[n]`.
        """
        return Answers(
            probabilities=self.probabilities[chosen],
            decisions=self.decisions[chosen],
            keys=None if self.keys is None else self.keys[chosen],
            block_length=self.block_length,
        )

    def mean(self, values: Floats) -> MeanOfRows:
        """Returns the mean of a value per row, with the variance of dependent rows.

        Args:
            values: float64 `[n]`.
        """
        return mean_in_order(values[:, None], self.block_length)


def read_answers(records: pa.Table) -> Answers:
    """Returns the answers of records; those without a decision are left out.

    Args:
        records: Records in order of time.
    """
    known = records.filter(decided(records))
    is_probability = np.asarray(_is_probability(known["probability"]), bool)
    probabilities = _numbers(known, "probability").astype(np.float64)
    probabilities[~is_probability] = np.nan
    decisions = _numbers(known, "decision").astype(np.int64)
    columns = np.column_stack([probabilities, decisions.astype(np.float64)])[is_probability]
    return Answers(
        probabilities=probabilities,
        decisions=decisions,
        keys=keys_of(known),
        block_length=choose_block_length(columns),
    )


def decided(records: pa.Table) -> pa.ChunkedArray:
    """Returns which records have a decision."""
    return pc.is_valid(records["decision"])


def answered(records: pa.Table) -> pa.ChunkedArray:
    """Returns which records have a probability and a decision."""
    return pc.and_(_is_probability(records["probability"]), decided(records))


def _is_probability(values: pa.ChunkedArray) -> pa.ChunkedArray:
    in_range = pc.and_(pc.greater_equal(values, 0.0), pc.less_equal(values, 1.0))
    return pc.fill_null(in_range, False)


def keys_of(records: pa.Table) -> NDArray[np.int64] | None:
    """Returns the key of each record as a number, int64 `[n]`; None if one has no key."""
    keys = records["key"]
    if not len(keys) or keys.null_count:
        return None
    indices = keys.combine_chunks().dictionary_encode().indices
    return np.asarray(indices.to_numpy(zero_copy_only=False), np.int64)


def _numbers(records: pa.Table, name: str) -> NDArray[np.generic]:
    return np.asarray(records[name].to_numpy())

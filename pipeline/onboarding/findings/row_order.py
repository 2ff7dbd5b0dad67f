"""Test for rows in recording order, by runs of equal labels, and the block lengths to try."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.components.arrow_example_gen.splitting import blocks, splits
from pipeline.counting import count
from pipeline.reading import hashing

# With fewer runs than this share of those in shuffled rows, neighbouring rows are similar.
_ORDERED_SHARE = 0.5
_MIN_EXPECTED_RUNS = 10
_MAX_SORTED_RUNS = 7  # as of two or three sorted files in one; more are the fault's own episodes
# With fewer blocks that contain a positive, the test positives come from one or two runs.
MIN_STEADY_BLOCKS = 20

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RowOrder:
    """The labels of all rows in the order of the data.

    Attributes:
        label_codes: int64 [rows], the class of each row; negative is missing.
        positive_code: The positive class.
        file_rows: Number of rows of each file; sums to `rows`.
        is_sorted_by_label: Whether rows are sorted by label: then runs of equal labels say nothing
            about the time of recording.
        are_alike: Whether neighbouring rows of one class are alike; None where that is not known.
    """

    label_codes: Ints
    positive_code: int
    file_rows: Sequence[int]
    is_sorted_by_label: bool = False
    are_alike: bool | None = None

    @cached_property
    def known(self) -> Bools:
        """Whether each row has a label, bool [rows]."""
        known: Bools = self.label_codes >= 0
        return known

    @cached_property
    def positive(self) -> Bools:
        """Whether each row is positive, bool [rows with a label]."""
        positive: Bools = self.label_codes[self.known] == self.positive_code
        return positive

    @property
    def num_runs(self) -> int:
        """Number of runs of rows of the same class."""
        return 1 + int((np.diff(self.label_codes[self.known]) != 0).sum())

    @property
    def num_expected_runs(self) -> float:
        """Expected number of runs if the rows were shuffled.

        References:
            Wald and Wolfowitz, On a test whether two samples are from the same population, 1940:
            n * (1 - sum of squared shares) + 1.
        """
        labels = self.label_codes[self.known]
        shares = np.bincount(labels) / len(labels)
        return 1 + len(labels) * (1 - float((shares**2).sum()))

    @property
    def is_ordered(self) -> bool:
        """Whether equal labels cluster much more than in shuffled rows."""
        return self._is_clustered and not (self.is_sorted_by_label or self.is_sorted)

    @property
    def has_few_runs(self) -> bool:
        """Whether equal labels form so few runs that somebody may have sorted the file by label."""
        return self._is_clustered and self.num_runs <= _MAX_SORTED_RUNS

    @property
    def is_sorted(self) -> bool:
        """Whether the few runs of equal labels come from a file that was sorted by the label."""
        return self.has_few_runs and self.are_alike is False

    @property
    def _is_clustered(self) -> bool:
        expected = self.num_expected_runs
        return expected >= _MIN_EXPECTED_RUNS and self.num_runs < _ORDERED_SHARE * expected

    @property
    def finding(self) -> str:
        """Human-readable comparison of the observed and expected number of runs."""
        return (
            f"the rows form {count(self.num_runs, 'run')} of equal labels; shuffled rows would "
            f"form about {self.num_expected_runs:,.0f}"
        )

    def block_lengths(self) -> Iterator[int]:
        """Yields block lengths to try, in descending order.

        The first is the longest run, or less if that leaves too few blocks. The last is the median
        length of the runs of positive rows: shorter blocks would cut most of these.
        """
        ends = np.flatnonzero(np.diff(self.positive.astype(np.int8))) + 1
        edges = np.concatenate([[0], ends, [len(self.positive)]])
        lengths, positive = np.diff(edges), self.positive[edges[:-1]]
        shortest = max(2, int(np.median(lengths[positive])))
        length = min(int(lengths.max()), len(self.positive) // MIN_STEADY_BLOCKS)
        while length > shortest:
            yield length
            length //= 2
        yield shortest

    def block_keys(self, block_rows: int, seed: int) -> hashing.Hashes:
        """Returns uint64 [rows with a label], the keys by which ingestion assigns their blocks."""
        keys = []
        end = 0
        for file, num_rows in enumerate(self.file_rows):
            start, end = end, end + num_rows
            labelled = self.known[start:end]
            positive = self.label_codes[start:end][labelled] == self.positive_code
            numberer = blocks.BlockNumberer(block_rows=block_rows)
            numbers = numberer.number(positive, 1 + np.flatnonzero(labelled))
            keys.append(blocks.block_keys(numbers, file, seed))
        return np.concatenate(keys)

    def num_positive_blocks(self, keys: hashing.Hashes) -> tuple[int, int]:
        """Returns the number of blocks with a positive row, and of all blocks."""
        counts = splits.KeyCounts()
        counts.add(keys, self.positive)
        return int((counts.counts[:, 1] > 0).sum()), len(counts.keys)

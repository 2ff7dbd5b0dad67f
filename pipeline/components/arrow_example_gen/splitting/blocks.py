"""Blocks of neighbouring rows; each block goes to one split as a whole.

Rows in the order of a recording are near-copies of their neighbours: on both sides of a split they
make the test figures too good. Where no column says which rows belong together, their places do.
Blocks of fixed size alone would cut some runs of equal label in two, and with them the few positive
rows that are most alike; so a run is cut only where it is longer than a block. The rows at the two
ends of such a cut may still be near-copies: few, and the fewer the longer the blocks. No rows are
dropped between blocks.

References:
    Roberts et al., Cross-validation strategies for data with temporal, spatial, hierarchical, or
    phylogenetic structure, Ecography 40, 2017 (blocks, and that their length should exceed the
    range of the autocorrelation). Racine, Consistent cross-validatory model-selection for dependent
    data: hv-block cross-validation, Journal of Econometrics 99, 2000 (a gap beside each block,
    which is not made here: it would drop rows, and rare positives among them).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.reading import hashing

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(kw_only=True)
class BlockNumberer:
    """Numbers the blocks of one file, whose rows come in order, batch by batch.

    A run of rows of one class is cut every `block_rows` rows from its start. The parts that begin
    within the same stretch of `block_rows` rows of the file make a block, so a block has less than
    twice `block_rows` rows. The result does not depend on the batches.

    Attributes:
        block_rows: Rows of a block, > 0.
        label: Class of the last row so far, None before the first.
        run_start: Number of the row with which its run began.
    """

    block_rows: int
    label: bool | None = None
    run_start: int = 0

    def number(self, labels: Bools, rows: Ints) -> Ints:
        """Returns int64 [rows], the block of each row of the next batch.

        Args:
            labels: bool [rows], whether each is positive.
            rows: int64 [rows], their numbers in the file, ascending from 1.
        """
        if not len(rows):
            return np.zeros(0, np.int64)
        begins = np.concatenate([[self.label != bool(labels[0])], labels[1:] != labels[:-1]])
        starts = np.maximum.accumulate(np.where(begins, rows, self.run_start))
        self.label, self.run_start = bool(labels[-1]), int(starts[-1])
        parts = starts + (rows - starts) // self.block_rows * self.block_rows
        blocks: Ints = (parts - 1) // self.block_rows
        return blocks


def block_keys(blocks: Ints, file: int, seed: int) -> hashing.Hashes:
    """Returns uint64 [rows], a hash of each row's block, by which blocks are dealt.

    Args:
        blocks: int64 [rows], numbers of blocks.
        file: The file's place among all files.
        seed: Changes all hashes.
    """
    files = hashing.mix(np.full(len(blocks), file + 1, np.uint64))
    return hashing.mix(hashing.mix(files + blocks.astype(np.uint64)) ^ hashing.salt(f"seed {seed}"))

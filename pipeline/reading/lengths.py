"""Recordings of unequal length, brought to the number of samples that a signal has."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.features import Lengths
from pipeline.reading import values


def fit_lengths(
    lists: pa.LargeListArray, num_samples: int, lengths: Lengths
) -> tuple[pa.LargeListArray, values.Mask]:
    """Returns recordings of `num_samples` samples each; an empty one remains empty.

    Args:
        lists: Recordings as lists of float32, without nulls.
        num_samples: Samples of the signal, at least 2.
        lengths: `cut` keeps the first samples, `pad` appends NaN, and `resample`
            interpolates linearly between the first and the last sample.

    Returns:
        The recordings, and a mask of those that are too short to cut or resample, or too long to
        pad; they remain as they are.
    """
    sizes = np.asarray(pc.list_value_length(lists), np.int64)
    flat = np.asarray(lists.flatten(), np.float32)
    starts = np.cumsum(sizes) - sizes
    unfit = _unfit(sizes, num_samples, lengths)
    changed = (sizes > 0) & (sizes != num_samples) & ~unfit
    new_sizes = np.where(changed, num_samples, sizes)
    new_starts = np.cumsum(new_sizes) - new_sizes
    fitted = np.empty(int(new_sizes.sum()), np.float32)
    # Recordings of one length at a time: there are few lengths, and many recordings of each.
    for size in np.unique(sizes[sizes > 0]):
        for is_changed in (False, True):
            rows = np.flatnonzero((sizes == size) & (changed == is_changed))
            if not rows.size:
                continue
            block = flat[starts[rows, None] + np.arange(size)]
            if is_changed:
                block = _FITTERS[lengths](block, num_samples)
            fitted[new_starts[rows, None] + np.arange(block.shape[1])] = block
    return values.lists_of(pa.array(fitted), new_sizes), unfit


def expected_samples(num_samples: int, lengths: Lengths) -> str:
    """Returns the lengths of recordings that can be fitted, in words."""
    if lengths == "resample":
        return "at least 2 samples"
    return f"at {'least' if lengths == 'cut' else 'most'} {num_samples} samples"


def _unfit(sizes: npt.NDArray[np.int64], num_samples: int, lengths: Lengths) -> values.Mask:
    if lengths == "cut":
        return (sizes > 0) & (sizes < num_samples)
    return sizes > num_samples if lengths == "pad" else sizes == 1


def _cut(block: npt.NDArray[np.float32], num_samples: int) -> npt.NDArray[np.float32]:
    return block[:, :num_samples]


def _pad(block: npt.NDArray[np.float32], num_samples: int) -> npt.NDArray[np.float32]:
    padding = np.full((len(block), num_samples - block.shape[1]), np.nan, np.float32)
    return np.hstack([block, padding])


def _resample(block: npt.NDArray[np.float32], num_samples: int) -> npt.NDArray[np.float32]:
    positions = np.linspace(0, block.shape[1] - 1, num_samples)
    left = np.minimum(positions.astype(np.int64), block.shape[1] - 2)
    share = positions - left
    low, high = block[:, left].astype(np.float64), block[:, left + 1].astype(np.float64)
    # A sample that is hit exactly does not become a gap because its neighbour is one.
    mixed = np.where(share == 0, low, np.where(share == 1, high, low + share * (high - low)))
    return mixed.astype(np.float32)


_FITTERS = {"cut": _cut, "pad": _pad, "resample": _resample}

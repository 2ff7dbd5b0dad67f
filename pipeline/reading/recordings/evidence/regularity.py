"""Regular times: equal steps, also where the times are rounded."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REGULAR = 0.9  # share of steps that makes them regular
_BLOCK, _MIN_BLOCKS = 16, 4  # steps


def is_regular(seconds: Floats) -> bool:
    """Tells whether nearly all samples have the same distance in time."""
    steps = np.diff(seconds[np.isfinite(seconds)])
    if not len(steps):
        return False
    typical = float(np.median(steps))
    near = np.isclose(steps, typical, rtol=0.05, atol=0.0)
    return typical > 0 and (bool(near.mean() >= REGULAR) or _is_regular_in_blocks(steps, typical))


def _is_regular_in_blocks(steps: Floats, typical: float) -> bool:
    """Tells whether blocks of steps are equally long, as those of 15 and 16 ms at 64 Hz."""
    num_blocks = len(steps) // _BLOCK
    near = (steps > 0.5 * typical) & (steps < 1.5 * typical)
    if num_blocks < _MIN_BLOCKS or near.mean() < REGULAR:
        return False
    blocks = steps[: num_blocks * _BLOCK].reshape(num_blocks, _BLOCK).sum(axis=1)
    is_equal = np.isclose(blocks, np.median(blocks), rtol=0.02, atol=0.0)
    return bool(is_equal.mean() >= REGULAR)

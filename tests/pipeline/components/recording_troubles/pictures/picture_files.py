"""Small pictures for tests."""

import io
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as Pillow


def encode(pixels: ArrayLike, form: str = "PNG", **options: Any) -> bytes:
    """Returns the file of a picture with intensities from 0 to 1."""
    values = np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(values).save(file, form, **options)
    return file.getvalue()


def scene(seed: int, size: int = 64) -> NDArray[np.float64]:
    """Returns a picture with structure at all scales and sharp edges, `[size, size]`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    waves = [
        rng.normal() / k * np.sin(2 * np.pi * k * (rows * np.cos(a) + columns * np.sin(a)) + p)
        for k in (1, 2, 3, 5, 8, 12)
        for a, p in rng.uniform(0, 6.28, (3, 2))
    ]
    shape = np.sum(waves, axis=0)
    return np.asarray(0.5 + 0.05 * shape + 0.15 * np.sign(shape))

"""Simulated micrographs of a metal: grains, harmless marks, and rare cracks, pores and scratches.

The pictures are simulated: fit for trying out the pipeline, not for judging a real specimen.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from scipy import ndimage, spatial

from datasets.folders import (
    NO_FAULT,
    Example,
    FolderOptions,
    describe_row,
    draw_fault_kinds,
    take_rows,
)

# Part of the digest: raise it whenever the pictures change for equal options.
SIMULATOR_VERSION = 1
# Pictures that are simulated at once; bounds memory.
BLOCK_SIZE = 64
# Share of each kind among the faulty.
FAULT_MIX = {"crack": 0.4, "pores": 0.35, "scratch": 0.25}
# Objectives: micrometres per pixel, and the share of pictures with each.
SCALES_UM_PER_PX = {0.5: 0.6, 0.8: 0.4}
GRAIN_UM = (6.0, 14.0)
TROUBLES = {NO_FAULT: 0.94, "defocus": 0.03, "glare": 0.03}
MAX_LINES, NUM_CRACK_STEPS = 4, 14

Floats = NDArray[np.float32]


class MicrographOptions(FolderOptions, frozen=True):
    """Options of the simulated micrographs.

    Attributes:
        size_px: Height and width of the pictures in pixels, in [32, 512].
    """

    num_healthy: Annotated[int, Field(ge=0)] = 1500
    num_faulty: Annotated[int, Field(ge=0)] = 100
    size_px: Annotated[int, Field(ge=32, le=512)] = 64


@dataclass(frozen=True, kw_only=True)
class Specimens:
    """What the pictures of a block show; arrays of shape [n].

    Attributes:
        um_per_px: Micrometres per pixel.
        grain_um: Mean diameter of the grains in micrometres.
        trouble: Trouble of the recording, `none` for most.
        fault_kind: Kind of the fault, `none` for healthy specimens.
        strength: Strength of the fault, in [0, 1]; 0 for healthy specimens.
    """

    um_per_px: NDArray[np.float64]
    grain_um: NDArray[np.float64]
    trouble: NDArray[np.str_]
    fault_kind: NDArray[np.str_]
    strength: NDArray[np.float64]


def simulate(options: MicrographOptions) -> Iterator[Example]:
    """Simulates all pictures as 8-bit grey PNG files, healthy and faulty mixed."""
    specimens = draw_specimens(options)
    for start in range(0, len(specimens.fault_kind), BLOCK_SIZE):
        block = take_rows(specimens, slice(start, start + BLOCK_SIZE))
        pictures = render(block, size_px=options.size_px, seed=(options.seed, start))
        for offset, picture in enumerate(pictures):
            yield f"m{start + offset:05d}.png", _encode(picture), describe_row(block, offset)


def draw_specimens(options: MicrographOptions) -> Specimens:
    """Draws what every picture shows: exact counts, every kind of fault from three faults on."""
    rng = np.random.default_rng([options.seed])
    num = options.num_healthy + options.num_faulty
    fault_kind = draw_fault_kinds(rng, options, FAULT_MIX)
    return Specimens(
        um_per_px=rng.choice(list(SCALES_UM_PER_PX), num, p=list(SCALES_UM_PER_PX.values())),
        grain_um=np.round(rng.uniform(*GRAIN_UM, num), 1),
        trouble=rng.choice(list(TROUBLES), num, p=list(TROUBLES.values())),
        fault_kind=fault_kind,
        strength=np.where(fault_kind == NO_FAULT, 0.0, np.round(rng.random(num), 3)),
    )


def render(specimens: Specimens, *, size_px: int, seed: tuple[int, int]) -> NDArray[np.uint8]:
    """Renders the pictures of a block.

    Grains, harmless marks, light and noise depend on the seed only: with other faults, the same
    seed gives the same pictures except for the faults.

    Args:
        specimens: What the pictures show.
        size_px: Height and width in pixels.
        seed: Seed of the data set, and number of the block's first picture.

    Returns:
        The pictures, uint8 [n, size_px, size_px].
    """
    rng = np.random.default_rng([*seed, 0])
    grey = _draw_grains(rng, specimens, size_px)
    grey -= _draw_small_pores(rng, specimens, size_px)
    grey -= _draw_faint_scratches(rng, specimens, size_px)
    grey -= _draw_faults(np.random.default_rng([*seed, 1]), specimens, size_px)
    return _photograph(rng, grey, specimens)


def _draw_grains(rng: np.random.Generator, specimens: Specimens, size_px: int) -> Floats:
    """Voronoi cells in a grey of their own, with dark boundaries as etching leaves them."""
    num = len(specimens.grain_um)
    grey = np.empty((num, size_px, size_px), np.float32)
    y, x = np.mgrid[:size_px, :size_px].reshape(2, -1)
    contrast = rng.uniform(0.03, 0.07, num)
    etching = rng.uniform(0.12, 0.28, num)
    for row in range(num):
        grain_px = specimens.grain_um[row] / specimens.um_per_px[row]
        field_px = size_px + 4 * grain_px
        num_grains = max(4, round((field_px / grain_px) ** 2))
        seeds = rng.uniform(-2 * grain_px, size_px + 2 * grain_px, (num_grains, 2))
        distances, nearest = spatial.KDTree(seeds).query(np.stack([y, x], axis=1), k=2)
        # Half the difference of the distances is about the distance to the boundary.
        to_boundary_um = (distances[:, 1] - distances[:, 0]) / 2 * specimens.um_per_px[row]
        boundary = etching[row] * np.exp(-((to_boundary_um / 0.4) ** 2))
        tones = 0.6 + contrast[row] * rng.standard_normal(num_grains)
        grey[row] = (tones[nearest[:, 0]] - boundary).reshape(size_px, size_px)
    return grey


def _draw_small_pores(rng: np.random.Generator, specimens: Specimens, size_px: int) -> Floats:
    """A few pores of at most 0.8 µm radius, which any specimen may have."""
    darkening = np.zeros((len(specimens.grain_um), size_px, size_px), np.float32)
    for row, num in enumerate(rng.poisson(3.0, len(darkening))):
        centres = rng.uniform(0, size_px, (num, 2))
        radius_px = rng.uniform(0.3, 0.8, num) / specimens.um_per_px[row]
        _draw_discs(darkening[row], centres, radius_px, rng.uniform(0.1, 0.3, num))
    return darkening


def _draw_faint_scratches(rng: np.random.Generator, specimens: Specimens, size_px: int) -> Floats:
    """Up to four thin, faint, straight lines that polishing has left."""
    num = len(specimens.grain_um)
    is_there = np.arange(MAX_LINES) < rng.poisson(1.0, (num, 1))
    darkness = np.where(is_there, rng.uniform(-0.04, 0.07, (num, MAX_LINES)), 0.0)
    width_um = rng.uniform(0.3, 0.6, (num, MAX_LINES))
    point = rng.uniform(0, size_px, (num, MAX_LINES, 2))
    angle = rng.uniform(0, np.pi, (num, MAX_LINES))
    to_line = _measure_to_line(point, angle, size_px)
    width_px = (width_um / specimens.um_per_px[:, None]).astype(np.float32)[..., None, None]
    profile = np.exp(-((to_line / width_px) ** 2))
    darkening: Floats = np.einsum("nk,nkyx->nyx", darkness.astype(np.float32), profile)
    return darkening


def _draw_faults(rng: np.random.Generator, specimens: Specimens, size_px: int) -> Floats:
    """The darkening by the fault of each specimen, [n, size_px, size_px]; 0 where there is none."""
    darkening = np.zeros((len(specimens.strength), size_px, size_px), np.float32)
    for row in np.flatnonzero(specimens.fault_kind != NO_FAULT):
        draw = _FAULTS[str(specimens.fault_kind[row])]
        um_per_px, strength = float(specimens.um_per_px[row]), float(specimens.strength[row])
        darkening[row] = draw(rng, um_per_px, strength, size_px)
    return darkening


def _draw_crack(
    rng: np.random.Generator, um_per_px: float, strength: float, size_px: int
) -> Floats:
    """A jagged path of 10 to 45 µm, 0.5 to 1.3 µm wide, dark all along."""
    step_px = (10.0 + 35.0 * strength) / NUM_CRACK_STEPS / um_per_px
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0.0, 0.45, NUM_CRACK_STEPS))
    steps = step_px * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    path += rng.uniform(0.25, 0.75, 2) * size_px - path.mean(axis=0)
    half_width_px = (0.25 + 0.4 * strength) / um_per_px
    gap = _measure_to_path(path, size_px) / half_width_px
    return ((0.18 + 0.27 * strength) * np.exp(-(gap**2))).astype(np.float32)


def _draw_pores(
    rng: np.random.Generator, um_per_px: float, strength: float, size_px: int
) -> Floats:
    """A cluster of three to eight pores of 0.9 to 2.4 µm radius within 8 µm."""
    num = 3 + round(5 * strength)
    centre = rng.uniform(0.2, 0.8, 2) * size_px
    centres = centre + rng.normal(0.0, 4.0 / um_per_px, (num, 2))
    radius_px = rng.uniform(0.75, 1.25, num) * (0.9 + 1.1 * strength) / um_per_px
    depth = rng.uniform(0.8, 1.2, num) * (0.2 + 0.2 * strength)
    darkening = np.zeros((size_px, size_px), np.float32)
    _draw_discs(darkening, centres, radius_px, depth)
    return darkening


def _draw_scratch(
    rng: np.random.Generator, um_per_px: float, strength: float, size_px: int
) -> Floats:
    """A groove across the picture, 1 to 2.4 µm wide and with bright rims."""
    point = rng.uniform(0.25, 0.75, 2) * size_px
    to_line = _measure_to_line(point, np.asarray(rng.uniform(0, np.pi)), size_px)
    gap = to_line / ((0.5 + 0.7 * strength) / um_per_px)
    profile = np.exp(-(gap**2)) - 0.35 * np.exp(-((gap - 2.2) ** 2))
    darkening: Floats = ((0.1 + 0.25 * strength) * profile).astype(np.float32)
    return darkening


_FAULTS = {"crack": _draw_crack, "pores": _draw_pores, "scratch": _draw_scratch}


def _draw_discs(
    darkening: Floats,
    centres: NDArray[np.float64],
    radius_px: NDArray[np.float64],
    depth: NDArray[np.float64],
) -> None:
    """Darkens a picture [h, w] in place by soft discs: centres [k, 2], radius and depth [k]."""
    for centre, radius, dark in zip(centres, radius_px, depth, strict=True):
        top, left = np.maximum(np.floor(centre - radius - 1).astype(int), 0)
        bottom, right = np.maximum(np.ceil(centre + radius + 2).astype(int), 0)
        window = darkening[top:bottom, left:right]
        y, x = np.ogrid[top : top + window.shape[0], left : left + window.shape[1]]
        gap = radius - np.hypot(y - centre[0], x - centre[1])
        np.maximum(window, dark * np.clip(gap + 0.5, 0.0, 1.0), out=window, casting="same_kind")


def _measure_to_line(
    point: NDArray[np.float64], angle: NDArray[np.float64], size_px: int
) -> Floats:
    """Distance of each pixel to the line through `point` [..., 2] at `angle` [...]."""
    along = np.arange(size_px)
    y = ((along - point[..., :1]) * np.cos(angle)[..., None]).astype(np.float32)
    x = ((along - point[..., 1:]) * np.sin(angle)[..., None]).astype(np.float32)
    distance: Floats = np.abs(y[..., :, None] - x[..., None, :])
    return distance


def _measure_to_path(path: NDArray[np.float64], size_px: int) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest segment of a path [k, 2]; [size_px, size_px]."""
    starts, steps = path[:-1, None, None], np.diff(path, axis=0)[:, None, None]
    pixels = np.moveaxis(np.mgrid[:size_px, :size_px], 0, -1) - starts
    share = np.clip((pixels * steps).sum(-1) / (steps**2).sum(-1), 0.0, 1.0)
    distances = np.linalg.norm(pixels - share[..., None] * steps, axis=-1)
    nearest: NDArray[np.float64] = distances.min(axis=0)
    return nearest


def _photograph(rng: np.random.Generator, grey: Floats, specimens: Specimens) -> NDArray[np.uint8]:
    """Uneven light, the blur of the optics, noise of the sensor, and 8 bits."""
    num, size_px, _ = grey.shape
    slope = rng.uniform(-0.06, 0.06, (num, 2, 1, 1))
    along = np.linspace(-1.0, 1.0, size_px)
    exposure = rng.uniform(0.85, 1.1, (num, 1, 1))
    exposure += np.where(specimens.trouble == "glare", 0.45, 0.0)[:, None, None]
    light = exposure + slope[:, 0] * along[:, None] + slope[:, 1] * along
    # The resolution of the optics is 0.35 µm; out of focus it is 1.2 µm.
    blur_um = np.where(specimens.trouble == "defocus", 1.2, 0.35)
    blurred = np.empty_like(grey)
    for row, sigma in enumerate(blur_um / specimens.um_per_px):
        blurred[row] = ndimage.gaussian_filter(grey[row], sigma)
    noise = rng.uniform(0.01, 0.025, (num, 1, 1)) * rng.standard_normal(grey.shape, np.float32)
    values: NDArray[np.uint8] = np.clip(255 * (blurred * light + noise), 0, 255).astype(np.uint8)
    return values


def _encode(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()

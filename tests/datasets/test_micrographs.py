import dataclasses
import io
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from datasets.micrographs import (
    BLOCK_SIZE,
    FAULT_MIX,
    NO_FAULT,
    MicrographOptions,
    Specimens,
    draw_specimens,
    render,
    simulate,
)

NUM, SIZE_PX = 8, 96


def make_specimens(fault_kind: str = NO_FAULT, *, strength: float = 0.0, um_per_px: float = 0.5):
    return Specimens(
        um_per_px=np.full(NUM, um_per_px),
        grain_um=np.full(NUM, 10.0),
        trouble=np.full(NUM, "none"),
        fault_kind=np.full(NUM, fault_kind),
        strength=np.full(NUM, strength),
    )


def render_pictures(specimens):
    return render(specimens, size_px=SIZE_PX, seed=(1, 0)).astype(float)


def draw_fault(kind: str, *, strength: float, um_per_px: float = 0.5):
    """Returns how much darker the fault alone makes each pixel, in grey levels of 255."""
    healthy = render_pictures(make_specimens(um_per_px=um_per_px))
    faulty = render_pictures(make_specimens(kind, strength=strength, um_per_px=um_per_px))
    return healthy - faulty


def measure_length_px(darker):
    """Returns the standard deviation of the dark pixels along the axes of their ellipse."""
    points = np.argwhere(darker > 8)
    return np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))


@given(healthy=st.integers(0, 90), faulty=st.integers(0, 90), seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_counts_are_exact_for_any_seed(healthy, faulty, seed):
    options = MicrographOptions(num_healthy=healthy, num_faulty=faulty, seed=seed)
    kinds = Counter(draw_specimens(options).fault_kind.tolist())

    assert kinds[NO_FAULT] == healthy
    assert kinds.total() == healthy + faulty
    assert len(set(kinds) - {NO_FAULT}) == min(faulty, len(FAULT_MIX))


def test_blocks_are_joined_without_gap_or_repetition():
    options = MicrographOptions(num_healthy=BLOCK_SIZE, num_faulty=2, size_px=32)
    examples = list(simulate(options))

    assert [name for name, _, _ in examples] == [f"m{row:05d}.png" for row in range(BLOCK_SIZE + 2)]
    assert len({content for _, content, _ in examples}) == BLOCK_SIZE + 2


def test_files_are_grey_png_of_the_given_size():
    options = MicrographOptions(num_healthy=1, num_faulty=0, size_px=48)
    [(_, content, row)] = simulate(options)
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (48, 48))
    assert row["is_faulty"] == 0
    assert row["strength"] == 0.0


def test_healthy_pictures_are_neither_dark_nor_glaring():
    pictures = render_pictures(make_specimens())

    assert 110 < pictures.mean() < 190
    assert (pictures == 255).mean() < 0.01


@pytest.mark.parametrize("kind", FAULT_MIX)
def test_a_stronger_fault_is_darker_and_larger(kind):
    weak, strong = draw_fault(kind, strength=0.1), draw_fault(kind, strength=0.9)

    assert strong.max(axis=(1, 2)).mean() > 1.3 * weak.max(axis=(1, 2)).mean()
    assert (strong > 8).sum() > 1.5 * (weak > 8).sum()
    # Even a weak fault changes something, and a strong one leaves most of the picture as it was.
    assert (weak.max(axis=(1, 2)) > 8).all()
    assert (strong == 0).mean() > 0.6


def test_a_crack_is_long_and_thin_and_pores_are_round():
    cracks, pores = draw_fault("crack", strength=0.9), draw_fault("pores", strength=0.9)
    crack_ratio = np.mean([np.divide(*measure_length_px(darker)) for darker in cracks])
    pores_ratio = np.mean([np.divide(*measure_length_px(darker)) for darker in pores])

    # Width over length of the ellipse of the dark pixels.
    assert crack_ratio < 0.5
    assert pores_ratio > 0.5


def test_a_scratch_crosses_the_picture_and_has_bright_rims():
    scratches = draw_fault("scratch", strength=0.9)
    rows_or_columns = np.maximum(
        (scratches > 8).any(axis=2).sum(axis=1), (scratches > 8).any(axis=1).sum(axis=1)
    )

    # A line through the middle half meets at least half of the rows or of the columns.
    assert (rows_or_columns >= SIZE_PX / 2).all()
    assert scratches.min() < -8


def test_a_fault_of_the_same_size_covers_fewer_pixels_at_a_coarser_scale():
    fine = (draw_fault("pores", strength=0.9, um_per_px=0.5) > 8).sum()
    coarse = (draw_fault("pores", strength=0.9, um_per_px=1.0) > 8).sum()

    # Half the length in pixels is a quarter of the area; edges and blur make it a little more.
    assert 0.2 < coarse / fine < 0.45


def test_larger_grains_have_fewer_dark_boundaries():
    small = dataclasses.replace(make_specimens(), grain_um=np.full(NUM, 6.0))
    large = dataclasses.replace(make_specimens(), grain_um=np.full(NUM, 14.0))

    def share_dark(specimens):
        pictures = render_pictures(specimens)
        around = ndimage.gaussian_filter(pictures, (0, 3, 3))
        return (pictures < around - 10).mean()

    assert share_dark(small) > 1.5 * share_dark(large)


def test_defocus_blurs_and_glare_saturates():
    sharp = render_pictures(make_specimens())
    blurred = render_pictures(
        dataclasses.replace(make_specimens(), trouble=np.full(NUM, "defocus"))
    )
    glaring = render_pictures(dataclasses.replace(make_specimens(), trouble=np.full(NUM, "glare")))

    # Contrast of boundaries and grains goes; the noise of the sensor stays.
    assert blurred.std(axis=(1, 2)).mean() < 0.85 * sharp.std(axis=(1, 2)).mean()
    assert glaring.mean() > sharp.mean() + 40

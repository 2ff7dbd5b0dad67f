"""Pictures are varied within their ranges, and always in the same way."""

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def augment(pictures, seed=0, **ranges):
    from models.train_options import Augmentation
    from models.training.media.picture_augmentation import augment_pictures

    pictures = np.asarray(pictures, np.float32)
    return augment_pictures(pictures, Augmentation(**ranges), np.random.default_rng(seed))


def noise(num=64, height=12, width=16):
    return np.random.default_rng(1).random((num, height, width, 1)).astype(np.float32)


def test_the_same_seed_varies_alike_and_another_differently():
    ranges = {"rotate_deg": 10, "shift_px": 2, "noise": 0.1, "hide_share": 0.2}
    once, again, other = (augment(noise(), seed, **ranges) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 0.1


def test_a_shift_moves_whole_pixels_by_at_most_its_range():
    spot = np.zeros((64, 12, 16, 1))
    spot[:, 6, 8] = 1
    moved = augment(spot, shift_px=3)
    row, column = (np.argmax(moved.max(axis)[:, :, 0], axis=1) for axis in (2, 1))
    assert set(row - 6) == set(column - 8) == set(range(-3, 4))
    assert (moved.sum(axis=(1, 2, 3)) == 1).all()


@pytest.mark.parametrize(
    ("flip", "forms"),
    [("horizontal", ["", "h"]), ("vertical", ["", "v"]), ("both", ["", "h", "v", "hv"])],
)
def test_flips_mirror_in_the_directions_asked_for(flip, forms):
    picture = noise(1)
    mirrored = {
        "": picture,
        "h": picture[:, :, ::-1],
        "v": picture[:, ::-1],
        "hv": picture[:, ::-1, ::-1],
    }
    varied = augment(np.repeat(picture, 64, axis=0), flip=flip)
    forms_of = [
        [form for form, one in mirrored.items() if np.allclose(one[0], row, atol=1e-5)]
        for row in varied
    ]
    assert sorted({form for [form] in forms_of}) == sorted(forms)


def test_a_rotation_turns_about_the_centre_by_at_most_its_range():
    picture = np.zeros((64, 33, 33, 1))
    picture[:, 16, 16:] = 1  # a line from the centre to the right
    turned = augment(picture, rotate_deg=90)
    np.testing.assert_allclose(turned[:, 16, 16, 0], 1, atol=1e-5)
    rows, columns = np.mgrid[:33, :33] - 16
    weights = turned[..., 0] * (np.hypot(rows, columns) > 8)
    x, y = (np.einsum("nij,ij->n", weights, part) for part in (columns, rows))
    angles = np.degrees(np.arctan2(y, x))
    assert np.abs(angles).max() < 92
    assert angles.min() < -45
    assert angles.max() > 45


def test_a_hidden_rectangle_has_the_mean_and_at_most_its_share():
    pictures = noise(height=20, width=20)
    changed = augment(pictures, hide_share=0.25) != pictures
    share = changed.mean(axis=(1, 2, 3))
    assert 0.15 < share.max() <= 0.26
    hidden = augment(pictures, hide_share=0.25)[0][changed[0]]
    np.testing.assert_allclose(hidden, pictures[0].mean(), rtol=1e-5)


def test_brightness_and_scale_change_all_intensities_and_never_leave_0_to_1():
    plain = np.full((256, 8, 8, 1), 0.5)
    bright = augment(plain, brightness=0.2)[:, 0, 0, 0]
    assert bright.min() == pytest.approx(0.3, abs=0.01)
    assert bright.max() == pytest.approx(0.7, abs=0.01)
    scaled = augment(plain, scale=0.1)[:, 0, 0, 0]
    assert (scaled.min(), scaled.max()) == pytest.approx((0.45, 0.55), abs=0.005)
    varied = augment(noise(), brightness=0.9, noise=1.0)
    assert (varied.min(), varied.max()) == (0, 1)


def test_noise_has_its_deviation():
    varied = augment(np.full((64, 12, 16, 1), 0.5), noise=0.05)
    assert varied.std() == pytest.approx(0.05, rel=0.03)


def test_missing_pictures_and_pictures_without_any_range_are_unchanged():
    pictures = noise()
    pictures[3] = -1
    varied = augment(pictures, rotate_deg=20, brightness=0.5)
    np.testing.assert_array_equal(varied[3], pictures[3])
    np.testing.assert_allclose(augment(pictures), pictures, atol=1e-6)

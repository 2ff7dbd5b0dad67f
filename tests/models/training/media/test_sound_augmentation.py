"""Spectrograms of known content: what a variation may change, and by how much."""

import numpy as np
import pytest

from models.features import Audio
from models.train_options import Augmentation
from models.training.media.sound_augmentation import augment_sounds

# 1 + (8000 - 256) // 128 frames of 16 ms.
AUDIO = Audio(sampling_rate_hz=8_000, duration_s=1.0, num_mels=10)
FRAMES = AUDIO.num_frames
DEVIATIONS = np.linspace(1, 10, 10, dtype=np.float32)


def sounds(num=200, end=FRAMES):
    """Levels that are nowhere zero until the sound ends."""
    levels = np.random.default_rng(0).uniform(1, 2, (num, FRAMES, 10)).astype(np.float32)
    levels[:, end:] = 0
    return levels


def varied(levels, seed=0, **options):
    rng = np.random.default_rng(seed)
    return augment_sounds(levels, AUDIO, Augmentation(**options), DEVIATIONS, rng)


def test_a_gain_changes_all_levels_of_a_sound_by_the_same_decibels():
    levels = sounds(end=40)
    change_db = (varied(levels, gain_db=6.0) - levels) * DEVIATIONS
    of_sound = change_db[:, 0, 0]
    assert np.abs(of_sound).max() <= 6.0
    assert of_sound.std() == pytest.approx(6 / np.sqrt(3), rel=0.15)
    np.testing.assert_allclose(
        change_db[:, :40], np.tile(of_sound[:, None, None], (1, 40, 10)), atol=1e-4
    )
    assert not varied(levels, gain_db=6.0)[:, 40:].any()


def test_noise_has_its_deviation_in_decibels_in_every_band():
    levels = sounds()
    change_db = (varied(levels, noise=2.0) - levels) * DEVIATIONS
    assert change_db.std(axis=(0, 1)) == pytest.approx(np.full(10, 2.0), rel=0.05)


def test_a_shift_moves_whole_frames_and_frees_others():
    levels = sounds(num=50)
    moved = varied(levels, shift_ms=80.0)  # five frames of 16 ms
    shifts = set()
    for before, after in zip(levels, moved, strict=True):
        [shift] = [
            s
            for s in range(-5, 6)
            if np.array_equal(
                after[max(s, 0) : FRAMES + min(s, 0)], before[max(-s, 0) : FRAMES - max(s, 0)]
            )
        ]
        freed = after[:shift] if shift > 0 else after[FRAMES + shift :]
        assert not freed.any()
        shifts.add(shift)
    assert shifts == set(range(-5, 6))


@pytest.mark.parametrize(
    ("key", "axis", "size"), [("hide_share", 1, FRAMES), ("hide_bands", 2, 10)]
)
def test_one_gap_of_at_most_its_share_is_hidden(key, axis, size):
    hidden = varied(sounds(), **{key: 0.3}) == 0
    whole = hidden.all(axis=3 - axis)
    assert np.array_equal(whole, hidden.any(axis=3 - axis))  # nothing else
    lengths = whole.sum(axis=1)
    assert lengths.max() == round(0.3 * size)
    assert (np.abs(np.diff(whole.astype(int), axis=1)).sum(axis=1) <= 2).all()


def test_a_missing_sound_is_unchanged():
    missing = np.zeros((3, FRAMES, 10), np.float32)
    options = {"gain_db": 6.0, "noise": 1.0, "shift_ms": 80.0, "hide_share": 0.2}
    assert not varied(missing, **options).any()


def test_the_same_seed_gives_the_same_variation():
    levels = sounds(num=5)
    options = {"gain_db": 6.0, "noise": 1.0, "shift_ms": 80.0, "hide_bands": 0.2}
    np.testing.assert_array_equal(varied(levels, **options), varied(levels, **options))
    assert not np.array_equal(varied(levels, **options), varied(levels, seed=1, **options))

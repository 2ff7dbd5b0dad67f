"""Spectrograms varied at random within physical ranges, on whole arrays at once."""

import numpy as np
from numpy.typing import NDArray

from models.features import Audio
from models.train_options import Augmentation

Floats = NDArray[np.float32]


def augment_sounds(
    spectrograms: Floats,
    audio: Audio,
    options: Augmentation,
    deviations_db: NDArray[np.float32],
    rng: np.random.Generator,
) -> Floats:
    """Returns spectrograms varied; every draw is uniform except the noise.

    Missing sounds, and frames after the end of a sound, are unchanged. What is hidden or freed by a
    shift becomes zero, the mean of its band.

    References:
        Park, D. S., et al. (2019), "SpecAugment: a simple data augmentation method for automatic
        speech recognition", Interspeech, for the masks in time and frequency.

    Args:
        spectrograms: float32 `[n, frames, mels]`, standardised, zero after the end of a sound.
        audio: The duration of a frame.
        options: The ranges.
        deviations_db: float32 `[mels]`, what a level was divided by, in dB.
        rng: Source of all random draws.
    """
    num, num_frames, num_bands = spectrograms.shape
    gains_db = rng.uniform(-1, 1, (num, 1, 1)) * options.gain_db
    shifts = np.rint(rng.uniform(-1, 1, num) * options.shift_ms / audio.hop_ms).astype(np.int64)
    in_time = _gaps(rng, num, options.hide_share, num_frames)
    in_bands = _gaps(rng, num, options.hide_bands, num_bands)
    varied = spectrograms + (gains_db / deviations_db).astype(np.float32)
    if options.noise:
        noise = rng.standard_normal(spectrograms.shape, np.float32)
        varied += noise * np.float32(options.noise) / deviations_db
    varied[~spectrograms.any(axis=2)] = 0
    varied = _shifted(varied, shifts)
    varied[np.broadcast_to(in_time[:, :, None] | in_bands[:, None, :], varied.shape)] = 0
    return varied


def _gaps(rng: np.random.Generator, num: int, share: float, size: int) -> NDArray[np.bool_]:
    """One gap of up to a share of the places, at a random place: bool `[num, size]`."""
    lengths = np.rint(rng.random((num, 1)) * share * size)
    first = np.rint(rng.random((num, 1)) * (size - lengths))
    places = np.arange(size)
    return np.asarray((places >= first) & (places < first + lengths), np.bool_)


def _shifted(spectrograms: Floats, shifts: NDArray[np.int64]) -> Floats:
    """Moves the frames of each row; zero fills the freed ones."""
    num_frames = spectrograms.shape[1]
    places = np.arange(num_frames) - shifts[:, None]
    moved = np.take_along_axis(spectrograms, np.clip(places, 0, num_frames - 1)[:, :, None], axis=1)
    moved[(places < 0) | (places >= num_frames)] = 0
    return moved

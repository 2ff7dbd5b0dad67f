"""A sound's spectrogram as a small picture."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image as Pillow

from models.features import Audio
from models.inputs.sound import decode_sounds, spectrograms

# Sides of the picture in pixels.
WIDTH_PX, HEIGHT_PX = 160, 80
# The range of levels that is shown, below the loudest.
_RANGE_DB = 60.0


def draw_spectrogram(content: bytes, audio: Audio) -> Pillow.Image | None:
    """Returns what the model hears in grey, the loudest white; None without a readable sound.

    Time runs to the right over the nominal duration, and frequency upwards on the mel scale.
    """
    if not content:
        return None
    try:
        sounds = decode_sounds("sound", tf.constant([[content]]), audio)
    except tf.errors.InvalidArgumentError:
        return None
    levels = spectrograms(sounds, audio).levels.numpy()[0].astype(np.float64)
    bright = np.clip(1 + (levels - levels.max()) / _RANGE_DB, 0, 1)
    picture = Pillow.fromarray(np.rint(255 * upright(bright)).astype(np.uint8))
    return picture.resize((WIDTH_PX, HEIGHT_PX), Pillow.Resampling.BILINEAR)


def upright(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns `[frames, mels]` as rows of a picture, the highest band first."""
    return frames.T[::-1]

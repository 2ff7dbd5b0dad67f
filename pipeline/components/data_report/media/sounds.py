"""Random sounds of each class, with what all sounds of train have in common."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Pillow

from models.features import Audio
from pipeline.components.data_report.media.sampling import FileSample
from pipeline.components.recording_troubles.sounds.sound_file import read_sound

_SEED = 20_253
_NUM_EXAMPLES = 8
_NUM_CODECS = 3


def sample_sounds(sounds: Mapping[str, Audio]) -> FileSample:
    """Returns an empty sample, which shows spectrograms.

    Args:
        sounds: The sounds by column.
    """

    def draw(name: str, content: bytes) -> Pillow.Image | None:
        # Imports TensorFlow, which a page without sounds does not need.
        from pipeline.components.recording_troubles.sounds.spectrogram import draw_spectrogram

        return draw_spectrogram(content, sounds[name])

    return FileSample(
        summaries={name: _Heard() for name in sounds},
        draw=draw,
        num_examples=_NUM_EXAMPLES,
        seed=_SEED,
    )


@dataclass
class _Heard:
    """What was heard of the sounds of a feature."""

    codecs: Counter[str] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)
    levels_db: list[float] = field(default_factory=list)

    def add(self, content: bytes) -> bool:
        try:
            sound = read_sound(content)
        except ValueError:
            return False
        num_channels = sound.samples.shape[1]
        channels = "1 channel" if num_channels == 1 else f"{num_channels} channels"
        self.codecs[f"{sound.codec} at {sound.rate_hz:,} Hz, {channels}"] += 1
        self.durations_s.append(sound.duration_s)
        level = float(np.sqrt(np.mean(np.square(sound.samples, dtype=np.float64))))
        # A sine at full scale has a root mean square of 1 / sqrt(2) and a level of 0 dB.
        self.levels_db.append(20 * np.log10(max(level * np.sqrt(2), 1e-6)))
        return True

    @property
    def words(self) -> str:
        """The number of sounds, their encodings, durations and levels."""
        most = self.codecs.most_common(_NUM_CODECS)
        codecs = "; ".join(f"{num:,} of {codec}" for codec, num in most)
        if others := self.codecs.total() - sum(num for _, num in most):
            codecs += f"; {others:,} others"
        low, median, high = np.quantile(self.levels_db, [0, 0.5, 1])
        return (
            f"{codecs}; {min(self.durations_s):.3g} to {max(self.durations_s):.3g} s; level "
            f"{low:.0f} to {high:.0f} dB of full scale, median {median:.0f} dB"
        )

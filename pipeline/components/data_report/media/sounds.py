"""Random sounds of each class, with what all sounds of train have in common."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.features import Audio
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.picture_file import data_url
from pipeline.components.recording_troubles.sounds.sound_file import read_sound

_CLASSES = {0: "healthy", 1: "faulty"}
_SEED = 20_253
_NUM_EXAMPLES = 8
_NUM_CODECS = 3


@dataclass
class _Heard:
    """What was heard of the sounds of a feature."""

    codecs: Counter[str] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)
    levels_db: list[float] = field(default_factory=list)
    # By class, the files with the smallest random keys.
    examples: dict[int, list[tuple[float, bytes]]] = field(
        default_factory=lambda: {label: [] for label in _CLASSES}
    )

    def add(self, content: bytes, label: int, key: float) -> None:
        try:
            sound = read_sound(content)
        except ValueError:
            return
        num_channels = sound.samples.shape[1]
        channels = "1 channel" if num_channels == 1 else f"{num_channels} channels"
        self.codecs[f"{sound.codec} at {sound.rate_hz:,} Hz, {channels}"] += 1
        self.durations_s.append(sound.duration_s)
        level = float(np.sqrt(np.mean(np.square(sound.samples, dtype=np.float64))))
        # A sine at full scale has a root mean square of 1 / sqrt(2) and a level of 0 dB.
        self.levels_db.append(20 * np.log10(max(level * np.sqrt(2), 1e-6)))
        examples = self.examples[label]
        if len(examples) < _NUM_EXAMPLES or key < examples[-1][0]:
            examples.append((key, content))
            examples.sort(key=lambda example: example[0])
            del examples[_NUM_EXAMPLES:]

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


@dataclass(eq=False)
class SoundSample:
    """A random sample of the sounds of each class, drawn in one pass.

    Attributes:
        sounds: The sounds by column.
    """

    sounds: Mapping[str, Audio]
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))
    _heard: dict[str, _Heard] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch, labels: NDArray[np.int64]) -> None:
        """Adds examples.

        Args:
            batch: Columns of lists, as tfx_bsl decodes them.
            labels: `[rows]` of 0 and 1.
        """
        for name in self.sounds:
            heard = self._heard.setdefault(name, _Heard())
            keys = self._random.random(batch.num_rows).tolist()
            contents = file_contents(batch, name)
            for content, label, key in zip(contents, labels.tolist(), keys, strict=True):
                heard.add(content, label, key)

    def spectrograms(self) -> list[dict[str, Any]]:
        """Returns, for each column with sounds, its name, words, and images by class."""
        return [
            {
                "name": name,
                "words": heard.words,
                "classes": [
                    {"class": _CLASSES[label], "images": _images(examples, self.sounds[name])}
                    for label, examples in heard.examples.items()
                ],
            }
            for name, heard in self._heard.items()
            if heard.durations_s
        ]


def _images(examples: list[tuple[float, bytes]], audio: Audio) -> list[str]:
    # Imports TensorFlow, which a page without sounds does not need.
    from pipeline.components.recording_troubles.sounds.spectrogram import draw_spectrogram

    drawn = [draw_spectrogram(content, audio) for _, content in examples]
    return [data_url(picture) for picture in drawn if picture is not None]

"""The page shows spectrograms of random sounds of each class."""

import numpy as np
import pyarrow as pa
import pytest

from models.features import Audio
from pipeline.components.data_report.media.sounds import sample_sounds
from tests.pipeline.components.recording_troubles.sounds.test_sounds import RATE, TONE, WAV, wav

pytestmark = pytest.mark.tensorflow


def sample_of(files, labels):
    sample = sample_sounds({"hum": Audio(sampling_rate_hz=RATE, duration_s=1)})
    rows = pa.array([[file] if file else [] for file in files], pa.list_(pa.binary()))
    [batch] = pa.table({"hum": rows}).to_batches()
    sample.add(batch, np.asarray(labels))
    return sample


def test_a_random_sample_of_each_class_is_shown_with_encodings_durations_and_levels():
    # A tone of half of full scale: -6 dB; a tenth of it: -26 dB.
    files = [wav(TONE[: 4_000 + 10 * number]) for number in range(20)]
    files += [wav(np.stack([0.1 * TONE] * 2, axis=1), subtype="PCM_24")]
    labels = [int(number % 10 == 0) for number in range(21)]
    [shown] = sample_of(files, labels).images()
    assert shown["words"] == (
        "20 of 16-bit PCM at 8,000 Hz, 1 channel; 1 of 24-bit PCM at 8,000 Hz, 2 channels; "
        "0.5 to 1 s; level -26 to -6 dB of full scale, median -6 dB"
    )
    healthy, faulty = shown["classes"]
    assert (len(healthy["images"]), len(faulty["images"])) == (8, 3)
    assert len({*healthy["images"], *faulty["images"]}) == 11


def test_rare_encodings_are_counted_together():
    files = [WAV] * 5 + [wav(TONE, rate) for rate in (4_000, 4_000, 5_000, 5_000, 6_000, 7_000)]
    [shown] = sample_of(files, [0] * 11).images()
    assert "2 of 16-bit PCM at 5,000 Hz, 1 channel; 2 others; 1 to 2 s" in shown["words"]


def test_missing_and_damaged_sounds_are_not_shown():
    assert sample_of([b"", WAV[:100]], [0, 1]).images() == []


def test_a_spectrogram_is_bright_at_the_tones_time_and_frequency():
    from pipeline.components.recording_troubles.sounds.spectrogram import draw_spectrogram

    # 1,000 Hz in the first half: its mel, 1000, is 47 % of the way to the highest, 2146.
    half = np.where(np.arange(RATE) < RATE // 2, np.sin(np.pi / 4 * np.arange(RATE)), 0.0)
    picture = np.asarray(draw_spectrogram(wav(half), Audio(sampling_rate_hz=RATE, duration_s=1)))
    assert picture.shape == (80, 160)
    assert picture[80 - 37, 40] > 240
    assert picture[80 - 70, 40] < 30
    assert picture[80 - 37, 120] < 30
    assert draw_spectrogram(b"", Audio(sampling_rate_hz=RATE, duration_s=1)) is None

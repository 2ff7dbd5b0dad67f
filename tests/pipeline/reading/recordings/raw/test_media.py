from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.components.recording_troubles.sounds.sound_file import read_sound as read_wav
from pipeline.reading.recordings.raw.media import read_sound

BEYOND_FULL_SCALE = np.array([[0.25, -3.0], [1.5, 0.0], [-0.125, 2.0]])


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_beyond_full_scale_are_kept(tmp_path: Path, subtype: str):
    soundfile.write(tmp_path / "a.wav", BEYOND_FULL_SCALE, 8_000, subtype=subtype)
    content, rate_hz = read_sound(str(tmp_path / "a.wav"))
    sound = read_wav(content)
    assert (rate_hz, sound.rate_hz, sound.codec) == (8_000, 8_000, "32-bit float")
    assert sound.samples.tolist() == BEYOND_FULL_SCALE.tolist()


def test_equal_samples_become_equal_files(tmp_path: Path):
    # The header that libsndfile writes for floats has a time in it.
    for name, second in (("a.wav", 0), ("b.wav", 1)):
        soundfile.write(tmp_path / name, BEYOND_FULL_SCALE, 8_000, subtype="FLOAT")
        content = bytearray((tmp_path / name).read_bytes())
        content[content.index(b"PEAK") + 12] = second
        (tmp_path / name).write_bytes(content)
    contents = [read_sound(str(tmp_path / name))[0] for name in ("a.wav", "b.wav")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("subtype", "codec"),
    [("PCM_24", "32-bit float"), ("PCM_16", "16-bit PCM"), ("PCM_U8", "16-bit PCM")],
)
def test_samples_are_not_rounded(tmp_path: Path, subtype: str, codec: str):
    # The served model decodes the raw file: a step of 16 bits would be 96 dB below full scale.
    samples = np.random.default_rng(0).normal(scale=0.1, size=1_000)
    soundfile.write(tmp_path / "a.wav", samples, 8_000, subtype=subtype)
    sound = read_wav(read_sound(str(tmp_path / "a.wav"))[0])
    raw, _ = soundfile.read(tmp_path / "a.wav")
    assert sound.codec == codec
    np.testing.assert_array_equal(sound.samples[:, 0], raw)


def test_24_bits_that_are_quieter_than_16_are_no_silence(tmp_path: Path):
    soundfile.write(tmp_path / "a.flac", np.full(100, 2.0**-20), 8_000, subtype="PCM_24")
    sound = read_wav(read_sound(str(tmp_path / "a.flac"))[0])
    assert sound.samples[:, 0].tolist() == [2.0**-20] * 100

"""Sounds with known troubles, as files."""

import io

import numpy as np
import pytest
import soundfile

from pipeline.components.recording_troubles.sounds.measures import measure_sounds
from pipeline.components.recording_troubles.sounds.sound_file import read_sound

RATE = 8_000
RNG = np.random.default_rng(0)
TIME = np.arange(RATE) / RATE
TONE = 0.5 * np.sin(2 * np.pi * 440 * TIME) + 0.01 * RNG.standard_normal(RATE)


def wav(samples, rate=RATE, subtype="PCM_16", form="WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=form)
    return file.getvalue()


WAV = wav(TONE)


@pytest.mark.parametrize(
    ("subtype", "form", "codec"),
    [
        ("PCM_U8", "WAV", "8-bit PCM"),
        ("PCM_16", "WAV", "16-bit PCM"),
        ("PCM_24", "WAVEX", "24-bit PCM"),
        ("PCM_32", "WAV", "32-bit PCM"),
        ("FLOAT", "WAV", "32-bit float"),
        ("DOUBLE", "WAV", "64-bit float"),
    ],
)
def test_samples_are_those_that_soundfile_reads(subtype, form, codec):
    content = wav(np.stack([TONE, -TONE], axis=1), subtype=subtype, form=form)
    sound = read_sound(content)
    expected, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert (sound.rate_hz, sound.codec) == (rate, codec)
    np.testing.assert_allclose(sound.samples, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"no sound at all", "is no WAV file"),
        (wav(TONE, form="FLAC"), "is FLAC, not WAV"),
        (WAV[:30], "is truncated: it has no samples"),
        (WAV[:1044], "is truncated: its header states 16,000 bytes of samples, and 1,000 follow"),
        (WAV[:44], "is truncated: its header states 16,000 bytes of samples, and 0 follow"),
        (wav(TONE, subtype="ULAW"), "has samples of format 7 with 8 bits"),
        (WAV[:22] + bytes(2) + WAV[24:], "has a wrong header: 0 channels at 8,000 Hz"),
        (WAV[:24] + bytes(4) + WAV[28:], "has a wrong header: 1 channels at 0 Hz"),
        (WAV[:40] + bytes(4), "has no samples"),
    ],
)
def test_a_file_that_cannot_be_decoded_says_why(content, reason):
    with pytest.raises(ValueError, match=reason):
        read_sound(content)


def flags(samples, rate=RATE, **options):
    measures, [reason] = measure_sounds([wav(samples, rate, **options)])
    assert not reason
    return {
        "silent": bool(measures.is_silent[0]),
        "clipped": bool(measures.is_clipped[0]),
        "offset": bool(measures.has_offset[0]),
        "slower": bool(measures.is_slower(RATE)[0]),
    }


GOOD = dict.fromkeys(("silent", "clipped", "offset", "slower"), False)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
def test_a_good_sound_has_no_trouble(subtype):
    assert flags(TONE, subtype=subtype) == GOOD


def test_each_trouble_is_found_alone():
    assert flags(0 * TONE) == GOOD | {"silent": True}
    dropout = np.where((TIME > 0.5) & (TIME < 0.55), 0.0, TONE)
    assert flags(dropout) == GOOD | {"silent": True}
    assert flags(np.clip(1.5 * TONE, -0.6, 0.6)) == GOOD | {"clipped": True}
    assert flags(TONE + 0.1) == GOOD | {"offset": True}
    assert flags(TONE, rate=6_000) == GOOD | {"slower": True}


def test_a_silent_channel_beside_others_is_no_dropout():
    assert not flags(np.stack([TONE, 0 * TONE], axis=1))["silent"]


def test_unreadable_and_missing_files_have_no_measures():
    measures, reasons = measure_sounds([WAV, b"", b"text"])
    assert reasons == ["", "", "is no WAV file"]
    assert measures.duration_s[0] == 1.0
    assert np.isnan(measures.duration_s[1:]).all()
    assert measures.is_clipped.tolist() == [False] * 3

"""Sounds of known content, as files in all formats."""

import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from models.features import Audio
from models.inputs.sound import (
    FLOOR_DB,
    band_centres,
    band_totals,
    decode_sounds,
    floored,
    sound_summary_units,
    spectrograms,
    standardised,
    summarise_sounds,
)

RATE = 8_000
AUDIO = Audio(sampling_rate_hz=RATE, duration_s=1.0)
TIME = np.arange(RATE) / RATE
TONE = np.sin(2 * np.pi * 1_000 * TIME)


def wav(samples, rate=RATE, subtype="PCM_16", form="WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=form)
    return file.getvalue()


def decoded(*files: bytes, audio: Audio = AUDIO):
    return decode_sounds("noise", tf.constant(files, tf.string)[:, tf.newaxis], audio)


@pytest.mark.parametrize(
    ("subtype", "form", "step"),
    [
        # Half a step of quantisation, and what a sample at +1 is cut by.
        ("PCM_U8", "WAV", 2.0**-7),
        ("PCM_16", "WAV", 2.0**-15),
        ("PCM_24", "WAV", 2.0**-23),
        ("PCM_32", "WAV", 2.0**-22),  # float32 has 24 bits
        ("FLOAT", "WAV", 2.0**-22),
        ("DOUBLE", "WAV", 2.0**-22),
        ("PCM_24", "WAVEX", 2.0**-23),
    ],
)
def test_all_formats_give_the_samples_that_were_written(subtype, form, step):
    sounds = decoded(wav(TONE, subtype=subtype, form=form))
    assert sounds.lengths.numpy().tolist() == [RATE]
    assert sounds.samples.numpy()[0] == pytest.approx(TONE, abs=step)


def test_channels_are_averaged_and_what_is_missing_at_the_end_is_silence():
    sounds = decoded(wav(np.stack([TONE[:2000], np.zeros(2000)], axis=1)))
    assert (sounds.lengths.numpy()[0], sounds.durations_s.numpy()[0]) == (2_000, 0.25)
    assert sounds.samples.numpy()[0, :2000] == pytest.approx(TONE[:2000] / 2, abs=1e-4)
    assert not sounds.samples.numpy()[0, 2000:].any()


def test_a_long_sound_is_cut_and_its_duration_is_that_of_the_file():
    sounds = decoded(wav(np.tile(TONE, 3)))
    assert (sounds.lengths.numpy()[0], sounds.durations_s.numpy()[0]) == (RATE, 3.0)


@pytest.mark.parametrize("rate", [44_100, 16_000, 6_000])
def test_another_rate_is_resampled(rate):
    other = np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)
    sounds = decoded(wav(other, rate))
    # The ends have no neighbours on one side.
    assert sounds.samples.numpy()[0, 100:-100] == pytest.approx(TONE[100:-100], abs=2e-3)


def test_what_the_nominal_rate_cannot_hold_is_removed_and_not_folded():
    too_high = np.sin(2 * np.pi * 7_000 * np.arange(16_000) / 16_000)
    sounds = decoded(wav(too_high, 16_000))
    # Sampled without a filter, it would be a tone of 1,000 Hz with an amplitude of 1.
    assert np.abs(sounds.samples.numpy()[0, 100:-100]).max() < 2e-3


def test_chunks_before_the_samples_are_skipped():
    plain = wav(TONE)
    # A chunk of an odd size is padded by one byte.
    noted = plain[:36] + b"LIST\x03\x00\x00\x00abc\x00" + plain[36:]
    assert (decoded(noted).samples == decoded(plain).samples).numpy().all()


def test_a_file_that_was_written_to_a_pipe_ends_with_its_bytes():
    for unknown in (bytes(4), b"\xff" * 4):
        sounds = decoded(WAV[:40] + unknown + WAV[44:])
        assert sounds.samples.numpy()[0] == pytest.approx(TONE, abs=1e-4)


WAV = wav(TONE)


@pytest.mark.parametrize(
    "damaged",
    [
        b"no sound",
        b"RIFF",
        WAV[:30],
        WAV[:44],
        WAV[:-2],  # cut by a sample
        WAV[:40] + b"\xff\xff\xff\x00" + WAV[44:],  # a size that lies
        WAV[:22] + b"\x00\x00" + WAV[24:],  # no channels
        WAV[:24] + bytes(4) + WAV[28:],  # no rate
        WAV[:16] + b"\xff\xff\xff\x7f" + WAV[20:],  # a chunk beyond the end
        wav(TONE, subtype="ULAW"),
        wav(TONE, form="FLAC"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_its_row(damaged):
    graph = tf.function(lambda files: decode_sounds("noise", files, AUDIO).lengths, autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`noise` holds no WAV file") as error:
        graph(tf.constant([[WAV], [WAV], [damaged]]))
    assert str(error.value).count("[2]")


def test_a_missing_sound_is_zero_everywhere_and_has_no_summaries():
    sounds = decoded(b"", WAV)
    heard = spectrograms(sounds, AUDIO)
    assert sounds.lengths.numpy().tolist() == [0, RATE]
    assert not heard.present.numpy()[0].any()
    scaled = standardised(heard, tf.zeros(40, tf.float64), tf.ones(40, tf.float64)).numpy()
    assert not scaled[0].any()
    assert scaled[1].any()
    summaries = summarise_sounds(sounds, heard, AUDIO).numpy()
    assert np.isnan(summaries[0]).all()
    assert np.isfinite(summaries[1]).all()


def test_a_tone_is_at_its_frequency_with_its_level():
    # 0.1 of full scale is -20 dB.
    heard = spectrograms(decoded(wav(0.1 * TONE, subtype="FLOAT")), AUDIO)
    levels = heard.levels.numpy()[0]
    # 1 + (8000 - 256) // 128 frames.
    assert levels.shape == (61, 40)
    nearest = np.argmin(np.abs(band_centres(AUDIO) - 1_000))
    assert set(levels.argmax(axis=1)) <= {nearest - 1, nearest, nearest + 1}
    total = 10 * np.log10((10 ** (levels / 10)).sum(axis=1))
    assert total == pytest.approx(np.full(61, -20.0), abs=0.01)


def test_silence_is_at_the_floor():
    levels = spectrograms(decoded(wav(0 * TONE)), AUDIO).levels.numpy()
    assert (levels == np.float32(FLOOR_DB)).all()


def test_frames_count_where_they_lie_within_the_sound():
    # 1 + (2000 - 256) // 128 frames of 2,000 samples; one of less than a frame.
    heard = spectrograms(decoded(wav(TONE[:2000]), wav(TONE[:100])), AUDIO)
    assert heard.present.numpy().sum(axis=1).tolist() == [14, 1]


def test_bands_are_standardised_over_the_frames_that_count():
    heard = spectrograms(decoded(wav(TONE), wav(0.01 * TONE[:2000]), b""), AUDIO)
    count, total, squares = np.split(band_totals(heard).numpy().sum(axis=0), 3)
    assert (count == 61 + 14).all()
    mean = total / count
    deviation = np.sqrt(squares / count - mean**2)
    scaled = standardised(heard, tf.constant(mean), floored(tf.constant(deviation))).numpy()
    inside = scaled[heard.present.numpy()]
    assert inside.mean(axis=0) == pytest.approx(np.zeros(40), abs=1e-5)
    varied = deviation > 0.5
    assert inside.std(axis=0)[varied] == pytest.approx(np.ones(varied.sum()), abs=1e-3)


def test_the_summaries_of_a_tone():
    sounds = decoded(wav(TONE, subtype="FLOAT"))
    values = summarise_sounds(sounds, spectrograms(sounds, AUDIO), AUDIO).numpy()[0]
    named = dict(zip(sound_summary_units(AUDIO), values, strict=True))
    # A sine's mean square is 1/2 and its fourth moment 3/8.
    assert named["level"] == pytest.approx(0.0, abs=0.01)
    assert named["crest factor"] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert named["kurtosis"] == pytest.approx(1.5, rel=1e-3)
    assert named["spectral centroid"] == pytest.approx(1_000, rel=0.02)
    assert named["deviation of the spectral centroid"] < 1
    assert named["duration"] == 1.0


def test_impacts_raise_the_kurtosis_and_the_largest_level_but_hardly_the_mean():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(RATE)
    impacts = noise.copy()
    impacts[::2000] = 0.8
    sounds = decoded(wav(noise), wav(impacts))
    rows = summarise_sounds(sounds, spectrograms(sounds, AUDIO), AUDIO).numpy()
    names = list(sound_summary_units(AUDIO))
    assert rows[0][names.index("kurtosis")] == pytest.approx(3.0, abs=0.3)
    assert rows[1][names.index("kurtosis")] > 100


def test_names_and_values_of_summaries_are_as_many():
    audio = Audio(sampling_rate_hz=RATE, duration_s=0.5, num_mels=8)
    sounds = decoded(WAV, audio=audio)
    summaries = summarise_sounds(sounds, spectrograms(sounds, audio), audio)
    assert summaries.shape == (1, len(sound_summary_units(audio)))

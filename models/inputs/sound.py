"""Sounds in the transform graph: decoded, resampled, as spectrograms, and summarised for trees.

All are TensorFlow core operations, so a client sends a WAV file as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.features import Audio

# Levels are in dB of the mean square of a sine at full scale; less than the floor counts as it.
FLOOR_DB = -100.0
# Header of a chunk: its name and its size. Of the fields of `fmt ` the last one that is read, the
# format of WAVE_FORMAT_EXTENSIBLE, ends at byte 26.
_CHUNK, _FMT_BYTES, _EXTENSIBLE = 8, 26, 0xFFFE
_PCM, _FLOAT = 1, 3
# The formats that are decoded: format and bits of a sample to the raw type.
_RAW_TYPES = {
    (_PCM, 8): tf.uint8,
    (_PCM, 16): tf.int16,
    (_PCM, 24): tf.uint8,
    (_PCM, 32): tf.int32,
    (_FLOAT, 32): tf.float32,
    (_FLOAT, 64): tf.float64,
}
_MAX_CHANNELS = 64
# A band without a frequency of its own does not vary at all.
_MIN_DEVIATION_DB = 0.5
# A variance below this is what rounding leaves of a constant.
_ROUNDING = 1e-14

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sounds:
    """Sounds at the nominal rate and duration.

    Attributes:
        samples: float32 `[batch, num_samples]`; zero after the end of a sound.
        lengths: int32 `[batch]`, samples of each sound, cut to the nominal duration; 0 where it is
            missing.
        durations_s: float32 `[batch]`, of the whole file; NaN where it is missing.
    """

    samples: tf.Tensor
    lengths: tf.Tensor
    durations_s: tf.Tensor


def decode_sounds(name: str, content: tf.Tensor, audio: Audio) -> Sounds:
    """Returns the sounds of a batch at the rate and duration of the feature.

    The channels are averaged. A sound of another rate is resampled by its Fourier transform, which
    removes what the nominal rate cannot hold.

    References:
        Microsoft and IBM (1991), "Multimedia programming interface and data specifications 1.0",
        chapter 3, for the RIFF chunks; Microsoft (2001), "Multiple channel audio data and WAVE
        files", for WAVE_FORMAT_EXTENSIBLE.

    Args:
        name: The column, for the message.
        content: string `[batch, 1]`, the bytes of WAV files (PCM of 8, 16, 24 or 32 bits, or float
            of 32 or 64 bits); empty where a sound is missing.
        audio: Rate and duration.

    Returns:
        The sounds. Running the graph fails with the positions of the rows that hold no such file.
    """
    files = tf.reshape(content, [-1])
    samples, lengths, durations, damaged = tf.map_fn(
        lambda file: _decode(file, audio),
        files,
        fn_output_signature=(
            tf.TensorSpec([audio.num_samples], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.float32),
            tf.TensorSpec([], tf.bool),
        ),
    )
    check = tf.debugging.Assert(
        tf.logical_not(tf.reduce_any(damaged)),
        [
            f"`{name}` holds no WAV file of PCM (8, 16, 24 or 32 bits) or float samples in these "
            "rows of the batch, counted from 0:",
            tf.where(damaged)[:, 0],
        ],
        summarize=20,
    )
    with tf.control_dependencies([check]):
        return Sounds(tf.stop_gradient(samples), tf.identity(lengths), tf.identity(durations))


def _decode(file: tf.Tensor, audio: Audio) -> tuple[tf.Tensor, ...]:
    """One file as samples, their number, the duration, and whether it is damaged."""
    header = _read_header(file)
    samples = tf.cond(
        header.is_known,
        lambda: _mono(file, header, audio),
        lambda: tf.zeros([0], tf.float32),
    )
    num_source = tf.cast(header.num_frames, tf.float32)
    rate_hz = tf.cast(tf.maximum(header.rate_hz, 1), tf.float32)
    nominal_hz = np.float32(audio.sampling_rate_hz)
    resampled = tf.cond(
        tf.equal(rate_hz, nominal_hz) | tf.equal(tf.size(samples), 0),
        lambda: samples,
        lambda: _resample(samples, rate_hz, nominal_hz),
    )[: audio.num_samples]
    length = tf.size(resampled)
    padded = tf.pad(resampled, [[0, audio.num_samples - length]])
    is_missing = tf.equal(tf.strings.length(file), 0)
    duration = tf.where(header.is_known, num_source / rate_hz, np.nan)
    return (
        tf.ensure_shape(padded, [audio.num_samples]),
        length,
        duration,
        tf.logical_not(header.is_known | is_missing),
    )


@dataclass(frozen=True)
class _Header:
    """What the header of a WAV file says, int32 scalars; all are 0 where `is_known` is false."""

    format: tf.Tensor
    num_channels: tf.Tensor
    rate_hz: tf.Tensor
    bits: tf.Tensor
    start: tf.Tensor
    num_frames: tf.Tensor
    is_known: tf.Tensor


def _read_header(file: tf.Tensor) -> _Header:
    size = tf.strings.length(file)
    is_wave = tf.equal(_text(file, 0, 4), "RIFF") & tf.equal(_text(file, 8, 4), "WAVE")
    fmt, data = _find_chunks(file, tf.where(is_wave, size, 0))
    # With the chunk's own end beyond that of the file, the file was cut.
    has_fmt = (fmt > 0) & (_number(file, fmt - 4, 4) >= 16) & (fmt + 16 <= size)
    tag = _number(file, fmt, 2)
    is_extended = tf.equal(tag, _EXTENSIBLE) & (fmt + _FMT_BYTES <= size)
    tag = tf.where(is_extended, _number(file, fmt + _FMT_BYTES - 2, 2), tag)
    num_channels, rate = _number(file, fmt + 2, 2), _number(file, fmt + 4, 4)
    bits = _number(file, fmt + 14, 2)
    stated = _number(file, data - 4, 4)
    # A file that was written to a pipe states 0 or the largest size, which is read as -1.
    num_bytes = tf.where((stated == 0) | (stated == -1), size - data, stated)
    frame = tf.maximum(num_channels * (bits // 8), 1)
    has_data = (data > 0) & (num_bytes >= frame) & (num_bytes <= size - data)
    is_format = tf.reduce_any(
        [tf.equal(tag, known) & tf.equal(bits, width) for known, width in _RAW_TYPES]
    )
    sizes = (num_channels > 0) & (num_channels <= _MAX_CHANNELS) & (rate > 0)
    return _Header(
        format=tag,
        num_channels=num_channels,
        rate_hz=rate,
        bits=bits,
        start=data,
        num_frames=num_bytes // frame,
        is_known=is_wave & has_fmt & has_data & is_format & sizes,
    )


def _find_chunks(file: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the content of `fmt ` and that of `data` begin, 0 if there is none."""

    def step(place: tf.Tensor, fmt: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, ...]:
        chunk, content = _text(file, place, 4), place + _CHUNK
        fmt = tf.where(tf.equal(chunk, "fmt "), content, fmt)
        data = tf.where(tf.equal(chunk, "data"), content, data)
        num_bytes = tf.minimum(_number(file, place + 4, 4), size - content)
        # A chunk of an odd size is padded. A size of 2**31 or more is read as negative.
        after = content + num_bytes + tf.math.floormod(num_bytes, 2)
        return tf.where(num_bytes < 0, size, after), fmt, data

    zero = tf.constant(0)
    _, fmt, data = tf.while_loop(
        lambda place, _, data: (place + _CHUNK <= size) & tf.equal(data, 0),
        step,
        (tf.constant(12), zero, zero),
    )
    return fmt, data


def _text(file: tf.Tensor, place: tf.Tensor | int, size: int) -> tf.Tensor:
    """Some bytes of a file; fewer, perhaps none, where it ends before."""
    start = tf.minimum(place, tf.strings.length(file))
    return tf.strings.substr(file, tf.maximum(start, 0), size)


def _number(file: tf.Tensor, place: tf.Tensor, size: int) -> tf.Tensor:
    """int32, a little-endian number of 2 or 4 bytes; 0 where the file ends before."""
    padded = tf.strings.join([_text(file, place, size), b"\0" * 4])
    return tf.io.decode_raw(tf.strings.substr(padded, 0, 4), tf.int32)[0]


def _mono(file: tf.Tensor, header: _Header, audio: Audio) -> tf.Tensor:
    """float32 `[n]` in [-1, 1], the mean of the channels, of what the model may hear."""
    # A hundredth more than the nominal duration, so that resampling sees what follows.
    wanted = tf.cast(header.rate_hz, tf.float32) * np.float32(1.01 * audio.duration_s)
    num_frames = tf.minimum(header.num_frames, tf.cast(wanted, tf.int32) + 1)
    width = header.bits // 8
    num_bytes = num_frames * header.num_channels * width
    content = tf.strings.substr(file, header.start, num_bytes)
    branches = [
        (tf.equal(header.format, known) & tf.equal(header.bits, bits), _reader(content, bits, raw))
        for (known, bits), raw in _RAW_TYPES.items()
    ]
    samples = tf.case(branches, exclusive=False)
    return tf.reduce_mean(tf.reshape(samples, [-1, header.num_channels]), axis=1)


def _reader(content: tf.Tensor, bits: int, raw: tf.DType) -> Callable[[], tf.Tensor]:
    """A function that returns the samples as float32 from -1 to 1."""

    def read() -> tf.Tensor:
        numbers = tf.io.decode_raw(content, raw)
        if raw.is_floating:
            values = tf.cast(numbers, tf.float32)
            return tf.where(tf.math.is_finite(values), values, 0.0)
        if bits == 8:  # unsigned
            return tf.cast(numbers, tf.float32) / 128 - 1
        if bits == 24:
            low, middle, high = tf.unstack(
                tf.cast(tf.reshape(numbers, [-1, 3]), tf.int32), num=3, axis=1
            )
            value = low + 2**8 * middle + 2**16 * high
            numbers = value - 2**24 * tf.cast(high >= 2**7, tf.int32)
        return tf.cast(tf.cast(numbers, tf.float64) / 2.0 ** (bits - 1), tf.float32)

    return read


def _resample(samples: tf.Tensor, rate_hz: tf.Tensor, nominal_hz: np.float32) -> tf.Tensor:
    """float32 `[m]` at the nominal rate.

    The Fourier coefficients up to half of the lower rate are kept. The transform takes what is
    heard for periodic, so a sound is mirrored at its end: it has no step there.
    """
    num = tf.size(samples)
    ratio = tf.cast(nominal_hz, tf.float64) / tf.cast(rate_hz, tf.float64)
    num_new = tf.maximum(tf.cast(tf.round(tf.cast(num, tf.float64) * ratio), tf.int32), 1)
    mirrored = tf.concat([samples, samples[::-1]], axis=0)
    spectrum = tf.signal.rfft(mirrored)
    kept = tf.minimum(tf.minimum(num, num_new), tf.size(spectrum))
    spectrum = tf.pad(spectrum[:kept], [[0, num_new + 1 - kept]])
    back = tf.signal.irfft(spectrum, fft_length=[2 * num_new])
    scale = tf.cast(num_new, tf.float32) / tf.cast(num, tf.float32)
    return back[:num_new] * scale


@dataclass(frozen=True)
class Spectrograms:
    """Log-mel spectrograms.

    Attributes:
        levels: float32 `[batch, frames, mels]` in dB, `FLOOR_DB` or more.
        present: bool `[batch, frames]`; the frames that begin and end within the sound, of one that
            is shorter than a frame the first.
    """

    levels: tf.Tensor
    present: tf.Tensor


def spectrograms(sounds: Sounds, audio: Audio) -> Spectrograms:
    """Returns the level of each band of each frame.

    A frame under a Hann window is transformed; the power of its frequencies is weighted by
    triangles at equal distances on the mel scale, from 0 Hz to half of the sampling rate.

    References:
        Davis, S., and Mermelstein, P. (1980), "Comparison of parametric representations for
        monosyllabic word recognition", IEEE Transactions on Acoustics, Speech, and Signal
        Processing 28(4), for the bands.
    """
    frames = tf.signal.stft(sounds.samples, audio.frame_samples, audio.hop_samples)
    window = tf.signal.hann_window(audio.frame_samples)
    # By Parseval's theorem the powers of a sine at full scale, whose mean square is 1/2, add up
    # to 1.
    num_bins = int(frames.shape[2])
    size = tf.reduce_sum(tf.square(window)) * (2 * (num_bins - 1))
    power = tf.square(tf.abs(frames)) * 4 / size
    weights = tf.signal.linear_to_mel_weight_matrix(
        audio.num_mels, num_bins, audio.sampling_rate_hz, 0.0, audio.sampling_rate_hz / 2
    )
    levels = _decibels(tf.matmul(power, weights))
    inside = 1 + (sounds.lengths - audio.frame_samples) // audio.hop_samples
    num_present = tf.where(sounds.lengths > 0, tf.maximum(inside, 1), 0)
    present = tf.range(audio.num_frames) < num_present[:, tf.newaxis]
    return Spectrograms(levels, present)


def _decibels(power: tf.Tensor) -> tf.Tensor:
    floor = tf.constant(10 ** (FLOOR_DB / 10), power.dtype)
    return tf.math.log(tf.maximum(power, floor)) * tf.constant(10 / np.log(10), power.dtype)


def band_totals(heard: Spectrograms) -> tf.Tensor:
    """Returns count, sum and sum of squares of each band, float64 `[batch, 3 mels]`.

    They add up over the examples; `standardised` takes the mean and the deviation from them.
    """
    weights = tf.cast(heard.present, tf.float64)[:, :, tf.newaxis]
    levels = tf.cast(heard.levels, tf.float64)
    parts = [tf.ones_like(levels), levels, tf.square(levels)]
    return tf.concat([tf.reduce_sum(weights * part, axis=1) for part in parts], axis=1)


def standardised(heard: Spectrograms, mean: tf.Tensor, deviation: tf.Tensor) -> tf.Tensor:
    """Returns levels with zero mean and unit deviation in each band over the train split.

    Args:
        heard: The spectrograms.
        mean: float64 `[mels]`.
        deviation: float64 `[mels]`, from `floored`.

    Returns:
        float32 `[batch, frames, mels]`; zero, the mean, after the end of a sound and where it is
        missing.
    """
    scaled = (tf.cast(heard.levels, tf.float64) - mean) / deviation
    known = tf.where(heard.present[:, :, tf.newaxis], scaled, 0.0)
    return tf.cast(known, tf.float32)


def floored(deviation: tf.Tensor) -> tf.Tensor:
    """Returns what the levels are divided by: a band that hardly varies is not blown up."""
    return tf.maximum(deviation, tf.constant(_MIN_DEVIATION_DB, deviation.dtype))


def sound_summary_units(audio: Audio) -> dict[str, str]:
    """Returns the unit of each summary of a sound by its name, in the order of the summaries."""
    frequencies = [f"{hz:.4g} Hz" for hz in band_centres(audio)]
    levels = {
        f"{measure} near {frequency}": "dB"
        for measure in ("mean level", "deviation of the level", "largest level")
        for frequency in frequencies
    }
    return levels | {
        "level": "dB",
        "crest factor": "",
        "kurtosis": "",
        "spectral centroid": "Hz",
        "deviation of the spectral centroid": "Hz",
        "spectral flux": "dB",
        "duration": "s",
    }


def band_centres(audio: Audio) -> Floats:
    """Returns the frequency in Hz at which the weight of each band is largest, float64 `[mels]`.

    References:
        O'Shaughnessy, D. (1987), "Speech communication", for mel = 1127 ln(1 + f / 700).
    """
    highest = np.log1p(audio.sampling_rate_hz / 2 / 700)
    centres: Floats = 700 * np.expm1(np.linspace(0, highest, audio.num_mels + 2)[1:-1])
    return centres


def summarise_sounds(sounds: Sounds, heard: Spectrograms, audio: Audio) -> tf.Tensor:
    """Returns the summaries of sounds that trees take in place of the spectrograms.

    Mean, standard deviation and maximum of the level of each band over the frames; of the samples
    the level, the crest factor max|x| / rms(x) and the kurtosis m4 / m2², high for impacts; mean
    and deviation of the frames' spectral centroids; the spectral flux, the mean absolute change of
    the levels from frame to frame; and the duration of the file.

    References:
        Peeters, G. (2004), "A large set of audio features", Ircam, for centroid and flux; Dyer, D.,
        and Stewart, R. M. (1978), "Detection of rolling element bearing damage by statistical
        vibration analysis", Journal of Mechanical Design 100(2), for the kurtosis.

    Returns:
        float32 `[batch, num_summaries]`; NaN where the sound is missing or a summary undefined.
    """
    present = tf.cast(heard.present, tf.float64)[:, :, tf.newaxis]
    levels = tf.cast(heard.levels, tf.float64)
    mean, deviation = _mean_and_deviation(levels, present)
    largest = tf.reduce_max(tf.where(present > 0, levels, -np.inf), axis=1)
    # The levels of the bands as powers, each at the centre of its band.
    power = 10 ** (levels / 10)
    centroids = tf.reduce_sum(power * band_centres(audio), axis=2, keepdims=True)
    centroids /= tf.reduce_sum(power, axis=2, keepdims=True)
    centroid, spread = _mean_and_deviation(centroids, present)
    both = present[:, 1:] * present[:, :-1]
    changes = tf.reduce_mean(tf.abs(levels[:, 1:] - levels[:, :-1]), axis=2, keepdims=True)
    flux = tf.reduce_sum(changes * both, axis=1) / tf.reduce_sum(both, axis=1)
    durations = tf.cast(sounds.durations_s, tf.float64)[:, tf.newaxis]
    parts = [*(mean, deviation, largest), _of_samples(sounds), *(centroid, spread, flux, durations)]
    summaries = tf.where(sounds.lengths[:, tf.newaxis] > 0, tf.concat(parts, axis=1), np.nan)
    return tf.stop_gradient(tf.cast(summaries, tf.float32))


def _mean_and_deviation(values: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Over the frames, `[batch, n]` each."""
    count = tf.reduce_sum(weights, axis=1, keepdims=True)
    mean = tf.reduce_sum(values * weights, axis=1, keepdims=True) / count
    squares = tf.reduce_sum(tf.square(values - mean) * weights, axis=1, keepdims=True) / count
    return mean[:, 0], tf.sqrt(squares)[:, 0]


def _of_samples(sounds: Sounds) -> tf.Tensor:
    """Level, crest factor and kurtosis, float64 `[batch, 3]`."""
    samples = tf.cast(sounds.samples, tf.float64)
    count = tf.cast(sounds.lengths, tf.float64)[:, tf.newaxis]
    inside = tf.range(samples.shape[1]) < sounds.lengths[:, tf.newaxis]
    square = tf.reduce_sum(tf.square(samples), axis=1, keepdims=True) / count
    peak = tf.reduce_max(tf.abs(samples), axis=1, keepdims=True)
    mean = tf.reduce_sum(samples, axis=1, keepdims=True) / count
    centred = tf.where(inside, samples - mean, 0.0)
    second = tf.reduce_sum(tf.square(centred), axis=1, keepdims=True) / count
    fourth = tf.reduce_sum(tf.square(tf.square(centred)), axis=1, keepdims=True) / count
    crest = peak / tf.sqrt(tf.where(square > 0, square, np.nan))
    kurtosis = fourth / tf.square(tf.where(second > _ROUNDING, second, np.nan))
    return tf.concat([_decibels(2 * square), crest, kurtosis], axis=1)

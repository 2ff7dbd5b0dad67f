"""Reference for micrographs and sounds: gradient boosting on simple features of each file.

It sees the same three splits as a run's own model, and the same context:

    python -m benchmarks.pictures_and_sounds --splits output/artifacts/ArrowExampleGen/examples/1

Pictures are described by their texture at three scales; sounds by the levels of bands and by the
spectra of envelopes, which show damage of a bearing.
"""

import io
import itertools
import wave
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, signal, stats

from benchmarks import reference

LABEL = "is_faulty"
RATE_HZ = 8_000
# Quantiles of intensities, of details and of gradients.
INTENSITIES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
DETAILS = (0.0, 0.001, 0.01, 0.99, 1.0)
GRADIENTS = (0.5, 0.99, 1.0)
SCALES_PX = (1, 2, 4)
# Bands in Hz in which damage may ring, and the ranges in Hz in which its impacts may repeat.
RINGING_HZ = ((1_000, 2_000), (2_000, 2_800), (2_400, 3_600))
REPEATING_HZ = (10, 40, 80, 115, 140, 180, 240)

Floats = NDArray[np.floating[Any]]


def describe_picture(content: bytes) -> dict[str, float]:
    """Returns quantiles and moments of the intensities, and of details at three scales."""
    grey = np.asarray(Image.open(io.BytesIO(content)).convert("L"), np.float64) / 255
    features = _quantiles("grey", grey, INTENSITIES) | _moments("grey", grey)
    for scale in SCALES_PX:
        smooth = ndimage.gaussian_filter(grey, scale)
        detail = smooth - ndimage.gaussian_filter(grey, 2 * scale)
        gradient = ndimage.gaussian_gradient_magnitude(grey, scale)
        features |= _quantiles(f"detail {scale}", detail, DETAILS)
        features |= _moments(f"detail {scale}", detail)
        features |= _quantiles(f"gradient {scale}", gradient, GRADIENTS)
    return features


def describe_sound(content: bytes) -> dict[str, float]:
    """Returns level, kurtosis, levels of bands, and peaks of the envelopes' spectra.

    References:
        Randall, R. B., and Antoni, J. (2011), "Rolling element bearing diagnostics: a tutorial",
        Mechanical Systems and Signal Processing 25(2), for envelope analysis.
    """
    samples = _read_sound(content)
    features = _moments("sound", samples) | {"crest": np.abs(samples).max() / samples.std()}
    frequency_hz, power = signal.welch(samples, RATE_HZ, nperseg=512)
    level = np.log(power + 1e-12)
    edges_hz = np.geomspace(60, 3_900, 25)
    for low, high in itertools.pairwise(edges_hz):
        in_band = (frequency_hz >= low) & (frequency_hz < max(high, low + RATE_HZ / 512))
        features[f"level {low:.0f}"] = level[in_band].mean()
        features[f"tone {low:.0f}"] = level[in_band].max() - level[in_band].mean()
    for low, high in RINGING_HZ:
        features |= _describe_envelope(samples, low, high)
    return features


def _describe_envelope(samples: Floats, low: int, high: int) -> dict[str, float]:
    """The envelope of a band: its kurtosis, and the largest peak in each range of repetition."""
    band = signal.butter(4, (low, high), "bandpass", fs=RATE_HZ, output="sos")
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(band, samples)))
    centred = (envelope - envelope.mean()) * np.hanning(len(envelope))
    # As many points as a second has, so that a step is 1 Hz.
    spectrum = np.abs(np.fft.rfft(centred, RATE_HZ))
    usual = np.median(spectrum[REPEATING_HZ[0] : 300])
    peaks = {
        f"peak {low} {first}": spectrum[first:last].max() / usual
        for first, last in itertools.pairwise(REPEATING_HZ)
    }
    return peaks | {f"envelope {low}": envelope.std() / envelope.mean()}


def _read_sound(content: bytes) -> Floats:
    """The samples at 8 kHz, without their mean; of 16-bit mono WAV files at 8 or 16 kHz."""
    with wave.open(io.BytesIO(content)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768
    if rate_hz != RATE_HZ:
        samples = signal.resample_poly(samples, RATE_HZ, rate_hz)
    return np.asarray(samples - samples.mean())


def _quantiles(name: str, values: Floats, quantiles: tuple[float, ...]) -> dict[str, float]:
    return {f"{name} q{q:g}": float(np.quantile(values, q)) for q in quantiles}


def _moments(name: str, values: Floats) -> dict[str, float]:
    return {
        f"{name} deviation": float(values.std()),
        f"{name} skewness": float(stats.skew(values, None)),
        f"{name} kurtosis": float(stats.kurtosis(values, None)),
    }


# The column of files, how a file is described, and the context that the run's model sees as well.
USE_CASES: Mapping[str, tuple[Callable[[bytes], dict[str, float]], tuple[str, ...]]] = {
    "image": (describe_picture, ("um_per_px",)),
    "sound": (describe_sound, ("shaft_hz", "load")),
}


def tabulate(columns: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Returns the features of each file and its context, a column each."""
    name = next(name for name in USE_CASES if name in columns)
    describe, context = USE_CASES[name]
    table = pd.DataFrame([describe(content) for content in columns[name]])
    return table.assign(**{column: columns[column].astype(float) for column in context})


def evaluate(splits: reference.Splits) -> dict[str, dict[str, float]]:
    """Returns the figures of boosting on the test split."""
    features = {name: tabulate(columns) for name, columns in splits.items()}
    label = {name: columns[LABEL].astype(np.int64) for name, columns in splits.items()}
    candidates = reference.boosting_candidates(categorical_features=())
    return {"boosting": reference.score_best(candidates, features, label)}


main = reference.command(
    evaluate, help_text="Scores boosting on features of files on the test split of a run."
)


if __name__ == "__main__":
    main()

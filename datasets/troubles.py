"""Recording troubles of healthy and faulty discharges, and the simulated recorder."""

import numpy as np
from numpy.typing import NDArray

from datasets.physics import SAMPLING_RATE_HZ, Floats

NO_TROUBLE = "none"
# Share of all recordings, healthy and faulty alike, with each trouble.
TROUBLES = {"noise": 0.03, "gap": 0.03, "bias": 0.01, "wrong_sampling": 0.01}
WRONG_RATES_HZ = (400.0, 625.0)
# Full scale and standard deviation of the noise, in V and in A.
FULL_SCALE = (1024.0, 128.0)
NOISE = (1.6, 0.16)
# Standard deviation of each channel's gain from one recording to the next.
GAIN_SPREAD = (0.01, 0.02)
# The recorder converts to 12 bits and a sign.
NUM_STEPS = 4096


def draw_troubles(rng: np.random.Generator, num: int) -> NDArray[np.str_]:
    """Draws the trouble of each of `num` recordings, `none` for most."""
    weights = [1.0 - sum(TROUBLES.values()), *TROUBLES.values()]
    return rng.choice([NO_TROUBLE, *TROUBLES], size=num, p=weights)


def draw_rates(rng: np.random.Generator, troubles: NDArray[np.str_]) -> Floats:
    """True sampling rate of each recording in Hz: 500 except with wrong sampling."""
    wrong_hz = rng.choice(WRONG_RATES_HZ, size=len(troubles))
    return np.where(troubles == "wrong_sampling", wrong_hz, SAMPLING_RATE_HZ)


def record(
    rng: np.random.Generator, channels: tuple[Floats, Floats], troubles: NDArray[np.str_]
) -> tuple[Floats, Floats]:
    """Adds hum, noise, harmless spikes, troubles and quantisation.

    Args:
        rng: Source of noise.
        channels: True voltage in V and current in A, [n, samples] each.
        troubles: Trouble of each recording, [n].

    Returns:
        The recorded voltage and current, float32 [n, samples] each; NaN in gaps.
    """
    num, num_samples = channels[0].shape
    gaps = _draw_gaps(rng, troubles == "gap", num_samples)
    recorded = []
    for true, scale, noise, spread in zip(channels, FULL_SCALE, NOISE, GAIN_SPREAD, strict=True):
        level = np.where(troubles == "noise", rng.uniform(4.0, 10.0, num), 1.0)
        level *= rng.uniform(0.7, 1.4, num)
        gain = rng.normal(1.0, spread, (num, 1))
        values = true * gain + rng.standard_normal(true.shape) * (noise * level)[:, None]
        values += _draw_hum(rng, num, num_samples) * noise
        values += _draw_spikes(rng, num, num_samples) * noise
        bias = rng.choice([-1.0, 1.0], num) * rng.uniform(0.02, 0.06, num) * scale
        values += np.where(troubles == "bias", bias, 0.0)[:, None]
        step = scale / NUM_STEPS
        quantised = np.clip(np.round(values / step), -NUM_STEPS, NUM_STEPS) * step
        recorded.append(np.where(gaps, np.nan, quantised).astype(np.float32))
    return recorded[0], recorded[1]


def _draw_gaps(
    rng: np.random.Generator, has_gap: NDArray[np.bool_], num_samples: int
) -> NDArray[np.bool_]:
    """One run of 8 to 40 lost samples, in both channels, where `has_gap`; [n, samples]."""
    length = rng.integers(8, 41, len(has_gap))
    start = rng.integers(0, num_samples - length)
    offset = np.arange(num_samples) - start[:, None]
    return has_gap[:, None] & (offset >= 0) & (offset < length[:, None])


def _draw_hum(rng: np.random.Generator, num: int, num_samples: int) -> Floats:
    """Mains pickup at 50 Hz, in units of the noise; [n, samples]."""
    phase = rng.uniform(0.0, 2.0 * np.pi, (num, 1))
    amplitude = rng.exponential(0.5, (num, 1))
    cycles = 50.0 / SAMPLING_RATE_HZ * np.arange(num_samples)
    return amplitude * np.sin(2.0 * np.pi * cycles + phase)


def _draw_spikes(rng: np.random.Generator, num: int, num_samples: int) -> Floats:
    """A single wrong sample in one of seven recordings, so that not every spike is a fault."""
    height = np.where(rng.random(num) < 1 / 7, rng.normal(0.0, 25.0, num), 0.0)
    spikes = np.zeros((num, num_samples))
    spikes[np.arange(num), rng.integers(0, num_samples, num)] = height
    return spikes

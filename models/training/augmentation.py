"""Signals varied at random within physical ranges, on whole arrays at once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.features import FeatureTable, Signal
from models.train_options import Augmentation

Floats = NDArray[np.float32]


def check_augmentation(augmentation: Mapping[str, Augmentation], table: FeatureTable) -> None:
    """Checks that only signals are varied, and within limits.

    Raises:
        ValueError: Names the YAML key, the wrong value and the remedy.
    """
    for name, options in augmentation.items():
        key = f"train.augmentation.{name}"
        feature = table.get(name)
        if not isinstance(feature, Signal):
            kind = "not a feature of this table" if feature is None else f"{feature.kind}"
            raise ValueError(
                f"{key}: `{name}` is {kind}; only signals can be varied, because it is unknown how "
                "much another feature can change without changing its meaning. Remove it"
            )
        if not any((options.shift_ms, options.scale, options.hide_share, options.noise)):
            raise ValueError(
                f"{key} varies nothing; give one of `shift_ms`, `scale`, `hide_share`, `noise`"
            )
        sample_ms = 1_000 / feature.sampling_rate_hz
        longest_ms = sample_ms * feature.num_samples / 2
        if options.shift_ms and not sample_ms <= options.shift_ms <= longest_ms:
            raise ValueError(
                f"{key}.shift_ms must be from {sample_ms:g} ms, one sample, to {longest_ms:g} ms, "
                f"half of the recording, got {options.shift_ms:g}"
            )


def augment(
    signals: Mapping[str, Floats],
    table: Mapping[str, Signal],
    augmentation: Mapping[str, Augmentation],
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Returns the signals that are varied, varied; every draw is uniform but the noise.

    Args:
        signals: float32 `[n, num_samples]`, non-finite where a sample is missing.
        table: The features table.
        augmentation: The ranges of each varied signal.
        rng: Source of all random draws.
    """
    num = len(next(iter(signals.values())))
    # A recorder triggers late, or leaves a gap, in all of its channels at once.
    moment, start, length = rng.uniform(-1, 1, num), rng.random(num), rng.random(num)
    varied = {}
    for name, options in augmentation.items():
        gain = 1 + options.scale * rng.uniform(-1, 1, (num, 1))
        noise = options.noise * rng.standard_normal(signals[name].shape)
        shift = np.rint(moment * options.shift_ms / 1_000 * table[name].sampling_rate_hz)
        moved = _shifted(signals[name], shift.astype(np.int64))
        changed = (moved * gain + noise).astype(np.float32)
        varied[name] = _hidden(changed, start, length * options.hide_share)
    return varied


def _shifted(signal: Floats, shift: NDArray[np.int64]) -> Floats:
    """Shifts each row by its number of samples; the outermost sample fills the freed positions."""
    places = np.arange(signal.shape[1]) - shift[:, None]
    return np.take_along_axis(signal, np.clip(places, 0, signal.shape[1] - 1), axis=1)


def _hidden(signal: Floats, start: NDArray[np.float64], share: NDArray[np.float64]) -> Floats:
    """Makes `share` of each row a gap, which begins at `start` of the remaining samples."""
    num_samples = signal.shape[1]
    length = np.rint(share * num_samples)
    first = np.rint(start * (num_samples - length))
    places = np.arange(num_samples)
    gap = (places >= first[:, None]) & (places < (first + length)[:, None])
    return np.where(gap, np.float32(np.nan), signal)

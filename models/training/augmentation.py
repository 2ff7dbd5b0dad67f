"""Signals varied at random within physical ranges, on whole arrays at once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.features import FeatureTable, Signal
from models.train_options import Augmentation

Floats = NDArray[np.float32]


def check_augmentation(augmentation: Mapping[str, Augmentation], table: FeatureTable) -> None:
    """Checks that what is varied are signals, by at least something and by less than all.

    Raises:
        ValueError: Names the YAML key, what was found and what to do.
    """
    for name, options in augmentation.items():
        key = f"train.augmentation.{name}"
        feature = table.get(name)
        if not isinstance(feature, Signal):
            kind = "not a feature of this table" if feature is None else f"{feature.kind}"
            raise ValueError(
                f"{key}: `{name}` is {kind}; only signals are varied, for nobody knows by how much "
                "another feature may change and mean the same. Leave it out"
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
        signals: float32 `[n, num_samples]`, not finite where a sample is missing.
        table: What each signal is.
        augmentation: By how much each is varied.
        rng: The source of all draws.
    """
    num = len(next(iter(signals.values())))
    # One recorder triggers late, or leaves a gap, for all of its channels.
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
    """Each row so many samples later; the outermost sample fills what comes free."""
    places = np.arange(signal.shape[1]) - shift[:, None]
    return np.take_along_axis(signal, np.clip(places, 0, signal.shape[1] - 1), axis=1)


def _hidden(signal: Floats, start: NDArray[np.float64], share: NDArray[np.float64]) -> Floats:
    """One stretch of each row as a gap: `share` of it, `start` of the way through what is left."""
    num_samples = signal.shape[1]
    length = np.rint(share * num_samples)
    first = np.rint(start * (num_samples - length))
    places = np.arange(num_samples)
    gap = (places >= first[:, None]) & (places < (first + length)[:, None])
    return np.where(gap, np.float32(np.nan), signal)

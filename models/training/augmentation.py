"""Signals varied at random within physical ranges, on whole arrays at once."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from models.features import Audio, Feature, FeatureTable, Image, Signal
from models.train_options import Augmentation

Floats = NDArray[np.float32]


# The keys of each kind of feature that can be varied.
_KEYS: Mapping[type, tuple[str, ...]] = {
    Signal: ("shift_ms", "scale", "hide_share", "noise"),
    Audio: ("shift_ms", "gain_db", "noise", "hide_share", "hide_bands"),
    Image: ("shift_px", "rotate_deg", "flip", "scale", "brightness", "hide_share", "noise"),
}


def check_augmentation(augmentation: Mapping[str, Augmentation], table: FeatureTable) -> None:
    """Checks that only signals, sounds and pictures are varied, and within limits.

    Raises:
        ValueError: Names the YAML key, the wrong value and the remedy.
    """
    for name, options in augmentation.items():
        key = f"train.augmentation.{name}"
        feature = table.get(name)
        if feature is None or type(feature) not in _KEYS:
            kind = "not a feature of this table" if feature is None else f"{feature.kind}"
            raise ValueError(
                f"{key}: `{name}` is {kind}; only signals, sounds and pictures can be varied, "
                "because it is unknown how much another feature can change without changing its "
                "meaning. Remove it"
            )
        _check_keys(key, options, feature)
        if isinstance(feature, Signal):
            sample_ms = 1_000 / feature.rate_hz
            shift, unit = (options.shift_ms, sample_ms), "ms"
            longest, what = sample_ms * feature.num_samples / 2, ("sample", "recording")
        elif isinstance(feature, Audio):
            shift, unit = (options.shift_ms, feature.hop_ms), "ms"
            longest, what = 1_000 * feature.duration_s / 2, ("hop", "duration")
        elif isinstance(feature, Image):
            shift, unit = (options.shift_px, 1), "px"
            longest, what = min(feature.height, feature.width) / 2, ("pixel", "shorter side")
        if shift[0] and not shift[1] <= shift[0] <= longest:
            raise ValueError(
                f"{key}.shift_{unit} must be from {shift[1]:g} {unit}, one {what[0]}, to "
                f"{longest:g} {unit}, half of the {what[1]}, got {shift[0]:g}"
            )


def _check_keys(key: str, options: Augmentation, feature: Feature) -> None:
    """Checks that the options of a feature are of its kind, and that there are some.

    Raises:
        ValueError: They are not.
    """
    own = _KEYS[type(feature)]
    given = [field.name for field in fields(options) if getattr(options, field.name)]
    listed = ", ".join(f"`{name}`" for name in own)
    if foreign := [name for name in given if name not in own]:
        raise ValueError(
            f"{key}.{foreign[0]} does not apply to the kind `{feature.kind}`, which takes {listed}"
        )
    if not given:
        raise ValueError(f"{key} varies nothing; give one of {listed}")


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
        augmentation: The ranges of each varied feature; those of other kinds are left out.
        rng: Source of all random draws.
    """
    num = len(next(iter(signals.values())))
    # A recorder triggers late, or leaves a gap, in all of its channels at once.
    moment, start, length = rng.uniform(-1, 1, num), rng.random(num), rng.random(num)
    varied = {}
    for name, options in augmentation.items():
        if name not in table:
            continue
        gain = 1 + options.scale * rng.uniform(-1, 1, (num, 1))
        noise = options.noise * rng.standard_normal(signals[name].shape)
        shift = np.rint(moment * options.shift_ms / 1_000 * table[name].rate_hz)
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

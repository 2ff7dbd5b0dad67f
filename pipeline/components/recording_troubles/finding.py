"""Detection of recording troubles in Arrow tables of examples."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from measuring.detectors import (
    Usual,
    find_bias,
    find_gaps,
    find_noise,
    find_wrong_rate,
    noise_level,
    resting_level,
)
from models.features import Audio, FeatureTable, Image, Signal
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.blur_and_exposure import (
    UsualPicture,
    find_picture_troubles,
    measure_pictures,
)
from pipeline.components.recording_troubles.sounds.measures import (
    SoundMeasures,
    measure_sounds,
)
from pipeline.slicing import TROUBLE_KINDS, Trouble

TROUBLES: tuple[Trouble, ...] = get_args(Trouble)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# A feature whose examples are recordings.
Recorded: TypeAlias = Signal | Audio | Image
# Measures of each recording, float64 `[n, k]`: of a signal the noise and the resting level, of a
# sound or a picture those of `measure_sounds` or `measure_pictures`.
Levels = Mapping[str, Floats]
UsualLevels = Mapping[str, Usual | UsualPicture]


def recorded_features(table: FeatureTable) -> dict[str, Recorded]:
    """Returns the features whose examples are recordings, in table order."""
    return {name: feature for name, feature in table.items() if isinstance(feature, Recorded)}


def troubles_of(recorded: Mapping[str, Recorded]) -> tuple[Trouble, ...]:
    """Returns the troubles that recordings of these features can have."""
    kinds = {feature.kind for feature in recorded.values()}
    return tuple(trouble for trouble in TROUBLES if not kinds.isdisjoint(TROUBLE_KINDS[trouble]))


def signal_values(table: pa.Table, column: str, num_samples: int) -> Floats:
    """Returns a column of lists as float64 `[n, num_samples]`, NaN where values are missing."""
    values = np.full((table.num_rows, num_samples), np.nan)
    if column not in table.column_names or pa.types.is_null(table.column(column).type):
        return values
    lists = table.column(column).combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(float)
    rows = np.repeat(np.arange(table.num_rows), lengths)
    places = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    fits = places < num_samples
    values[rows[fits], places[fits]] = flat[fits]
    return values


def sampling_rates(table: pa.Table, signal: Signal) -> Floats:
    """Returns each recording's sampling rate in Hz, float64 `[n]`.

    It is the recording's own where `rate_column` has it, and the nominal one elsewhere.

    Args:
        table: The examples as columns of lists.
        signal: The signal.
    """
    nominal = np.full(table.num_rows, signal.rate_hz)
    if signal.rate_column is None:
        return nominal
    own = signal_values(table, signal.rate_column, 1)[:, 0]
    return np.where(np.isfinite(own) & (own > 0), own, nominal)


def measure_levels(table: pa.Table, recorded: Mapping[str, Recorded]) -> dict[str, Floats]:
    """Returns measures of recordings, for the comparison with others.

    Args:
        table: The examples as columns of lists.
        recorded: The features with recordings.
    """
    return {name: _measure(table, name, feature) for name, feature in recorded.items()}


def _measure(table: pa.Table, name: str, feature: Recorded) -> Floats:
    if isinstance(feature, Image):
        return measure_pictures(file_contents(table, name))
    if isinstance(feature, Audio):
        return measure_sounds(file_contents(table, name))[0].to_table()
    samples = signal_values(table, name, feature.num_samples)
    return np.stack([noise_level(samples), resting_level(samples)], axis=1)


def usual_levels(
    parts: Iterable[Levels], recorded: Mapping[str, Recorded]
) -> dict[str, Usual | UsualPicture]:
    """Returns the usual values of each feature's recordings over all parts, in any order.

    Sounds have none: their troubles show without a comparison.

    Args:
        parts: What `measure_levels` returned for each part.
        recorded: The features with recordings.
    """
    listed = list(parts)
    usual: dict[str, Usual | UsualPicture] = {}
    for name, feature in recorded.items() if listed else ():
        if isinstance(feature, Audio):
            continue
        levels = np.concatenate([part[name] for part in listed])
        usual[name] = UsualPicture.of(levels) if isinstance(feature, Image) else Usual.of(*levels.T)
    return usual


def find_troubles(
    table: pa.Table,
    recorded: Mapping[str, Recorded],
    usual: UsualLevels | None = None,
    *,
    levels: Levels | None = None,
) -> dict[str, Flags]:
    """Returns which examples have a recording trouble in any feature, by trouble.

    Args:
        table: The examples as columns of lists.
        recorded: The features with recordings; without any there are no troubles.
        usual: Usual values of each feature; by default those of these examples.
        levels: What `measure_levels` returned for the table, if that has been called.
    """
    if not recorded:
        return {}
    levels = measure_levels(table, recorded) if levels is None else levels
    usual = usual_levels([levels], recorded) if usual is None else usual
    flags: dict[str, Flags] = {
        name: np.zeros(table.num_rows, bool) for name in troubles_of(recorded)
    }
    for column, feature in recorded.items():
        for trouble, own in _find(
            table, column, feature, levels[column], usual.get(column)
        ).items():
            flags[trouble] |= own
    return flags


def _find(
    table: pa.Table,
    column: str,
    feature: Recorded,
    levels: Floats,
    usual: Usual | UsualPicture | None,
) -> Mapping[str, Flags]:
    """The troubles of one feature."""
    if isinstance(feature, Audio):
        return _find_sound_troubles(SoundMeasures.of_table(levels), feature)
    if isinstance(feature, Image) and isinstance(usual, UsualPicture):
        return find_picture_troubles(levels, usual)
    if isinstance(feature, Signal) and isinstance(usual, Usual):
        return _find_signal_troubles(table, column, feature, levels, usual)
    raise TypeError(f"{column}: {usual} are no usual values of the kind {feature.kind}.")


def _find_sound_troubles(measures: SoundMeasures, audio: Audio) -> dict[str, Flags]:
    return {
        "gap": measures.is_silent,
        "bias": measures.has_offset,
        "wrong sampling": measures.is_slower(audio.sampling_rate_hz),
        "clipping": measures.is_clipped,
    }


def _find_signal_troubles(
    table: pa.Table, column: str, signal: Signal, levels: Floats, usual: Usual
) -> dict[str, Flags]:
    noise, rest = levels.T
    samples = signal_values(table, column, signal.num_samples)
    flags = {
        "noise": find_noise(noise, usual),
        "gap": find_gaps(samples, is_padded=signal.lengths == "pad"),
        "bias": find_bias(rest, usual),
    }
    if signal.rate_column is not None:
        rate = signal_values(table, signal.rate_column, 1)[:, 0]
        flags["wrong sampling"] = find_wrong_rate(rate, signal.rate_hz)
    return flags

"""Detection of recording troubles in Arrow tables of examples."""

from collections.abc import Iterable, Mapping
from typing import get_args

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
from models.features import Signal
from pipeline.slicing import Trouble

TROUBLES: tuple[Trouble, ...] = get_args(Trouble)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Of each signal the noise and the resting level, float64 `[n]` each.
Levels = Mapping[str, tuple[Floats, Floats]]


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
    nominal = np.full(table.num_rows, signal.sampling_rate_hz)
    if signal.rate_column is None:
        return nominal
    own = signal_values(table, signal.rate_column, 1)[:, 0]
    return np.where(np.isfinite(own) & (own > 0), own, nominal)


def measure_levels(table: pa.Table, signals: Mapping[str, Signal]) -> Levels:
    """Returns the noise and resting levels of recordings, for the comparison with others.

    Args:
        table: The examples as columns of lists.
        signals: The signals.
    """
    values = {name: signal_values(table, name, s.num_samples) for name, s in signals.items()}
    return {
        name: (noise_level(samples), resting_level(samples)) for name, samples in values.items()
    }


def usual_levels(parts: Iterable[Levels]) -> dict[str, Usual]:
    """Returns the usual values of each signal over all parts, in any order."""
    listed = list(parts)
    names = listed[0] if listed else ()
    return {
        name: Usual.of(*(np.concatenate([part[name][i] for part in listed]) for i in (0, 1)))
        for name in names
    }


def find_troubles(
    table: pa.Table, signals: Mapping[str, Signal], usual: Mapping[str, Usual] | None = None
) -> dict[str, Flags]:
    """Returns which examples have a recording trouble in any signal, by trouble.

    Args:
        table: The examples as columns of lists.
        signals: The signals; without any there are no troubles.
        usual: Usual values of each signal; by default those of these examples.
    """
    if not signals:
        return {}
    levels = measure_levels(table, signals)
    usual = usual_levels([levels]) if usual is None else usual
    found: dict[str, Flags] = {name: np.zeros(table.num_rows, bool) for name in TROUBLES}
    for column, signal in signals.items():
        noise, rest = levels[column]
        found["noise"] |= find_noise(noise, usual[column])
        found["gap"] |= find_gaps(signal_values(table, column, signal.num_samples))
        found["bias"] |= find_bias(rest, usual[column])
        if signal.rate_column is not None:
            rate = signal_values(table, signal.rate_column, 1)[:, 0]
            found["wrong sampling"] |= find_wrong_rate(rate, signal.sampling_rate_hz)
    return found

"""Checks of recordings that TFDV lacks: presence, sampling rate, duration, gaps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.features import Signal
from pipeline.components.anomaly_gate.findings import Finding
from pipeline.components.anomaly_gate.troubles import Trouble, trouble_findings
from pipeline.config import Validation

# A clock error below this does not affect a comparison of shapes.
_RATE_TOLERANCE = 0.01


@dataclass
class SignalCounts:
    """Counts of one signal's recordings.

    Attributes:
        recordings: Rows seen.
        missing: Rows without a recording, or without a number in it.
        with_gaps: Recordings with a missing or non-finite sample, except at the end of one that
            may be padded.
        wrong_length: Recordings with another number of samples than declared.
        wrong_rate: Recordings whose rate is off by more than 1 %, or is not given as one positive
            number.
    """

    recordings: int = 0
    missing: int = 0
    with_gaps: int = 0
    wrong_length: int = 0
    wrong_rate: int = 0


def count_signals(
    batches: Iterable[pa.RecordBatch], signals: Mapping[str, Signal]
) -> dict[str, SignalCounts]:
    """Counts recordings with troubles.

    Args:
        batches: Record batches with a list column for each signal and rate column; a column that
            is absent or not numeric counts as missing in every row.
        signals: The signals by column name.
    """
    counts = {name: SignalCounts() for name in signals}
    for batch in batches:
        for name, signal in signals.items():
            _add(counts[name], batch, name, signal)
    return counts


def _add(counts: SignalCounts, batch: pa.RecordBatch, name: str, signal: Signal) -> None:
    counts.recordings += batch.num_rows
    lengths, samples = _read_lists(batch, name)
    counts.missing += int(np.count_nonzero(lengths == 0))
    counts.with_gaps += _count_gapped(lengths, samples, is_padded=signal.lengths == "pad")
    counts.wrong_length += int(np.count_nonzero((lengths != 0) & (lengths != signal.num_samples)))
    if signal.rate_column is not None:
        counts.wrong_rate += batch.num_rows - _count_right_rates(batch, signal)


def _count_gapped(
    lengths: NDArray[np.int64], samples: NDArray[np.float64], *, is_padded: bool
) -> int:
    rows, places = np.repeat(np.arange(len(lengths)), lengths), np.arange(len(samples))
    finite = np.isfinite(samples)
    ends = np.full(len(lengths), len(samples))  # also of a recording without a finite sample
    if is_padded:
        ends[rows[finite]] = places[finite]  # the last of each row remains
    return len(np.unique(rows[~finite & (places < ends[rows])]))


def _count_right_rates(batch: pa.RecordBatch, signal: Signal) -> int:
    lengths, rates = _read_lists(batch, str(signal.rate_column))
    of_single_value = np.repeat(lengths == 1, lengths)
    # False for NaN and infinity as well, and for zero and negative rates.
    right = np.abs(rates / signal.rate_hz - 1) <= _RATE_TOLERANCE
    return int(np.count_nonzero(right & of_single_value))


def _read_lists(batch: pa.RecordBatch, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the number of values of each row and all values; none without the column."""
    index = batch.schema.get_field_index(name)
    column = batch.column(index) if index >= 0 else None
    if column is None or not _holds_numbers(column.type):
        return np.zeros(batch.num_rows, np.int64), np.empty(0)
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    values = column.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return lengths.astype(np.int64), values


def _holds_numbers(kind: pa.DataType) -> bool:
    value = getattr(kind, "value_type", None)
    return value is not None and (pa.types.is_integer(value) or pa.types.is_floating(value))


def judge_signals(
    counts: Mapping[str, SignalCounts],
    signals: Mapping[str, Signal],
    limits: Validation,
    split: str,
) -> Iterator[Finding]:
    """Yields the findings about recordings; within the limits they are warnings.

    A missing recording and one of another duration always stop the run, because the network cannot
    process them.
    """
    for name, count in counts.items():
        yield from trouble_findings(
            _troubles(name, count, signals[name], limits),
            column=name,
            split=split,
            total=count.recordings,
            noun="recordings",
        )


def _troubles(
    name: str, count: SignalCounts, signal: Signal, limits: Validation
) -> Iterator[Trouble]:
    duration = signal.num_samples / signal.rate_hz
    yield Trouble(
        count.missing,
        what="are missing or hold no numbers",
        expected=f"{signal.num_samples} samples in every row",
        advice="Bring the column back, leave such rows out, or remove it from `features`.",
        limit=0.0,
    )
    yield Trouble(
        count.wrong_length,
        what="have another duration",
        expected=f"{signal.num_samples} samples, {duration:g} s",
        advice=f"Cut or resample them, or set features.{name}.num_samples.",
        limit=0.0,
    )
    yield Trouble(
        count.with_gaps,
        what="have missing or non-finite samples",
        expected=f"at most {limits.max_gap_share:.1%} (validation.max_gap_share)",
        advice="Mend the acquisition, or raise the limit if the model may learn from gaps.",
        limit=limits.max_gap_share,
    )
    yield Trouble(
        count.wrong_rate,
        what=f"were not sampled at {signal.rate_hz:g} Hz, by `{signal.rate_column}`",
        expected=f"at most {limits.max_wrong_rate_share:.1%} (validation.max_wrong_rate_share)",
        advice=(
            f"Resample them to the nominal rate, correct `{signal.rate_column}` where it is "
            f"not one positive number, or correct features.{name}.sampling_rate_hz."
        ),
        limit=limits.max_wrong_rate_share,
    )

"""Checks of recordings that TFDV does not know: sampling rate, duration, gaps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.features import Signal
from pipeline.components.anomaly_gate.findings import Finding
from pipeline.config import Validation

# A clock that is off by less than this does no harm to a comparison of shapes.
_RATE_TOLERANCE = 0.01


@dataclass
class SignalCounts:
    """What was counted of one signal.

    Attributes:
        recordings: Recordings seen.
        with_gaps: Recordings with a missing or non-finite sample.
        wrong_length: Recordings with another number of samples than declared.
        wrong_rate: Recordings whose rate is off by more than 1 %.
    """

    recordings: int = 0
    with_gaps: int = 0
    wrong_length: int = 0
    wrong_rate: int = 0


def count_signals(
    batches: Iterable[pa.RecordBatch], signals: Mapping[str, Signal]
) -> dict[str, SignalCounts]:
    """Counts recordings with troubles.

    Args:
        batches: Record batches with a list column for each signal and rate column.
        signals: The signals by column name.
    """
    counts = {name: SignalCounts() for name in signals}
    for batch in batches:
        for name, signal in signals.items():
            _add(counts[name], batch, name, signal)
    return counts


def _add(counts: SignalCounts, batch: pa.RecordBatch, name: str, signal: Signal) -> None:
    column = batch.column(batch.schema.get_field_index(name))
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    bad = ~np.isfinite(column.flatten().to_numpy(zero_copy_only=False))
    rows = np.repeat(np.arange(len(column)), lengths)
    counts.recordings += len(column)
    counts.with_gaps += len(np.unique(rows[bad]))
    counts.wrong_length += int(np.count_nonzero(lengths != signal.num_samples))
    if signal.rate_column is not None:
        rates = batch.column(batch.schema.get_field_index(signal.rate_column)).flatten()
        values = rates.to_numpy(zero_copy_only=False)
        off = np.abs(values / signal.sampling_rate_hz - 1) > _RATE_TOLERANCE
        counts.wrong_rate += int(np.count_nonzero(off))


def judge_signals(
    counts: Mapping[str, SignalCounts],
    signals: Mapping[str, Signal],
    limits: Validation,
    split: str,
) -> Iterator[Finding]:
    """Yields what is wrong with recordings; within the limits it is a warning.

    A recording of another duration always stops the run: the network has no place for it.
    """
    for name, count in counts.items():
        signal, total = signals[name], max(count.recordings, 1)
        duration = signal.num_samples / signal.sampling_rate_hz
        yield from _finding(
            name,
            split,
            count.wrong_length,
            total,
            0.0,
            what="have another duration",
            expected=f"{signal.num_samples} samples, {duration:g} s",
            advice=f"Cut or resample them, or set features.{name}.num_samples.",
        )
        yield from _finding(
            name,
            split,
            count.with_gaps,
            total,
            limits.max_gap_share,
            what="have missing or non-finite samples",
            expected=f"at most {limits.max_gap_share:.1%} (validation.max_gap_share)",
            advice="Mend the acquisition, or raise the limit if the model may learn from gaps.",
        )
        yield from _finding(
            name,
            split,
            count.wrong_rate,
            total,
            limits.max_wrong_rate_share,
            what=f"were not sampled at {signal.sampling_rate_hz:g} Hz",
            expected=f"at most {limits.max_wrong_rate_share:.1%} (validation.max_wrong_rate_share)",
            advice="Resample them to the nominal rate, or correct sampling_rate_hz.",
        )


def _finding(  # noqa: PLR0913 - one sentence, seven parts
    name: str,
    split: str,
    count: int,
    total: int,
    limit: float,
    *,
    what: str,
    expected: str,
    advice: str,
) -> Iterator[Finding]:
    if count:
        share = count / total
        yield Finding(
            column=name,
            split=split,
            found=f"{count:,} of {total:,} recordings ({share:.1%}) {what}",
            expected=expected,
            advice=advice,
            stops=share > limit,
        )

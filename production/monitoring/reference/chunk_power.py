"""Power of a chunk: changes that it can show, and the size that shows the wanted one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from measuring.monitoring.power import (
    detectable_factor,
    detectable_shift,
    needed_p_value,
    positives_for_factor,
    rows_for_shift,
)
from pipeline.production_options.monitoring import MonitoringOptions
from production.monitoring.budget import Part, threshold_of
from production.monitoring.reference.reference import Reference

# A factor of the rate of rare events that a chunk should show, such as that of alarms.
_WANTED_FACTOR = 2.0
_NUM_CHUNKS = 3


@dataclass(frozen=True, kw_only=True)
class ChunkPower:
    """What a chunk of some rows shows within three chunks, with a probability of 80 %.

    Attributes:
        num_rows: Rows of the chunk.
        shift: Smallest shift of a number in standard deviations; infinite if none shows.
        share: Smallest share of rows that lose a value that they always had.
        alarms: Smallest factor of the rate of alarms; infinite if the model never alarms.
        expected_alarms: Alarms of the chunk without a change.
        expected_faults: Faults of the chunk at the training's prevalence.
        rows_for_detect: Rows that show the wanted shift; None if these do.
        rows_for_alarms: Rows that show twice as many alarms; None if these do, or none does.
    """

    num_rows: int
    shift: float
    share: float
    alarms: float
    expected_alarms: float
    expected_faults: float
    rows_for_detect: int | None
    rows_for_alarms: int | None

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON values; null for an infinite one."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in vars(self).items()
        }

    def words(self, *, detect: float) -> list[str]:
        """Returns the figures as sentences.

        Args:
            detect: The wanted shift, in standard deviations.
        """
        sentences = [
            f"A chunk of {self.num_rows:,} rows shows a shift of {self.shift:.2f} standard "
            f"deviations, and values missing in {100 * self.share:.2g} % of the rows, within "
            f"{_NUM_CHUNKS} chunks."
        ]
        if self.rows_for_detect is not None:
            sentences.append(
                f"For a shift of {detect:g} standard deviations (monitoring.detect) to show, set "
                f"larger chunks in monitoring.chunk: of {self.rows_for_detect:,} rows."
            )
        if np.isfinite(self.alarms):
            sentences.append(
                f"It has {self.expected_alarms:.3g} alarms of the model and "
                f"{self.expected_faults:.3g} faults on average. A rate of alarms that rises to "
                f"{self.alarms:.2g} times as much shows within {_NUM_CHUNKS} chunks."
            )
        if self.rows_for_alarms is not None:
            sentences.append(
                "For a rate that doubles to show, set larger chunks in monitoring.chunk: of "
                f"{self.rows_for_alarms:,} rows."
            )
        return sentences


def chunk_power(
    reference: Reference,
    num_rows: int,
    options: MonitoringOptions,
    *,
    num_channels: int,
    effective_share: float = 1.0,
) -> ChunkPower:
    """Returns what a chunk shows within the budget of false alarms.

    Args:
        reference: The reference.
        num_rows: Rows of a chunk, > 0.
        options: The budget and the wanted shift.
        num_channels: Channels of the detector.
        effective_share: Independent rows that a row is worth, in (0, 1].
    """
    threshold = threshold_of(options, Part.DRIFT)
    p_value = needed_p_value(threshold=threshold, num_channels=num_channels, num_chunks=_NUM_CHUNKS)
    effective = max(1.0, num_rows * effective_share)
    shift = detectable_shift(effective, p_value, reference_rows=float(reference.num_rows))
    held_out = reference.held_out.decisions
    alarm_rate = float(held_out.mean()) if len(held_out) else 0.0
    alarms = detectable_factor(effective * alarm_rate, p_value)
    return ChunkPower(
        num_rows=num_rows,
        shift=shift,
        share=_share(effective, p_value),
        alarms=alarms,
        expected_alarms=num_rows * alarm_rate,
        expected_faults=num_rows * reference.prevalence,
        rows_for_detect=None
        if shift <= options.detect
        else int(np.ceil(rows_for_shift(options.detect, p_value) / effective_share)),
        rows_for_alarms=None
        if alarms <= _WANTED_FACTOR or not alarm_rate
        else int(
            np.ceil(positives_for_factor(_WANTED_FACTOR, p_value) / (alarm_rate * effective_share))
        ),
    )


def _share(effective: float, p_value: float) -> float:
    """Rows that must lose their value, as a share: as many as make the exact p-value.

    With none of many training rows, x of n missing rows have a p-value of about (n / (n + m))^x;
    a reference of ten times the chunk gives 11^-x.
    """
    return float(min(1.0, np.ceil(-np.log(p_value / 2) / np.log(11)) / effective))

"""Requests of a simulated plant, day by day, with their true labels."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datasets.options import SignalOptions
from datasets.signals import simulate_span

LABEL = "is_faulty"
# No input of the model, but training checks it: it comes with the labels.
RATE = "sampling_rate_hz"
# What clients send; the rest of a recording stays in the plant.
FEATURES = (
    "voltage",
    "current",
    "charging_voltage_v",
    "temperature_k",
    "software_version",
    RATE,
)
# Spans of the training data come before; the magnets are the same.
_FIRST_SPAN = 1_000


@dataclass(frozen=True, kw_only=True)
class Plant:
    """The plant whose magnets are watched.

    Attributes:
        prevalence: Share of faulty recordings, in (0, 1).
        warmer_k: Rise of all temperatures in K, in [-50, 50].
        new_firmware: Whether half of the recorders run a new firmware of another scaling.
        changed_mix: Whether other kinds of faults prevail.
        has_seasons: Whether warm magnets come together once a day, instead of at any time.
    """

    prevalence: float = 0.035
    warmer_k: float = 0.0
    new_firmware: bool = False
    changed_mix: bool = False
    has_seasons: bool = False

    def options(self, *, num_rows: int, seed: int, span: int) -> SignalOptions:
        """Returns the options of the simulator for one span."""
        num_faulty = round(num_rows * self.prevalence)
        return SignalOptions(
            seed=seed,
            num_healthy=num_rows - num_faulty,
            num_faulty=num_faulty,
            num_spans=span,
            drift_from_span=span,
            temperature_drift_k_per_span=self.warmer_k,
            new_firmware=self.new_firmware,
            changed_fault_mix=self.changed_mix,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Day:
    """The requests of a day, which make one chunk.

    Attributes:
        number: Number of the day, from 0.
        rows: The features as clients send them, and `LABEL`, the truth.
        keys: The magnet of each row, the sticky key.
        labels: What is reported as label of each row, later; -1 where none ever is.
    """

    number: int
    rows: pa.Table
    keys: NDArray[np.str_]
    labels: NDArray[np.int64]

    @property
    def truth(self) -> NDArray[np.int64]:
        """The true label of each row, int64 `[n]`."""
        return np.asarray(self.rows[LABEL].to_numpy(), np.int64)

    @property
    def features(self) -> pa.Table:
        """The features as clients send them."""
        return self.rows.select(list(FEATURES))

    def take(self, places: NDArray[np.int64]) -> Self:
        """Returns the day with these rows in this order."""
        return replace(
            self, rows=self.rows.take(places), keys=self.keys[places], labels=self.labels[places]
        )

    def with_column(self, name: str, values: NDArray[np.generic] | list[object]) -> Self:
        """Returns the day with other values of a feature: `[n]`, or `[n, samples]` of a signal."""
        column = self.rows.schema.field(name)
        place = self.rows.schema.get_field_index(name)
        array = pa.array(values if isinstance(values, list) else list(values), column.type)
        return replace(self, rows=self.rows.set_column(place, column, array))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Returns a feature as float64: `[n]`, or `[n, samples]` of a signal."""
        column = self.rows[name].combine_chunks()
        if pa.types.is_list(column.type):
            return np.asarray(column.flatten().to_numpy(), np.float64).reshape(len(column), -1)
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def draw_history(plant: Plant, *, num_rows: int, seed: int) -> pa.Table:
    """Draws the recordings of a plant that a model is trained on, with their true labels."""
    options = plant.options(num_rows=num_rows, seed=seed, span=1)
    return pa.Table.from_batches(simulate_span(options, 1)).select([*FEATURES, LABEL])


def draw_days(
    plant: Plant, *, num_days: int, num_rows: int, seed: int, first: int = 0
) -> list[Day]:
    """Draws successive days of a plant.

    The days are cut out of one span of the simulator, so that the faults of a day are as random as
    they are in the plant.

    Args:
        plant: The plant.
        num_days: Number of days.
        num_rows: Requests of a day.
        seed: Seed of the magnets, which is that of the training data.
        first: Number of the first day.
    """
    span = _FIRST_SPAN + first
    options = plant.options(num_rows=num_days * num_rows, seed=seed, span=span)
    table = pa.Table.from_batches(simulate_span(options, span)).combine_chunks()
    return [
        _make_day(table.slice(place * num_rows, num_rows), first + place, plant)
        for place in range(num_days)
    ]


def _make_day(table: pa.Table, number: int, plant: Plant) -> Day:
    if plant.has_seasons:
        table = table.take(pa.array(_warm_at_noon(table["temperature_k"].to_numpy())))
    truth = np.asarray(table[LABEL].to_numpy(), np.int64)
    rows = table.select([*FEATURES, LABEL]).combine_chunks()
    return Day(number=number, rows=rows, keys=np.array(table["magnet"].to_pylist()), labels=truth)


def _warm_at_noon(temperature_k: NDArray[np.float32]) -> NDArray[np.intp]:
    """Returns the order in which temperatures rise until noon and fall after it."""
    ascending = np.argsort(temperature_k, kind="stable")
    return np.concatenate([ascending[::2], ascending[1::2][::-1]])

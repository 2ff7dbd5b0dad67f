"""The channels of drift: what of a chunk is compared with the training data."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from measuring.monitoring.alarms import Driver
from measuring.monitoring.joint import JointDrift, Sample, joint_drift
from measuring.monitoring.two_sample import LEAST_REFERENCE, Comparison, NumberReference
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns, feature_of
from production.monitoring.drift.comparing import (
    RowOrders,
    compare_category_column,
    compare_flags,
    compare_number_column,
)
from production.monitoring.drift.detecting import JOINT, ChunkDrift
from production.monitoring.performance.answers import Answers, keys_of
from production.monitoring.reference.reference import Reference

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCORES, ALARM_RATE = "scores", "alarm rate"
_MISSING = ": missing"
# Rows of a side beyond which the classifier of joint drift gains nothing, and least rows of a chunk
# that a short reference allows.
_MAX_JOINT_ROWS, _LEAST_JOINT_ROWS = 10_000, 200
_NUM_JOINT = 3
_SEED = 20_261_131


class DriftReference:
    """The reference of a version as its chunks are compared with."""

    def __init__(self, reference: Reference) -> None:
        """Takes the training data; distributions are computed when they are first needed.

        Args:
            reference: The training data.
        """
        self._reference = reference
        columns = reference.columns
        self.numbers = {
            name: values
            for name, values in columns.numbers.items()
            if np.isfinite(values).sum() > 1
        }
        self.categories = {
            name: counts for name, one in columns.categories.items() if (counts := one.counts())
        }
        self.missing = {name: int(flags.sum()) for name, flags in columns.missing.items()}

    @property
    def joint_features(self) -> tuple[str, ...]:
        """The features of joint drift."""
        return *self.numbers, *self.categories

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels of the detector."""
        features = self.joint_features
        missing = [name + _MISSING for name in self.missing]
        joint = [JOINT] if len(features) > 1 else []
        return (*features, *missing, SCORES, ALARM_RATE, *joint)

    @cached_property
    def _distributions(self) -> dict[str, NumberReference]:
        distributions = {name: NumberReference.of(v) for name, v in self.numbers.items()}
        scores = self._reference.held_out.probabilities
        return distributions | {SCORES: NumberReference.of(scores)}

    def compare(self, chunk: Chunk, columns: Columns, answers: Answers) -> ChunkDrift:
        """Compares a chunk with the training data.

        Args:
            chunk: The chunk, with at least one answer that has a probability.
            columns: Its features.
            answers: Its answers.
        """
        present = {name: columns.numbers[name] for name in self.numbers if name in columns.numbers}
        orders = RowOrders.of(keys_of(chunk.records), columns.num_rows)
        orders = orders.with_blocks(self._distributions, present)
        numbers = {
            name: compare_number_column(self._distributions[name], values, orders)
            for name, values in present.items()
        }
        categories = {
            name: compare_category_column(one.codes, one.names, counts, orders)
            for name, counts in self.categories.items()
            if (one := columns.categories.get(name)) is not None
        }
        missing = {
            name + _MISSING: compare_flags(
                columns.missing[name], number, self._reference.num_rows, orders
            )
            for name, number in self.missing.items()
            if name in columns.missing
        }
        comparisons = numbers | categories | missing | self._compare_answers(answers)
        joint = None
        if JOINT in self.channels and not columns.unreadable:
            joint = self._compare_jointly(columns, orders, chunk.number)
        return ChunkDrift(comparisons=comparisons, joint=joint)

    def _compare_answers(self, answers: Answers) -> dict[str, Comparison]:
        orders = RowOrders.of(answers.keys, answers.num_rows)
        then = self._reference.held_out.decisions == 1
        alarms = answers.decisions == 1
        scores = answers.probabilities  # NaN is no value
        return {
            SCORES: compare_number_column(self._distributions[SCORES], scores, orders),
            ALARM_RATE: compare_flags(alarms, int(then.sum()), len(then), orders),
        }

    def _compare_jointly(self, columns: Columns, orders: RowOrders, number: int) -> JointDrift:
        reference = self._reference
        rng = np.random.default_rng([_SEED, number])
        num_then, num_now = reference.num_rows, columns.num_rows
        most = max(min(_MAX_JOINT_ROWS, num_then // LEAST_REFERENCE), _LEAST_JOINT_ROWS)
        rows_then, rows_now = _draw(rng, num_then, _MAX_JOINT_ROWS), _draw(rng, num_now, most)
        recordings = reference.recordings
        values = [self._matrix(reference.columns, rows_then), self._matrix(columns, rows_now)]
        training = Sample(
            values=values[0],
            blocks=rows_then if recordings is None else recordings[rows_then],
        )
        production = Sample(values=values[1], blocks=orders.blocks[rows_now])
        return joint_drift(training, production, self.joint_features)

    def _matrix(self, columns: Columns, rows: Ints) -> Floats:
        """float64 `[rows, features]`; a category is its place by frequency in the training data."""
        parts = [columns.numbers[name][rows] for name in self.numbers]
        for name, counts in self.categories.items():
            one = columns.categories[name]
            ranked = sorted(counts, key=lambda category: (-counts[category], category))
            places = {category: float(place) for place, category in enumerate(ranked)}
            unseen = float(len(ranked))
            codes = np.array([*(places.get(n, unseen) for n in one.names), np.nan])
            parts.append(codes[one.codes[rows]])
        return np.column_stack(parts)


def features_of(drivers: Sequence[Driver], drift: ChunkDrift) -> tuple[str, ...]:
    """Returns the features behind channels, the most telling first.

    Joint drift names those that the classifier needs most.

    Args:
        drivers: Channels of the evidence.
        drift: The comparisons of the last chunk.
    """
    names: list[str] = []
    for driver in drivers:
        if driver.channel == JOINT and drift.joint is not None:
            losses = list(drift.joint.losses.items())[:_NUM_JOINT]
            names += [feature_of(name) for name, loss in losses if loss > 0]
        else:
            names.append(feature_of(driver.channel))
    return tuple(dict.fromkeys(names))


def _draw(rng: np.random.Generator, num_rows: int, most: int) -> Ints:
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(rng.choice(num_rows, most, replace=False))

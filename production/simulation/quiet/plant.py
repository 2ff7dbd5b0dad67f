"""Recordings of an unchanged plant, and the training data and chunks that are drawn from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import signal, stats

from pipeline.config import Config
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Categories, Columns, read_columns
from production.monitoring.performance.answers import read_answers
from production.monitoring.reference.reference import HeldOut, Reference
from production.simulation.site import Site
from production.simulation.traffic import Plant, draw_days
from production.simulation.workspace import Workspace
from serving.client import Predictions

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_REQUEST_ROWS = 250
_TEST_SHARE = 0.15  # of the training data, for the held-out answers
_WANDERING = "temperature_k"
_CORRELATION = 0.9

Ints = NDArray[np.int64]


class Order(StrEnum):
    """How the rows of a year follow each other."""

    INDEPENDENT = "independent rows"
    WANDERING = "a temperature that wanders from row to row, AR(1) with 0.9"


@dataclass(frozen=True, kw_only=True, eq=False)
class QuietPlant:
    """Answered recordings of an unchanged plant.

    Attributes:
        records: What a server would have recorded of them, without the features.
        columns: Their features.
        truth: int64 `[n]`, 1 for a fault.
    """

    records: pa.Table
    columns: Columns
    truth: Ints

    @classmethod
    def answered(cls, workspace: Workspace, config: Config, num_rows: int) -> "QuietPlant":
        """Draws recordings, and has a real server answer them.

        Args:
            workspace: The folders; the model is trained.
            config: The use case.
            num_rows: Number of recordings.
        """
        [day] = draw_days(Plant(), num_days=1, num_rows=num_rows, seed=workspace.size.seed)
        with Site(workspace, config) as site:
            outputs = [
                site.predict(day.features.slice(start, _REQUEST_ROWS))
                for start in range(0, num_rows, _REQUEST_ROWS)
            ]
        records = {
            "key": pa.array(day.keys.tolist()),
            "probability": pa.array(_column(outputs, "probability")),
            "decision": pa.array(_column(outputs, "decision")),
        }
        return cls(
            records=pa.table(records),
            columns=read_columns(day.features, config.features),
            truth=day.truth,
        )

    def reference(self, trained: Reference, rows: Ints) -> Reference:
        """Returns the reference with other training data and other held-out answers.

        Args:
            trained: The reference of the trained model.
            rows: int64 `[n]`, the recordings of training and held-out answers, in any order.
        """
        num_test = round(_TEST_SHARE * len(rows))
        test, train = np.sort(rows[:num_test]), np.sort(rows[num_test:])
        answers = read_answers(self.records.take(pa.array(test)))
        held_out = HeldOut(
            probabilities=answers.probabilities,
            decisions=answers.decisions,
            labels=self.truth[test],
        )
        return replace(
            trained,
            num_train=len(train),
            num_faults=int(self.truth[train].sum()),
            columns=_take(self.columns, train),
            recordings=None,
            held_out=held_out,
            measured={},
        )

    def chunks(
        self, rng: np.random.Generator, rows: Ints, order: Order, *, num_chunks: int, size: int
    ) -> Iterator[tuple[Chunk, Columns]]:
        """Yields the chunks of a year.

        Every row has the distribution of the plant. In a wandering order, its temperature is near
        that of the row before it; otherwise a chunk has no row twice.

        Args:
            rng: Random numbers.
            rows: int64 `[n]`, the recordings to draw from, not those of the reference.
            order: How rows follow each other.
            num_chunks: Number of chunks.
            size: Rows of a chunk.
        """
        wandering = _wander(rng, num_chunks * size, len(rows)).reshape(num_chunks, size)
        ascending = rows[np.argsort(self.columns.numbers[_WANDERING][rows], kind="stable")]
        for number in range(num_chunks):
            if order is Order.WANDERING:
                chosen = ascending[wandering[number]]
            else:
                chosen = rng.choice(rows, size, replace=False)
            since = _NOON + timedelta(days=number)
            chunk = Chunk(
                number=number,
                since=since,
                until=since + timedelta(days=1),
                version=1,
                records=self.records.take(pa.array(chosen)),
            )
            yield chunk, _take(self.columns, chosen)


def _wander(rng: np.random.Generator, num_values: int, num_places: int) -> Ints:
    """int64 `[num_values]` in [0, num_places), each equally likely, near the one before it."""
    noise = rng.normal(size=num_values) * np.sqrt(1 - _CORRELATION**2)
    noise[0] = rng.normal()
    values = signal.lfilter([1], [1, -_CORRELATION], noise)
    places = np.floor(stats.norm.cdf(values) * num_places).astype(np.int64)
    return np.asarray(np.minimum(places, num_places - 1), np.int64)


def _column(outputs: Sequence[Predictions], name: str) -> NDArray[Any]:
    return np.concatenate([one[name].reshape(-1) for one in outputs])


def _take(columns: Columns, rows: Ints) -> Columns:
    return Columns(
        num_rows=len(rows),
        numbers={name: values[rows] for name, values in columns.numbers.items()},
        categories={
            name: Categories(codes=one.codes[rows], names=one.names)
            for name, one in columns.categories.items()
        },
        times={name: values[rows] for name, values in columns.times.items()},
        missing={name: flags[rows] for name, flags in columns.missing.items()},
    )

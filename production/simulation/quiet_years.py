"""Years without any change: how many false alarms the monitor raises, against its budget.

Nothing is sent or recorded here: recordings are answered once, by a real server, and chunks of them
are handed to the monitor's comparisons in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from measuring.monitoring.alarms import DriftDetector
from pipeline.config import Config
from production.monitoring.budget import Part, threshold_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Categories, Columns, read_columns
from production.monitoring.drift.channels import DriftReference
from production.monitoring.performance.answers import read_answers
from production.monitoring.performance.estimating import cost_p_value, estimate
from production.monitoring.performance.labelled import COST
from production.monitoring.performance.prices import prices_of, promised_figures
from production.monitoring.reference.loading import load_reference
from production.monitoring.reference.reference import HeldOut, Reference
from production.simulation.site import Site
from production.simulation.traffic import Plant, draw_days
from production.simulation.workspace import MODEL, Workspace
from serving.client import Predictions

CHUNKS_PER_YEAR = 365
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_REQUEST_ROWS = 250
_TEST_SHARE = 0.15  # of the training data, for the held-out answers

Ints = NDArray[np.int64]
PValues = dict[Part, list[dict[str, float]]]


@dataclass(frozen=True, kw_only=True)
class QuietYears:
    """False alarms of years without any change.

    Attributes:
        num_references: Different training data.
        num_chunks: Chunks that were compared with each of them; years draw from these.
        rows: Rows of a chunk.
        budget: Budget of false alarms a year of all kinds.
        alarms: Part of the budget to the false alarms of each year.
    """

    num_references: int
    num_chunks: int
    rows: int
    budget: float
    alarms: dict[str, list[int]]

    @property
    def num_years(self) -> int:
        """Number of years."""
        return len(next(iter(self.alarms.values()), []))

    @property
    def per_year(self) -> float:
        """False alarms a year, all kinds together."""
        return sum(map(sum, self.alarms.values())) / self.num_years

    def words(self) -> str:
        """Returns the result in one sentence."""
        years = np.sum(list(self.alarms.values()), axis=0)
        return (
            f"{self.num_years} quiet years of {CHUNKS_PER_YEAR} chunks: {self.per_year:.2f} "
            f"false alarms a year, the budget is {self.budget:g}; {int((years == 0).sum())} years "
            "without any."
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON values."""
        return {**vars(self), "per_year": self.per_year}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pool:
    """Answered recordings of an unchanged plant.

    Attributes:
        records: What a server would have recorded of them, without the features.
        columns: Their features.
        truth: int64 `[n]`, 1 for a fault.
    """

    records: pa.Table
    columns: Columns
    truth: Ints


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is computed.

    Attributes:
        references: Different training data, whose errors the chunks of a year share.
        chunks: Chunks that are compared with each of them; years draw from these.
        years: Years in all, at least `references`.
        recordings: Recordings to draw training data and chunks from.
    """

    references: int = 10
    chunks: int = CHUNKS_PER_YEAR
    years: int = 100
    recordings: int = 24_000


def fly_quiet_years(workspace: Workspace, effort: Effort) -> QuietYears:
    """Counts the false alarms of quiet years.

    Args:
        workspace: The folders; the model is trained.
        effort: How much is computed.
    """
    config = workspace.reset()
    pool = _make_pool(workspace, config, effort.recordings)
    trained = load_reference(config, workspace.output, MODEL, workspace.trained_version())
    rows, training = workspace.size.rows, workspace.size.training
    alarms: dict[str, list[int]] = {part.value: [] for part in (Part.DRIFT, Part.ESTIMATED_LOSS)}
    for number in range(effort.references):
        rng = np.random.default_rng([workspace.size.seed, number])
        order = rng.permutation(effort.recordings)
        reference = _reference_of(trained, pool, order[:training])
        chunks = [
            _draw_chunk(pool, rng.choice(order[training:], rows, replace=False), place)
            for place in range(effort.chunks)
        ]
        p_values = _p_values(config, reference, chunks)
        for _ in range(effort.years // effort.references):
            places = rng.integers(0, effort.chunks, CHUNKS_PER_YEAR)
            for part, values in p_values.items():
                threshold = threshold_of(config.monitoring, part)
                chosen = [values[place] for place in places]
                alarms[part.value].append(count_alarms(chosen, threshold))
    return QuietYears(
        num_references=effort.references,
        num_chunks=effort.chunks,
        rows=rows,
        budget=config.monitoring.false_alarms_per_year,
        alarms=alarms,
    )


def count_alarms(p_values: Sequence[dict[str, float]], threshold: float) -> int:
    """Returns the alarms of a detector that starts again after each.

    Args:
        p_values: Channel to p-value, of successive chunks.
        threshold: Least expected number of chunks between false alarms, > 1.
    """
    detector = DriftDetector(sorted({name for one in p_values for name in one}), threshold)
    num_alarms = 0
    for one in p_values:
        if detector.update(one):
            num_alarms += 1
            detector.reset()
    return num_alarms


def _make_pool(workspace: Workspace, config: Config, num_rows: int) -> _Pool:
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
    return _Pool(
        records=pa.table(records),
        columns=read_columns(day.features, config.features),
        truth=day.truth,
    )


def _column(outputs: Sequence[Predictions], name: str) -> NDArray[Any]:
    return np.concatenate([one[name].reshape(-1) for one in outputs])


def _reference_of(trained: Reference, pool: _Pool, rows: Ints) -> Reference:
    """A reference with other training data and other held-out answers."""
    num_test = round(_TEST_SHARE * len(rows))
    test, train = np.sort(rows[:num_test]), np.sort(rows[num_test:])
    answers = read_answers(pool.records.take(pa.array(test)))
    held_out = HeldOut(
        probabilities=answers.probabilities, decisions=answers.decisions, labels=pool.truth[test]
    )
    return replace(
        trained,
        num_train=len(train),
        num_faults=int(pool.truth[train].sum()),
        columns=_take(pool.columns, train),
        recordings=None,
        held_out=held_out,
        measured={},
    )


def _draw_chunk(pool: _Pool, rows: Ints, number: int) -> tuple[Chunk, Columns]:
    rows = np.sort(rows)
    since = _NOON + timedelta(days=number)
    chunk = Chunk(
        number=number,
        since=since,
        until=since + timedelta(days=1),
        version=1,
        records=pool.records.take(pa.array(rows)),
    )
    return chunk, _take(pool.columns, rows)


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


def _p_values(
    config: Config, reference: Reference, chunks: Sequence[tuple[Chunk, Columns]]
) -> PValues:
    """The p-values of the monitor for each chunk, by part of the budget."""
    training, prices = DriftReference(reference), prices_of(config)
    promised = promised_figures(reference, prices)[COST]
    drift, loss = [], []
    for chunk, columns in chunks:
        answers = read_answers(chunk.records)
        drift.append(training.compare(chunk, columns, answers).p_values)
        estimated = estimate(answers, prevalence=reference.prevalence, cost=prices.cost)
        loss.append({COST: cost_p_value(estimated, promised)})
    return {Part.DRIFT: drift, Part.ESTIMATED_LOSS: loss}

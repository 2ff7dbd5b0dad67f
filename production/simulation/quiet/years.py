"""Years without any change: how many false alarms the monitor raises, against its budget.

Nothing is sent or recorded here: recordings are answered once, by a real server, and chunks of them
are handed to the monitor's comparisons in memory.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from measuring.intervals import Interval
from measuring.monitoring.alarms import DriftDetector
from pipeline.config import Config
from production.monitoring.budget import Part, threshold_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns
from production.monitoring.drift.channels import DriftReference
from production.monitoring.json_lines import append_line, read_lines
from production.monitoring.performance.answers import read_answers
from production.monitoring.performance.estimating import cost_p_value, estimate
from production.monitoring.performance.labelled import COST
from production.monitoring.performance.prices import prices_of, promised_figures
from production.monitoring.reference.loading import load_reference
from production.monitoring.reference.reference import Reference
from production.simulation.quiet.plant import Order, QuietPlant
from production.simulation.workspace import MODEL, Workspace

CHUNKS_PER_YEAR = 365
FLOWN = "quiet_years.jsonl"
_CONFIDENCE = 0.95
_PARTS = (Part.DRIFT, Part.ESTIMATED_LOSS)

Chunks = Iterable[tuple[Chunk, Columns]]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is computed.

    Attributes:
        years: Years of each order of rows; each has training data of its own.
        chunks: Chunks of a year.
        recordings: Recordings to draw training data and chunks from.
    """

    years: int = 50
    chunks: int = CHUNKS_PER_YEAR
    recordings: int = 24_000


@dataclass(frozen=True, kw_only=True)
class QuietYear:
    """False alarms of a year without any change.

    Attributes:
        order: How its rows follow each other.
        number: Its number among those of the order; it is also the seed.
        alarms: Part of the budget to the number of its alarms.
    """

    order: str
    number: int
    alarms: Mapping[str, int]

    @property
    def num_alarms(self) -> int:
        """Alarms of all kinds."""
        return sum(self.alarms.values())

    def words(self) -> str:
        """Returns the year in one line."""
        return f"year {self.number}, {self.order}: {self.num_alarms} false alarms"


@dataclass(frozen=True, kw_only=True)
class QuietYears:
    """False alarms of years without any change.

    Attributes:
        rows: Rows of a chunk.
        chunks: Chunks of a year.
        budget: Budget of false alarms a year of all kinds.
        years: The years.
    """

    rows: int
    chunks: int
    budget: float
    years: tuple[QuietYear, ...]

    @property
    def per_year(self) -> float:
        """False alarms a year, all kinds together."""
        return sum(year.num_alarms for year in self.years) / len(self.years)

    def words(self) -> str:
        """Returns the result in one sentence for each order of rows."""
        orders = dict.fromkeys(year.order for year in self.years)
        return " ".join(self._words_of(order) for order in orders)

    def _words_of(self, order: str) -> str:
        counts = [year.num_alarms for year in self.years if year.order == order]
        lower, upper = rate_interval(sum(counts), len(counts))
        return (
            f"{len(counts)} quiet years of {self.chunks} chunks of {self.rows} rows, {order}: "
            f"{sum(counts) / len(counts):.2f} [{lower:.2f}, {upper:.2f}] false alarms a year, the "
            f"budget is {self.budget:g}; {counts.count(0)} years without any, at most "
            f"{max(counts)} in a year."
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "QuietYears":
        """Returns what `to_json` returned."""
        years = tuple(QuietYear(**year) for year in values["years"])
        return cls(**{**values, "years": years})


def rate_interval(num_events: int, num_years: int) -> Interval:
    """Returns the 95 % interval of events a year, if their number is Poisson's.

    References:
        Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28.
    """
    tail = (1 - _CONFIDENCE) / 2
    lower = float(stats.chi2.ppf(tail, 2 * num_events)) / 2 if num_events else 0.0
    upper = float(stats.chi2.ppf(1 - tail, 2 * num_events + 2)) / 2
    return lower / num_years, upper / num_years


def fly_quiet_years(workspace: Workspace, effort: Effort, say: Callable[[str], None]) -> QuietYears:
    """Counts the false alarms of quiet years; those that were flown before are kept.

    Each finished year is a line of `quiet_years.jsonl` in the folder of the simulator, so that a
    flight that is killed goes on with the next year.

    Args:
        workspace: The folders; the model is trained.
        effort: How much is computed.
        say: Called with a line after each year.
    """
    config = workspace.reset()
    path = workspace.root / FLOWN
    basis = {"basis": workspace.trained_key(), **asdict(effort)}
    del basis["years"]
    kept = [line["year"] for line in read_lines(path) if line["of"] == basis]
    years = {(year["order"], year["number"]): QuietYear(**year) for year in kept}
    asked = [(order.value, number) for number in range(effort.years) for order in Order]
    if missing := [one for one in asked if one not in years]:
        flight = _Flight.prepared(workspace, config, effort)
        for order, number in missing:
            year = flight.fly(Order(order), number)
            append_line(path, {"of": basis, "year": asdict(year)})
            years[order, number] = year
            say(year.words())
    return QuietYears(
        rows=workspace.size.rows,
        chunks=effort.chunks,
        budget=config.monitoring.false_alarms_per_year,
        years=tuple(years[one] for one in asked),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Flight:
    """Quiet years of a plant whose recordings have been answered."""

    config: Config
    workspace: Workspace
    effort: Effort
    plant: QuietPlant
    trained: Reference

    @classmethod
    def prepared(cls, workspace: Workspace, config: Config, effort: Effort) -> "_Flight":
        return cls(
            config=config,
            workspace=workspace,
            effort=effort,
            plant=QuietPlant.answered(workspace, config, effort.recordings),
            trained=load_reference(config, workspace.output, MODEL, workspace.trained_version()),
        )

    def fly(self, order: Order, number: int) -> QuietYear:
        """Compares the chunks of a year with training data of its own."""
        size = self.workspace.size
        rng = np.random.default_rng([size.seed, number, list(Order).index(order)])
        rows = rng.permutation(self.effort.recordings)
        reference = self.plant.reference(self.trained, rows[: size.training])
        chunks = self.plant.chunks(
            rng, rows[size.training :], order, num_chunks=self.effort.chunks, size=size.rows
        )
        p_values = _p_values(self.config, reference, chunks)
        alarms = {
            part.value: count_alarms(p_values[part], threshold_of(self.config.monitoring, part))
            for part in _PARTS
        }
        return QuietYear(order=order.value, number=number, alarms=alarms)


def count_alarms(p_values: Iterable[Mapping[str, float]], threshold: float) -> int:
    """Returns the alarms of a detector that starts again after each.

    Args:
        p_values: Channel to p-value, of successive chunks.
        threshold: Least expected number of chunks between false alarms, > 1.
    """
    p_values = list(p_values)
    detector = DriftDetector(sorted({name for one in p_values for name in one}), threshold)
    num_alarms = 0
    for one in p_values:
        if detector.update(one):
            num_alarms += 1
            detector.reset()
    return num_alarms


def _p_values(
    config: Config, reference: Reference, chunks: Chunks
) -> dict[Part, list[dict[str, float]]]:
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

"""Monitoring: false alarms in quiet years, delays of alarms, coverage without labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special

from benchmarks.statistics.tables import Table, mean_cell, range_cell, share_cell
from measuring.monitoring.alarms import DriftDetector, chunks_between_alarms
from measuring.monitoring.estimated import (
    METRICS,
    Grades,
    estimate_performance,
    realised_performance,
)
from measuring.monitoring.priors import ScoreBins, estimate_prior
from measuring.monitoring.two_sample import NumberReference, compare_numbers

CHUNKS_PER_YEAR, NUM_FEATURES, BUDGET = 365, 14, 2.0
THRESHOLD = chunks_between_alarms(chunks_per_year=CHUNKS_PER_YEAR, false_alarms_per_year=BUDGET)
_BONFERRONI = 0.05 / NUM_FEATURES
_CHANNELS = [f"feature {number}" for number in range(NUM_FEATURES)]
TRAINED = 0.03
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What is monitored.

    Attributes:
        rows: Rows of a chunk.
        reference: Rows of the reference, as a multiple of the chunk's.
        correlation: Of successive rows of a feature, AR(1).
        recording: Rows of a recording that share an offset with nine tenths of the variance; 0
            for rows in order.
    """

    rows: int = 300
    reference: int = 10
    correlation: float = 0.0
    recording: int = 0

    def draw(self, rng: np.random.Generator, num_chunks: int) -> Floats:
        """Draws the rows of successive chunks, float64 `[rows, features]` of variance 1."""
        size = num_chunks * self.rows
        if self.recording:
            offsets = rng.normal(size=(size // self.recording, NUM_FEATURES))
            noise = rng.normal(size=(size, NUM_FEATURES))
            values = np.sqrt(0.9) * offsets.repeat(self.recording, axis=0) + np.sqrt(0.1) * noise
            return np.asarray(values, np.float64)
        burn_in = 200
        noise = rng.normal(size=(size + burn_in, NUM_FEATURES)) * np.sqrt(1 - self.correlation**2)
        values = signal.lfilter([1], [1, -self.correlation], noise, axis=0)[burn_in:]
        return np.asarray(values, np.float64)

    def recordings(self, num_rows: int) -> NDArray[np.int64] | None:
        """The recording of each row."""
        return np.arange(num_rows) // self.recording if self.recording else None


class Monitor:
    """The references of a plant and the p-values of its chunks."""

    def __init__(self, rng: np.random.Generator, plant: Plant) -> None:
        """Draws the reference."""
        self._plant = plant
        training = plant.draw(rng, plant.reference)
        recordings = plant.recordings(len(training))
        self._references = [NumberReference.of(column, recordings) for column in training.T]

    def p_values(self, chunk: Floats) -> dict[str, float]:
        """Returns the p-value of each feature."""
        recordings = self._plant.recordings(len(chunk))
        return {
            channel: compare_numbers(reference, column, recordings).p_value
            for channel, reference, column in zip(_CHANNELS, self._references, chunk.T, strict=True)
        }


def quiet_year(rng: np.random.Generator, plant: Plant) -> tuple[int, int]:
    """Returns the alarms of a year without drift: of the detector, and of Bonferroni's test."""
    monitor, detector = Monitor(rng, plant), DriftDetector(_CHANNELS, THRESHOLD)
    alarms = daily = 0
    for chunk in np.split(plant.draw(rng, CHUNKS_PER_YEAR), CHUNKS_PER_YEAR):
        p_values = monitor.p_values(chunk)
        daily += min(p_values.values()) < _BONFERRONI
        if detector.update(p_values):
            alarms += 1
            detector.reset()
    return alarms, daily


def delay(rng: np.random.Generator, plant: Plant, shift: float, *, quiet: int = 20) -> int:
    """Returns after how many chunks a shift of one feature raises an alarm, at most 100.

    Args:
        rng: Random numbers.
        plant: What is monitored.
        shift: Of the first feature, in standard deviations.
        quiet: Chunks before the shift; alarms among them reset the detector.
    """
    monitor, detector = Monitor(rng, plant), DriftDetector(_CHANNELS, THRESHOLD)
    for number, chunk in enumerate(np.split(plant.draw(rng, quiet + 100), quiet + 100)):
        if number >= quiet:
            chunk[:, 0] += shift
        if detector.update(monitor.p_values(chunk)):
            if number >= quiet:
                return number - quiet + 1
            detector.reset()
    return 100


def grade_estimates(prevalence: float, rows: int, num_chunks: int, *, corrected: bool) -> Grades:
    """Grades estimates without labels of chunks whose model was calibrated at 3 %.

    Args:
        prevalence: Of the chunks.
        rows: Rows of a chunk.
        num_chunks: Number of chunks.
        corrected: Whether the prevalence is estimated from the scores.
    """
    rng, grades = np.random.default_rng(rows), Grades()
    for _ in range(num_chunks):
        labels = rng.random(rows) < prevalence
        scores = rng.normal(size=rows) + 3 * labels
        probabilities = special.expit(3 * scores - 4.5 + special.logit(TRAINED))
        decisions = probabilities > 0.3
        bins = ScoreBins.of(probabilities, decisions)
        shift = estimate_prior(bins, TRAINED) if corrected else None
        realised = realised_performance(probabilities, decisions, labels, miss=10)
        grades.add(estimate_performance(bins, shift=shift, miss=10), realised)
    return grades


PLANTS: Mapping[str, Plant] = {
    "independent rows": Plant(),
    "independent rows, reference 100 times a chunk": Plant(reference=100),
    "AR(1), 0.5": Plant(correlation=0.5),
    "AR(1), 0.9": Plant(correlation=0.9),
    "AR(1), 0.9, 3,000 rows": Plant(correlation=0.9, rows=3_000),
    "recordings of 10 rows": Plant(recording=10),
}


def _quiet_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, plant in PLANTS.items():
        rng = np.random.default_rng(1)
        years = np.array([quiet_year(rng, plant) for _ in range(num_sets)], np.float64)
        yield [name, *(mean_cell(counts) for counts in years.T), share_cell(years[:, 0] == 0)]


def _delay_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, plant in PLANTS.items():
        cells = []
        for shift in (0.2, 0.3, 0.5):
            rng = np.random.default_rng(2)
            delays = [delay(rng, plant, shift) for _ in range(num_sets)]
            cells.append(range_cell(np.array(delays, np.float64), digits=0))
        yield [name, *cells]


def _coverage_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for prevalence in (0.03, 0.01, 0.09):
        for rows in (500, 2_000, 20_000):
            for corrected in (False, True):
                grades = grade_estimates(prevalence, rows, num_sets, corrected=corrected)
                cells = [f"{grades.coverage(name)[0]:.1%}".replace("%", " %") for name in METRICS]
                prior = "estimated" if corrected else "that of training"
                yield [f"{prevalence:.0%}".replace("%", " %"), f"{rows:,}", prior, *cells]


def tables(num_sets: int) -> Iterator[Table]:
    """Yields false alarms, delays and coverage; a tenth of the sets is the number of years."""
    years = max(num_sets // 10, 2)
    yield Table(
        title=f"Alarms a year without drift; the budget is {BUDGET:g}.",
        head=("chunks", "detector", "Bonferroni, each day at 5 %", "years without an alarm"),
        rows=_quiet_rows(years),
    )
    yield Table(
        title="Chunks from a shift of one of 14 features to the alarm, at most 100.",
        head=("chunks", "0.2 sd", "0.3 sd", "0.5 sd"),
        rows=_delay_rows(years),
    )
    yield Table(
        title="Chunks whose 95 % intervals without labels contain what the labels say.",
        head=("prevalence", "rows", "prior", *METRICS),
        rows=_coverage_rows(num_sets),
    )

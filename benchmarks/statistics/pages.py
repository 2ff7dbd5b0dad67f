"""The errors page: shared causes of the perfect model and of planted ones; suspected labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.statistics.tables import Table, mean_cell, share_cell
from models.probabilities.firth import sigmoid
from pipeline.components.error_analyzer.analysis import (
    cross_entropy,
    expected_suspects,
    find_clusters,
    suspect_labels,
    worst,
)
from pipeline.components.error_analyzer.causes import find_causes

Floats = NDArray[np.float64]
_PREVALENCE = 0.035
_PLANTED = "maker = v0"


@dataclass(frozen=True, kw_only=True)
class Design:
    """A test split whose true probabilities are known.

    A score is N(0, 1) for healthy and N(distance, 1) for faulty examples. The table holds the
    score, two numbers that mean nothing, and a column of eight values, of which one may change the
    log odds of a fault without the model's knowledge.

    Attributes:
        num_rows: Rows of the test split.
        distance: Distance of the classes, in standard deviations.
        effect: Log odds that the value adds.
        slope: The network's logits are the true ones times this.
    """

    num_rows: int
    distance: float = 2.5
    effect: float = 0.0
    slope: float = 1.0

    def draw(self, rng: np.random.Generator) -> tuple[pa.Table, NDArray[np.int64], Floats]:
        """Returns the table, labels `[n]` and the model's probabilities `[n]`."""
        of_fault = rng.random(self.num_rows) < _PREVALENCE
        score = rng.normal(size=self.num_rows) + self.distance * of_fault
        logit = (
            self.distance * score - self.distance**2 / 2 + np.log(_PREVALENCE / (1 - _PREVALENCE))
        )
        maker = rng.integers(0, 8, self.num_rows)
        labels = rng.random(self.num_rows) < sigmoid(logit + self.effect * (maker == 0))
        noise = rng.normal(size=(2, self.num_rows))
        table = pa.table(
            {
                "score": score,
                "pressure": noise[0],
                "humidity": noise[1],
                "maker": [f"v{value}" for value in maker],
            }
        )
        return table, labels.astype(np.int64), sigmoid(self.slope * logit)


@dataclass(frozen=True, kw_only=True)
class GroupedDesign:
    """The same where examples come in groups, each with log odds of its own.

    Two numbers and a column of eight values are properties of the groups; of one value, the log
    odds may change without the model's knowledge. The model knows no group.

    Attributes:
        sizes: Examples of each group.
        spread: Standard deviation of the groups' log odds.
        effect: Log odds that the value adds.
        distance: Distance of the classes, in standard deviations.
    """

    sizes: tuple[int, ...]
    spread: float
    effect: float = 0.0
    distance: float = 2.5

    def draw(
        self, rng: np.random.Generator
    ) -> tuple[pa.Table, NDArray[np.int64], Floats, NDArray[np.int64]]:
        """Returns the table, labels, the model's probabilities and the groups, each `[n]`."""
        num_groups = len(self.sizes)
        groups = np.repeat(np.arange(num_groups), self.sizes)
        of_fault = rng.random(groups.size) < _PREVALENCE
        score = rng.normal(size=groups.size) + self.distance * of_fault
        odds = np.log(_PREVALENCE / (1 - _PREVALENCE))
        logit = self.distance * score - self.distance**2 / 2 + odds
        maker = rng.integers(0, 8, num_groups)[groups]
        own = rng.normal(0, self.spread, num_groups)[groups] + self.effect * (maker == 0)
        labels = rng.random(groups.size) < sigmoid(logit + own)
        pressure, age = rng.normal(size=(2, num_groups))
        table = pa.table(
            {
                "score": score,
                "pressure": pressure[groups] + 0.5 * rng.normal(size=groups.size),
                "age": age[groups],
                "humidity": rng.normal(size=groups.size),
                "maker": [f"v{value}" for value in maker],
            }
        )
        return table, labels.astype(np.int64), sigmoid(logit), groups


def causes_before(table: pa.Table, labels: NDArray[np.int64], probability: Floats) -> list[str]:
    """The factors that errors share: Fisher's test on the wrong decisions and the worst 5 %."""
    wrong = (probability >= 0.5) != (labels == 1)
    errors = worst(cross_entropy(labels, probability), wrong)
    return [one.name for one in find_clusters(table, {}, errors, skip=())]


def causes_now(table: pa.Table, labels: NDArray[np.int64], probability: Floats) -> list[str]:
    """The pipeline's shared causes."""
    return [one.name for one in find_causes(table, {}, labels, probability, skip=())]


def causes_in_groups(
    drawn: tuple[pa.Table, NDArray[np.int64], Floats, NDArray[np.int64]], *, is_grouped: bool
) -> list[str]:
    """The pipeline's shared causes of dependent examples, also as if they were independent."""
    table, labels, probability, groups = drawn
    dependent = groups if is_grouped else None
    causes = find_causes(table, {}, labels, probability, skip=(), dependent=dependent)
    return [one.name for one in causes]


_SIZES = {
    "40 groups of 75": (75,) * 40,
    # A few hold most of the rows, as with a Pareto distribution.
    "40 groups of 8 to 500": tuple(np.geomspace(8, 500, 40).astype(int).tolist()),
    "32 groups of 10": (10,) * 32,
    "150 groups of 20": (20,) * 150,
}
_GROUPED_CASES = (
    *((name, 1.0, 0.0) for name in _SIZES),
    ("40 groups of 75", 0.5, 3.0),
    *(("150 groups of 20", 0.5, effect) for effect in (3.0, 1.5)),
)


def _grouped_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, spread, effect in _GROUPED_CASES:
        rng = np.random.default_rng(7)
        design = GroupedDesign(sizes=_SIZES[name], spread=spread, effect=effect)
        sets = [design.draw(rng) for _ in range(num_sets)]
        for when, is_grouped in (("before", False), ("now", True)):
            names = [causes_in_groups(one, is_grouped=is_grouped) for one in sets]
            planted = np.array([_PLANTED in causes for causes in names])
            others = np.array([bool(set(causes) - {_PLANTED}) for causes in names])
            yield [
                name,
                f"{spread:g}",
                f"+{effect:g}" if effect else "none",
                when,
                share_cell(planted),
                share_cell(others),
            ]


def _cause_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, changes in (
        ("perfect model", {}),
        ("logits 1.6 times the true ones", {"slope": 1.6}),
        ("one of 8 values: log odds +1.5", {"effect": 1.5}),
        ("one of 8 values: log odds +3", {"effect": 3.0}),
        ("one of 8 values, d 2: log odds +1.5", {"effect": 1.5, "distance": 2.0}),
        ("one of 8 values, d 2: log odds +3", {"effect": 3.0, "distance": 2.0}),
    ):
        for num_rows in (324, 3_000):
            design = Design(num_rows=num_rows, **changes)
            rng = np.random.default_rng(num_rows)
            sets = [design.draw(rng) for _ in range(num_sets)]
            for when, find in (("before", causes_before), ("now", causes_now)):
                names = [find(*one) for one in sets]
                planted = np.array([_PLANTED in found for found in names])
                others = np.array([bool(set(found) - {_PLANTED}) for found in names])
                yield [
                    name,
                    f"{num_rows:,}",
                    when,
                    share_cell(planted) if design.effect else "",
                    share_cell(others),
                    f"{np.mean([len(found) for found in names]):.2f}",
                ]


def suspects(design: Design, num_sets: int) -> tuple[Floats, Floats]:
    """Returns the suspects among right labels, and the number that is expected, each `[sets]`."""
    rng = np.random.default_rng(design.num_rows)
    counts = np.empty((num_sets, 2))
    for index in range(num_sets):
        _, labels, probability = design.draw(rng)
        counts[index] = suspect_labels(labels, probability).sum(), expected_suspects(probability)
    found, expected = counts.T
    return found, expected


def _suspect_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for num_rows, distance in ((324, 3.0), (324, 2.0), (3_000, 2.0)):
        found, expected = suspects(Design(num_rows=num_rows, distance=distance), num_sets)
        yield [
            f"{num_rows:,}",
            f"{distance:g}",
            mean_cell(found),
            share_cell(found > 0),
            mean_cell(expected),
        ]


def tables(num_sets: int) -> Iterator[Table]:
    """Yields how often shared causes are reported, and suspected labels where all are right."""
    yield Table(
        title="Shared causes in a test split, prevalence 3.5 %, d 2.5 if not stated.",
        head=("model", "rows", "method", "planted cause found", "any other reported", "reported"),
        rows=_cause_rows(num_sets),
    )
    yield Table(
        title="The same where examples come in groups that share unknown log odds.",
        head=("groups", "spread", "planted in v0", "method", "v0 reported", "any other reported"),
        rows=_grouped_rows(num_sets),
    )
    yield Table(
        title="Suspected labels where all labels are right.",
        head=("rows", "d", "suspected", "splits with any", "printed as expected"),
        rows=_suspect_rows(max(num_sets // 10, 20)),
    )

"""The verdict on a model, from its metrics and those of the previously blessed model."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import JsonValue
from models.probabilities.cost import Cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import slices, whole_split
from pipeline.components.model_gate.comparison import not_worse
from pipeline.components.model_gate.reasons import Reason, Verdict
from pipeline.components.model_gate.skill import (
    better_than_never,
    better_than_prior,
    cheaper_than_trivial,
)
from pipeline.config import Config, Gate


@dataclass(frozen=True, kw_only=True)
class Terms(JsonValue):
    """The criteria of the verdict.

    Attributes:
        gate: The bars.
        cost: Prices; None without `cost` in the config.
        confidence: Two-sided confidence of the intervals that were measured.
    """

    gate: Gate = Field(default_factory=Gate)
    cost: Cost | None = None
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95

    @classmethod
    def of(cls, config: Config) -> "Terms":
        """Returns the terms of a use case."""
        return cls(gate=config.gate, cost=config.cost, confidence=config.evaluation.confidence)


def judge(measured: Evaluation, before: Evaluation | None, terms: Terms) -> Verdict:
    """Judges a model on the test split.

    A bar is cleared if the whole interval clears it, and failed if the whole interval fails it. At
    95 %, a model just below a bar is blessed in at most 2.5 % of all test splits, whatever the
    number of bars, because it must clear each one; benchmarks/README.md has the measured shares.

    Args:
        measured: Its metrics.
        before: Those of the latest blessed model on the same examples, or None.
        terms: The criteria.
    """
    return Verdict(tuple(_reasons(measured, before, terms)))


def _reasons(measured: Evaluation, before: Evaluation | None, terms: Terms) -> Iterator[Reason]:
    gate, confidence = terms.gate, terms.confidence
    yield from better_than_never(measured.overall)
    intervals = measured.intervals.get((), {})
    yield from better_than_prior(measured.overall, intervals, gate, confidence)
    if terms.cost is not None:
        yield cheaper_than_trivial(measured.overall, terms.cost)
    yield from whole_split(measured, gate.bars, confidence)
    for asked in gate.slices:
        yield from slices(measured, asked, confidence)
    if before is not None:
        yield from not_worse(measured, before, gate, terms.cost, confidence)

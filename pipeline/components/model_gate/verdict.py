"""The verdict on a model, from its metrics and those of the previously blessed model."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import JsonValue
from models.probabilities.cost import Cost
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import hold_together, slices, whole_split
from pipeline.components.model_gate.comparison import Earlier, not_worse
from pipeline.components.model_gate.reasons import Reason, Verdict
from pipeline.components.model_gate.skill import (
    better_than_never,
    better_than_prior,
    cheaper_than_trivial,
)
from pipeline.config import Config, Gate

_DIGEST_CHARS = 12
# Begins the reasons that judge the procedure, and not the very model.
OUT_OF_FOLD = "the procedure, out of fold and on test"


@dataclass(frozen=True, kw_only=True)
class Terms(JsonValue):
    """The criteria of the verdict.

    Attributes:
        gate: The bars.
        cost: Prices; None without `cost` in the config.
        confidence: Two-sided confidence of the intervals that were measured.
        definition: Digest of what is comparable: label, kinds of columns, prices.
    """

    gate: Gate = Field(default_factory=Gate)
    cost: Cost | None = None
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    definition: str = ""

    @classmethod
    def of(cls, config: Config) -> "Terms":
        """Returns the terms of a use case."""
        return cls(
            gate=config.gate,
            cost=config.cost,
            confidence=config.evaluation.confidence,
            definition=_definition(config),
        )


def _definition(config: Config) -> str:
    kinds = {name: feature.kind for name, feature in config.features.items()}
    parts = [asdict(config.label), kinds, config.cost and asdict(config.cost)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGEST_CHARS]


def judge(
    measured: Evaluation,
    earlier: Sequence[Earlier],
    terms: Terms,
    procedure: Evaluation | None = None,
) -> Verdict:
    """Judges a model on the test split and, with cross-fitting, its procedure on all examples.

    A bar is cleared if the whole interval clears it, and failed if the whole interval fails it. At
    95 %, a model just below a bar is blessed in at most 2.5 % of all test splits, whatever the
    number of bars, because it must clear each one. The measured shares are in
    benchmarks/statistics.md.

    Args:
        measured: Its metrics.
        earlier: The latest blessed model and the anchor, on the same examples.
        terms: The criteria.
        procedure: With cross-fitting, the metrics on test together with the predictions of train
            and eval out of fold: bars, slices and skill are judged by these. Earlier models are
            compared on test, for which alone all of them have predictions.
    """
    alone = [reason for one in earlier for reason in _compared(measured, one, terms)]
    if procedure is None:
        return Verdict((*_reasons(measured, terms), *alone))
    out_of_fold = (
        replace(reason, text=f"{OUT_OF_FOLD}: {reason.text}")
        for reason in _reasons(procedure, terms)
    )
    return Verdict((*out_of_fold, *alone))


def _reasons(measured: Evaluation, terms: Terms) -> Iterator[Reason]:
    gate, confidence = terms.gate, terms.confidence
    yield from better_than_never(measured.overall)
    intervals = measured.intervals.get((), {})
    yield from better_than_prior(measured.overall, intervals, gate, confidence)
    if terms.cost is not None:
        yield cheaper_than_trivial(measured.overall, terms.cost)
    yield from whole_split(measured, gate.bars, confidence)
    by_slice = [one for asked in gate.slices for one in slices(measured, asked, confidence)]
    yield from hold_together(by_slice, confidence)


def _compared(measured: Evaluation, earlier: Earlier, terms: Terms) -> Iterator[Reason]:
    return not_worse(measured, earlier, terms.gate, terms.cost, terms.confidence)

"""Paired answers of several models to the same examples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring.events.timeline import Timeline, merge_timelines
from measuring.intervals import effective_groups


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Examples and the answers of each model; parts can be merged.

    The answers are paired: a comparison of two models on the same examples is far more precise
    than one of their two metrics.

    Attributes:
        models: Names of the models.
        labels: int8 `[n]` of 0 and 1.
        probabilities: float64 `[n, models]`, of the positive class.
        decisions: int8 `[n, models]` of 0 and 1, each model's own.
        groups: uint64 `[n]`, equal for dependent examples; None if all are independent.
        timeline: Where the examples are in time, n, if they are windows of streams.
    """

    models: tuple[str, ...]
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.int8]
    groups: NDArray[np.uint64] | None = None
    timeline: Timeline | None = None

    def of(self, model: str) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """Returns one model's probabilities and decisions, `[n]` each."""
        column = self.models.index(model)
        return self.probabilities[:, column], self.decisions[:, column]

    def rows(self, chosen: NDArray[np.int64]) -> "Answers":
        """Returns some of the examples."""
        return Answers(
            models=self.models,
            labels=self.labels[chosen],
            probabilities=self.probabilities[chosen],
            decisions=self.decisions[chosen],
            groups=None if self.groups is None else self.groups[chosen],
            timeline=None if self.timeline is None else self.timeline.rows(chosen),
        )


def make_answers(
    labels: NDArray[Any],
    answers: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    groups: NDArray[np.uint64] | None = None,
    timeline: Timeline | None = None,
) -> Answers:
    """Returns the answers to some examples.

    Args:
        labels: `[n]` of 0 and 1.
        answers: Model to its probabilities and decisions, `[n]` each.
        groups: `[n]`, or None where examples are independent.
        timeline: Where they are in time, n, if they are windows of streams.
    """
    return Answers(
        models=tuple(answers),
        labels=labels.astype(np.int8),
        probabilities=np.stack([p for p, _ in answers.values()], axis=1).astype(np.float64),
        decisions=np.stack([d for _, d in answers.values()], axis=1).astype(np.int8),
        groups=groups,
        timeline=timeline,
    )


def merge_answers(parts: Sequence[Answers]) -> Answers:
    """Returns the answers of all parts, at least one, of the same models."""
    first, *rest = parts
    if not rest:
        return first
    return Answers(
        models=first.models,
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        decisions=np.concatenate([part.decisions for part in parts]),
        groups=None if first.groups is None else np.concatenate(_groups(parts)),
        timeline=_timeline(parts),
    )


def _groups(parts: Iterable[Answers]) -> list[NDArray[np.uint64]]:
    return [part.groups for part in parts if part.groups is not None]


def _timeline(parts: Sequence[Answers]) -> Timeline | None:
    """The windows of all parts; None if some of them are not windows."""
    timelines = [part.timeline for part in parts if part.timeline is not None]
    return merge_timelines(timelines) if len(timelines) == len(parts) else None


def in_order(answers: Answers) -> Answers:
    """Returns the answers in an order that does not depend on files and workers.

    Resampling draws by position: without this order an engine's bundles would change the intervals.
    """
    keys = [
        *answers.decisions.T,
        *answers.probabilities.T,
        *([] if answers.groups is None else [answers.groups]),
        answers.labels,
    ]
    return answers.rows(np.lexsort(keys))


def num_units(answers: Answers) -> tuple[float, float]:
    """Returns the independent positive and negative units.

    A unit is an example. Examples in groups count as the effective number of groups that hold such
    examples.
    """
    positive = answers.labels == 1
    if answers.groups is None:
        return float(positive.sum()), float((~positive).sum())
    _, places = np.unique(answers.groups, return_inverse=True)
    by_class = [np.bincount(places[among]).astype(np.float64) for among in (positive, ~positive)]
    return effective_groups(by_class[0]), effective_groups(by_class[1])

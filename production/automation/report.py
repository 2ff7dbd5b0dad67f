"""Report on the automation: how often each level would have been right."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.output_folder import OutputFolder
from measuring.intervals import Interval, proportion_interval
from pipeline.production_options.automation import LEVELS, AutomationOptions
from production.automation.counterfactual import Line, courses_of, read_log
from production.automation.inspection import are_uncertain, read_answers
from production.collection.labels import KEYS, latest_labels
from production.rollout.actions import open_journal
from production.rollout.journal import Entry
from production.rollout.progress import key_of
from production.rollout.state import Phase, Rollout, label

Outcome = Literal["hit", "miss", "open"]

_CONFIDENCE = 0.95
# The ends of a rollout that say whether the candidate was good. An aborted one says nothing.
_JUDGED = (Phase.PROMOTED, Phase.ROLLED_BACK)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a level would have been right.

    Attributes:
        hits: Times that it would have.
        misses: Times that it would not.
        undecided: Times that it would have left to a person, or that are not judged yet.
        share: Hits among hits and misses; None without any.
        interval: Its 95 % confidence interval; None without any.
    """

    hits: int
    misses: int
    undecided: int
    share: float | None
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class RolloutCourse:
    """A rollout as it was, and as it would have been under each level.

    Attributes:
        id: Id of the rollout.
        candidate: The candidate, NAME/VERSION.
        phase: Phase of the rollout.
        ended: When it ended; None before.
        phases: Phase under each level.
        times: When each level would have taken its last decision; None without one.
        outcomes: What each level would have been: a hit, a miss, or open.
    """

    id: str
    candidate: str
    phase: str
    ended: datetime | None
    phases: tuple[str, ...]
    times: tuple[datetime | None, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """How the levels of automation compare.

    Attributes:
        model: Name of the model.
        level: The level of the config, 0 to 3.
        rollouts: Each rollout, the oldest first.
        of_rollouts: By level, promotions and rollbacks against how the rollouts turned out.
        of_predictions: By level, predictions that the model would have decided alone against their
            labels. Only predictions with a label count, which may be unlike all others.
    """

    model: str
    level: int
    rollouts: tuple[RolloutCourse, ...]
    of_rollouts: tuple[Rate, ...]
    of_predictions: tuple[Rate, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the report as a JSON object."""
        values = asdict(self)
        for rollout in values["rollouts"]:
            rollout["ended"] = rollout["ended"] and rollout["ended"].isoformat()
            rollout["times"] = [time and time.isoformat() for time in rollout["times"]]
        return values | {"levels": LEVELS}


def make_report(
    folder: OutputFolder,
    model: str,
    options: AutomationOptions,
    are_positive: Callable[[pa.Array], NDArray[np.bool_]],
) -> Report:
    """Compares the levels of automation.

    A rollout turned out well if its candidate is served or was replaced later, and badly if it was
    rolled back, also after its promotion. A level is right that promotes the one and rolls back the
    other. The level in force takes part in the outcome, so its own rate says less than the others.

    Args:
        folder: The output folder.
        model: Name of the model.
        options: The config's `automation`.
        are_positive: Tells which labels are positive.
    """
    entries = open_journal(folder, model).read()
    lines = list(read_log(folder.rollouts(model)))
    rollouts = tuple(_course(lines, rollout) for rollout in _rollouts(entries))
    by_level = [[course.outcomes[level] for course in rollouts] for level in range(len(LEVELS))]
    return Report(
        model=model,
        level=options.number,
        rollouts=rollouts,
        of_rollouts=tuple(
            _rate(outcomes.count("hit"), outcomes.count("miss"), outcomes.count("open"))
            for outcomes in by_level
        ),
        of_predictions=_of_predictions(folder, model, options, are_positive),
    )


def _rollouts(entries: Sequence[Entry]) -> list[Rollout]:
    """Each rollout as it was last."""
    latest = {
        key_of(entry.state.rollout): entry.state.rollout
        for entry in entries
        if entry.state.rollout is not None
    }
    return list(latest.values())


def _course(lines: Sequence[Line], rollout: Rollout) -> RolloutCourse:
    phases = [course.phase for course in courses_of(lines, rollout)]
    own = [line for line in lines if line.rollout == key_of(rollout)]
    times = {line.level: line.time for line in own}
    return RolloutCourse(
        id=rollout.id,
        candidate=label(rollout.candidate),
        phase=rollout.phase.value,
        ended=rollout.ended,
        phases=tuple(phase.value for phase in phases),
        times=tuple(times.get(level) for level in range(len(LEVELS))),
        outcomes=tuple(_outcome(phase, rollout.phase) for phase in phases),
    )


def _outcome(phase: Phase, real: Phase) -> Outcome:
    if phase not in _JUDGED or real not in _JUDGED:
        return "open"
    return "hit" if phase is real else "miss"


def _of_predictions(
    folder: OutputFolder,
    model: str,
    options: AutomationOptions,
    are_positive: Callable[[pa.Array], NDArray[np.bool_]],
) -> tuple[Rate, ...]:
    collected = folder.collected(model)
    labels = latest_labels(collected).select([*KEYS, "label"])
    answers = read_answers(collected, request_ids=labels["request_id"].combine_chunks())
    judged = answers.filter(answers["answered"]).join(labels, list(KEYS), join_type="inner")
    if not judged.num_rows:
        return tuple(_rate(0, 0, 0) for _ in LEVELS)
    alarms = np.asarray(judged["decision"]) == 1
    right = alarms == are_positive(judged["label"].combine_chunks())
    # At level 0 a person decides the alarms, at level 1 everything, at level 2 the uncertain ones.
    alone = [
        ~alarms,
        np.zeros_like(alarms),
        ~are_uncertain(judged, options.uncertain),
        np.ones_like(alarms),
    ]
    return tuple(
        _rate(int((right & mask).sum()), int((~right & mask).sum()), int((~mask).sum()))
        for mask in alone
    )


def _rate(hits: int, misses: int, undecided: int) -> Rate:
    judged = hits + misses
    return Rate(
        hits=hits,
        misses=misses,
        undecided=undecided,
        share=hits / judged if judged else None,
        interval=proportion_interval(hits, judged, _CONFIDENCE) if judged else None,
    )

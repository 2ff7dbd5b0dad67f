"""Decision to begin a retraining: its trigger, or what is missing; a pure function."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pipeline.counting import count
from pipeline.production_options.retraining import LabelCount, RetrainingOptions
from production.retraining.state import Retraining, Trigger, TriggerName

# Who decides where no person does.
AUTOMATION = "faultline"

_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class CostOfDrift:
    """The cost of drift: estimated, or measured by labels if that is more.

    Attributes:
        chunk: Number of the newest chunk that has an estimate.
        per_day: Rise of the cost a day against what the gate measured.
        lower: Lower limit of its interval; None if unknown.
        upper: Upper limit.
        alarms: Ids of the open alarms of drift or loss of the served version.
        is_measured: Whether labels say it, in an open alarm: no estimate sees concept drift.
    """

    chunk: int
    per_day: float
    lower: float | None = None
    upper: float | None = None
    alarms: tuple[str, ...] = ()
    is_measured: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a decision rests on.

    Attributes:
        now: The time.
        champion: The served version; None if none is in service.
        level: Level of the automation, 0 to 3.
        active: The retraining in progress, or None.
        rollout: A rollout that is in progress or has yet to begin, in words; empty without one.
        labels: Labelled requests that no span has yet.
        cost: The estimated cost of drift; None without an estimate for the served version.
        last_ended: When the last retraining ended; None without one.
        last_trained: When the last training ended, or the served version was pushed.
        num_trainings: Retrainings that trained in the last seven days.
        cpu_minutes: CPU minutes of their runs.
    """

    now: datetime
    champion: int | None
    level: int
    active: Retraining | None = None
    rollout: str = ""
    labels: LabelCount = field(default_factory=lambda: LabelCount(rows=0, positives=0))
    cost: CostOfDrift | None = None
    last_ended: datetime | None = None
    last_trained: datetime | None = None
    num_trainings: int = 0
    cpu_minutes: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a retraining begins.

    Attributes:
        action: `start` it, `propose` it to a person, or `wait`.
        trigger: The trigger that holds; None if none does.
        missing: What is missing, one sentence each: for a retraining, or for its triggers if none
            holds.
    """

    action: Literal["start", "propose", "wait"]
    trigger: Trigger | None = None
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the decision as JSON values."""
        trigger = self.trigger and vars(self.trigger)
        return {"action": self.action, "trigger": trigger, "missing": list(self.missing)}


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A trigger that is configured, and whether it holds."""

    name: TriggerName
    holds: bool
    words: str
    evidence: Mapping[str, Any]


def decide(facts: Facts, options: RetrainingOptions) -> Decision:
    """Returns whether a retraining begins without a person's order.

    Args:
        facts: What is known.
        options: The config's `retraining`.
    """
    triggers = list(_triggers(facts, options))
    holding = [one for one in triggers if one.holds]
    if not holding:
        words = [one.words for one in triggers]
        none = "no trigger is set in retraining.triggers; a person can start: faultline retrain"
        return Decision(action="wait", missing=tuple(words or [none]))
    chosen = holding[0]
    why = "; ".join(one.words for one in holding)
    evidence: dict[str, Any] = {}
    for one in holding:
        evidence |= one.evidence
    trigger = Trigger(name=chosen.name, by=AUTOMATION, why=why, evidence=evidence)
    missing = (*hindrances(facts), *_limits(facts, options))
    if missing:
        return Decision(action="wait", trigger=trigger, missing=missing)
    is_alone = facts.level >= options.level
    return Decision(action="start" if is_alone else "propose", trigger=trigger)


def decide_for_person(facts: Facts, *, by: str, why: str) -> Decision:
    """Returns whether a retraining begins that a person orders.

    The cool-down, the limits of spend and the minimum of labels do not apply to people.

    Args:
        facts: What is known.
        by: Who orders it.
        why: The reason.
    """
    trigger = Trigger(name="person", by=by, why=why, evidence={"new_labels": vars(facts.labels)})
    missing = tuple(hindrances(facts))
    return Decision(action="wait" if missing else "start", trigger=trigger, missing=missing)


def hindrances(facts: Facts) -> Iterator[str]:
    """Yields the reasons why no retraining can begin, not even a person's."""
    if facts.champion is None:
        yield "no version is in service; the first model is trained by `faultline run`"
    if facts.active is not None:
        yield f"retraining {facts.active.id} {facts.active.phase.words}"
    if facts.rollout:
        yield (
            f"{facts.rollout}: the new model would not be compared with the served one. Let the "
            "rollout end, or end it by `faultline rollout`"
        )


def _limits(facts: Facts, options: RetrainingOptions) -> Iterator[str]:
    """Yields the limits for retrainings without a person that do not allow one now."""
    rows, positives = facts.labels.rows, facts.labels.positives
    least = options.min_labels
    if rows < least.rows or positives < least.positives:
        yield (
            f"{_labels(rows, positives)}, retraining.min_labels is {least.rows:,} with "
            f"{least.positives:,} positive"
        )
    if facts.last_ended is not None:
        days = (facts.now - facts.last_ended).total_seconds() / _DAY_S
        if days < options.cool_down_days:
            yield (
                f"the last retraining ended {days:.1f} days ago, retraining.cool_down_days is "
                f"{options.cool_down_days:g}"
            )
    spend = options.spend
    if facts.num_trainings >= spend.trainings_per_week:
        yield (
            f"{count(facts.num_trainings, 'training')} in seven days, "
            f"retraining.spend.trainings_per_week is {spend.trainings_per_week}"
        )
    if spend.cpu_minutes_per_week is not None and facts.cpu_minutes >= spend.cpu_minutes_per_week:
        yield (
            f"{facts.cpu_minutes:.0f} CPU minutes in seven days, "
            f"retraining.spend.cpu_minutes_per_week is {spend.cpu_minutes_per_week:g}"
        )


def _triggers(facts: Facts, options: RetrainingOptions) -> Iterator[_Judged]:
    """Yields the configured triggers, the most urgent first."""
    triggers = options.triggers
    if triggers.cost_per_day is not None:
        yield _cost(facts.cost, triggers.cost_per_day)
    if triggers.labels is not None:
        yield _new_labels(facts.labels, triggers.labels)
    if triggers.every_days is not None:
        yield _schedule(facts, triggers.every_days)


def _cost(cost: CostOfDrift | None, budget: float) -> _Judged:
    if cost is None:
        words = "the served version has no chunk with an estimated cost yet"
        return _Judged(name="cost", holds=False, words=words, evidence={})
    limits = (
        f" [{cost.lower:.3g}, {cost.upper:.3g}]"
        if cost.lower is not None and cost.upper is not None
        else ""
    )
    if cost.is_measured:
        how = f"{cost.per_day:.3g}{limits} a day as measured by labels"
    else:
        how = f"an estimated {cost.per_day:.3g}{limits} a day in chunk {cost.chunk}"
    words = f"drift costs {how}, the budget is {budget:g}"
    words += f"; open: {', '.join(cost.alarms)}" if cost.alarms else "; no alarm is open"
    holds = cost.per_day > budget and bool(cost.alarms)
    return _Judged(name="cost", holds=holds, words=words, evidence={"cost": vars(cost)})


def _new_labels(labels: LabelCount, asked: LabelCount) -> _Judged:
    words = (
        f"{_labels(labels.rows, labels.positives)}, the trigger is {asked.rows:,} with "
        f"{asked.positives:,} positive"
    )
    holds = labels.rows >= asked.rows and labels.positives >= asked.positives
    return _Judged(name="labels", holds=holds, words=words, evidence={"new_labels": vars(labels)})


def _schedule(facts: Facts, every_days: float) -> _Judged:
    if facts.last_trained is None:
        words = "the time of the last training is unknown"
        return _Judged(name="schedule", holds=True, words=words, evidence={})
    days = (facts.now - facts.last_trained).total_seconds() / _DAY_S
    return _Judged(
        name="schedule",
        holds=days >= every_days,
        words=f"the last training was {days:.1f} days ago, and is due every {every_days:g}",
        evidence={"last_trained": facts.last_trained.isoformat()},
    )


def _labels(rows: int, positives: int) -> str:
    return f"{count(rows, 'new label')} with {positives:,} positive"

"""State of a retraining and its transitions: pure values and functions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import TypeAdapter

from common.errors import InputError

TriggerName = Literal["cost", "labels", "schedule", "person"]

# `unchanged`: the model is the one that was pushed before. `stopped`: the data were refused.
Outcome = Literal[
    "pushed", "shadow", "unchanged", "rejected", "inconclusive", "stopped", "failed", "declined"
]


class Phase(StrEnum):
    """Where a retraining is."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    WRITING = "writing"
    READY = "ready"
    TRAINING = "training"
    ENDED = "ended"

    @property
    def words(self) -> str:
        """The phase for people."""
        return _WORDS[self]


_WORDS = {
    Phase.PROPOSED: "waits for approval",
    Phase.APPROVED: "is approved",
    Phase.WRITING: "writes its span",
    Phase.READY: "is ready to train",
    Phase.TRAINING: "trains",
    Phase.ENDED: "has ended",
}


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Why a retraining was begun.

    Attributes:
        name: What it was.
        by: The person, or `faultline`.
        why: The reason in words.
        evidence: The figures behind it, as JSON values.
    """

    name: TriggerName
    by: str
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewData:
    """The span that was written for a retraining.

    Attributes:
        span: The span: a number or a date; None if there were no new labels.
        path: Its file.
        num_rows: Its rows.
        num_positive: Those of them with a positive label.
        left_out: Number of labels that are left out, by reason.
    """

    span: str | None = None
    path: str = ""
    num_rows: int = 0
    num_positive: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a retraining.

    Attributes:
        outcome: Its kind.
        words: The reason or the pushed version, for people.
        run_id: The run; empty without one.
        version: The version that the run pushed, or found to be the same model; None without one.
        cpu_s: CPU seconds of all attempts.
    """

    outcome: Outcome
    words: str
    run_id: str = ""
    version: int | None = None
    cpu_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """One retraining.

    Attributes:
        id: Its id, such as `t3`, unique for the model.
        trigger: Why it was begun.
        phase: Where it is.
        champion: The version that was served when it was begun.
        began: When it was proposed or approved.
        span: Span that is being written; None without new labels, or before.
        data: The span that was written; None before.
        attempt: Number of the run, from 1; 0 before the first one.
        killed_cpu_s: CPU seconds of the attempts that a signal ended.
        result: Its result; None before its end.
        ended: When it ended; None before.
    """

    id: str
    trigger: Trigger
    phase: Phase
    champion: int
    began: datetime
    span: str | None = None
    data: NewData | None = None
    attempt: int = 0
    killed_cpu_s: float = 0.0
    result: Result | None = None
    ended: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.phase is not Phase.ENDED

    @property
    def is_moving(self) -> bool:
        """Whether it continues without a person."""
        return self.phase not in {Phase.PROPOSED, Phase.ENDED}

    def to_json(self) -> dict[str, Any]:
        """Returns the retraining as JSON values."""
        times = {"began": self.began.isoformat(), "ended": self.ended and self.ended.isoformat()}
        return asdict(self) | times

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Retraining":
        """Returns the retraining of what `to_json` returned."""
        return _ADAPTER.validate_python(values)


_ADAPTER = TypeAdapter(Retraining)


def begin(
    number: int, trigger: Trigger, *, champion: int, now: datetime, is_approved: bool
) -> Retraining:
    """Returns a new retraining.

    Args:
        number: Its number, from 1.
        trigger: Why it is begun.
        champion: The version that is served.
        now: The time.
        is_approved: Whether it continues without a person.
    """
    phase = Phase.APPROVED if is_approved else Phase.PROPOSED
    return Retraining(id=f"t{number}", trigger=trigger, phase=phase, champion=champion, began=now)


def approve(retraining: Retraining) -> Retraining:
    """Approves a proposed retraining."""
    _check_phase(retraining, "approve", Phase.PROPOSED)
    return replace(retraining, phase=Phase.APPROVED)


def decline(retraining: Retraining, result: Result, now: datetime) -> Retraining:
    """Ends a retraining that has not begun to train."""
    _check_phase(retraining, "decline", Phase.PROPOSED, Phase.APPROVED)
    return end(retraining, result, now)


def write_span(retraining: Retraining, span: str | None) -> Retraining:
    """Notes which span is about to be written; None without new labels."""
    _check_phase(retraining, "write the span of", Phase.APPROVED)
    return replace(retraining, phase=Phase.WRITING, span=span)


def take_data(retraining: Retraining, data: NewData) -> Retraining:
    """Notes the span that was written."""
    _check_phase(retraining, "take the data of", Phase.WRITING)
    return replace(retraining, phase=Phase.READY, data=data)


def train(retraining: Retraining, killed_cpu_s: float = 0.0) -> Retraining:
    """Begins a run, or begins it again after a kill.

    Args:
        retraining: The retraining.
        killed_cpu_s: CPU seconds of the run before, if a signal ended it.
    """
    _check_phase(retraining, "train", Phase.READY, Phase.TRAINING)
    return replace(
        retraining,
        phase=Phase.TRAINING,
        attempt=retraining.attempt + 1,
        killed_cpu_s=retraining.killed_cpu_s + killed_cpu_s,
    )


def end(retraining: Retraining, result: Result, now: datetime) -> Retraining:
    """Ends a retraining; the result is given the CPU seconds of earlier attempts too."""
    total = replace(result, cpu_s=result.cpu_s + retraining.killed_cpu_s)
    return replace(retraining, phase=Phase.ENDED, result=total, ended=now)


def _check_phase(retraining: Retraining, action: str, *phases: Phase) -> None:
    if retraining.phase in phases:
        return
    raise InputError(
        f"Cannot {action} retraining {retraining.id}: it {retraining.phase.words}. "
        "See `faultline retrain status`."
    )

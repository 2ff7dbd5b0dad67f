"""Progress of a rollout between two entries of the journal: its counts and its evidence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from production.rollout.markers import read_json, write_json
from production.rollout.state import Rollout

_FILE = "progress.json"
_HEALTH = "candidate.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What was counted of a rollout so far.

    Attributes:
        rollout: Id and start of the rollout, see `key_of`.
        step: Index of the step that the counts of the step are of.
        num_pairs: Pairs of answers since the start.
        num_pairs_before_step: Those of them before the current step.
        num_keys: Different keys among the pairs.
        evidence: State of the evidence, see `measuring.sequential`.
        follower: State of the reader of pairs, see `production.collection.pairs`.
        verdict: Latest verdict for people and programs; empty before the first.
    """

    rollout: str
    step: int = 0
    num_pairs: int = 0
    num_pairs_before_step: int = 0
    num_keys: int = 0
    evidence: str = ""
    follower: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)

    def num_pairs_of_step(self, rollout: Rollout) -> int:
        """Returns the pairs of answers in the rollout's current step; 0 until one was counted."""
        return self.num_pairs - self.num_pairs_before_step if self.step == rollout.step else 0


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the candidate's server answers, and how often it ended by itself.

    Attributes:
        rollout: Id and start of the rollout, see `key_of`.
        is_answering: Whether it serves its version.
        num_ends: Its ends in this rollout.
        last_end: How it ended last, such as `exit code 1`; empty before its first end.
        num_accepted: Those of its ends after which a person let the rollout go on.
        consent: Number of the journal's entry with which that person did; 0 without one.
    """

    rollout: str
    is_answering: bool = True
    num_ends: int = 0
    last_end: str = ""
    num_accepted: int = 0
    consent: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a decision on the next step rests on, besides the verdict of the evidence.

    Attributes:
        rollout: The rollout, which is in progress.
        num_pairs: Pairs of answers since its start.
        num_pairs_of_step: Pairs of answers in the current step.
        time_of_step_s: Duration of the current step so far in seconds.
        now: The time.
        num_ends: How often the candidate's server ended by itself since the rollout started, or
            since a person last let it go on.
        last_end: How it ended last, such as `exit code 1`.
    """

    rollout: Rollout
    num_pairs: int
    num_pairs_of_step: int
    time_of_step_s: float
    now: datetime
    num_ends: int = 0
    last_end: str = ""

    @property
    def is_step_done(self) -> bool:
        """Whether the current step has had its least number of requests and its least time."""
        stage = self.rollout.stage
        return (
            self.num_pairs_of_step >= stage.min_requests and self.time_of_step_s >= stage.min_time_s
        )


def key_of(rollout: Rollout) -> str:
    """Returns what tells a rollout from every other, also after a journal was begun anew."""
    return f"{rollout.id}@{rollout.started.isoformat()}"


def write_progress(folder: Path, progress: Progress) -> None:
    """Keeps the progress; the evidence and the reader's position are of one moment."""
    write_json(folder / _FILE, asdict(progress))


def read_progress(folder: Path, rollout: Rollout) -> Progress | None:
    """Returns the progress of a rollout; None if nothing is known of it.

    Raises:
        InputError: The file cannot be read.
    """
    progress = read_json(folder / _FILE, Progress)
    return progress if progress and progress.rollout == key_of(rollout) else None


def write_health(folder: Path, health: Health) -> None:
    """Keeps the health of a rollout's candidate."""
    write_json(folder / _HEALTH, asdict(health))


def read_health(folder: Path, rollout: Rollout) -> Health | None:
    """Returns the health of a rollout's candidate; None if nothing happened to it.

    Raises:
        InputError: The file cannot be read.
    """
    health = read_json(folder / _HEALTH, Health)
    return health if health and health.rollout == key_of(rollout) else None

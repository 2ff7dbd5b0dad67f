"""The counterfactual log: what each level of automation would have done in a rollout."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from common.errors import InputError
from common.guards.durable_files import append_line, whole_lines
from measuring.sequential import Verdict
from pipeline.production_options.automation import LEVELS, Limits
from production.automation.deciding import MAX_ENDS, Proposal, decide
from production.rollout.actions import TRANSITIONS, Action
from production.rollout.progress import Facts, key_of
from production.rollout.state import Phase, Rollout, State

_FILE = "counterfactual.jsonl"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One decision that a level would have taken.

    Attributes:
        rollout: Id and start of the rollout, see `key_of`.
        level: The level.
        time: When.
        action: What it would have done.
        why: Its reason.
        approved: Whether the rollout might be promoted then.
        num_pairs: Requests that both models had answered.
        verdict: What the evidence said.
        against: Mean capital of the tests against the candidate.
    """

    rollout: str
    level: Annotated[int, Field(ge=0, lt=len(LEVELS))]
    time: datetime
    action: Action
    why: str
    approved: bool
    num_pairs: int
    verdict: str
    against: float

    def to_json(self) -> str:
        """Returns the line, without its line feed."""
        values = vars(self) | {"time": self.time.isoformat()}
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: bytes) -> "Line":
        """Returns the line that `to_json` wrote.

        Raises:
            pydantic.ValidationError: It is not such a line.
        """
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Line)


@dataclass(frozen=True, kw_only=True)
class _Course:
    """The rollout as it would be under one level.

    Attributes:
        rollout: The rollout.
        num_pairs_before_step: Pairs of answers before its current step.
    """

    rollout: Rollout
    num_pairs_before_step: int = 0

    def after(self, line: "Line") -> "_Course":
        """The course after a decision."""
        before = replace(self.rollout, approved=line.approved)
        state = State(model=before.model, stable=before.stable, rollout=before)
        rollout = TRANSITIONS[line.action](state, line.time).rollout or before
        is_new_step = rollout.step_started != before.step_started
        return _Course(
            rollout=rollout,
            num_pairs_before_step=line.num_pairs if is_new_step else self.num_pairs_before_step,
        )


class CounterfactualLog:
    """Follows one rollout under each level at once, and notes each decision that it would take.

    Every request is answered by both models whatever the share of the keys that the candidate
    answers, so that the evidence is the same under each level. A level that asks waits until the
    real rollout is past that step: then a person has said yes.
    """

    def __init__(self, folder: Path, limits: Limits, rollout: Rollout) -> None:
        """Goes on where the log of the same rollout ends.

        Args:
            folder: The model's folder of rollouts.
            limits: The limits of the automation.
            rollout: The rollout, which is in progress.

        Raises:
            InputError: A line of the log was changed.
        """
        self.key = key_of(rollout)
        self._path, self._limits = folder / _FILE, limits
        self._courses = _replay(read_log(folder), rollout)

    def look(self, facts: Facts, verdict: Verdict) -> None:
        """Notes what each level would do now.

        Raises:
            OSError: The log cannot be written; nothing is noted, and the next look tries again.
        """
        for level, course in enumerate(self._courses):
            proposal = self._decide(level, course, facts, verdict)
            if proposal is None:
                continue
            line = Line(
                rollout=self.key,
                level=level,
                time=facts.now,
                action=proposal.action,
                why=proposal.why,
                approved=facts.rollout.approved,
                num_pairs=facts.num_pairs,
                verdict=verdict.kind,
                against=verdict.against,
            )
            _append(self._path, line)
            self._courses[level] = course.after(line)

    def _decide(
        self, level: int, course: _Course, facts: Facts, verdict: Verdict
    ) -> Proposal | None:
        rollout = replace(course.rollout, approved=facts.rollout.approved)
        if not rollout.is_active:
            return None
        if rollout.phase is Phase.WAITING and facts.rollout.step > rollout.step:
            return Proposal(action="approve", why="a person let the rollout go on")
        if rollout.phase is Phase.HELD and facts.num_ends < MAX_ENDS:
            return Proposal(action="approve", why="a person accepted the ends of the server")
        imagined = Facts(
            rollout=rollout,
            num_pairs=facts.num_pairs,
            num_pairs_of_step=facts.num_pairs - course.num_pairs_before_step,
            time_of_step_s=(facts.now - rollout.step_started).total_seconds(),
            now=facts.now,
            num_ends=facts.num_ends,
            last_end=facts.last_end,
        )
        return decide(level, self._limits, imagined, verdict)


def courses_of(lines: Iterable[Line], rollout: Rollout) -> list[Rollout]:
    """Returns where a rollout is, or how it ended, under each level.

    Args:
        lines: The log of the model.
        rollout: The rollout as it really is.
    """
    return [course.rollout for course in _replay(lines, rollout)]


def _replay(lines: Iterable[Line], rollout: Rollout) -> list[_Course]:
    first = replace(rollout, step=0, phase=Phase.RUNNING, step_started=rollout.started, ended=None)
    courses = [_Course(rollout=first) for _ in LEVELS]
    for line in lines:
        if line.rollout == key_of(rollout):
            courses[line.level] = courses[line.level].after(line)
    return courses


def read_log(folder: Path) -> Iterator[Line]:
    """Yields the lines of a model's counterfactual log; a torn last line is none.

    Args:
        folder: The model's folder of rollouts.

    Raises:
        InputError: A line was changed.
    """
    path = folder / _FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(whole_lines(content).splitlines(), start=1):
        try:
            yield Line.from_json(line)
        except ValidationError as error:
            raise InputError(
                f"{path}, line {number} cannot be read: {error}. Move the file aside; the log then "
                "starts anew."
            ) from error


def _append(path: Path, line: Line) -> None:
    """Appends a line; removes a torn one that a kill has left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file:
        append_line(file.fileno(), line.to_json().encode() + b"\n")

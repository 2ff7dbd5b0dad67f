"""Rollouts in words: the status, the history and the line of one transition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.counting import count
from pipeline.lineage.facts import time_text
from production.rollout.journal import Entry
from production.rollout.progress import Health, Progress
from production.rollout.state import Phase, Rollout, State, label

_MINUTE_S, _HOUR_S = 60, 3_600
_STRATEGIES = {"shadow": "shadow", "canary": "canary", "blue_green": "blue/green"}


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is served of a model now.

    Attributes:
        state: The state.
        progress: Progress of the rollout; None without one or before the first count.
        is_served: Whether a gateway runs that follows the journal.
        now: The time.
        health: Health of the rollout's candidate; None if nothing happened to its server.
    """

    state: State
    progress: Progress | None
    is_served: bool
    now: datetime
    health: Health | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the status as a JSON object."""
        values = self.state.to_json()
        rollout, progress = self.state.rollout, self.progress
        values["gateway"] = self.is_served
        if self.health:
            values["candidate_server"] = {
                "is_answering": self.is_served and self.health.is_answering,
                "num_restarts": self.health.num_ends,
                "last_end": self.health.last_end,
            }
        if rollout and progress:
            values["progress"] = {
                "num_pairs": progress.num_pairs,
                "num_pairs_of_step": progress.num_pairs_of_step(rollout),
                "num_keys": progress.num_keys,
                "verdict": dict(progress.verdict),
            }
        return values


def status_lines(status: Status) -> list[str]:
    """Returns the status in lines for people."""
    state = status.state
    served = "" if status.is_served else " (no gateway runs)"
    lines = [f"{state.model}: {label(state.stable)} is served{served}"]
    if state.rollout is None:
        return [*lines, "No rollout yet."]
    if not state.rollout.is_active:
        return [*lines, _ended_words(state.rollout)]
    rollout = state.rollout
    lines += [
        f"Rollout {rollout.id} to {label(rollout.candidate)}: {_STRATEGIES[rollout.strategy]}, "
        f"{rollout.phase}",
        _step_words(rollout, status.now),
    ]
    if status.health:
        lines.append(_health_words(status.health, is_served=status.is_served))
    if status.progress:
        lines += _progress_lines(rollout, status.progress)
    return [*lines, _next_words(rollout)]


def _step_words(rollout: Rollout, now: datetime) -> str:
    stage = rollout.stage
    answers = (
        f"{label(rollout.candidate)} answers {stage.percent} % of the keys"
        if stage.percent
        else f"clients see no answer of {label(rollout.candidate)}"
    )
    step = f"Step {rollout.step + 1} of {len(rollout.stages)} for "
    copied = f"; {stage.mirrored_percent} % of the requests are copied to the other model"
    return step + f"{duration((now - rollout.step_started).total_seconds())}: {answers}{copied}"


def _health_words(health: Health, *, is_served: bool) -> str:
    answering = "answering, " if health.is_answering else "not answering, "
    last = f" (its last end: {health.last_end})" if health.last_end else ""
    return (
        f"Candidate {answering if is_served else ''}restarted {count(health.num_ends, 'time')} in "
        f"this rollout{last}"
    )


def _progress_lines(rollout: Rollout, progress: Progress) -> list[str]:
    of_step = progress.num_pairs_of_step(rollout)
    needed = rollout.stage.min_requests
    lines = [
        f"Requests that both models answered: {progress.num_pairs:,}, {of_step:,} of them in this "
        f"step (at least {needed:,}); {count(progress.num_keys, 'key')}"
    ]
    is_decided = progress.verdict and progress.verdict.get("kind") != "undecided"
    if is_decided or (progress.verdict and progress.num_pairs):  # nothing is known before
        lines.append(f"Evidence: {verdict_words(progress.verdict)}")
    return lines


def verdict_words(verdict: Mapping[str, Any]) -> str:
    """Returns a verdict of the evidence in words, from its JSON values."""
    kind = str(verdict.get("kind", "undecided"))
    reasons = ", ".join(str(reason).replace("_", " ") for reason in verdict.get("reasons", ()))
    if kind == "promote":
        return "for promotion"
    if kind == "roll_back":
        return f"against the candidate: {reasons}"
    needed = verdict.get("pairs_needed")
    more = f"; about {needed:,} more requests are needed" if isinstance(needed, int) else ""
    keys = verdict.get("keys_needed")
    more += f" and {count(keys, 'more key')}" if isinstance(keys, int) and keys else ""
    return f"undecided{more}" + (f" ({reasons})" if reasons else "")


def _next_words(rollout: Rollout) -> str:
    model = rollout.model
    if rollout.phase is Phase.WAITING:
        return (
            f"It waits for a person to approve {rollout.next_words}: faultline rollout approve "
            f'{model} --why "..."'
        )
    if rollout.phase is Phase.HELD:
        return f'It is held. Let it go on: faultline rollout approve {model} --why "..."'
    if not rollout.approved and rollout.is_last_step:
        return (
            "The gate's verdict is INCONCLUSIVE: promotion needs a person's approval: faultline "
            f'rollout approve {model} --why "..."'
        )
    return f"Next: {rollout.next_words}"


def _ended_words(rollout: Rollout) -> str:
    ended = time_text(rollout.ended) if rollout.ended else ""
    name = f"{rollout.id} to {label(rollout.candidate)}"
    return f"Last rollout: {name}, {rollout.phase.words} at {ended}"


def entry_words(entry: Entry) -> str:
    """Returns a transition as one line, for the output of the gateway and of commands."""
    state, note = entry.state, entry.note
    who = f"{note.by}: {note.why}"
    rollout = state.rollout
    if note.event in {"begin", "repin"} or rollout is None:
        aborted = " The rollout was aborted." if _was_active(entry) else ""
        return f"{label(state.stable)} is served.{aborted} {who}"
    name = f"Rollout {rollout.id} to {label(rollout.candidate)} {rollout.phase.words}"
    if not rollout.is_active:
        return f"{name}: {label(state.stable)} is served. {who}"
    step = f"step {rollout.step + 1} of {len(rollout.stages)}, {rollout.stage.percent} %"
    return f"{name}: {step}. {who}"


def _was_active(entry: Entry) -> bool:
    rollout = entry.state.rollout
    return bool(rollout and rollout.phase is Phase.ABORTED and rollout.ended == entry.time)


def history_table(entries: Sequence[Entry]) -> Table:
    """Returns the transitions, the newest first."""
    table = Table("no.", "time", "event", "from", "to", "by", "why", box=None, pad_edge=False)
    for entry in reversed(entries):
        values = entry.to_json()
        texts = [escape(str(values[key])) for key in ("event", "from", "to", "by", "why")]
        table.add_row(str(entry.sequence), time_text(entry.time), *texts)
    return table


def duration(seconds: float) -> str:
    """Returns a duration such as `45 s`, `12 min` or `3.5 h`."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"

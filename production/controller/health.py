"""Ends of the gateway's processes: lines for people, and what they count in a rollout."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from production.gateway.members import Member, Members
from production.rollout.actions import CONTROLLER
from production.rollout.journal import Entry
from production.rollout.progress import Health, key_of, read_health, write_health
from production.rollout.state import Rollout

_NAMES = {"stable": "The stable server", "candidate": "The candidate's server", "envoy": "Envoy"}


class HealthWatch:
    """Follows the processes of a gateway; the candidate's count survives a kill."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Takes the model's folder of rollouts, and what prints a line for people."""
        self._folder, self._say = folder, say
        self._num_ends: dict[str, int] = {}
        self._silent: set[str] = set()
        self._num_to_count = 0
        self._health = self._saved = Health(rollout="")

    def look(self, members: Members, entries: Sequence[Entry]) -> None:
        """Says which processes have ended or answer again; counts the candidate's ends.

        Args:
            members: The gateway's processes.
            entries: The journal.

        Raises:
            InputError: The count cannot be read.
            OSError: The count cannot be written; the next look tries again.
        """
        for member in members:
            num_new = self._tell(member)
            if member is members.candidate:
                self._num_to_count += num_new
        rollout = entries[-1].state.active if entries else None
        if rollout is None:
            self._num_to_count = 0
            return
        self._count(members.candidate, self._at_last_look(rollout), _last_consent(entries))

    def of(self, rollout: Rollout) -> Health:
        """Returns the health of a rollout's candidate at the last look."""
        key = key_of(rollout)
        return self._health if self._health.rollout == key else Health(rollout=key)

    def _tell(self, member: Member) -> int:
        """Returns how often a process has ended since the last look."""
        num_new = member.num_ends - self._num_ends.get(member.name, 0)
        self._num_ends[member.name] = member.num_ends
        name = _NAMES[member.name]
        if num_new:
            times = f" {num_new} times, the last time" if num_new > 1 else ""
            self._say(
                f"{name} ended{times} with {member.last_end}, and is started again. Its log: "
                f"{member.log}"
            )
            self._silent.add(member.name)
        if member.is_serving and member.name in self._silent:
            self._silent.remove(member.name)
            self._say(f"{name} answers again.")
        return num_new

    def _at_last_look(self, rollout: Rollout) -> Health:
        key = key_of(rollout)
        if self._health.rollout != key:
            health = read_health(self._folder, rollout) or Health(rollout=key)
            self._health = self._saved = health
        return self._health

    def _count(self, candidate: Member, before: Health, consent: int) -> None:
        if consent > before.consent:
            before = replace(before, consent=consent, num_accepted=before.num_ends)
        self._health = replace(
            before,
            is_answering=candidate.is_serving,
            num_ends=before.num_ends + self._num_to_count,
            last_end=candidate.last_end if self._num_to_count else before.last_end,
        )
        self._num_to_count = 0
        has_changed = self._health.is_answering != self._saved.is_answering
        if has_changed or (self._health.num_ends and self._health != self._saved):
            write_health(self._folder, self._health)
            self._saved = self._health


def _last_consent(entries: Sequence[Entry]) -> int:
    """Returns the last entry in which a person let the rollout go on; 0 without one."""
    for entry in reversed(entries):
        if entry.note.event == "start":
            return 0
        if entry.note.event in {"approve", "advance"} and entry.note.by != CONTROLLER:
            return entry.sequence
    return 0

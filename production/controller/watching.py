"""Watch over one rollout: pairs of answers become evidence, which survives a kill."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.output_folder import OutputFolder
from measuring.sequential.evidence import ArmCounts, Margins, PairedEvidence, Verdict
from production.collection import pairs as collected_pairs
from production.collection.labels import read_delivery, row_keys
from production.collection.pairs import PairFollower, Pairs
from production.collection.records import CANDIDATE, STABLE
from production.rollout.progress import Facts, Progress, key_of, read_progress, write_progress
from production.rollout.state import Rollout

# Tells which labels are positive.
ArePositive = Callable[[pa.Array], NDArray[np.bool_]]

_SAVE_S = 1.0
# The gateway ends a mirrored request with the client's own: no fault of the server.
_NO_FAULTS = frozenset({"CANCELLED"})


class Watch:
    """Counts the pairs of a rollout and keeps its evidence."""

    def __init__(
        self,
        folder: OutputFolder,
        rollout: Rollout,
        margins: Margins,
        are_positive: ArePositive | None = None,
        *,
        share: float = 1.0,
    ) -> None:
        """Goes on where an earlier watch over the same rollout was when it was last saved.

        Args:
            folder: The output folder.
            rollout: The rollout, which is in progress.
            margins: What the candidate may change, and how sure a decision must be.
            are_positive: Tells which labels are positive; None to decide without labels.
            share: Share of the requests that the servers record, in (0, 1].
        """
        self.key = key_of(rollout)
        self.problem = ""  # why the evidence was not kept at the last look
        self._collected = folder.collected(rollout.model)
        self._place = folder.rollouts(rollout.model)
        self._are_positive = are_positive
        self._read_labels: set[str] = set()
        self._follower = PairFollower(
            self._collected,
            stable=rollout.stable.version,
            candidate=rollout.candidate.version,
            since=rollout.started,
            share=share,
        )
        saved = read_progress(self._place, rollout)
        self._evidence = PairedEvidence(margins)
        self._step = saved.step if saved else 0
        self._num_pairs = saved.num_pairs if saved else 0
        self._num_pairs_before_step = saved.num_pairs_before_step if saved else 0
        if saved and saved.evidence:
            # An edited config does not change the rules of a rollout in progress.
            self._evidence = PairedEvidence.from_json(saved.evidence)
            self._follower.restore(saved.follower)
        self._saved_s = 0.0

    def look(self, rollout: Rollout, now: datetime) -> tuple[Facts, Verdict]:
        """Takes what is new; returns where the rollout is and what the evidence says.

        Args:
            rollout: The rollout as it is now.
            now: The time.
        """
        if rollout.step != self._step:
            self._step, self._num_pairs_before_step = rollout.step, self._num_pairs
            self._saved_s = 0.0
        reading = self._follower.read()
        pairs = _decided(reading.pairs)
        self._num_pairs += len(reading.pairs)
        if len(pairs):
            self._evidence.update(pairs)
        self._evidence.update_errors(
            stable=_counts(reading.counts[STABLE]), candidate=_counts(reading.counts[CANDIDATE])
        )
        self._take_labels()
        verdict = self._evidence.verdict()
        if time.monotonic() - self._saved_s >= _SAVE_S:
            # A full disk must not keep the evidence from ending the rollout.
            try:
                self._save(verdict)
                self.problem = ""
            except OSError as error:
                self.problem = f"The evidence cannot be kept, and is tried again: {error}"
        facts = Facts(
            rollout=rollout,
            num_pairs=self._num_pairs,
            num_pairs_of_step=self._num_pairs - self._num_pairs_before_step,
            time_of_step_s=(now - rollout.step_started).total_seconds(),
            now=now,
        )
        return facts, verdict

    def _save(self, verdict: Verdict) -> None:
        """Keeps the evidence and the reader's position, which are of one moment, on the disk."""
        progress = Progress(
            rollout=self.key,
            step=self._step,
            num_pairs=self._num_pairs,
            num_pairs_before_step=self._num_pairs_before_step,
            num_keys=verdict.num_keys,
            evidence=self._evidence.to_json(),
            follower=self._follower.to_json(),
            verdict=verdict.to_json(),
        )
        write_progress(self._place, progress)
        self._saved_s = time.monotonic()

    def _take_labels(self) -> None:
        """Takes the labels that have arrived; an answer's first label counts."""
        if self._are_positive is None:
            return
        for path in sorted((self._collected / "labels").glob("*.parquet")):
            if path.name in self._read_labels:
                continue
            self._read_labels.add(path.name)
            with suppress(FileNotFoundError):
                self._evidence.update_labels(_labels(path, self._are_positive))


def _labels(path: Path, are_positive: ArePositive) -> list[tuple[tuple[str, int], bool]]:
    table = read_delivery(path, columns=["request_id", "row", "label"])
    positive = are_positive(table["label"].combine_chunks())
    return list(zip(row_keys(table), positive.tolist(), strict=True))


def _counts(counts: collected_pairs.ArmCounts) -> ArmCounts:
    errors = sum(number for status, number in counts.errors.items() if status not in _NO_FAULTS)
    return ArmCounts(requests=counts.num_answers + errors, errors=errors)


def _decided(pairs: Pairs) -> Pairs:
    """Returns the pairs in which both models decided; a missing decision is -1."""
    decided = (pairs.stable_decision >= 0) & (pairs.candidate_decision >= 0)
    if decided.all():
        return pairs
    return Pairs(**{name: values[decided] for name, values in vars(pairs).items()})

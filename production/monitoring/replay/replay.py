"""Asks a served version again what a client asked it, and compares the answers bit for bit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import (
    find_version_damage,
    served_versions,
    withdrawn_folder,
    withdrawn_versions,
)
from pipeline.config import SHADOW_SUFFIX
from production.monitoring.replay.feeds import make_feeds
from production.monitoring.replay.recorded import Recorded, find_request
from serving.errors import ServingError
from serving.recording.model_writer import read_facts
from serving.recording.version_records import raw_signature
from serving.runtime.loading import SessionOptions, SessionRunner

_OUTPUTS = ("probability", "decision")
# Kernels of matrix products differ by the number of rows, and hardly beyond this one.
_BATCH_SIZES = (*range(1, 33), 64)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A request that was asked again.

    Attributes:
        recorded: What was recorded.
        probabilities: What the version answers now, float32, one a row.
        decisions: The same for the decision.
        batch_size: Number of rows that the version was asked at once: those of the request, or more
            if only a larger batch gives the recorded bits.
    """

    recorded: Recorded
    probabilities: Sequence[float]
    decisions: Sequence[int]
    batch_size: int

    @property
    def ulps(self) -> int:
        """Largest distance of a probability from the recorded one, in float32 numbers between."""
        recorded = _bits(self.recorded.column("probability"))
        return int(np.abs(_bits(self.probabilities) - recorded).max())

    @property
    def is_same(self) -> bool:
        """Whether each probability has the recorded bits, and each decision is the recorded one."""
        recorded = self.recorded.column("decision")
        return self.ulps == 0 and list(self.decisions) == recorded

    @property
    def words(self) -> str:
        """The comparison in words."""
        num_rows = len(self.probabilities)
        if not self.is_same:
            differ = sum(
                a != b
                for a, b in zip(self.decisions, self.recorded.column("decision"), strict=True)
            )
            return (
                f"NOT the same: probabilities differ by up to {self.ulps} float32 steps, and "
                f"{differ} of {num_rows} decisions. The server may run with other flags or on "
                "another processor, or have batched the request with others."
            )
        if self.batch_size == num_rows:
            return "the same, bit for bit"
        return (
            f"the same, bit for bit, in a batch of {self.batch_size} rows: the server batched the "
            "request with others. Alone, the last bits differ"
        )


class Replayer:
    """Replays requests to one model; each version is loaded once.

    Args:
        folder: The output folder.
        model: Name of the model.
    """

    def __init__(self, folder: OutputFolder, model: str) -> None:
        self._folder, self._model = folder, model
        self._versions: dict[int, _Version] = {}

    def find(self, request_id: str) -> list[Recorded]:
        """Returns all answers to a request; see `find_request`."""
        return find_request(self._folder.collected(self._model), request_id)

    def replay(self, recorded: Recorded) -> Replay:
        """Asks the version that answered for the same rows again.

        Raises:
            InputError: No model answered, its files are gone or damaged, or the rows were not
                recorded completely.
        """
        if recorded.version is None or not recorded.is_ok:
            raise InputError(
                f"Request {recorded.request_id} cannot be replayed: it ended with "
                f"{recorded.status}, and its rows are not recorded."
            )
        if recorded.version not in self._versions:
            path = self._path(recorded.version)
            self._versions[recorded.version] = _Version(path)
        version = self._versions[recorded.version]
        replay = version.replay(recorded)
        return replay if replay.is_same else version.replay_in_batches(replay)

    def close(self) -> None:
        """Frees the models."""
        for version in self._versions.values():
            version.close()

    def _path(self, version: int) -> Path:
        for name in (self._model, f"{self._model}{SHADOW_SUFFIX}"):
            base = self._folder.serving(name)
            if version in withdrawn_versions(base):
                return withdrawn_folder(base, version)
            if version in served_versions(base):
                if damage := find_version_damage(base, version):
                    raise InputError(
                        f"{name}/{version} is damaged since its push: {damage}. It would not give "
                        "the answer of that time."
                    )
                return base / str(version)
        raise InputError(
            f"The files of {self._model}/{version} are gone from "
            f"{self._folder.serving(self._model)}, so that it cannot be asked again."
        )


class _Version:
    """A version in memory, loaded as the server loads it."""

    def __init__(self, path: Path) -> None:
        self._facts = read_facts(str(path))
        try:
            self._session = SessionRunner(str(path), SessionOptions())
        except ServingError as error:
            raise InputError(f"The model in {path} does not load: {error}") from error
        signature = raw_signature(self._session.signatures, self._facts)
        if signature is None or not set(_OUTPUTS) <= set(signature.outputs):
            self.close()
            raise InputError(
                f"The model in {path} has no signature that takes raw columns and returns "
                "`probability` and `decision`."
            )
        self._signature = signature
        self._fetches = [signature.outputs[name].name for name in _OUTPUTS]

    def replay(self, recorded: Recorded) -> Replay:
        feeds = make_feeds(recorded.records, self._signature, self._facts)
        probabilities, decisions = self._ask(feeds)
        return Replay(
            recorded=recorded,
            probabilities=probabilities,
            decisions=decisions,
            batch_size=recorded.records.num_rows,
        )

    def replay_in_batches(self, alone: Replay) -> Replay:
        """Returns the replay in the smallest larger batch that gives the recorded bits.

        The rows of others are not known; they do not matter, only their number does. Without such a
        batch, returns the replay as it is.
        """
        feeds = make_feeds(alone.recorded.records, self._signature, self._facts)
        num_rows = alone.batch_size
        for size in _BATCH_SIZES:
            if size <= num_rows:
                continue
            for start in range(size - num_rows + 1):
                probabilities, decisions = self._ask(_padded(feeds, size, start))
                inside = slice(start, start + num_rows)
                batched = replace(
                    alone,
                    probabilities=probabilities[inside],
                    decisions=decisions[inside],
                    batch_size=size,
                )
                if batched.is_same:
                    return batched
        return alone

    def _ask(self, feeds: Mapping[str, NDArray[Any]]) -> tuple[list[float], list[int]]:
        probabilities, decisions = self._session.run(feeds, self._fetches)
        return (
            np.asarray(probabilities, np.float32).reshape(-1).tolist(),
            np.asarray(decisions).reshape(-1).astype(np.int64).tolist(),
        )

    def close(self) -> None:
        self._session.close()


def _padded(feeds: Mapping[str, NDArray[Any]], size: int, start: int) -> dict[str, NDArray[Any]]:
    """Returns feeds of `size` rows, in which the request's begin at `start`."""
    padded = {}
    for name, array in feeds.items():
        end = size - start - len(array)
        padded[name] = np.concatenate(
            [np.repeat(array[:1], start, axis=0), array, np.repeat(array[-1:], end, axis=0)]
        )
    return padded


def _bits(values: Sequence[float | None]) -> NDArray[np.int64]:
    """Returns float32 numbers as integers in their order, so that neighbours differ by one."""
    filled = [np.nan if value is None else value for value in values]
    bits = np.asarray(filled, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, np.int64(-(2**31)) - bits, bits)

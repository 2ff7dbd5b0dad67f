"""A prediction into a table, kept in a folder so that the same command continues after a kill.

The folder `predictions/RUN/` below the output folder holds what the prediction rests on: the rows
as they were read, the predictions, and how many of them are in the table. Each of them appears as a
whole, so the folder says at any point what is left to do.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.output_folder import OutputFolder, hold, replace_file

_JOB, _READ, _OUTCOME = "job.json", "read.json", "outcome.json"
_WRITTEN, _SUMMARY = "written.json", "summary.json"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a command asks for; an unfinished job of the same order is continued.

    Attributes:
        source: The data: a path, or a database with its table or query, without a password.
        target: The database of the table, without a password, and the table.
        id_column: The column of the ids.
        model: Name of the model.
        server: The server that answers; empty for Beam.
    """

    source: str
    target: str
    id_column: str
    model: str
    server: str

    @property
    def key(self) -> str:
        """A digest of the order."""
        return _digest(json.dumps(asdict(self), sort_keys=True))


class Job:
    """The folder of one prediction into a table."""

    def __init__(self, folder: Path, *, is_continued: bool) -> None:
        facts = json.loads((folder / _JOB).read_text(encoding="utf-8"))
        self.folder = folder
        self.is_continued = is_continued
        self.run_id = folder.name
        self.begun = datetime.fromisoformat(facts["begun"])

    @property
    def rows(self) -> Path:
        """Folder of the rows as they were read from a database."""
        return self.folder / "rows"

    @property
    def batch_folder(self) -> Path:
        """Folder of the predictions of Beam."""
        return self.folder / "predictions"

    @property
    def server_file(self) -> Path:
        """File of the predictions of a server."""
        return self.folder / "predictions.parquet"

    @property
    def prediction_files(self) -> list[Path]:
        """The files of the predictions, in a fixed order."""
        if self.server_file.exists():
            return [self.server_file]
        return sorted(self.batch_folder.glob("*.parquet"))

    @contextmanager
    def incoming(self, target: Path) -> Iterator[Path]:
        """Yields a new folder that becomes `target` as a whole, unless there is an error."""
        incoming = target.with_name(f".{target.name}.incoming")
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir()
        try:
            yield incoming
            incoming.rename(target)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    @property
    def num_written(self) -> int:
        """How many predictions, in their order, are in the table."""
        return int(self._read(_WRITTEN, {"num_rows": 0})["num_rows"])

    def note_written(self, num_rows: int) -> None:
        """Notes that this many predictions are in the table."""
        self._write(_WRITTEN, {"num_rows": num_rows})

    @property
    def read_facts(self) -> dict[str, Any]:
        """How the rows were read."""
        facts: dict[str, Any] = self._read(_READ, {})
        return facts

    def note_read(self, facts: dict[str, Any]) -> None:
        """Notes how the rows were read, before they appear as a whole."""
        self._write(_READ, facts)

    @property
    def outcome(self) -> dict[str, Any] | None:
        """The summary of the prediction; None until all rows are predicted."""
        outcome: dict[str, Any] | None = self._read(_OUTCOME, None)
        return outcome

    def note_outcome(self, summary: dict[str, Any]) -> None:
        """Notes that all rows are predicted."""
        self._write(_OUTCOME, summary)

    def finish(self, summary: dict[str, Any]) -> None:
        """Keeps the summary and the rows that were left out; the rest is in the table."""
        self._write(_SUMMARY, summary)
        shutil.rmtree(self.rows, ignore_errors=True)
        self.remove_predictions()

    def remove_predictions(self) -> None:
        """Removes predictions, and what a kill left of half-written ones."""
        for path in (*self.folder.glob("predictions*"), *self.folder.glob(".predictions*")):
            if path.name.endswith(".left_out"):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def discard(self) -> None:
        """Removes a job of which nothing is in the table."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, name: str, default: Any) -> Any:
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default

    def _write(self, name: str, value: Any) -> None:
        replace_file(self.folder / name, json.dumps(value, indent=2).encode() + b"\n")


@contextmanager
def open_job(output: OutputFolder, order: Order) -> Iterator[Job]:
    """Yields the unfinished job of an order, or a new one; no other process works on it.

    Raises:
        InputError: Another process writes into the same table from this output folder.
    """
    root = output.root / "predictions"
    lock = root / f".{_digest(order.target)[:16]}.lock"
    refusal = (
        f"Another `faultline predict` is writing into {order.target}. Wait for it to end: two at "
        "a time would overwrite each other's rows."
    )
    with hold(lock, refusal):
        unfinished = _find_unfinished(root, order)
        if unfinished is not None:
            yield Job(unfinished, is_continued=True)
        else:
            yield Job(_make_folder(root, order), is_continued=False)


def _find_unfinished(root: Path, order: Order) -> Path | None:
    # Names with a point are folders that a killed command began to make.
    for path in sorted(root.glob(f"[!.]*/{_JOB}"), reverse=True):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["key"] == order.key and not (path.parent / _SUMMARY).exists():
            return path.parent
    return None


def _make_folder(root: Path, order: Order) -> Path:
    begun = datetime.now(tz=UTC)
    name = f"{begun:%Y%m%d-%H%M%S}-predict-{order.model}-{uuid.uuid4().hex[:6]}"
    facts = {"key": order.key, "begun": begun.isoformat(), **asdict(order)}
    incoming = root / f".{name}.incoming"
    incoming.mkdir(parents=True)
    try:
        (incoming / _JOB).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        incoming.rename(root / name)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return root / name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

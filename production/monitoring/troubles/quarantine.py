"""Puts broken chunks into quarantine, and releases them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from common.errors import InputError
from production.collection.quarantine import QUARANTINE, Quarantined, read_quarantine
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.json_lines import append_line, locked, read_lines
from production.monitoring.troubles.trouble import Trouble

_LOCK = ".quarantine.lock"


def quarantine_chunk(folder: Path, chunk: Chunk, troubles: Sequence[Trouble]) -> None:
    """Puts a chunk into quarantine; nothing happens if it was put there before.

    Args:
        folder: The folder `monitoring/NAME`.
        chunk: The chunk.
        troubles: Its troubles.

    Raises:
        InputError: The file cannot be written.
    """
    path = folder / QUARANTINE
    with locked(folder / _LOCK):
        if any(line.get("chunk") == chunk.number for line in read_lines(path)):
            return
        append_line(
            path,
            {
                "chunk": chunk.number,
                "version": chunk.version,
                "since": chunk.since.isoformat(),
                "until": chunk.until.isoformat(),
                "reasons": [trouble.words for trouble in troubles if trouble.is_broken],
                "time": datetime.now(UTC).isoformat(),
            },
        )


def release_chunk(folder: Path, number: int, *, by: str, why: str) -> Quarantined:
    """Releases a chunk: spans may take its rows from then on.

    Args:
        folder: The folder `monitoring/NAME`.
        number: Number of the chunk.
        by: Who releases it.
        why: The reason.

    Returns:
        The chunk.

    Raises:
        InputError: It is not in quarantine, there is no reason, or the file cannot be written.
    """
    if not why.strip():
        raise InputError("A chunk is released for a reason. Give it with --why.")
    path = folder / QUARANTINE
    with locked(folder / _LOCK):
        quarantine = {chunk.chunk: chunk for chunk in read_quarantine(folder)}
        if number not in quarantine:
            listed = ", ".join(map(str, quarantine)) or "none"
            raise InputError(f"Chunk {number} is not in quarantine. In quarantine: {listed}.")
        moment = datetime.now(UTC).isoformat()
        append_line(path, {"released": number, "by": by, "why": why, "time": moment})
    return quarantine[number]

"""Recorded rows that the monitor put into quarantine: no span of the training data takes them.

`monitoring/NAME/quarantine.jsonl` has a line for each broken chunk (`chunk`, `version`, `since`,
`until`, `reasons`, `time`), and a line for each chunk that a person released (`released`, `by`,
`why`, `time`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.guards.durable_files import whole_lines

QUARANTINE = "quarantine.jsonl"


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """Rows of a broken chunk.

    Attributes:
        chunk: Its number.
        version: Version that answered.
        since: Time of its beginning.
        until: Its end, which does not belong to it.
        reasons: What is wrong with its data.
    """

    chunk: int
    version: int
    since: datetime
    until: datetime
    reasons: tuple[str, ...]

    def has(self, time: datetime, version: int | None) -> bool:
        """Returns whether a row belongs to the chunk."""
        return version == self.version and self.since <= time < self.until


def read_quarantine(folder: Path) -> list[Quarantined]:
    """Returns the chunks in quarantine, without the released ones.

    Args:
        folder: The folder `monitoring/NAME`.

    Raises:
        InputError: The file was damaged, or this account may not read it.
    """
    path = folder / QUARANTINE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    chunks: dict[int, Quarantined] = {}
    # A line that a kill cut short was not acted upon.
    for number, text in enumerate(whole_lines(content).splitlines(), 1):
        try:
            line = json.loads(text)
            if "released" in line:
                chunks.pop(line["released"], None)
            else:
                chunks[line["chunk"]] = _quarantined(line)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: it is no chunk and no release. The file was changed by "
                "something other than Faultline. Restore it from a backup, or move it aside; then "
                "no row is in quarantine."
            ) from error
    return list(chunks.values())


def _quarantined(line: Mapping[str, Any]) -> Quarantined:
    return Quarantined(
        chunk=line["chunk"],
        version=line["version"],
        since=datetime.fromisoformat(line["since"]),
        until=datetime.fromisoformat(line["until"]),
        reasons=tuple(line["reasons"]),
    )


def is_quarantined(quarantine: Iterable[Quarantined], time: datetime, version: int | None) -> bool:
    """Returns whether a row is in quarantine.

    Args:
        quarantine: The chunks in quarantine.
        time: Time of the request.
        version: Version that answered.
    """
    return any(chunk.has(time, version) for chunk in quarantine)

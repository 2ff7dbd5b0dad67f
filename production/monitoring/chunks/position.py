"""Where a reader of chunks is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from production.monitoring.chunks.chunk import Chunk


class RowKey(NamedTuple):
    """Place of a row in the order of rows."""

    time: datetime
    request_id: str
    row: int


class Window(NamedTuple):
    """A stretch of time that is finished, and the answered rows that it had then."""

    since: datetime
    until: datetime
    num_rows: int


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a reader is: behind the chunks that it returned.

    Attributes:
        next_number: Number of the next chunk.
        since: Time before which everything was returned; None at the beginning.
        version: Version of the last chunk; None at the beginning.
        done: Versions whose chunk of the time from `since` on was returned, for chunks by time.
        window: The last finished stretch, for chunks by time.
        last: The last returned row of each version, for chunks by number.
    """

    next_number: int = 0
    since: datetime | None = None
    version: int | None = None
    done: tuple[int, ...] = ()
    window: Window | None = None
    last: Mapping[int, RowKey] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the position as JSON values."""
        window = self.window
        return {
            "next_number": self.next_number,
            "since": self.since and self.since.isoformat(),
            "version": self.version,
            "done": list(self.done),
            "window": window
            and [window.since.isoformat(), window.until.isoformat(), window.num_rows],
            "last": {
                str(version): [key.time.isoformat(), key.request_id, key.row]
                for version, key in self.last.items()
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Position":
        """Returns the position of what `to_json` returned."""
        window = values["window"]
        return cls(
            next_number=int(values["next_number"]),
            since=values["since"] and datetime.fromisoformat(values["since"]),
            version=values["version"],
            done=tuple(values["done"]),
            window=None if window is None else _window(*window),
            last={
                int(version): RowKey(datetime.fromisoformat(time), request_id, row)
                for version, (time, request_id, row) in values["last"].items()
            },
        )


def _window(since: str, until: str, num_rows: int) -> Window:
    return Window(datetime.fromisoformat(since), datetime.fromisoformat(until), num_rows)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A finished chunk.

    Attributes:
        chunk: The chunk.
        behind: The position behind it.
    """

    chunk: Chunk
    behind: Position

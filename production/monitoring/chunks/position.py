"""Position of a reader of chunks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from production.monitoring.chunks.chunk import Chunk

# Late rows of older stretches are not noticed.
MOST_WINDOWS = 7


class RowKey(NamedTuple):
    """Place of a row in the order of rows."""

    time: datetime
    request_id: str
    row: int


class Window(NamedTuple):
    """A stretch of time that is finished, and the rows that it had when it was last counted.

    Attributes:
        since: Its beginning.
        until: Its end, which does not belong to it.
        num_rows: Answered rows of the sample.
        version: The only version that counts; None if all do.
        num_tied: Rows of the version's chunks at the very end, which the next window has.
    """

    since: datetime
    until: datetime
    num_rows: int
    version: int | None = None
    num_tied: int = 0


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a reader is: behind the chunks that it returned.

    Attributes:
        next_number: Number of the next chunk.
        since: Time before which everything was returned; None at the beginning.
        version: Version of the last chunk; None at the beginning.
        done: Versions whose chunk of the time from `since` on was returned, for chunks by time.
        windows: The last finished stretches, at most `MOST_WINDOWS`, oldest first.
        last: The last returned row of each version, for chunks by number; without an id, the
            failure that filled a chunk.
    """

    next_number: int = 0
    since: datetime | None = None
    version: int | None = None
    done: tuple[int, ...] = ()
    windows: tuple[Window, ...] = ()
    last: Mapping[int, RowKey] = field(default_factory=dict)

    def with_window(self, window: Window) -> "Position":
        """Returns the position with one more finished stretch."""
        return replace(self, windows=(*self.windows, window)[-MOST_WINDOWS:])

    def last_window(self, version: int | None = None) -> Window | None:
        """Returns the last finished stretch of a version, for chunks by number, or of all."""
        own = [one for one in self.windows if version is None or one.version in {version, None}]
        return own[-1] if own and own[-1].version == version else None

    def to_json(self) -> dict[str, Any]:
        """Returns the position as JSON values."""
        return {
            "next_number": self.next_number,
            "since": self.since and self.since.isoformat(),
            "version": self.version,
            "done": list(self.done),
            "windows": [
                [one.since.isoformat(), one.until.isoformat(), *one[2:]] for one in self.windows
            ],
            "last": {
                str(version): [key.time.isoformat(), key.request_id, key.row]
                for version, key in self.last.items()
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Position":
        """Returns the position of what `to_json` returned."""
        return cls(
            next_number=int(values["next_number"]),
            since=values["since"] and datetime.fromisoformat(values["since"]),
            version=values["version"],
            done=tuple(values["done"]),
            windows=tuple(_window(*one) for one in values.get("windows", [])),
            last={
                int(version): RowKey(datetime.fromisoformat(time), request_id, row)
                for version, (time, request_id, row) in values["last"].items()
            },
        )


def _window(since: str, until: str, *others: Any) -> Window:
    return Window(datetime.fromisoformat(since), datetime.fromisoformat(until), *others)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A finished chunk.

    Attributes:
        chunk: The chunk.
        behind: The position behind it.
    """

    chunk: Chunk
    behind: Position

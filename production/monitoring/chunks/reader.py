"""Divides recorded requests into chunks, each of which is finished when it is returned."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from common.output_folder import OutputFolder
from pipeline.production_options.monitoring import MonitoringOptions
from production.monitoring.chunks.by_rows import chunks_by_rows, count_waiting
from production.monitoring.chunks.by_time import GRACE, chunks_by_time, end_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.position import Position
from production.monitoring.chunks.reading import Recorded
from production.monitoring.report import minute_words


def _now() -> datetime:
    return datetime.now(UTC)


class ChunkReader:
    """Reads finished chunks, each once.

    A chunk of some hours is finished when its time is over and the servers have had the time to
    write its rows. A chunk of some rows is finished when it has them. While two versions answer, as
    in a canary, each has its own chunks.

        reader = ChunkReader(folder, "pump", options, state)
        for chunk in reader.finished():
            ...
            save(reader.to_state())        # the chunk is not returned again
    """

    def __init__(
        self,
        folder: OutputFolder,
        model: str,
        options: MonitoringOptions,
        state: Mapping[str, Any] | None = None,
        *,
        share: float = 1.0,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """Starts with the first recorded request, or behind what was returned before.

        Args:
            folder: The output folder.
            model: Name of the served model.
            options: The size of a chunk.
            state: What `to_state` of an earlier reader returned; None for the beginning.
            share: Share of the requests that are recorded: `collection.share`.
            now: The clock.
        """
        self._recorded = Recorded(collected=folder.collected(model), share=share)
        self._position = Position() if state is None else Position.from_json(state)
        self._size, self._now = options.chunk, now

    def to_state(self) -> dict[str, Any]:
        """Returns the position behind the last returned chunk, as JSON values."""
        return self._position.to_json()

    def waiting_words(self) -> str:
        """Returns in words what the next chunk waits for, after `finished` returned all."""
        length = self._size.length_hours
        if length is None:
            size, until = self._size.rows or 1, self._now() - GRACE
            num_rows = count_waiting(self._recorded, self._position, size, until)
            return f"{num_rows:,} of {size:,} rows so far."
        end = end_of(self._now(), timedelta(hours=length))
        return f"The present chunk ends at {minute_words(end)} UTC."

    def finished(self) -> Iterator[Chunk]:
        """Yields the chunks that are finished now, oldest first."""
        length = self._size.length_hours
        if length is not None:
            placed = chunks_by_time(
                self._recorded, self._position, timedelta(hours=length), self._now
            )
        else:
            placed = chunks_by_rows(
                self._recorded, self._position, self._size.rows or 1, self._now() - GRACE
            )
        for one in placed:
            self._position = one.behind
            yield one.chunk

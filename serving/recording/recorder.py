"""The recorder: a bounded queue that requests put references into, and the thread that empties it.

Converting a request costs more than keeping it, and Python runs one thread at a time. The thread
therefore works in slices of a fraction of a millisecond and sleeps longer than it works, unless the
queue fills up.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.errors import invalid_argument
from serving.metrics import Metrics
from serving.recording.exchanges import Exchange, Tags
from serving.recording.files import recover
from serving.recording.model_writer import UNREADABLE, Counts, ModelWriter
from serving.recording.options import RecordingOptions

logger = logging.getLogger(__name__)

_MB = 1e6
_MAX_WAITING = 100_000
# Python objects of a request, besides the bytes that it was sent in.
_EXCHANGE_BYTES = 2_000
_TICK_S = 0.5
_SLICE = 32
_REST_SHARE = 4.0  # the thread sleeps this much longer than it worked
_LONGEST_REST_S = 0.02
_REPORT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Models:
    """What the recorder asks about the served models.

    Attributes:
        serves: Returns whether a model of this name is served.
        folder: Returns the folder of a version, or None if it is no longer there.
    """

    serves: Callable[[str], bool]
    folder: Callable[[str, int], str | None]


class Recorder:
    """Records requests and their answers; thread-safe, runs from `start` to `stop`."""

    def __init__(
        self, folder: Path, options: RecordingOptions, *, arm: str, models: Models, metrics: Metrics
    ) -> None:
        """Records nothing yet.

        Args:
            folder: Folder of all models' records.
            options: What is recorded.
            arm: The arm of this server.
            models: The served models.
            metrics: Counts what is recorded and dropped.
        """
        self.options = options
        self._folder, self._arm, self._models, self._metrics = folder, arm, models, metrics
        self._writers: dict[str, ModelWriter] = {}
        self._lock = threading.Lock()
        self._waiting: deque[Exchange] = deque()
        self._waiting_bytes = 0
        self._refused: Counter[str] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._reported_s = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Starts the thread, which first closes what an earlier process left over.

        Raises:
            ServingError: INVALID_ARGUMENT if the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe = self._folder / f".probe-{time.time_ns()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise invalid_argument(
                f"--collect_dir={self._folder} cannot be written: {error.strerror or error}"
            ) from error
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Records what waits and closes all files; returns whether the time was enough."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def begin(self, tags: Tags, num_bytes: int) -> Exchange:
        """Returns the exchange of a request that came just now."""
        return Exchange(tags, num_bytes)

    def end(self, exchange: Exchange, status: str, seconds: float) -> None:
        """Queues a finished exchange, or drops it if the queue is full; never waits.

        Args:
            exchange: The exchange.
            status: `OK` or the name of the error code.
            seconds: From the arrival of the request to its answer.
        """
        exchange.status = status
        exchange.latency_ms = seconds * 1e3
        num_bytes = exchange.num_bytes + _EXCHANGE_BYTES
        with self._lock:
            fits = self._waiting_bytes + num_bytes <= self.options.max_queue_mb * _MB
            if fits and len(self._waiting) < _MAX_WAITING:
                self._waiting.append(exchange)
                self._waiting_bytes += num_bytes
            else:
                self._refused[exchange.model] += 1

    def _run(self) -> None:
        self._recover()
        while not self._stopped.wait(_TICK_S):
            self._work(is_paced=True)
        self._work(is_paced=False)
        self._finish(ModelWriter.close)
        self._report(0.0)

    def _recover(self) -> None:
        for folder in sorted(self._folder.iterdir()):
            if folder.is_dir():
                recover(folder)

    def _work(self, *, is_paced: bool) -> None:
        """Records all that waits now."""
        with self._lock:
            taken, self._waiting = self._waiting, deque()
            refused, self._refused = self._refused, Counter()
        for model, count in refused.items():
            if self._models.serves(model):
                self._count({(model, "queue_full"): count})
        while taken:
            began_s = time.perf_counter()
            self._convert([taken.popleft() for _ in range(min(_SLICE, len(taken)))])
            if is_paced and not self._is_filling():
                worked_s = time.perf_counter() - began_s
                time.sleep(min(worked_s * _REST_SHARE, _LONGEST_REST_S))
        self._finish(ModelWriter.flush)
        self._report(_REPORT_S)

    def _finish(self, work: Callable[[ModelWriter], Counts]) -> None:
        for model, writer in self._writers.items():
            try:
                self._count(work(writer))
            except Exception:  # the thread and the other writers must outlive any error
                logger.exception("Requests of model %s were not recorded", model)

    def _is_filling(self) -> bool:
        return self._waiting_bytes > self.options.max_queue_mb * _MB / 2

    def _convert(self, exchanges: Sequence[Exchange]) -> None:
        by_model: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            by_model.setdefault(exchange.model, []).append(exchange)
        with self._lock:
            self._waiting_bytes -= sum(e.num_bytes + _EXCHANGE_BYTES for e in exchanges)
        for model, some in by_model.items():
            try:
                writer = self._writers.get(model) or self._open(model)
                if writer is not None:
                    self._count(writer.add(some))
            except Exception:  # as above
                logger.exception("Requests of model %s were not recorded", model)
                self._count({(model, UNREADABLE): len(some)})

    def _open(self, model: str) -> ModelWriter | None:
        # A client may ask for any name; only those of models get a folder.
        if not self._models.serves(model):
            return None
        writer = ModelWriter(
            self._folder, model, self.options, arm=self._arm, folder_of=self._models.folder
        )
        self._writers[model] = writer
        return writer

    def _count(self, counts: Mapping[tuple[str, str], int]) -> None:
        for (model, status), count in counts.items():
            self._metrics.observe_recorded(model, status, count)
            if status != "OK":
                self._dropped[model, status] += count

    def _report(self, interval_s: float) -> None:
        """Logs what was dropped, at most once in the interval."""
        if not self._dropped or time.monotonic() - self._reported_s < interval_s:
            return
        self._reported_s = time.monotonic()
        for (model, reason), count in sorted(self._dropped.items()):
            logger.warning("%d requests of model %s were not recorded: %s", count, model, reason)
        self._dropped.clear()

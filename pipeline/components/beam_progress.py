"""Progress of the running Beam step in rows and bytes, on any engine."""

import contextlib
import logging
import threading
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.runners.runner import PipelineState

from common.internals.beam import forget_metrics

_NAMESPACE, _ROWS, _BYTES = "faultline", "rows", "bytes"
_POLL_S = 1.0
_progress = logging.getLogger("faultline.progress")


class _Total:
    """Counts of this process's workers since the pipeline started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows = self._bytes = 0

    def reset(self) -> None:
        with self._lock:
            self._rows = self._bytes = 0

    def add(self, rows: int, num_bytes: int) -> None:
        with self._lock:
            self._rows += rows
            self._bytes += num_bytes
            _report(self._rows, self._bytes)


_here = _Total()


def _report(rows: int, num_bytes: int) -> None:
    _progress.info("%s rows, %.0f MB so far", f"{rows:,}", num_bytes / 1e6)


def count_rows(rows: int, num_bytes: int) -> None:
    """Counts the input of a DoFn in Beam's metrics and, for a worker in this process, locally.

    Args:
        rows: Rows read.
        num_bytes: Their size in bytes.
    """
    Metrics.counter(_NAMESPACE, _ROWS).inc(rows)
    Metrics.counter(_NAMESPACE, _BYTES).inc(num_bytes)
    _here.add(rows, num_bytes)


class ReportingPipeline(beam.Pipeline):  # type: ignore[misc]
    """A Beam pipeline that reports its progress while an engine is running it."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Starts the pipeline; the logger `faultline.progress` reports the progress."""
        _here.reset()
        result = super().run(*arguments, **options)
        if not PipelineState.is_terminal(result.state):
            threading.Thread(target=_poll, args=(result,), daemon=True).start()
        return result


def _poll(result: Any) -> None:
    """Reads an engine's metrics until the job ends; an engine may have none, or none yet."""
    ended = threading.Event()
    while not ended.wait(_POLL_S):
        with contextlib.suppress(Exception):
            if PipelineState.is_terminal(result.state):
                return
            forget_metrics(result)
            metrics = result.metrics()
            if rows := read_counter(metrics, _ROWS):
                _report(rows, read_counter(metrics, _BYTES))


def read_counter(metrics: Any, name: str) -> int:
    """Returns a counter of `count_rows` over all workers and steps, 0 if there is none yet."""
    counters = metrics.query(MetricsFilter().with_namespace(_NAMESPACE).with_name(name))
    return sum(counter.result or 0 for counter in counters["counters"])


class ReportingExecutor:
    """Mix-in for TFX's Beam executors that makes their pipelines report progress."""

    _beam_pipeline_args: list[str]

    def _make_beam_pipeline(self) -> beam.Pipeline:
        return ReportingPipeline(argv=self._beam_pipeline_args)

"""Metrics under TensorFlow Serving's names, in Prometheus's text format.

In addition to Serving's labels, requests carry version and signature. A client cannot add series:
a request for an unknown model, version or signature is counted under empty labels. A metric that
Serving does not have begins with `faultline_`; those of the process have Prometheus's usual names.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple, Self

from common.logs import log_request

PREFIX = ":tensorflow:serving:"
# In microseconds, TensorFlow Serving's buckets: 10, 18, 32.4 … up to 1.5e9.
_LATENCY_BOUNDS = tuple(10 * 1.8**power for power in range(33))
_COUNT_BOUNDS = tuple(float(2**power) for power in range(15))
# TensorFlow Serving's buckets of the waits in a batching queue, and of the sizes of batches.
_QUEUING_BOUNDS = tuple(100 * 1.2**power for power in range(52))
_BATCH_BOUNDS = tuple(float(2**power) for power in range(14))
# Versions come and go as long as the server runs: a new series beyond the limit evicts the oldest.
_MAX_SERIES = 2_000

Labels = tuple[str, ...]


class Asked(NamedTuple):
    """The model, version and signature that a request reached; empty where none exists.

    Attributes:
        model: Name of the model.
        version: Its version, or None.
        signature: Name of the signature; empty if the model has no such signature.
    """

    model: str = ""
    version: int | None = None
    signature: str = ""

    @property
    def labels(self) -> tuple[str, str]:
        """Values of the labels `version` and `signature`."""
        return ("" if self.version is None else str(self.version), self.signature)


@dataclass
class _Histogram:
    """Observations of one series."""

    buckets: list[int]
    sum: float = 0.0


@dataclass
class _Family:
    """All series of a metric.

    Attributes:
        name: Name without the prefix.
        labels: Names of the labels.
        help: Description in the text format.
        bounds: Upper bounds of a histogram's buckets; empty otherwise.
        kind: `counter` or `gauge`, unless it is a histogram.
        prefix: What its name begins with.
        series: Value by label values.
    """

    name: str
    labels: Labels
    help: str
    bounds: Sequence[float] = ()
    kind: str = "counter"
    prefix: str = PREFIX
    series: dict[Labels, "_Histogram | float"] = field(default_factory=dict)

    def add(self, labels: Labels, value: float) -> None:
        """Adds a value to a counter, or an observation to a histogram."""
        current = self.series.get(labels)
        if current is None:
            if len(self.series) >= _MAX_SERIES:
                del self.series[next(iter(self.series))]
            current = _Histogram([0] * (len(self.bounds) + 1)) if self.bounds else 0.0
            self.series[labels] = current
        if isinstance(current, _Histogram):
            current.buckets[bisect_left(self.bounds, value)] += 1
            current.sum += value
        else:
            self.series[labels] = current + value

    def copy(self) -> Self:
        """Returns a snapshot."""
        series = {
            labels: _Histogram(list(value.buckets), value.sum)
            if isinstance(value, _Histogram)
            else value
            for labels, value in self.series.items()
        }
        return replace(self, series=series)

    def lines(self) -> list[str]:
        """Returns the lines of the text format."""
        kind = "histogram" if self.bounds else self.kind
        name = self.prefix + self.name
        lines = [f"# HELP {name} {self.help}", f"# TYPE {name} {kind}"]
        for values, series in self.series.items():
            labels = dict(zip(self.labels, values, strict=True))
            if isinstance(series, _Histogram):
                bounds = [*(f"{bound:.6g}" for bound in self.bounds), "+Inf"]
                for bound, count in zip(bounds, accumulate(series.buckets), strict=True):
                    lines.append(f"{name}_bucket{_label_text(labels | {'le': bound})} {count}")
                lines.append(f"{name}_sum{_label_text(labels)} {series.sum:.10g}")
                lines.append(f"{name}_count{_label_text(labels)} {sum(series.buckets)}")
            else:
                lines.append(f"{name}{_label_text(labels)} {series:.10g}")
        return lines


def _label_text(labels: Mapping[str, str]) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _batching_families() -> dict[str, _Family]:
    """Returns the metrics of TensorFlow Serving's BatchingSession by their last word."""
    return {
        "queuing_latency": _Family(
            "batching_session:queuing_latency",
            ("thread_pool_name",),
            "Microseconds that a request waited for its batch to run.",
            _QUEUING_BOUNDS,
        ),
        "input_batch_size": _Family(
            "batching_session:input_batch_size", (), "Rows of a request.", _BATCH_BOUNDS
        ),
        "processed_batch_size": _Family(
            "batching_session:processed_batch_size",
            (),
            "Rows of a batch, with its padding.",
            _BATCH_BOUNDS,
        ),
        "padding_size": _Family(
            "batching_session:padding_size",
            ("execution_batch_size",),
            "Rows of padding in a batch.",
            _BATCH_BOUNDS,
        ),
        "wrapped_run_count": _Family("batching_session:wrapped_run_count", (), "Runs of batches."),
    }


def log_answer(
    asked: Asked, *, api: str, wire: str, status: str, seconds: float, request_id: str | None = None
) -> None:
    """Logs a finished request, if such lines are asked for (`--log_requests`).

    Args:
        asked: The model, version and signature that it reached.
        api: As in `Metrics.observe_request`.
        wire: `GRPC` or `REST`.
        status: `OK` or the name of the error code.
        seconds: Duration of the request.
        request_id: Its id; None for the one of the context.
    """
    log_request(
        model=asked.model or None,
        version=asked.version,
        api=api,
        wire=wire,
        status=status,
        latency_ms=round(seconds * 1e3, 3),
        request_id=request_id,
    )


class Metrics:
    """The server's counters and histograms since its start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_readiness: Callable[[], Mapping[str, bool]] = dict
        extra = ("version", "signature")
        self._requests = _Family(
            "request_count", ("model_name", "status", *extra), "Requests by status."
        )
        self._latency = _Family(
            "request_latency",
            ("model_name", "API", "entrypoint", *extra),
            "Microseconds from a request's arrival to its answer.",
            _LATENCY_BOUNDS,
        )
        self._changes = _Family(
            "request_latency_change_seconds_total",
            ("model_name", "API", "entrypoint", *extra),
            "Sum of the differences between the latencies of successive requests.",
            prefix="faultline_",
        )
        self._last_latency: dict[Labels, float] = {}
        self._runtime = _Family(
            "runtime_latency",
            ("model_name", "API", "runtime", *extra),
            "Microseconds that the model took, including the wait for a batch.",
            _LATENCY_BOUNDS,
        )
        self._examples = _Family(
            "request_example_counts", ("model",), "tf.Examples per request.", _COUNT_BOUNDS
        )
        self._example_total = _Family(
            "request_example_count_total", ("model",), "tf.Examples in all."
        )
        self._warm_up = _Family(
            "model_warmup_latency",
            ("model_path", "status"),
            "Microseconds that a version's warm-up took.",
            _LATENCY_BOUNDS,
        )

        self._warm_up_records = _Family(
            "model_warmup_records_read", ("model_path",), "Warm-up requests that were replayed."
        )
        self._signatures = _Family(
            "model_signature_checks_total",
            ("model_name", "result"),
            "Checks of signatures: OK, or why a version was refused.",
            prefix="faultline_",
        )
        self._batching = _batching_families()
        self._recorded = _Family(
            "request_log_count",
            ("model_name", "status"),
            "Requests that were recorded, or dropped with the reason as status.",
        )
        # TensorFlow Serving has this metric; the embedded server never sets it.
        self._unused = _Family(
            "mlmd_map", ("model_name", "version"), "The model's id in ML Metadata.", kind="gauge"
        )

    def observe_request(
        self, asked: Asked, *, api: str, wire: str, status: str, seconds: float
    ) -> None:
        """Counts a finished request.

        Args:
            asked: The model, version and signature that it reached.
            api: `Predict`, `Classify` … over gRPC, `predict`, `classify` … over REST.
            wire: `GRPC` or `REST`.
            status: `OK` or the name of the error code.
            seconds: Duration of the request.
        """
        model, which = asked.model, asked.labels
        with self._lock:
            self._requests.add((model, status, *which), 1)
            if status == "OK":
                series = (model, api, wire, *which)
                self._latency.add(series, seconds * 1e6)
                self._changes.add(series, abs(seconds - self._last_latency.get(series, seconds)))
                if len(self._last_latency) >= _MAX_SERIES:
                    self._last_latency.clear()
                self._last_latency[series] = seconds

    def observe_runtime(self, asked: Asked, *, api: str, seconds: float) -> None:
        """Records the time that a model took for a request.

        Args:
            asked: The model, version and signature that the request reached.
            api: As in `observe_request`.
            seconds: Duration of the model's run.
        """
        with self._lock:
            self._runtime.add((asked.model, api, "TF1", *asked.labels), seconds * 1e6)

    def observe_examples(self, model: str, count: int) -> None:
        """Counts the tf.Examples of a request."""
        with self._lock:
            self._examples.add((model,), count)
            self._example_total.add((model,), count)

    def observe_warm_up(self, path: str, status: str, seconds: float, num_records: int) -> None:
        """Records the warm-up of a version.

        Args:
            path: Folder of the version.
            status: `OK` or the name of the error code.
            seconds: Duration of the warm-up.
            num_records: Number of requests that were read.
        """
        with self._lock:
            self._warm_up.add((path, status), seconds * 1e6)
            self._warm_up_records.add((path,), num_records)

    def observe_signature(self, model: str, result: str) -> None:
        """Counts a check of a version's signature.

        Args:
            model: Name of the model.
            result: `OK`, or why the version was refused; see `common.signing.verification.Problem`.
        """
        with self._lock:
            self._signatures.add((model, result), 1)

    def observe_recorded(self, model: str, status: str, count: int) -> None:
        """Counts requests that were recorded or dropped.

        Args:
            model: Name of the model.
            status: `OK`, or why they were dropped: `queue_full`, `disk`, `unreadable`.
            count: Number of requests.
        """
        with self._lock:
            self._recorded.add((model, status), count)

    def observe_batch(
        self, pool: str, sizes: Sequence[int], waits_s: Sequence[float], processed_size: int
    ) -> None:
        """Records a batch that ran.

        Args:
            pool: Name of the pool that ran it.
            sizes: Rows of each request.
            waits_s: Seconds that each request waited.
            processed_size: Rows of the batch with its padding.
        """
        with self._lock:
            add = {name: family.add for name, family in self._batching.items()}
            for size in sizes:
                add["input_batch_size"]((), size)
            for wait_s in waits_s:
                add["queuing_latency"]((pool,), wait_s * 1e6)
            add["processed_batch_size"]((), processed_size)
            add["padding_size"]((str(processed_size),), processed_size - sum(sizes))
            add["wrapped_run_count"]((), 1)

    def total(self, name: str) -> int:
        """Returns the sum of a counter over its labels; 0 for any other name.

        Args:
            name: TensorFlow Serving's name, such as `/tensorflow/serving/request_count`.
        """
        with self._lock:
            return sum(
                int(value)
                for family in self._families
                if family.prefix + family.name == name.replace("/", ":")
                for value in family.series.values()
                if not isinstance(value, _Histogram)
            )

    @property
    def _families(self) -> tuple[_Family, ...]:
        return (
            self._requests,
            self._latency,
            self._changes,
            self._runtime,
            self._examples,
            self._example_total,
            self._warm_up,
            self._warm_up_records,
            self._signatures,
            *self._batching.values(),
            self._recorded,
            self._unused,
        )

    def report_readiness(self, read: Callable[[], Mapping[str, bool]]) -> None:
        """Reports by model whether it answers, as `read` returns it at each scrape."""
        self._read_readiness = read

    def render(self) -> bytes:
        """Returns all metrics in Prometheus's text format, version 0.0.4."""
        ready = _Family("model_ready", ("model_name",), "Whether a model answers.", kind="gauge")
        ready.series.update(
            {(name,): float(is_ready) for name, is_ready in self._read_readiness().items()}
        )
        # Requests wait for this lock: the text is built after it is released.
        with self._lock:
            copies = [ready, *(family.copy() for family in self._families)]
        lines = [line for family in copies for line in family.lines()]
        return ("\n".join(lines) + "\n").encode() + _process_metrics()


def _process_metrics() -> bytes:
    """Returns CPU time, memory and open files of this process under Prometheus's names."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return bytes(generate_latest(registry))

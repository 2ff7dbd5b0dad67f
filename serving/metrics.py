"""Metrics under TensorFlow Serving's names, in Prometheus's text format.

Besides Serving's labels, requests are told apart by version and signature. No client can add
series: what it asks for without success counts under empty labels.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple, Self

PREFIX = ":tensorflow:serving:"
# In microseconds, as TensorFlow Serving cuts them: 10, 18, 32.4 … up to 1.5e9.
_LATENCY_BOUNDS = tuple(10 * 1.8**power for power in range(33))
_COUNT_BOUNDS = tuple(float(2**power) for power in range(15))
# Versions come and go for as long as the server runs: the series that is oldest makes room.
_MAX_SERIES = 2_000

Labels = tuple[str, ...]


class Asked(NamedTuple):
    """What a request found of what it asked for; the defaults are nothing.

    Attributes:
        model: Name of the model.
        version: Its version.
        signature: Name of the signature; empty if the model has none of that name.
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
    """All series of one metric.

    Attributes:
        name: Without the prefix.
        labels: Names of the labels.
        help: What is counted.
        bounds: Upper bounds of a histogram's buckets; empty otherwise.
        kind: `counter` or `gauge`, where it is no histogram.
        series: The values by the labels' values.
    """

    name: str
    labels: Labels
    help: str
    bounds: Sequence[float] = ()
    kind: str = "counter"
    series: dict[Labels, "_Histogram | float"] = field(default_factory=dict)

    def add(self, labels: Labels, value: float) -> None:
        """Adds to a counter, or an observation to a histogram."""
        known = self.series.get(labels)
        if known is None:
            if len(self.series) >= _MAX_SERIES:
                del self.series[next(iter(self.series))]
            known = _Histogram([0] * (len(self.bounds) + 1)) if self.bounds else 0.0
            self.series[labels] = known
        if isinstance(known, _Histogram):
            known.buckets[bisect_left(self.bounds, value)] += 1
            known.sum += value
        else:
            self.series[labels] = known + value

    def copy(self) -> Self:
        """Returns the family as it is now."""
        series = {
            labels: _Histogram(list(each.buckets), each.sum)
            if isinstance(each, _Histogram)
            else each
            for labels, each in self.series.items()
        }
        return replace(self, series=series)

    def lines(self) -> list[str]:
        """Returns the family in the text format."""
        kind = "histogram" if self.bounds else self.kind
        name = PREFIX + self.name
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


class Metrics:
    """What the server has counted since it started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        which = ("version", "signature")
        self._requests = _Family(
            "request_count", ("model_name", "status", *which), "Requests by status."
        )
        self._latency = _Family(
            "request_latency",
            ("model_name", "API", "entrypoint", *which),
            "Microseconds from a request's arrival to its answer.",
            _LATENCY_BOUNDS,
        )
        self._runtime = _Family(
            "runtime_latency",
            ("model_name", "API", "runtime", *which),
            "Microseconds that the model took, waiting for a batch included.",
            _LATENCY_BOUNDS,
        )
        self._examples = _Family(
            "request_example_counts", ("model",), "tf.Examples a request.", _COUNT_BOUNDS
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

        # TensorFlow Serving has these two names; nothing here gives them a value.
        self._unused = (
            _Family("request_log_count", ("model_name", "status"), "Requests that were logged."),
            _Family(
                "mlmd_map",
                ("model_name", "version"),
                "The model's id in ML Metadata.",
                kind="gauge",
            ),
        )

    def observe_request(
        self, asked: Asked, *, api: str, wire: str, status: str, seconds: float
    ) -> None:
        """Counts a request that has ended.

        Args:
            asked: What it found.
            api: `Predict`, `Classify` … over gRPC, `predict`, `classify` … over REST.
            wire: `GRPC` or `REST`.
            status: `OK` or the name of the error code.
            seconds: How long it took.
        """
        model, which = asked.model, asked.labels
        with self._lock:
            self._requests.add((model, status, *which), 1)
            if status == "OK":
                self._latency.add((model, api, wire, *which), seconds * 1e6)

    def observe_runtime(self, asked: Asked, *, api: str, seconds: float) -> None:
        """Counts the time that a model took for a request.

        Args:
            asked: What the request found.
            api: As in `observe_request`.
            seconds: How long the model took.
        """
        with self._lock:
            self._runtime.add((asked.model, api, "TF1", *asked.labels), seconds * 1e6)

    def observe_examples(self, model: str, count: int) -> None:
        """Counts the tf.Examples of a request."""
        with self._lock:
            self._examples.add((model,), count)
            self._example_total.add((model,), count)

    def observe_warm_up(self, path: str, status: str, seconds: float) -> None:
        """Counts the warm-up of a version.

        Args:
            path: Its folder.
            status: `OK` or the name of the error code.
            seconds: How long it took.
        """
        with self._lock:
            self._warm_up.add((path, status), seconds * 1e6)

    def render(self) -> bytes:
        """Returns everything in Prometheus's text format, version 0.0.4."""
        families = (
            self._requests,
            self._latency,
            self._runtime,
            self._examples,
            self._example_total,
            self._warm_up,
            *self._unused,
        )
        # Requests wait for the lock, so they do not wait for the text.
        with self._lock:
            copies = [family.copy() for family in families]
        lines = [line for family in copies for line in family.lines()]
        return ("\n".join(lines) + "\n").encode()

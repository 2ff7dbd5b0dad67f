"""Operations of a chunk: latency, jitter, errors and rate, compared with earlier chunks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

ERRORS, LATENCY = "errors", "latency"
CHANNELS = (ERRORS, LATENCY)

# Chunks to compare with: fewer say nothing of how much the latency varies.
_LEAST_CHUNKS = 3
# Spread of the logarithm of the latency from chunk to chunk, at least.
_LEAST_SPREAD = 0.05
# A rise of the share of errors that does not matter.
_ERROR_TOLERANCE = 0.005
# P-value below which a chunk is not what later ones are compared with.
_DIFFERS = 0.01


@dataclass(frozen=True, kw_only=True)
class Operations:
    """How a chunk's requests were answered.

    Attributes:
        num_requests: Requests that were answered.
        num_failed: Requests that failed.
        figures: `p50_ms`, `p95_ms`, `p99_ms`: quantiles of the latency; `jitter_ms`: mean
            difference of the latencies of successive requests; `error_share`: share of requests
            that failed; `requests_per_s`. None without requests, latencies also if none is finite.
    """

    num_requests: int
    num_failed: int
    figures: dict[str, float | None]


def operations_of(
    records: pa.Table, num_failed: int, *, seconds: float, share: float = 1.0
) -> Operations:
    """Returns how requests were answered.

    Args:
        records: Answered rows in order of time.
        num_failed: Requests that failed.
        seconds: Duration of the chunk, > 0.
        share: Share of the requests that is recorded, in (0, 1].

    References:
        RFC 3550, section 6.4.1: jitter as the mean absolute difference of successive times.
    """
    first = records.filter(pc.equal(records["row"], 0))
    latencies = first["latency_ms"].drop_null().to_numpy().astype(np.float64)
    latencies = latencies[np.isfinite(latencies)]
    total = first.num_rows + num_failed
    figures: dict[str, float | None] = {
        **dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "jitter_ms", "error_share")),
        "requests_per_s": total / share / seconds,
    }
    if len(latencies):
        for name, value in zip(
            ("p50_ms", "p95_ms", "p99_ms"), np.quantile(latencies, (0.5, 0.95, 0.99)), strict=True
        ):
            figures[name] = float(value)
    if len(latencies) > 1:
        figures["jitter_ms"] = float(np.abs(np.diff(latencies)).mean())
    if total:
        figures["error_share"] = num_failed / total
    return Operations(num_requests=first.num_rows, num_failed=num_failed, figures=figures)


class OperationsBaseline:
    """The chunks of a version so far, which the next one is compared with."""

    def __init__(self) -> None:
        """Starts without chunks."""
        self._logs: list[float] = []
        self._worst = 0.0

    def p_values(self, operations: Operations, *, latency_ratio: float) -> dict[str, float]:
        """Returns the p-value of `errors`, and of `latency` after three chunks.

        Errors: an exact test that the share is at most half a point above the largest one so far.
        Latency: the logarithm of the 99th percentile, less that of `latency_ratio`, is compared
        with its mean so far by a t-test of one new value.

        Args:
            operations: The chunk.
            latency_ratio: Slowdown that does not matter, >= 1.

        References:
            Brown, Durbin & Evans (1975), Techniques for testing the constancy of regression
            relationships over time, JRSS-B 37: such recursive residuals are independent.
        """
        p_values = {}
        total = operations.num_requests + operations.num_failed
        if total:
            worst = min(self._worst + _ERROR_TOLERANCE, 1.0)
            p_values[ERRORS] = float(stats.binom.sf(operations.num_failed - 1, total, worst))
        log, n = _log_p99(operations), len(self._logs)
        if log is not None and n >= _LEAST_CHUNKS:
            spread = max(float(np.std(self._logs, ddof=1)), _LEAST_SPREAD)
            excess = log - float(np.mean(self._logs)) - math.log(latency_ratio)
            score = excess / (spread * math.sqrt(1 + 1 / n))
            p_values[LATENCY] = float(stats.t.sf(score, n - 1))
        return p_values

    def add(self, operations: Operations, p_values: Mapping[str, float]) -> None:
        """Adds a chunk to what later ones are compared with, unless it differs itself.

        Args:
            operations: The chunk.
            p_values: What `p_values` returned for it.
        """
        if min(p_values.values(), default=1.0) < _DIFFERS:
            return
        log = _log_p99(operations)
        if log is not None:
            self._logs.append(log)
        self._worst = max(self._worst, operations.figures["error_share"] or 0.0)

    @property
    def usual_p99_ms(self) -> float | None:
        """The geometric mean of the 99th percentiles; None without chunks."""
        return math.exp(float(np.mean(self._logs))) if self._logs else None

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {"logs": self._logs, "worst": self._worst}

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object."""
        self._logs, self._worst = list(state["logs"]), float(state["worst"])
        return self


def _log_p99(operations: Operations) -> float | None:
    value = operations.figures["p99_ms"]
    return None if value is None else math.log(max(value, 1e-3))

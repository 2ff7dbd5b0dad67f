"""Operations of a chunk: figures worked out, and comparisons with earlier chunks."""

import json

import pyarrow as pa
import pytest

from production.monitoring.performance.operations import (
    ERRORS,
    LATENCY,
    Operations,
    OperationsBaseline,
    operations_of,
)
from tests.production.collection.recorded import batch_of, record


def chunk(p99_ms=10.0, failed=0, requests=1_000):
    figures = {"p99_ms": p99_ms, "error_share": failed / (requests + failed)}
    return Operations(num_requests=requests, num_failed=failed, figures=figures)


def after(chunks):
    baseline = OperationsBaseline()
    for one in chunks:
        baseline.add(one, {})
    return OperationsBaseline().with_state(json.loads(json.dumps(baseline.to_state())))


def test_figures_worked_out():
    rows = [record(str(i), latency_ms=ms) for i, ms in enumerate([1.0, 3.0, 2.0, 6.0])]
    # A second row of a request has its latency, and is no request.
    rows.append(record("3", row=1, latency_ms=6.0))
    records = pa.Table.from_batches([batch_of(rows)])
    figures = operations_of(records, 1, seconds=10).figures
    assert figures["p50_ms"] == 2.5
    # Differences 2, 1 and 4.
    assert figures["jitter_ms"] == pytest.approx(7 / 3)
    assert figures["error_share"] == 1 / 5
    assert figures["requests_per_s"] == 0.5


def test_a_chunk_without_answers_has_only_errors():
    records = pa.Table.from_batches([batch_of([])])
    figures = operations_of(records, 3, seconds=1).figures
    assert (figures["p99_ms"], figures["jitter_ms"], figures["error_share"]) == (None, None, 1)


def test_a_latency_that_is_not_finite_is_left_out():
    rows = [
        record(str(i), latency_ms=ms) for i, ms in enumerate([1.0, float("inf"), float("nan"), 3.0])
    ]
    figures = operations_of(pa.Table.from_batches([batch_of(rows)]), 0, seconds=1).figures
    assert (figures["p50_ms"], figures["jitter_ms"]) == (2, 2)
    figures = operations_of(pa.Table.from_batches([batch_of(rows[1:3])]), 0, seconds=1).figures
    assert (figures["p99_ms"], figures["requests_per_s"]) == (None, 2)


def test_the_latency_has_no_p_value_before_three_chunks():
    assert LATENCY not in after([chunk()] * 2).p_values(chunk(100), latency_ratio=1.2)
    assert LATENCY in after([chunk()] * 3).p_values(chunk(100), latency_ratio=1.2)


def test_slow_chunks_differ_beyond_the_ratio_only():
    baseline = after([chunk(ms) for ms in (9, 10, 11, 10, 9.5)])
    p_values = [baseline.p_values(chunk(ms), latency_ratio=1.2)[LATENCY] for ms in (11.5, 14, 30)]
    assert p_values[0] > 0.5
    assert p_values[1] < 0.2
    assert p_values[2] < 1e-3


def test_errors_are_compared_with_the_worst_chunk_so_far():
    baseline = after([chunk(failed=10), chunk()])
    # 10 of 1,010 and half a point: 1.5 %.
    assert baseline.p_values(chunk(failed=14), latency_ratio=1)[ERRORS] > 0.3
    assert baseline.p_values(chunk(failed=60), latency_ratio=1)[ERRORS] < 1e-9


def test_a_chunk_that_differs_is_not_compared_with():
    baseline = after([chunk(ms) for ms in (9, 10, 11)])
    slow = chunk(100, failed=500)
    baseline.add(slow, baseline.p_values(slow, latency_ratio=1.2))
    assert baseline.usual_p99_ms < 11
    assert baseline.p_values(slow, latency_ratio=1.2)[ERRORS] < 1e-9

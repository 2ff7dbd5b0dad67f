import logging
import time
from types import SimpleNamespace

import apache_beam as beam
import pytest
from apache_beam.runners.runner import PipelineState

from pipeline.components import beam_progress
from pipeline.components.beam_progress import ReportingPipeline, count_rows, read_counter
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS


@pytest.fixture
def messages():
    """What the live line is told."""
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logger = logging.getLogger("faultline.progress")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield told
    logger.removeHandler(handler)


class _ReadFn(beam.DoFn):
    def process(self, rows):
        count_rows(rows, rows * 1_000_000)
        yield rows


def test_rows_and_bytes_are_beams_metrics_and_in_the_live_line(messages):
    pipeline = ReportingPipeline(argv=list(LOCAL_BEAM_ARGS))
    _ = pipeline | beam.Create([3, 4]) | beam.ParDo(_ReadFn())

    result = pipeline.run()
    result.wait_until_finish()

    assert read_counter(result.metrics(), "rows") == 7
    assert read_counter(result.metrics(), "bytes") == 7_000_000
    assert messages[-1] == "7 rows, 7 MB so far"


def test_each_pipeline_starts_from_nothing(messages):
    for _ in range(2):
        with ReportingPipeline(argv=list(LOCAL_BEAM_ARGS)) as pipeline:
            _ = pipeline | beam.Create([5]) | beam.ParDo(_ReadFn())

    assert messages == ["5 rows, 5 MB so far"] * 2


class _Remote:
    """A job on an engine: its metrics come late, and once not at all."""

    def __init__(self) -> None:
        self.asked = 0
        self._metrics = "stale"

    @property
    def state(self):
        return PipelineState.DONE if self.asked >= 4 else PipelineState.RUNNING

    def metrics(self):
        self.asked += 1
        assert self._metrics is None
        if self.asked == 1:
            raise RuntimeError("not yet")
        counter = SimpleNamespace(result=1_000 * (self.asked - 1))
        return SimpleNamespace(query=lambda _: {"counters": [counter]})


def test_an_engines_metrics_are_read_until_it_is_done(messages, monkeypatch):
    monkeypatch.setattr(beam_progress, "_POLL_S", 0.01)
    remote = _Remote()

    started = time.monotonic()
    beam_progress._poll(remote)

    assert time.monotonic() - started < 5
    assert messages == [f"{rows},000 rows, 0 MB so far" for rows in (1, 2, 3)]

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from models.features import Categorical, Numeric
from pipeline.config import Config
from production.monitoring.alarms.alarm import Alarm, Kind
from production.monitoring.alarms.book import AlarmState
from production.monitoring.alarms.explaining import (
    Comparison,
    Explanation,
    Side,
    explain_alarm,
    likely_causes,
)
from production.monitoring.chunks.columns import Categories, Columns
from production.monitoring.reference.reference import Reference
from production.monitoring.report import ChunkReport
from tests.production.collection.recorded import NOON, batch_of, record, write_closed
from tests.production.monitoring.alarms.findings import finding

FEATURES = {"pressure": pa.float32(), "maker": pa.string()}


def side(middle: float, deviation: float = 1.0, missing: float = 0.0) -> Side:
    quantiles = (middle - 2 * deviation, middle, middle + 2 * deviation)
    return Side(missing=missing, quantiles=quantiles, deviation=deviation)


def causes(training: Side, production: Side, kind: Kind = Kind.DRIFT) -> list[str]:
    comparison = Comparison(
        channel="pressure", training=training, production=production, p_value=0.001
    )
    return list(likely_causes(kind, [comparison], None))


@pytest.mark.parametrize(
    ("production", "cause"),
    [
        (side(4.0, 0.01), "a sensor that is stuck"),
        (side(6.0), "has moved by +2, +2.0 standard deviations: a sensor with an offset"),
        (side(4.0, 3.0), "varies 3.0 times as much"),
        (side(4.0, missing=0.2), "is missing in 20.0% of the rows, in training in 0.0%"),
    ],
)
def test_a_cause_follows_from_how_the_channel_differs(production, cause):
    (words,) = causes(side(4.0), production)
    assert cause in words


def test_a_channel_that_does_not_differ_has_no_cause():
    assert causes(side(4.0), side(4.1)) == []


def test_a_new_category_is_named():
    training = Side(missing=0.0, categories={"acme": 1.0})
    (words,) = causes(training, Side(missing=0.0, categories={"acme": 0.7, "zeta": 0.3}))
    assert "such as `zeta`" in words


def test_a_loss_without_drift_may_be_concept_drift():
    report = SimpleNamespace(drift={"evidence": 3.0, "limit": 180.0}, troubles=[])
    (words,) = likely_causes(Kind.MEASURED_LOSS, [], cast(ChunkReport, report))
    assert "concept drift" in words
    report.drift["evidence"] = 200.0
    assert list(likely_causes(Kind.MEASURED_LOSS, [], cast(ChunkReport, report))) == []


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    """Ten rows of noon, pressures 6.0 to 6.9; one of another version, one after the chunk."""
    rows = [record(f"r{n}", seconds=n, pressure=6 + n / 10, maker="acme") for n in range(10)]
    rows += [record("other", version=200, pressure=0.0), record("late", seconds=7200, pressure=0.0)]
    write_closed(tmp_path, [batch_of(rows, FEATURES)])
    return tmp_path


def explain(collected: Path, makers: tuple[str, ...] = ("acme",), **values: Any) -> Explanation:
    alarm = Alarm.of(finding(features=("pressure", "maker"), **values), id="a1", raised=NOON)
    report = ChunkReport(
        number=3,
        since=NOON,
        until=NOON + timedelta(hours=1),
        version=100,
        num_rows=10,
        num_failed=0,
        drift={"evidence": 200.0, "limit": 182.0, "p_values": {"pressure": 1e-5, "maker": 0.5}},
    )
    training = Columns(
        num_rows=5,
        numbers={"pressure": np.array([1.0, 2.0, 3.0, 4.0, 5.0])},
        categories={"maker": Categories(codes=np.arange(5) % len(makers), names=makers)},
        missing={"pressure": np.zeros(5, bool), "maker": np.zeros(5, bool)},
    )
    features = {"pressure": Numeric(kind="numeric"), "maker": Categorical(kind="categorical")}
    return explain_alarm(
        AlarmState(alarm=alarm, first_chunk=alarm.chunk, last_chunk=alarm.chunk, last_seen=NOON),
        [report],
        collected,
        cast(Reference, SimpleNamespace(columns=training, features=features)),
        cast(Config, SimpleNamespace(collection=None)),
    )


def test_training_is_compared_with_the_rows_of_the_chunk(collected):
    explanation = explain(collected)
    first, second = explanation.comparisons
    assert (first.channel, first.p_value) == ("pressure", 1e-5)
    assert first.training.quantiles == pytest.approx((1.2, 3.0, 4.8))
    # The rows of noon only: 6.0 to 6.9.
    assert first.production.quantiles == pytest.approx((6.045, 6.45, 6.855), abs=1e-5)
    assert (second.channel, second.production.categories) == ("maker", {"acme": 1.0})
    # (6.45 - 3) / sqrt(2) = 2.4
    assert "has moved by +3.45, +2.4 standard deviations" in explanation.causes[0]


def test_a_category_that_is_one_of_many_in_training_is_not_new(collected):
    # Five makers, a fifth of the rows each; the requests have the one that comes last.
    explanation = explain(collected, makers=("b", "c", "d", "e", "acme"))
    maker = explanation.comparisons[1]
    assert maker.training.categories == dict.fromkeys(["b", "c", "d", "e", "acme"], 0.2)
    assert maker.production.categories == {"acme": 1.0, "b": 0, "c": 0, "d": 0, "e": 0}
    assert not any("`maker`" in cause for cause in explanation.causes)


def test_a_column_that_was_hashed_for_a_while_is_not_compared(collected):
    hashed = {"pressure": pa.string(), "maker": pa.string()}
    rows = [record("hashed", seconds=20, pressure="0a", maker="acme")]
    write_closed(collected, [batch_of(rows, hashed)], "stable-1")
    explanation = explain(collected)
    assert [one.channel for one in explanation.comparisons] == ["maker"]
    assert len(explanation.examples) == 5


def example_ids(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    write_closed(folder, [batch_of(rows, FEATURES)])
    return [one["request_id"] for one in explain(folder).examples]


def test_the_examples_are_the_rows_farthest_from_the_training_data(collected):
    examples = explain(collected).examples
    # All are above the training data, 1 to 5: the highest first.
    assert [one["request_id"] for one in examples] == ["r9", "r8", "r7", "r6", "r5"]
    assert examples[0]["pressure"] == pytest.approx(6.9)
    assert examples[0]["probability"] == 0.25


def test_examples_of_a_mixture_are_of_the_troubled_rows(tmp_path):
    # Six of eleven rows came times 100, so that the middle of production is troubled as well.
    values = [400, 2.5, 410, 2.0, 420, 3.5, 430, 1.5, 440, 4.5, 450]
    rows = [record(f"r{n}", seconds=n, pressure=x, maker="acme") for n, x in enumerate(values)]
    assert example_ids(tmp_path, rows) == ["r10", "r8", "r6", "r4", "r2"]


def test_examples_of_values_that_fell_are_the_lowest(tmp_path):
    values = [0.5, 0.4, 3.0, 0.2, 0.1, 0.3, 9.0]
    rows = [record(f"r{n}", seconds=n, pressure=x, maker="acme") for n, x in enumerate(values)]
    assert example_ids(tmp_path, rows) == ["r4", "r3", "r5", "r1", "r0"]


def test_examples_of_values_that_are_missing_have_none(tmp_path):
    values = [3.0, None, 2.0, 3.5, None, 4.0, 2.5]
    rows = [record(f"r{n}", seconds=n, pressure=x, maker="acme") for n, x in enumerate(values)]
    assert example_ids(tmp_path, rows)[:2] == ["r1", "r4"]


def test_rows_that_are_gone_are_a_note(tmp_path):
    explanation = explain(tmp_path)
    assert explanation.comparisons == []
    assert explanation.notes[0].startswith("The rows of chunk 3 are gone")
    assert explain(tmp_path, chunk=9).notes == ["Chunk 9 has no report."]

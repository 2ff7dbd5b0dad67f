"""Differences between rows and the reference of a model."""

import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from models.features import Categorical, Numeric, Signal, Time
from pipeline.components.statistics_gen.profiles import ColumnProfile, DataProfile
from pipeline.components.trainer.reference import Reference, make_reference
from pipeline.prediction.options import PredictSummary
from pipeline.prediction.skew import (
    SkewCounter,
    describe_skews,
    describe_totals,
    note_skews,
    read_reference,
)

ROWS = 2_000
RNG = np.random.default_rng(7)
GRID = tuple(np.linspace(0, 1, 257).tolist())
REFERENCE = make_reference(
    DataProfile(
        num_rows=ROWS,
        columns={
            # Evenly between 0 and 1.
            "pressure": ColumnProfile(
                num_missing=200, numbers={"value": GRID}, num_sampled={"value": 1_800}
            ),
            "maker": ColumnProfile(counts={"a": 1_000, "b": 600, "c": 400}),
            "code": ColumnProfile(
                counts={"7": 1_000, "8": 1_000},
                numbers={"value": (7, 8)},
                num_sampled={"value": ROWS},
            ),
            "wave": ColumnProfile(
                numbers={"level": GRID, "spread": GRID}, num_sampled={"level": ROWS, "spread": ROWS}
            ),
            "at": ColumnProfile(numbers={"value": GRID}, num_sampled={"value": 1_800}),
        },
    ),
    {
        "pressure": Numeric(),
        "maker": Categorical(),
        "code": Categorical(),
        "wave": Signal(num_samples=2),
        "at": Time(),
    },
    split="train",
    num_test=400,
    num_test_alarms=14,
)


def rows(**changes: pa.Array) -> pa.RecordBatch:
    means, spreads = RNG.random((2, ROWS))
    columns = {
        "pressure": pa.array(RNG.random(ROWS), mask=RNG.random(ROWS) < 0.1),
        "maker": pa.array(RNG.choice([b"a", b"b", b"c"], ROWS, p=[0.5, 0.3, 0.2]), pa.binary()),
        "code": pa.array(RNG.integers(7, 9, ROWS)),
        "wave": pa.array(np.stack([means - spreads, means + spreads], axis=1).tolist()),
        "at": pa.array(RNG.integers(10**9, 2 * 10**9, ROWS)),
    }
    return pa.record_batch(columns | changes)


def skews(batch: pa.RecordBatch, decisions: dict[str, int] | None = None) -> dict[str, str]:
    counter = SkewCounter(REFERENCE)
    counter.add(batch)
    found = counter.skews(decisions or {"0": 1_930, "1": 70})
    return {f"{skew.column}: {skew.what}": f"{skew.here} / {skew.reference}" for skew in found}


def test_rows_like_those_of_training_do_not_differ():
    assert skews(rows()) == {}


def test_missing_values_are_named_with_both_shares():
    found = skews(rows(pressure=pa.array(RNG.random(ROWS), mask=np.arange(ROWS) < 1_500)))
    assert found == {"pressure: missing": "75.0% / 10.0%"}


def test_numbers_out_of_range_and_a_moved_distribution_are_named():
    found = skews(rows(pressure=pa.array(RNG.random(ROWS) + 0.5, mask=np.arange(ROWS) < 200)))
    [(words, shares), (moved, means)] = found.items()
    assert words == "pressure: out of range"
    # A half of the numbers is above 1; 2 of 1,800 are beyond the extremes by chance.
    assert float(shares.split("%")[0]) == pytest.approx(50, abs=4)
    assert moved.startswith("pressure: distribution (distance ")
    assert float(moved.split()[-1].rstrip(")")) == pytest.approx(0.5, abs=0.04)
    assert float(means.split()[1]) == pytest.approx(1, abs=0.03)


def test_unseen_values_are_named():
    makers = np.where(np.arange(ROWS) < 60, "new", RNG.choice(list("abc"), ROWS, p=[0.5, 0.3, 0.2]))
    assert skews(rows(maker=pa.array(makers).cast(pa.binary()))) == {
        "maker: unseen values": "3.0% / 0.0%"
    }


def test_columns_without_any_usual_value_are_named_for_a_warning():
    counter = SkewCounter(REFERENCE)
    counter.add(
        rows(
            pressure=pa.array([2.0] * ROWS),
            maker=pa.array([b"d"] * ROWS, pa.binary()),
            code=pa.nulls(ROWS, pa.int64()),
        )
    )
    assert describe_totals(counter.skews({})) == (
        "`pressure` is outside the range of training in every row; "
        "`maker` has only values that training has not met; `code` is missing in every row"
    )


def test_a_column_with_one_usual_value_needs_no_warning():
    counter = SkewCounter(REFERENCE)
    counter.add(rows(maker=pa.array([b"a"] + [b"d"] * (ROWS - 1), pa.binary())))
    skews = counter.skews({})
    assert "unseen values" in {skew.what for skew in skews}
    assert not describe_totals(skews)


def test_a_category_that_vanishes_is_named():
    makers = pa.array(RNG.choice([b"a", b"b"], ROWS, p=[0.6, 0.4]), pa.binary())
    assert "maker: share of `c`" in skews(rows(maker=makers))


def test_recordings_are_compared_by_level_and_spread():
    found = skews(rows(wave=pa.array(np.full((ROWS, 2), 0.5).tolist())))
    assert any(words.startswith("wave: spread (distance") for words in found)


def test_more_alarms_than_on_the_test_split_are_named():
    found = skews(rows(), {"0": 1_600, "1": 400})
    assert found == {"alarms: share of the rows": "20.0% / 3.5% of the test split"}


def test_parts_together_give_what_the_whole_gives():
    batch = rows(pressure=pa.array(RNG.random(ROWS) + 0.5))
    whole, parts = SkewCounter(REFERENCE), SkewCounter(REFERENCE)
    whole.add(batch)
    for start, length in ((0, 700), (700, 1_300)):
        part = SkewCounter(REFERENCE)
        part.add(batch.slice(start, length))
        parts.merge(part)
    assert whole.skews({"0": ROWS}) == parts.skews({"0": ROWS})


def test_strict_refuses_rows_that_differ_and_names_how():
    counter = SkewCounter(REFERENCE)
    counter.add(rows(pressure=pa.nulls(ROWS, pa.float64())))
    summary = PredictSummary(model="m", source="s", output="o", decisions={"0": ROWS})
    with pytest.raises(InputError, match=r"`pressure`: missing 100.0%, 10.0% in training"):
        note_skews(counter, summary, strict=True)
    note_skews(counter, summary, strict=False)
    assert summary.compared_with == "the 2,000 rows of the model's train split"
    assert "`pressure`: missing" in describe_skews(summary.skews)


def test_without_a_reference_strict_is_an_error_and_else_nothing_is_said():
    summary = PredictSummary(model="m", source="s", output="o")
    note_skews(None, summary, strict=False)
    assert summary.compared_with == ""
    with pytest.raises(InputError, match="no reference"):
        note_skews(None, summary, strict=True)


def test_a_reference_is_small_and_read_from_the_model(tmp_path):
    assert len(REFERENCE.columns["pressure"].numbers["value"]) == 65
    assert REFERENCE.columns["code"].numbers == {}
    assert REFERENCE.columns["at"].numbers == {}
    assert read_reference(tmp_path) is None
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "reference.json").write_text(REFERENCE.to_json())
    assert read_reference(tmp_path) == Reference.from_json(REFERENCE.to_json())

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.components.data_report.correlations import Correlations, column_numbers


def _batches(frame, size):
    """Record batches of lists, as tf.Examples are decoded; an empty list is a missing value."""
    for start in range(0, len(frame), size):
        part = frame.iloc[start : start + size]
        columns = {
            name: pa.array([[] if np.isnan(v) else [v] for v in part[name]], pa.list_(pa.float64()))
            for name in part
        }
        yield pa.RecordBatch.from_pydict(columns)


def correlate(batches, columns):
    correlations = Correlations(columns)
    for batch in batches:
        correlations.add(np.stack([column_numbers(batch, name) for name in columns], axis=1))
    return correlations.values()


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_the_correlations_are_those_of_pandas_whatever_the_batches(size):
    rng = np.random.default_rng(0)
    a = rng.normal(1e6, 1, 300)
    frame = pd.DataFrame({"a": a, "b": a + rng.normal(0, 2, 300), "c": -a})
    frame.loc[rng.random(300) < 0.2, "b"] = np.nan

    r = correlate(_batches(frame, size), ["a", "b", "c"])

    np.testing.assert_allclose(r, frame.corr().to_numpy(), atol=1e-9)


def test_what_does_not_vary_or_is_not_there_has_no_correlation():
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "same": [5.0, 5.0, 5.0]})

    r = correlate(_batches(frame, 2), ["a", "same", "absent"])

    assert r[0, 0] == pytest.approx(1)
    assert np.isnan(r[1:]).all()


def test_without_rows_there_is_nothing_to_say():
    assert np.isnan(correlate([], ["a", "b"])).all()
